import numpy as np
import pandas as pd
import pytest
import yaml

from repobe import claims, results

ROW = {
    "method": "repobe", "dataset": "mnist", "image_size": 64, "channel": "awgn", "snr_train_db": "mixed",
    "snr_test_db": 7.0, "attack": "none", "eps": 0.0, "seed": 0, "split": "test", "metric": "natural_accuracy",
    "value": 0.99, "draws_sd": 0.001, "n": 10_000, "draws": 5, "symbols_k": 128,
}  # fmt: skip


def evasion(*departures: dict) -> pd.DataFrame:
    return pd.DataFrame([ROW | departure for departure in departures])


def test_the_interval_of_one_seed_is_wilsons():
    # p = 0.5, n = 100: centre 0.5, half-width z·sqrt(0.25/n + z²/4n²)/(1 + z²/n) = 0.0962 (Newcombe 1998's formula).
    low, high = results.interval(np.array([0.5]), 100, accuracy=True)
    assert (low, high) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    from scipy.stats import binomtest

    oracle = binomtest(93, 100).proportion_ci(method="wilson")
    assert results.interval(np.array([0.93]), 100, True) == pytest.approx((oracle.low, oracle.high))


def test_the_interval_over_seeds_is_students():
    # Values 1, 2, 3: mean 2, sd 1, t(0.975, 2) = 4.3027, half-width 4.3027/sqrt(3) = 2.4841.
    assert results.interval(np.array([1.0, 2.0, 3.0]), 9, False) == pytest.approx((2 - 2.4841, 2 + 2.4841), abs=1e-3)


def test_a_single_psnr_has_no_interval():
    assert np.isnan(results.interval(np.array([20.0]), 100, False)).all()


def test_a_summary_has_one_row_a_key():
    summary = results.summarise(evasion({"seed": 0, "value": 0.9}, {"seed": 1, "value": 0.8}), "evasion")
    assert len(summary) == 1
    assert summary.loc[0, "mean"] == pytest.approx(0.85)
    assert summary.loc[0, "seeds"] == 2


@pytest.mark.parametrize(
    ("frame", "fault"),
    [
        (evasion({}, {}), "stands twice"),
        (evasion({"value": 1.2}), r"outside \[0, 1\]"),
        (evasion({"value": float("nan")}), "missing or infinite"),
        (evasion({"channel": None}), "key column channel has an empty cell"),
        (evasion({}).assign(colour=1), "columns missing or unknown: colour"),
        (evasion({}).drop(columns="n"), "columns missing or unknown: n"),
    ],
)
def test_a_faulty_table_is_refused_by_name(frame, fault, tmp_path):
    with pytest.raises(ValueError, match=f"evasion.csv: .*{fault}"):
        results.check(frame, "evasion", tmp_path / "evasion.csv")


def summarised(*departures: dict) -> pd.DataFrame:
    return results.summarise(evasion(*departures), "evasion")


def number(**departures) -> dict:
    return {
        "id": "n01", "dataset": "mnist", "channel": "awgn", "method": "repobe", "quantity": "natural_accuracy",
        "snr_db": "7", "relation": "equals",
    } | departures  # fmt: skip


def test_a_printed_number_inside_the_interval_agrees_and_outside_differs():
    ours = summarised({})  # 0.99 of 10,000: 0.9879 to 0.9918
    assert claims._compared(number(), 0.9910, ours)["verdict"] == "agrees"
    assert claims._compared(number(), 0.9943, ours)["verdict"] == "differs"
    assert claims._compared(number(relation="at_least"), 0.98, ours)["verdict"] == "agrees"
    assert claims._compared(number(relation="at_least"), 0.99, ours)["verdict"] == "inconclusive"
    assert claims._compared(number(relation="at_most"), 0.98, ours)["verdict"] == "differs"


def test_a_stand_in_judges_no_printed_number_and_a_range_needs_both_ends():
    assert claims._compared(number(), 0.99, summarised({"dataset": "digits"}))["verdict"] == "not run"
    assert claims._compared(number(snr_db="7-23", relation="at_most"), 0.99, summarised({}))["verdict"] == "not run"


def claim(**departures) -> dict:
    return {
        "dataset": "mnist", "channels": ["awgn"], "method": "repobe", "quantity": "natural_accuracy",
        "rivals": ["necst"], "margin": 0.02,
    } | departures  # fmt: skip


def test_a_lead_is_reproduced_only_beyond_the_margin_and_both_intervals():
    assert claims.ahead(summarised({}), claim())["verdict"] == "not run"
    for value, verdict in ((0.95, "reproduced"), (0.968, "inconclusive"), (0.985, "not reproduced")):
        table = summarised({}, {"method": "necst", "value": value})
        assert claims.ahead(table, claim())["verdict"] == verdict
    table = summarised({}, {"method": "necst", "value": 0.95})
    assert claims.ahead(table, claim(rivals=["necst", "ibal"]))["verdict"] == "inconclusive"


def test_accuracy_that_falls_surely_does_not_rise_steadily():
    for values, verdict in (
        ((0.9, 0.95, 0.99), "reproduced"),
        ((0.99, 0.95, 0.9), "not reproduced"),
        ((0.99, 0.99, 0.99), "inconclusive"),
    ):
        table = summarised(*({"snr_test_db": float(s), "value": v} for s, v in zip((7, 15, 23), values, strict=True)))
        assert claims.rising(table, claim())["verdict"] == verdict


def test_the_key_space_claim_is_judged_by_enumeration():
    audit = pd.DataFrame({"quantity": ["distinct_ciphers"], "grid": ["2x2"], "mean": [4.0], "n": [16]})
    assert claims.key_space(audit, {})["verdict"] == "not reproduced"
    assert claims.key_space(audit.assign(mean=16.0), {})["verdict"] == "reproduced"


def test_a_claim_stands_only_with_all_its_parts_and_falls_with_one():
    lead, lag = claim(check="ahead"), claim(check="ahead", method="necst", rivals=["repobe"], margin=0)
    unrun = claim(check="ahead", rivals=["ibal"])
    tables = {"evasion": summarised({}, {"method": "necst", "value": 0.95})}
    for parts, verdict in (
        ([lead], "reproduced"),
        ([lead, lag], "not reproduced"),
        ([lead, unrun], "inconclusive"),
        ([lag, unrun], "not reproduced"),
        ([unrun], "not run"),
    ):
        assert claims.verdict(tables, {"parts": parts})["verdict"] == verdict


def test_every_claim_of_the_paper_has_a_check_that_runs_on_empty_tables():
    empty = {
        name: results.summarise(pd.DataFrame(columns=[*results.KEYS[name], *results.VALUES[name]]), name)
        for name in ("evasion", "inversion", "audit")
    }
    said = yaml.safe_load((claims.PAPER / "claims.yaml").read_text())
    assert [one["id"] for one in said] == [f"c{n:02d}" for n in range(1, 13)]
    assert {claims.verdict(empty, one)["verdict"] for one in said} == {"not run"}
