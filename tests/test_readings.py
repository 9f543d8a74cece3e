"""Claims under every reading: what each puts in the place of what, and what is made of the comparisons that ran."""

import numpy as np
import pandas as pd
import pytest
import yaml
from test_claims import rows, tables

from repobe.report import cards
from repobe.runs.grid import grid
from repobe.verdicts import paper, readings
from repobe.verdicts.claims import CHECKS

CLAIM = {
    "id": "c99",
    "parts": [
        {
            "check": "ahead", "dataset": "mnist", "channels": ["awgn", "rayleigh"], "quantity": "natural_accuracy",
            "method": "repobe", "rivals": ["necst", "undefended"], "margin": 0.02,
        }
    ],
}  # fmt: skip
AS_DECIDED = {"id": "r00"}


def under(reading: dict, snrs: set[float] = frozenset({7, 23})) -> dict:
    (part,) = readings.under(reading, CLAIM, "mnist", set(snrs))["parts"]
    return part


def test_our_own_reading_changes_nothing_but_names_the_snrs_that_ran():
    assert under(AS_DECIDED) == CLAIM["parts"][0] | {"snr_db": [7, 23]}


def test_a_reading_puts_its_runs_in_the_place_of_every_method_and_rival_that_it_names():
    part = under({"methods": {"repobe": "repobe_matched", "undefended": "undefended_matched"}})
    assert part["method"] == "repobe_matched"
    assert part["rivals"] == ["necst", "undefended_matched"]


def test_a_reading_of_the_channel_leaves_the_other_channel_alone():
    assert under({"channels": {"rayleigh": "rayleigh_fast"}})["channels"] == ["awgn", "rayleigh_fast"]


@pytest.mark.parametrize(("offset", "snrs"), [(3, [10, 23]), (-3, [7, 20])])
def test_under_another_scale_a_claim_is_judged_where_both_scales_were_tested(offset, snrs):
    """The paper's 7 and 20 dB are our 10 and 23 where its symbols have 3 dB more; its 10 and 23, our 7 and 20."""
    assert under({"snr_offset_db": offset}, {7, 10, 20, 23})["snr_db"] == snrs


def test_under_another_scale_nothing_is_judged_where_no_two_snrs_lie_3_db_apart():
    assert under({"snr_offset_db": 3}, {7, 11, 15})["snr_db"] == []


def test_a_reading_may_bring_parts_of_its_own():
    part = under({"parts": {"c99": [{"check": "rebuilds_less", "dataset": "mnist", "channels": ["awgn"]}]}})
    assert part == {"check": "rebuilds_less", "dataset": "mnist", "channels": ["awgn"], "snr_db": [7, 23]}


def judged(reading: dict, *parts: pd.DataFrame, **raw) -> list[dict]:
    return readings.judged(tables(*parts, **raw), CLAIM, reading)


def test_a_claim_holds_under_a_reading_by_the_comparisons_that_ran():
    """repobe misses 100 of 1,000 images, the variant none, NECST 60 others: −4 points, and +6, 4 above the margin."""
    variant = {"methods": {"repobe": "repobe_matched"}}
    known = [rows(100), rows(0, method="repobe_matched"), rows(60, first=500, method="necst")]
    (ours,), (theirs,) = judged(AS_DECIDED, *known), judged(variant, *known)
    assert (ours["outcome"], theirs["outcome"]) == ("fails", "holds")
    assert ours["lead"] == pytest.approx(-0.04 - 0.02)
    assert theirs["lead"] == pytest.approx(0.06 - 0.02)
    assert theirs["low"] < theirs["lead"] < theirs["high"]
    # Missing are undefended over AWGN, all three over Rayleigh fading, and both at the 99 dB of `tables`' undefended.
    assert (theirs["hold"], theirs["fail"], theirs["undecided"], theirs["not_run"]) == (1, 0, 0, 5)


