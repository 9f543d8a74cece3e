import numpy as np
import pandas as pd
import pytest

from repobe.tables import outcomes, schema
from repobe.verdicts import claims, paper


def rows(wrong: int, images: int = 1000, draws: int = 1, first: int = 0, **departures) -> pd.DataFrame:
    """One setting of which `wrong` images from `first` on are wrong in every draw."""
    image = np.arange(images)
    correct = np.where((image >= first) & (image < first + wrong), 0, draws)
    setting = {"method": "repobe", "dataset": "mnist", "image_size": 64, "channel": "awgn", "snr_train_db": "mixed"}
    setting |= {"seed": 0, "snr_test_db": 7.0, "attack": "none", "draws": draws}
    return pd.DataFrame({"image": image, "correct": correct, **setting, **departures})


def tables(*parts: pd.DataFrame) -> dict:
    return {"outcomes": pd.concat(parts) if parts else rows(0)[:0]}


def claim(**departures) -> dict:
    return {
        "check": "ahead", "dataset": "mnist", "channels": ["awgn"], "method": "repobe", "rivals": ["necst"],
        "quantity": "natural_accuracy", "margin": 0,
    } | departures  # fmt: skip


def judged(table: dict, *parts: dict) -> dict:
    return claims.verdict(table, {"parts": list(parts) or [claim()]})[0]


def test_a_lead_is_reproduced_only_where_pairs_of_images_make_it_sure():
    assert judged(tables(rows(0)))["verdict"] == "not run"
    # n images that the rival alone gets wrong have p = 2/2ⁿ: five are 0.0625, six 0.03125.
    for wrong, verdict, p in ((5, "inconclusive", 0.0625), (6, "reproduced", 0.03125)):
        found = judged(tables(rows(0), rows(wrong, method="necst")))
        assert (found["verdict"], found["p_holm"]) == (verdict, p)
    found = judged(tables(rows(6), rows(0, method="necst")))
    assert found["verdict"] == "not reproduced"
    # The same six wrong images beside 40 that both get wrong: what both share decides nothing.
    found = judged(tables(rows(40), rows(46, method="necst")))
    assert (found["verdict"], found["p_holm"]) == ("reproduced", 0.03125)


def test_a_margin_must_lie_below_the_whole_interval():
    # 50 of 1000 fewer: Agresti and Min's low is 50/1002 − 1.96·sqrt(51/1002 − (50/1002)²)/√1002 = 0.0363.
    table = tables(rows(0), rows(50, method="necst"))
    assert judged(table)["low"] == pytest.approx(0.0363, abs=1e-4)
    for margin, verdict in ((0.036, "reproduced"), (0.037, "inconclusive"), (0.08, "not reproduced")):
        assert judged(table, claim(margin=margin))["verdict"] == verdict


def test_several_comparisons_are_sure_together_by_holm():
    # p of 2/2⁶ = 0.031 is enough alone and not beside another of the same: Holm asks 0.025 of the smaller.
    one, two = rows(6, method="necst"), rows(6, method="ibal")
    assert judged(tables(rows(0), one, two))["verdict"] == "reproduced"
    found = judged(tables(rows(0), one, two), claim(rivals=["necst", "ibal"]))
    assert (found["verdict"], found["p_holm"], found["comparisons"]) == ("inconclusive", 0.0625, 2)


def test_the_row_names_the_comparison_that_decides():
    near, far = rows(20, method="necst", snr_test_db=23.0), rows(90, method="necst")
    found = judged(tables(rows(0), rows(0, snr_test_db=23.0), near, far))
    assert found["verdict"] == "reproduced"
    assert {name: found[name] for name in ("rival", "channel", "snr_db", "margin", "seeds", "images")} == {
        "rival": "necst", "channel": "awgn", "snr_db": 23.0, "margin": 0, "seeds": 1, "images": 1000,
    }  # fmt: skip
    assert found["difference"] == pytest.approx(0.02)
    assert "awgn, 23 dB: repobe against necst +2.00 points [" in found["evidence"]
    assert "exact McNemar over images, 1000 images, p < 0.0001 by Holm over 2" in found["evidence"]


def test_over_seeds_students_t_of_paired_differences_decides():
    # Differences of 0.01, 0.02, 0.03: t = 0.02/(0.01/√3) = 3.46 on two degrees of freedom, p = 0.0742.
    parts = [rows(0, seed=s) for s in range(3)] + [rows(10 * s + 10, method="necst", seed=s) for s in range(3)]
    found = judged(tables(*parts))
    assert (found["verdict"], found["seeds"], found["test"]) == ("inconclusive", 3, "paired t over seeds")
    assert found["p_holm"] == pytest.approx(0.0742, abs=1e-4)
    assert (found["low"], found["high"]) == pytest.approx((0.02 - 0.02484, 0.02 + 0.02484), abs=1e-5)


def test_only_images_that_both_have_are_paired():
    found = judged(tables(rows(0, images=500), rows(50, method="necst", first=600)))
    assert (found["images"], found["difference"]) == (500, 0)


def test_an_snr_that_one_side_lacks_leaves_a_claim_about_every_snr_open():
    table = tables(rows(0), rows(50, method="necst"), rows(0, snr_test_db=11.0))
    found = judged(table)
    assert found["verdict"] == "inconclusive"
    assert "not run: repobe beside necst over awgn at 11 dB" in found["evidence"]
    assert judged(table, claim(snr_db=[7]))["verdict"] == "reproduced"


