import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import EVASION_ROW, evasion

from repobe.runs.grid import grid
from repobe.tables import schema
from repobe.verdicts import decisions, paper

BOTH = {"variant": {"method": "other"}, "of": {"method": "repobe"}}


def table(*departures: dict) -> pd.DataFrame:
    return evasion(
        *(
            {"image_size": 32, "value": 0.9, "draws_sd": 0.002, "n": 1000, "draws": 3} | departure
            for departure in departures
        )
    )


def test_a_difference_is_between_means_over_the_snrs_that_both_have():
    rows = table(
        {"value": 0.8, "snr_test_db": 7.0},
        {"value": 0.9, "snr_test_db": 11.0},
        {"value": 0.1, "snr_test_db": 15.0},  # the variant has not run here
        {"method": "other", "value": 0.7, "snr_test_db": 7.0, "snr_train_db": "7", "image_size": 64},
        {"method": "other", "value": 0.9, "snr_test_db": 11.0, "snr_train_db": "11", "image_size": 64},
    )
    (row,) = decisions.differences(rows, BOTH)
    assert (row["variant"], row["reference"], row["difference"]) == pytest.approx((0.8, 0.85, -0.05))
    assert (row["dataset"], row["channel"], row["quantity"], row["n"]) == ("mnist", "awgn", "natural_accuracy", 1000)


def test_without_shared_images_the_interval_of_one_seed_is_newcombes():
    # Newcombe 1998 (Statistics in Medicine 17, 873), table II, case a, method 10: 56/70 − 48/80 in 0.0524 … 0.3339.
    bounds = decisions._unpaired(np.array([56 / 70]), np.array([48 / 80]), 70, 80, True)
    assert bounds == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_without_shared_images_students_t_over_paired_seeds_widens_newcombes():
    # Differences 0.1, 0.2, 0.3: t(0.975, 2)·0.1/√3 = 0.2484 around 0.2, however far the seeds lie apart. Newcombe's of
    # 0.5667 and 0.3667 over 1000 images each: 0.1565 … 0.2424. Squares add: 0.2 − √(0.0435² + 0.2484²) = −0.0522.
    pairs = [{"seed": s, "value": v} for s, v in enumerate((0.1, 0.4, 0.6))]
    pairs += [{"method": "other", "seed": s, "value": v} for s, v in enumerate((0.2, 0.6, 0.9))]
    (row,) = decisions.differences(table(*pairs), BOTH)
    assert (row["difference"], row["low"], row["high"]) == pytest.approx((0.2, -0.0522, 0.4520), abs=1e-4)
    assert row["seeds"] == 3


def images(method: str, *correct: int, first: int = 0, **departures: object) -> pd.DataFrame:
    """Outcomes of images `first`, `first` + 1 …, two draws each."""
    kept = ("method", "dataset", "channel", "snr_train_db", "image_size", "seed", "snr_test_db", "attack")
    row = {name: EVASION_ROW[name] for name in kept} | {"method": method, "draws": 2} | departures
    return pd.DataFrame([row | {"image": first + n, "correct": right} for n, right in enumerate(correct)])


def test_images_that_both_have_are_paired():
    # Agresti and Min (2005): 1 image worse by one of two draws, 3 the same. Sum −0.5, of squares 0.25; centre −0.5/6,
    # standard error √((0.25 + 1)/6 − (0.5/6)²)/√6 = 0.1832, half-width 1.96 · 0.1832 = 0.3591 around −0.0833.
    rows = table({"value": 1.0, "n": 4}, {"method": "other", "value": 0.875, "n": 4})
    both = pd.concat([images("repobe", 2, 2, 2, 2), images("other", 2, 1, 2, 2)])
    (row,) = decisions.differences(rows, BOTH, both)
    assert (row["difference"], row["low"], row["high"]) == pytest.approx((-0.125, -0.4424, 0.2757), abs=1e-4)


def test_images_are_paired_over_every_snr_and_channel_that_varies():
    # At 7 dB the fast channel reads one image more, at 23 dB one less: on average no image differs.
    of, variant = {"method": "repobe", "channel": "rayleigh"}, {"method": "repobe", "channel": "rayleigh_fast"}
    both, rows = [], []
    for snr, slow, fast in ((7.0, (0, 0, 2), (0, 2, 2)), (23.0, (2, 2, 2), (2, 0, 2))):
        for channel, correct in (("rayleigh", slow), ("rayleigh_fast", fast)):
            place = {"channel": channel, "snr_test_db": snr}
            both.append(images("repobe", *correct, **place))
            rows.append({**place, "value": sum(correct) / 6, "n": 3})
    (row,) = decisions.differences(table(*rows), {"of": of, "variant": variant}, pd.concat(both))
    half = 1.96 * np.sqrt(1 / 5) / np.sqrt(5)  # the three differences are 0; the interval's added images stay
    assert (row["difference"], row["low"], row["high"]) == pytest.approx((0, -half, half), abs=1e-4)
    assert row["channel"] == "rayleigh"