def test_a_rival_that_we_rebuilt_makes_no_reading_fail_alone():
    known = [rows(100), rows(60, first=500, method="escst")]
    (found,) = readings.judged(
        tables(*known), CLAIM | {"parts": [CLAIM["parts"][0] | {"rivals": ["escst"]}]}, AS_DECIDED
    )
    assert (found["outcome"], found["fail"]) == ("open: only a rebuilt rival is against it", 1)


def test_a_reading_whose_runs_are_in_no_comparison_has_no_row():
    known = [rows(0), rows(60, method="necst")]
    assert judged({"channels": {"rayleigh": "rayleigh_fast"}}, *known) == []
    assert judged({"methods": {"undefended": "undefended_matched"}}, *known) == []


def test_the_comparison_that_is_shown_lies_furthest_back():
    """NECST misses 60 images and the undefended 10: leads of 4 points and of −1."""
    known = [rows(0), rows(60, method="necst"), rows(10, method="undefended")]
    (row,) = judged(AS_DECIDED, *known)
    assert row["rival"] == "undefended"
    assert row["lead"] == pytest.approx(0.01 - 0.02)


def test_a_stand_in_is_compared_and_not_judged():
    known = [rows(0, dataset="digits"), rows(60, method="necst", dataset="digits")]
    cost = pd.DataFrame([{"dataset": "digits", "method": "repobe", "channel": "awgn", "image_size": 32}])
    cost = cost.assign(symbols_k=32, parameters=1, snr_train_db="mixed", seed=0, train_seconds=1.0, images_per_second=1)
    (row,) = judged(AS_DECIDED, *known, cost=cost)
    assert (row["dataset"], row["outcome"]) == ("digits", "stand-in")
    assert row["lead"] == pytest.approx(0.06 - 0.02)


def test_a_method_that_is_not_trained_leaves_a_reading_open():
    known = [rows(0), rows(60, method="necst")]
    alone = [
        {"dataset": "mnist", "channel": "awgn", "method": method, "snr_train_db": "mixed", "seed": 0}
        | {"epoch": epoch, "validation_score": score}
        for method in ("repobe", "necst")
        for epoch, score in ((1, 0.5), (2, 0.7), (3, 0.9))
    ]
    (row,) = judged(AS_DECIDED, *known, history=pd.DataFrame(alone))
    assert row["outcome"] == "open: not trained"
    assert row["lead"] == pytest.approx(0.04)


def result(reading: str, outcome: str, lead: float, dataset: str = "mnist") -> dict:
    bounds = {"low": lead - 0.01, "high": lead + 0.01, "lowest": lead - 0.01}
    of = {"claim": "c01", "reading": reading, "dataset": dataset, "quantity": "natural_accuracy"}
    return of | {"outcome": outcome, "lead": lead} | bounds


def test_the_headline_is_the_reading_most_favourable_to_the_paper_beside_how_many_hold():
    """A sure reading counts above an open one that leads by more; stand-ins count for nothing."""
    several = [
        result("r00", "fails", -0.03),
        result("r01", "holds", 0.02),
        result("r02", "open: not trained", 0.05),
        result("r03", "holds", 0.015),
        result("r04", "holds", 0.9, dataset="digits"),
    ]
    (one,) = readings.headline(pd.DataFrame(several)).to_dict("records")
    assert (one["most_favourable"], one["outcome"], one["as_decided"]) == ("r01", "holds", "fails")
    assert (one["holds"], one["fails"], one["open"], one["readings"]) == (2, 1, 1, 4)
    assert one["ahead"] == 3  # r02's interval too lies above 0


def test_a_reading_is_ahead_only_if_every_comparison_is_surely_so():
    """NECST misses 60 of 1,000 images, the undefended 3 of 20: RepObE leads it by more, and is less sure."""
    few = rows(3, images=20, method="undefended")
    (row,) = judged(AS_DECIDED, rows(0), rows(60, method="necst"), few)
    assert row["rival"] == "necst"
    assert row["low"] > 0 > row["lowest"]
    assert readings.headline(pd.DataFrame([{"claim": "c99", "reading": "r00"} | row]))["ahead"].tolist() == [0]


