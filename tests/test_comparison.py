import pandas as pd
from conftest import evasion

from repobe.tables import results
from repobe.verdicts import comparison


def summarised(*departures: dict) -> pd.DataFrame:
    return results.summarise(evasion(*departures), "evasion")


def number(**departures) -> dict:
    return {
        "id": "n01", "dataset": "mnist", "channel": "awgn", "method": "repobe", "quantity": "natural_accuracy",
        "snr_db": "7", "relation": "equals",
    } | departures  # fmt: skip


def test_a_printed_number_inside_the_interval_agrees_and_outside_differs():
    ours = summarised({})  # 0.99 of 10,000: 0.9879 to 0.9918
    assert comparison._compared(number(), 0.9910, ours)["verdict"] == "agrees"
    assert comparison._compared(number(), 0.9943, ours)["verdict"] == "differs"
    assert comparison._compared(number(relation="at_least"), 0.98, ours)["verdict"] == "agrees"
    assert comparison._compared(number(relation="at_least"), 0.99, ours)["verdict"] == "inconclusive"
    assert comparison._compared(number(relation="at_most"), 0.98, ours)["verdict"] == "differs"


def test_a_stand_in_judges_no_printed_number_and_a_range_needs_both_ends():
    assert comparison._compared(number(), 0.99, summarised({"dataset": "digits"}))["verdict"] == "not run"
    assert comparison._compared(number(snr_db="7-23", relation="at_most"), 0.99, summarised({}))["verdict"] == "not run"