def test_accuracy_that_falls_surely_does_not_rise_steadily():
    part = claim(check="rising")
    for wrong, verdict in (
        ((100, 50, 10), "reproduced"),
        ((10, 50, 100), "not reproduced"),
        ((100, 10, 50), "not reproduced"),  # above the start, but it fell on the way
        ((100, 50, 51), "reproduced"),  # one image is no fall
        ((10, 10, 10), "inconclusive"),
    ):
        table = tables(*(rows(n, snr_test_db=snr) for n, snr in zip(wrong, (7.0, 15.0, 23.0), strict=True)))
        assert judged(table, part)["verdict"] == verdict, wrong
    assert judged(tables(rows(3)), part)["verdict"] == "not run"


def leak(method: str, attacker: str, value: float, seed: int = 0) -> dict:
    return {
        "method": method, "dataset": "mnist", "channel": "awgn", "snr_tap_db": 23.0, "attacker": attacker,
        "seed": seed, "metric": "ssim", "value": value, "images_sd": 0.2, "n": 400,
    }  # fmt: skip


def test_accuracy_levels_off_where_its_last_rise_is_surely_small():
    # Of 10,000 images 20 more are read at 23 dB than at 19: 0.2 points, surely less than one; 150 more are not.
    part = claim(check="levels_off", margin=-0.01)
    for wrong, verdict in ((20, "reproduced"), (95, "inconclusive"), (150, "not reproduced")):
        low, high = rows(wrong, 10_000, snr_test_db=19.0), rows(0, 10_000, snr_test_db=23.0)
        found = judged(tables(rows(5000, 10_000), low, high), part)
        assert (found["verdict"], found["snr_db"], found["rival"]) == (verdict, 19, "itself at 23 dB")
    assert judged(tables(rows(0)), part)["verdict"] == "not run"


def test_less_leaks_where_the_means_over_images_surely_differ():
    part = claim(check="leaks_less", method="ours", rivals=["necst"])
    # Standard errors of 0.2/20 make 0.01414 of a difference; 1.96 of them are 0.0277, by Holm of two 2.24: 0.0317.
    for rival, verdict in ((0.235, "reproduced"), (0.225, "inconclusive"), (0.1, "not reproduced")):
        table = pd.DataFrame(
            [leak("ours", "keyless", 0.2), leak("ours", "legitimate", 0.9), leak("necst", "keyless", rival)]
        )
        found = judged({"inversion": table}, part)
        assert found["verdict"] == verdict
        assert (found["method"], found["rival"]) == ("necst", "ours")
    half = 1.959964 * np.hypot(0.01, 0.01)
    assert (found["low"], found["high"]) == pytest.approx((-0.1 - half, -0.1 + half))
    assert judged({"inversion": table[:2]}, part)["verdict"] == "inconclusive"
    assert judged({"inversion": table[2:]}, part)["verdict"] == "not run"


def test_a_picture_shows_nothing_only_where_it_is_not_surely_above_the_mean_image():
    part = claim(check="shows_nothing", method="ours")
    # The half-width of a difference of two means, each of standard error 0.2/20, is 0.0277.
    for keyless, verdict in ((0.1, "reproduced"), (0.22, "reproduced"), (0.24, "not reproduced")):
        table = pd.DataFrame([leak("ours", "keyless", keyless), leak("ours", "mean_image", 0.2)])
        assert judged({"inversion": table}, part)["verdict"] == verdict
    assert judged({"inversion": table[:1]}, part)["verdict"] == "not run"


def test_beside_a_verdict_by_the_papers_attacker_stands_what_the_best_one_reads():
    part = claim(check="shows_nothing", method="ours")
    read = [("keyless", 0.12), ("same_key", 0.86), ("fresh_key", 0.5), ("mean_image", 0.1), ("legitimate", 0.9)]
    rows = [leak("ours", "keyless", 0.2), leak("ours", "mean_image", 0.2)]
    rows += [
        leak("ours", attacker, value) | {"metric": "attacker_accuracy"} for attacker, value in [*read, ("original", 1)]
    ]
    found = judged({"inversion": pd.DataFrame(rows)}, part)
    assert found["verdict"] == "reproduced"
    assert "same_key reads the class of 0.86 of its pictures, of the mean image 0.10" in found["evidence"]
    assert "the mean image against ours +0.000 SSIM" in found["evidence"]


def test_the_key_space_claim_is_judged_by_enumeration():
    audit = pd.DataFrame({"quantity": ["distinct_ciphers"], "grid": ["2x2"], "value": [4.0], "n": [16]})
    assert judged({"audit": audit}, {"check": "key_space"})["verdict"] == "not reproduced"
    assert judged({"audit": audit.assign(value=16.0)}, {"check": "key_space"})["verdict"] == "reproduced"


def test_a_claim_stands_only_with_all_its_parts_and_falls_with_one():
    lead, lag = claim(), claim(method="necst", rivals=["repobe"])
    unrun = claim(rivals=["ibal"])
    table = tables(rows(0), rows(50, method="necst"))
    for parts, verdict in (
        ([lead], "reproduced"),
        ([lead, lag], "not reproduced"),
        ([lead, unrun], "inconclusive"),
        ([lag, unrun], "not reproduced"),
        ([unrun], "not run"),
    ):
        assert judged(table, *parts)["verdict"] == verdict


def test_every_claim_of_the_paper_has_a_check_that_runs_on_empty_tables():
    empty = {name: pd.DataFrame(columns=[*schema.KEYS[name], *schema.VALUES[name]]) for name in ("inversion", "audit")}
    empty["outcomes"] = pd.DataFrame(columns=outcomes.SCHEMA.names)
    said = paper.claims()
    assert [one["id"] for one in said] == [f"c{n:02d}" for n in range(1, 13)]
    assert {claims.verdict(empty, one)[0]["verdict"] for one in said} == {"not run"}