def test_a_reading_is_behind_if_any_comparison_is_surely_so():
    """NECST misses 1 of 1,000 images: RepObE leads by 0.1 points, surely less than the margin of 2. The undefended
    misses none of 20: RepObE leads it by 0, less, and is less sure."""
    few = rows(0, images=20, method="undefended")
    (row,) = judged(AS_DECIDED, rows(0), rows(1, method="necst"), few)
    assert row["rival"] == "undefended"
    assert row["high"] > 0 > row["lowest_high"]


def test_a_claim_of_two_datasets_is_under_a_reading_as_the_worse_of_them():
    both = [result("r00", "holds", 0.02), result("r00", "fails", -0.02, dataset="cifar10")]
    (one,) = readings.headline(pd.DataFrame(both)).to_dict("records")
    assert (one["outcome"], one["holds"], one["readings"]) == ("fails", 0, 1)


def test_an_attackers_accuracy_is_compared_as_a_proportion():
    """400 pictures each: 0.10 against 0.50 is 0.40; the standard error √(0.09/400 + 0.25/400) = 0.02915."""
    row = {
        "dataset": "mnist", "image_size": 224, "channel": "awgn", "snr_train_db": "mixed", "snr_tap_db": 23.0,
        "attacker": "keyless", "knowledge": "encoder", "seed": 0, "metric": "attacker_accuracy", "n": 400,
        "images_sd": np.nan, "symbols_k": 1568, "code": "",
    }  # fmt: skip
    seen = pd.DataFrame([row | {"method": "repobe", "value": 0.1}, row | {"method": "necst", "value": 0.5}])
    part = {"dataset": "mnist", "channels": ["awgn"], "method": "repobe", "rivals": ["necst"]}
    part |= {"quantity": "attacker_accuracy", "margin": 0.02}
    (one,) = CHECKS["rebuilds_less"](tables(inversion=seen), part)
    assert one["difference"] == pytest.approx(0.4)
    assert one["high"] - one["difference"] == pytest.approx(1.95996 * 0.02915, rel=1e-3)
    assert (one["method"], one["rival"], one["margin"]) == ("necst", "repobe", 0.02)


def test_every_reading_names_claims_that_there_are_and_runs_of_its_own_config():
    config = yaml.safe_load((paper.FOLDER.parents[1] / "config" / "readings.yaml").read_text())
    runs = {spec.label for spec in grid(config)}
    known = {claim["id"]: claim for claim in paper.claims()}
    ours, *others = paper.readings()
    assert ours["id"] == readings.AS_DECIDED
    assert [one["id"] for one in paper.readings()] == [f"r{number:02d}" for number in range(len(others) + 1)]
    for reading in others:
        assert {"methods", "channels", "snr_offset_db", "parts"} & set(reading), reading["id"]
        assert set(reading["claims"]) <= set(ours["claims"]) <= set(known)
        assert set(reading.get("methods", {}).values()) <= runs
        assert set(reading.get("channels", {}).values()) <= set(config["channels"])
        for claim in reading["claims"]:
            parts = known[claim]["parts"]
            named = {part["method"] for part in parts} | {r for part in parts for r in part.get("rivals", [])}
            assert not reading.get("methods") or named & set(reading["methods"]), (reading["id"], claim)


def test_a_card_names_the_folder_of_readings_that_is_not_the_verdicts_own():
    row = result("r13", "open: not competent", -0.6307) | {"size": 32, "set": "readings"}
    both = pd.DataFrame([row, row | {"reading": "r00", "lead": -0.7}])
    (found,) = readings.headline(both).to_dict("records")
    words = {"r00": "as decided", "r13": "Fig. 3 shows Eq. 16's RepObE"}
    said = cards._readings(found, words, [], "mnist32")
    assert said == (
        "in readings (32×32, other trainings than above), of 2 it holds under 0, fails under 0, is open under 2. "
        "Most favourable to the paper: r13 (Fig. 3 shows Eq. 16's RepObE), open: not competent; "
        "its worst comparison leads by −63.07 points."
    )
    assert cards._readings(found, words, [], "readings").startswith("of 2 it holds under 0")
    assert cards._readings(found | {"quantity": "ssim"}, words, [], "readings").endswith("leads by −0.6307.")


