import numpy as np
import pytest
from scipy.stats import binomtest, ttest_rel

from repobe.tables import statistics


def test_the_interval_of_one_seed_is_wilsons():
    # p = 0.5, n = 100: centre 0.5, half-width z·sqrt(0.25/n + z²/4n²)/(1 + z²/n) = 0.0962 (Newcombe 1998's formula).
    low, high = statistics.interval(np.array([0.5]), 100, proportion=True)
    assert (low, high) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    oracle = binomtest(93, 100).proportion_ci(method="wilson")
    assert statistics.interval(np.array([0.93]), 100, True) == pytest.approx((oracle.low, oracle.high))


def test_the_interval_over_seeds_is_students():
    # Values 1, 2, 3: mean 2, sd 1, t(0.975, 2) = 4.3027, half-width 4.3027/sqrt(3) = 2.4841.
    bounds = statistics.interval(np.array([1.0, 2.0, 3.0]), 9, False)
    assert bounds == pytest.approx((2 - 2.4841, 2 + 2.4841), abs=1e-3)


def test_a_single_psnr_has_the_interval_of_its_images_and_none_without_their_spread():
    # sd 3 over 16 images: t(0.975, 15) = 2.1314, half-width 2.1314·3/4 = 1.5986.
    bounds = statistics.interval(np.array([20.0]), 16, False, images_sd=3.0)
    assert bounds == pytest.approx((20 - 1.5986, 20 + 1.5986), abs=1e-3)
    assert np.isnan(statistics.interval(np.array([20.0]), 16, False)).all()
    assert np.isnan(statistics.interval(np.array([20.0]), 1, False, images_sd=3.0)).all()


def test_two_independent_proportions_differ_by_newcombes_interval():
    # Newcombe 1998 (Statistics in Medicine 17, 873), table II, case a, method 10: 56/70 − 48/80 in 0.0524 … 0.3339.
    assert statistics.newcombe(56 / 70, 70, 48 / 80, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_mcnemars_exact_p_is_that_of_a_fair_coin():
    # Fay's vignette of R's exact2x2, matrix(c(21, 9, 2, 12)): 2·(C(11,0) + C(11,1) + C(11,2))/2¹¹ = 134/2048.
    assert statistics.mcnemar(2, 9) == statistics.mcnemar(9, 2) == pytest.approx(134 / 2048)
    # Agresti's approval of the prime minister, 794, 150, 86, 570: far out on the normal's z = 4.17, p of 3e-5.
    assert statistics.mcnemar(150, 86) == pytest.approx(3.7e-5, rel=0.1)
    assert statistics.mcnemar(0, 0) == 1
    assert statistics.mcnemar(5, 5) == pytest.approx(1)


def test_holms_step_down_by_hand():
    # 0.005·4, 0.01·3, 0.03·2, and 0.04·1 raised to the one before it.
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([0.6, 0.7]) == pytest.approx([1, 1])
    assert statistics.holm([]).size == 0


def discordant(more: int, fewer: int, n: int) -> np.ndarray:
    return np.array([1.0] * more + [-1.0] * fewer + [0.0] * (n - more - fewer))


def test_the_paired_interval_is_agresti_and_mins():
    # R's PropCIs, diffpropci.mp(b = 40, c = 20, n = 160), as its manual prints it.
    found = statistics.over_images(discordant(20, 40, 160), margin=0)
    assert (found.low, found.high) == pytest.approx((-0.21601726, -0.03089632), abs=1e-8)
    assert found.difference == pytest.approx(-20 / 160)
    assert found.p == pytest.approx(binomtest(20, 60).pvalue)


def test_where_the_count_of_images_and_their_mean_point_apart_nothing_is_sure():
    # Of 1000 images 60 are won in one draw of three and 30 lost in all three: 60 to 30, and a mean of −0.01.
    each = np.array([1 / 3] * 60 + [-1.0] * 30 + [0.0] * 910)
    found = statistics.over_images(each, margin=0)
    assert statistics.mcnemar(60, 30) < 0.01
    assert (found.difference, found.p) == (pytest.approx(-0.01), 1)
    assert statistics.over_images(-each, margin=0).p == 1


def test_images_that_never_disagree_still_leave_some_doubt():
    found = statistics.over_images(np.zeros(100), margin=0)
    assert found.low < 0 < found.high
    assert found.p == 1
    # By hand: (1/(n + 2))/(n + 2) is the squared standard error, so ±1.96/102.
    assert found.high == pytest.approx(1.96 / 102, abs=1e-5)


def test_p_against_a_margin_and_the_interval_agree_on_the_margin():
    each = discordant(20, 40, 160)
    low = statistics.over_images(each, 0.0).low
    assert statistics.over_images(each, low).p == pytest.approx(0.05)
    assert statistics.over_images(each, low - 0.01).p < 0.05 < statistics.over_images(each, low + 0.01).p


def test_an_image_counts_for_whoever_was_right_in_more_of_its_draws():
    # Five draws: ahead by one draw on nine images, behind by four on two; the means are level but for 1/5.
    each = np.array([0.2] * 9 + [-0.8] * 2 + [0.0] * 30)
    found = statistics.over_images(each, margin=0)
    assert found.difference == pytest.approx(0.2 / 41)
    assert found.p == pytest.approx(134 / 2048)


def test_over_seeds_it_is_the_paired_t_test():
    ours, theirs = np.array([0.91, 0.93, 0.96]), np.array([0.90, 0.90, 0.92])
    found, oracle = statistics.over_seeds(ours - theirs, 0.0), ttest_rel(ours, theirs)
    assert found.p == pytest.approx(oracle.pvalue)
    bounds = oracle.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((bounds.low, bounds.high))
    assert statistics.over_seeds(ours - theirs, found.low).p == pytest.approx(0.05)


def test_means_whose_pairs_are_not_kept_are_taken_for_independent():
    # Standard errors 0.3/√100 = 0.03 and 0.4/√100 = 0.04 make 0.05; a difference of 0.1 is two of them.
    found = statistics.apart(0.5, 0.3, 100, 0.4, 0.4, 100, margin=0)
    assert (found.low, found.high) == pytest.approx((0.1 - 0.098, 0.1 + 0.098), abs=1e-4)
    assert found.p == pytest.approx(0.0455, abs=1e-4)