def test_runs_that_share_a_part_of_their_images_are_not_paired_on_it():
    rows = table({"value": 1.0, "n": 4}, {"method": "other", "value": 0.875, "n": 4})
    apart = pd.concat([images("repobe", 2, 2, 2, 2), images("other", 2, 1, 2, 2, first=3)])
    (row,) = decisions.differences(rows, BOTH, apart)
    (unpaired,) = decisions.differences(rows, BOTH)
    assert row == unpaired


def test_a_variant_on_a_part_of_the_references_images_is_not_paired_on_it():
    """The difference is of four images and of two; an interval of the two alone would not be its own."""
    rows = table({"value": 0.5, "n": 4}, {"method": "other", "value": 1.0, "n": 2})
    apart = pd.concat([images("repobe", 2, 2, 0, 0), images("other", 2, 2)])
    (row,) = decisions.differences(rows, BOTH, apart)
    (unpaired,) = decisions.differences(rows, BOTH)
    assert row == unpaired
    assert (row["difference"], row["n"]) == (0.5, 2)


def test_a_channel_or_an_snr_may_be_what_varies():
    rows = table({"channel": "rayleigh"}, {"channel": "rayleigh_fast", "value": 0.95})
    of, variant = {"method": "repobe", "channel": "rayleigh"}, {"method": "repobe", "channel": "rayleigh_fast"}
    (row,) = decisions.differences(rows, {"variant": variant, "of": of})
    assert row["difference"] == pytest.approx(0.05)
    assert row["channel"] == "rayleigh"
    rows = table({}, {"snr_test_db": 11.0, "value": 0.92})
    of, variant = {"method": "repobe", "snr_test_db": 11}, {"method": "repobe", "snr_test_db": 7}
    (row,) = decisions.differences(rows, {"variant": variant, "of": of})
    assert row["difference"] == pytest.approx(-0.02)


def test_the_spread_of_channel_draws_is_weighed_without_a_second_run():
    (row,) = decisions.differences(
        table({}, {"snr_test_db": 11.0, "draws_sd": 0.004}), {"spread": "draws_sd", "of": {"method": "repobe"}}
    )
    assert row["difference"] == pytest.approx(0.003)
    assert row["seeds"] == 1  # at two SNRs


def test_other_attacks_and_radii_do_not_weigh_in_unless_they_are_chosen():
    attacked = {"metric": "adversarial_accuracy", "attack": "paper", "eps": 0.016, "value": 0.8, "draws_sd": 0.003}
    curve = attacked | {"attack": "curve", "eps": 0.1, "value": 0.2, "draws_sd": 0.09}
    rows = table(
        attacked, curve, attacked | {"method": "other", "value": 0.7}, curve | {"method": "other", "value": 0.6}
    )
    (row,) = decisions.differences(rows, BOTH)
    assert (row["variant"], row["reference"], row["difference"]) == pytest.approx((0.7, 0.8, -0.1))
    (row,) = decisions.differences(rows, {"spread": "draws_sd", "of": {"method": "repobe"}})
    assert (row["reference"], row["difference"]) == pytest.approx((0.8, 0.003))
    sides = [{"method": method, "attack": "curve"} for method in ("other", "repobe")]
    (row,) = decisions.differences(rows, dict(zip(("variant", "of"), sides, strict=True)))
    assert (row["variant"], row["reference"]) == pytest.approx((0.6, 0.2))


def test_a_change_names_one_variant_of_its_decision_alone():
    """Else two rows of decisions.csv cannot be told apart, and a page of several folders would keep one of them."""
    named = [(one["id"], entry["change"]) for one in paper.decisions() for entry in one.get("weighed_by", [])]
    assert len(named) == len(set(named))


def test_what_has_not_run_has_no_row():
    assert decisions.differences(table({}), BOTH) == []


def test_the_first_ten_decisions_are_weighed_and_every_weight_is_of_runs_of_the_config_that_it_names():
    known = paper.decisions()
    folder = paper.FOLDER.parents[1] / "config"
    runs = {
        name: {(s.label, s.channel) for s in grid(yaml.safe_load((folder / f"{name}.yaml").read_text()))}
        for name in ("ablations", "attack_readings", "mnist32", "precision", "readings")
    }
    weighed = {one["id"]: one["weighed_by"] for one in known if "weighed_by" in one}
    assert {f"D{n}" for n in range(1, 11)} <= set(weighed)
    for entries in weighed.values():
        for entry in entries:
            for side in {"variant", "of"} & set(entry):
                chosen = entry[side]
                assert (chosen["method"], chosen.get("channel", "awgn")) in runs[entry.get("config", "ablations")]
                assert set(chosen) <= set(schema.KEYS[entry.get("table", "evasion")])