def test_the_reason_of_a_claim_is_of_the_gate_that_it_names():
    """The comparison that lies furthest back fails another gate."""
    row = {
        "verdict": "inconclusive: not trained",
        "difference": 0.01,
        "why": "the accuracy of undefended is at most 0.900",
    }
    lacks = "necst has no training of half the epochs beside it"
    evidence = pd.DataFrame(
        [
            {"outcome": "not competent", "difference": 0.01, "margin": 0.02, "why": row["why"]},
            {"outcome": "not trained", "difference": 0.09, "margin": 0.02, "why": "another"},
            {"outcome": "not trained", "difference": 0.05, "margin": 0.02, "why": lacks},
        ]
    ).assign(method="repobe", rival="necst")
    said = "No verdict, because 2 of 3 comparisons fail a gate (not trained): "
    assert cards.reason(row, evidence).startswith(f"{said}NECST has no training")


def test_the_reason_of_a_claim_that_only_a_rebuilt_rival_is_against():
    row = {"verdict": "inconclusive: only a rebuilt rival is against it", "difference": 0.0, "why": None}
    outcomes = ["no", "no", "yes", "not trained"]
    evidence = pd.DataFrame({"outcome": outcomes}).assign(dataset="mnist", method="repobe", rival="escst")
    said = "2 of 4 comparisons lie surely on the other side of the margin, all with a rival that we rebuilt."
    assert cards.reason(row, evidence) == said


def test_the_reason_of_a_claim_of_which_all_that_ran_holds_is_what_did_not_run():
    row = {"verdict": "inconclusive", "difference": 0.05, "why": None}
    evidence = pd.DataFrame(
        [{"outcome": "yes", "evidence": ""}, {"outcome": "not run", "evidence": "repobe over rayleigh"}]
    ).assign(dataset="mnist", method="repobe", rival="necst")
    lacking = "RepObE over Rayleigh fading did not run"
    only = "The only comparison that ran lies surely on the claim's side"
    assert cards.reason(row, evidence) == f"{only}, but {lacking}."
    evidence.loc[0, "outcome"] = "open"
    assert cards.reason(row, evidence) == f"The intervals of 1 of 1 comparisons contain the margin; {lacking}."


def test_a_claim_about_several_datasets_names_the_one_of_each_missing_run():
    row = {"verdict": "not run", "difference": None, "why": None, "evidence": ""}
    evidence = pd.DataFrame({"outcome": "not run", "dataset": ["mnist", "cifar10"], "evidence": "necst over awgn"})
    evidence = evidence.assign(method=None, rival=None)
    named = "NECST over AWGN (MNIST) and NECST over AWGN (CIFAR-10)"
    assert cards.reason(row, evidence) == f"Nothing of it was measured here: {named} did not run."


def test_a_claim_that_ran_on_a_stand_in_alone_is_said_not_to_have_run_on_the_papers_dataset():
    row = {"verdict": "not run", "difference": None, "why": None, "evidence": ""}
    evidence = pd.DataFrame([{"id": "c05", "outcome": "not run", "dataset": "mnist", "evidence": "repobe over awgn"}])
    assert cards.reason(row, evidence, stand_in=True).startswith("Not run on the paper's dataset. A stand-in")
    assert cards.reason(row, evidence).startswith("Nothing of it was measured here: RepObE over AWGN")


def test_a_reading_whose_run_is_in_no_comparison_has_no_row():
    """Its variant of RepObE ran, but none of the rivals: what is left would repeat our own reading."""
    variant = {"methods": {"undefended": "undefended_matched"}}
    known = [
        rows(100),
        rows(0, method="undefended_matched", dataset="mnist", channel="rayleigh"),
        rows(60, method="necst"),
    ]
    assert judged(variant, *known) == []
