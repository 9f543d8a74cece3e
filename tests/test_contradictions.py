import pandas as pd
import pytest

from repobe.verdicts import contradictions, paper
from repobe.verdicts.contradictions import entries, facts, weight


def test_the_papers_gaps_are_mostly_not_between_3_and_5_points():
    # By hand from Sec. 4.2: 0.7296 − 0.6756, 0.7296 − 0.6669, 0.6849 − 0.5654, 0.7099 − 0.5943, 0.7099 − 0.6656.
    said = facts()
    for gap in ("5.40 (AT, AWGN, 23 dB)", "6.27 (TRADES, AWGN, 23 dB)", "11.95 (AT, Rayleigh fading, 7 dB)"):
        assert gap in said["gaps"]
    assert "11.56 (AT, Rayleigh fading, 23 dB), 4.43 (TRADES, Rayleigh fading, 23 dB)" in said["gaps"]
    assert (said["gaps_within"], said["gaps_count"]) == ("1", "5")


def test_over_rayleigh_the_baseline_is_printed_above_repobe():
    # 0.9921 − 0.9902 and 0.9957 − 0.9931.
    assert facts()["natural_lower"] == "0.19 and 0.26 points"
    assert facts()["jpeg2000_ahead"] == "0.52"  # 0.9203 − 0.9151
    assert facts()["steady"].startswith("+1.30 points from 7 to 23 dB (Fig. 3c), +3.92 points")


def test_the_key_spaces_of_theorem_1():
    # log2 28! = 97.9; twice that, with log2(28·28) = 9.615 and with log2(224·224) = 15.615 more.
    said = facts()
    assert (said["bits_different"], said["bits_proof"], said["bits_printed"]) == ("195.9", "205.5", "211.5")


def test_eq_20_weighs_what_is_farther_more_and_a_large_tau_most_unevenly():
    # 1 − e^(−1/2) and 1 − e^(−2); (1 − e^−8)/(1 − e^−2) and (1 − e^−0.08)/(1 − e^−0.02).
    assert (weight(0.5, 1), weight(2, 1)) == pytest.approx((0.3935, 0.8647), abs=1e-4)
    assert (facts()["ratio_small"], facts()["ratio_large"]) == ("1.16", "3.88")


def test_every_entry_is_complete_and_names_what_there_is():
    known = {one["id"] for one in (*paper.claims(), *paper.decisions())}
    cost = pd.DataFrame({"method": ["repobe", "escst", "repobe", "necst"], "symbols_k": [32, 32, 32, 100]})
    said = entries(cost)
    assert [one["id"] for one in said] == [f"p{n:02d}" for n in range(1, 16)]
    for one in said:
        assert set(one) == {"id", "where", "says", "but", "see"}
        assert "{" not in one["but"]
        assert set(one["see"].split(", ")) <= known
    assert "In these tables k is 32 (repobe, escst); 100 (necst)" in said[5]["but"]
    assert "k is not known" in entries()[5]["but"]
    assert contradictions.PLACES * 8 == paper.SIZE
