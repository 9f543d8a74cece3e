import numpy as np
import pytest
from scipy.stats import binomtest, norm

from repobe.tables import statistics
from repobe.tables.statistics import Spread


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


def test_more_seeds_never_hide_the_uncertainty_of_the_images_that_they_share():
    # 0.29, 0.30, 0.31 of 100 images. Wilson's of 0.30: 0.2189 to 0.3958. Over seeds: 4.3027·0.01/√3 = 0.0248. The
    # squares of the distances add: 0.30 − √(0.0811² + 0.0248²) and 0.30 + √(0.0958² + 0.0248²).
    assert statistics.interval(np.array([0.29, 0.30, 0.31]), 100, True) == pytest.approx((0.2152, 0.3990), abs=1e-4)
    # No key of ten is found under either of two seeds: Wilson's upper bound, 3.8415/13.8415, and not 0.
    assert statistics.interval(np.array([0.0, 0.0]), 10, True) == pytest.approx((0, 0.2775), abs=1e-4)
    # PSNR 19 and 21 dB, sd 3 over 16 images: 1.5986 over images, 12.7062·√2/√2 over seeds.
    bounds = statistics.interval(np.array([19.0, 21.0]), 16, False, sd=3.0)
    assert bounds == pytest.approx((20 - 12.8064, 20 + 12.8064), abs=1e-3)


def test_a_mean_over_keys_keeps_the_uncertainty_of_the_images_that_all_keys_share():
    # 20 keys with which the receiver reads 0.998 of 500 images, without any spread: Wilson's of 0.998 and 500.
    bounds = statistics.interval(np.array([0.998]), 20, False, sd=0.0, images=500)
    assert bounds == pytest.approx(statistics.wilson(0.998, 500))
    # A spread of 0.1 over the keys: t(0.975, 19)·0.1/√20 = 2.0930·0.02236 = 0.0468 beside Wilson's 0.0435 of 0.5.
    low, high = statistics.interval(np.array([0.5]), 20, False, sd=0.1, images=500)
    assert (low, high) == pytest.approx((0.5 - 0.0639, 0.5 + 0.0639), abs=2e-4)


def test_a_single_psnr_has_the_interval_of_its_images_and_none_without_their_spread():
    # sd 3 over 16 images: t(0.975, 15) = 2.1314, half-width 2.1314·3/4 = 1.5986.
    bounds = statistics.interval(np.array([20.0]), 16, False, sd=3.0)
    assert bounds == pytest.approx((20 - 1.5986, 20 + 1.5986), abs=1e-3)
    assert np.isnan(statistics.interval(np.array([20.0]), 16, False)).all()
    assert np.isnan(statistics.interval(np.array([20.0]), 1, False, sd=3.0)).all()


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
    assert statistics.holm_factors([0.01, 0.04, 0.03, 0.005]) == pytest.approx([3, 1.5, 2, 4])
    assert statistics.holm_factors([0.0, 0.0]) == pytest.approx([2, 1])


def test_the_interval_at_holms_level_is_bonferronis_for_the_smallest_p():
    """Two comparisons: the smaller p is doubled, and its interval is of 97.5 %, z = 2.2414."""
    found = statistics.unpaired(np.array([0.5]), np.array([0.01]), 0.0, None)
    assert found.interval(1) == pytest.approx((0.5 - 1.95996 * 0.1, 0.5 + 1.95996 * 0.1), abs=1e-5)
    assert found.interval(2) == pytest.approx((0.5 - 2.24140 * 0.1, 0.5 + 2.24140 * 0.1), abs=1e-5)


def discordant(more: int, fewer: int, n: int) -> np.ndarray:
    """Float[n, 1]: one seed's differences image by image."""
    return np.array([1.0] * more + [-1.0] * fewer + [0.0] * (n - more - fewer))[:, None]


def test_the_paired_interval_is_agresti_and_mins():
    # R's PropCIs, diffpropci.mp(b = 40, c = 20, n = 160), as its manual prints it.
    found = statistics.paired(discordant(20, 40, 160), 0, None)
    assert (found.low, found.high) == pytest.approx((-0.21601726, -0.03089632), abs=1e-8)
    assert found.difference == pytest.approx(-20 / 160)
    assert found.p == pytest.approx(binomtest(20, 60).pvalue)
    assert (found.test, found.spread) == ("exact McNemar over images", "none known")


def test_with_several_draws_p_is_of_the_mean_difference_that_is_reported():
    # Of 1000 images 60 are won in one draw of three and 30 lost in all three: 60 to 30, and a mean of −0.01. By hand:
    # Σd = −10, Σd² = 60/9 + 30 = 36.667; z = (−10/1002)/(sqrt(37.667/1002 − (10/1002)²)/√1002) = −1.6313.
    each = np.array([1 / 3] * 60 + [-1.0] * 30 + [0.0] * 910)[:, None]
    found = statistics.paired(each, 0, None)
    assert found.difference == pytest.approx(-0.01)
    assert found.p == pytest.approx(2 * norm.sf(1.6313), rel=1e-3)
    assert (found.test, found.low < 0 < found.high) == ("paired z over images", True)
    # Won in one draw of three on 300 images, lost outright on 90: more images are won, the mean is surely not above 0.
    found = statistics.paired(np.array([1 / 3] * 300 + [-1.0] * 150 + [0.0] * 550)[:, None], 0, None)
    assert found.difference == pytest.approx(-0.05)
    assert found.high < 0
    assert found.p < 0.01


def test_images_that_never_disagree_still_leave_some_doubt():
    found = statistics.paired(np.zeros((100, 1)), 0, None)
    assert found.low < 0 < found.high
    assert found.p == 1
    # By hand: (1/(n + 2))/(n + 2) is the squared standard error, so ±1.96/102.
    assert found.high == pytest.approx(1.96 / 102, abs=1e-5)


def test_no_interval_of_a_paired_difference_reaches_beyond_1():
    # Five images won outright: 5/7 around, squared standard error (6/7 − 25/49)/7 = 0.0496, so up to 1.15 by itself.
    found = statistics.paired(np.ones((5, 1)), 0, None)
    assert (found.low, found.high) == (pytest.approx(5 / 7 - 1.95996 * np.sqrt(17 / 343), abs=1e-5), 1)
    assert statistics.paired(-np.ones((5, 1)), 0, None).low == -1


@pytest.mark.parametrize("spread", [None, Spread(0.02, 4, "pooled from 2 methods")])
def test_p_against_a_margin_and_the_interval_agree_on_the_margin(spread):
    each = discordant(20, 40, 160)
    low = statistics.paired(each, 0.0, spread).low
    assert statistics.paired(each, low, spread).p == pytest.approx(0.05)
    assert statistics.paired(each, low - 0.01, spread).p < 0.05 < statistics.paired(each, low + 0.01, spread).p


def test_several_seeds_add_students_t_of_their_differences_to_the_images():
    # 1000 images; five seeds win 10, 20 … 50 outright. Their differences 0.01 … 0.05 have the variance 0.001/4, so
    # their mean has the standard error √(0.00025/5) = 0.0070711.
    each = np.zeros((1000, 5))
    for seed in range(5):
        each[: 10 * seed + 10, seed] = 1
    # Over images: of each ten 1, 0.8 … 0.2 are won; Σd = 30, Σd² = 10·(1 + 0.64 + 0.36 + 0.16 + 0.04) = 22.
    se = np.sqrt(23 / 1002 - (30 / 1002) ** 2) / np.sqrt(1002)
    half = np.hypot(2.77645 * 0.0070711, 1.95996 * se)
    found = statistics.paired(each, 0, Spread(9.0, 9, "unused"))
    assert (found.low, found.high) == pytest.approx((30 / 1002 - half, 30 / 1002 + half), abs=1e-6)
    assert (found.difference, found.spread) == (pytest.approx(0.03), "seeds")
    # p is where the interval reaches 0: at p = 0.01714, t = 3.9277 on 4 and z = 2.3838 give √(0.02777² + 0.01118²).
    assert found.p == pytest.approx(0.01714, abs=5e-5)


def test_one_seed_takes_the_spread_of_a_difference_from_the_pool():
    # A spread of 0.003 on 6 degrees of freedom: t(0.975, 6) = 2.4469, so 0.00734 beside the images' half-width.
    alone = statistics.paired(discordant(20, 0, 1000), 0, None)
    found = statistics.paired(discordant(20, 0, 1000), 0, Spread(0.003, 6, "pooled from 3 methods"))
    centre = 20 / 1002
    assert found.high - centre == pytest.approx(np.hypot(alone.high - centre, 2.4469 * 0.003), abs=1e-6)
    assert (found.spread, found.test) == ("pooled from 3 methods", "paired over images and seeds")
    assert found.p > alone.p


@pytest.mark.parametrize("seeds", [2, 3, 4])
def test_fewer_than_five_seeds_take_the_spread_from_the_pool_so_another_training_never_decides_less(seeds):
    def half_width(count: int) -> float:
        found = statistics.paired(discordant(20, 0, 1000).repeat(count, axis=1), 0, Spread(0.003, 8, "a pool"))
        low, high = found.interval(80)  # as of 80 comparisons
        assert found.spread == "a pool"
        return high - low

    assert half_width(seeds) < half_width(seeds - 1)


def test_the_pools_spread_counts_for_each_seed_and_without_a_pool_two_seeds_have_their_own():
    # Differences 0.02 and 0.04, mean 0.03. Alone t(0.975, 1) = 12.7062 times 0.01; from the pool 2.4469·0.003/√2.
    each = np.zeros((1000, 2))
    each[:20, 0], each[:40, 1] = 1, 1
    se = np.sqrt((20 + 20 / 4 + 1) / 1002 - (30 / 1002) ** 2) / np.sqrt(1002)
    found = statistics.paired(each, 0, Spread(0.003, 6, "pooled from 3 methods"))
    half = np.hypot(2.4469 * 0.003 / np.sqrt(2), 1.95996 * se)
    assert (found.low, found.high) == pytest.approx((30 / 1002 - half, 30 / 1002 + half), abs=1e-6)
    assert found.spread == "pooled from 3 methods"
    alone = statistics.paired(each, 0, None)
    assert alone.high - 30 / 1002 == pytest.approx(np.hypot(12.7062 * 0.01, 1.95996 * se), abs=1e-6)
    assert alone.spread == "seeds"


def test_an_unknown_uncertainty_excludes_nothing_and_none_at_all_decides():
    """Three means of images without any spread: unknown, apart from the margin, and on it."""
    unknown, apart, level = (
        statistics.unpaired(np.array([gap]), np.array([variance]), 0.1, None).p
        for gap, variance in ((0.3, np.nan), (0.3, 0.0), (0.1, 0.0))
    )
    assert (unknown, apart, level) == (1, 0, 1)


def test_the_interval_of_a_proportion_over_seeds_ends_at_0_and_1():
    """0.98 and 1: t(0.975, 1) = 12.706 times 0.01 reach far beyond. What is no proportion has no such end."""
    assert statistics.interval(np.array([0.98, 1.0]), 100, True)[1] == 1
    assert statistics.interval(np.array([0.0, 0.02]), 100, True)[0] == 0
    assert statistics.interval(np.array([0.98, 1.0]), 100, False)[1] == pytest.approx(0.99 + 0.12706, abs=1e-4)


def test_another_source_of_doubt_never_narrows_an_interval():
    each = np.zeros((50, 3))
    each[:20, 0], each[:30, 1], each[:25, 2] = 1, 1, 1
    gaps = each.mean(axis=0)
    low, high = statistics.student(gaps.mean(), gaps.std(ddof=1), 3)
    found = statistics.paired(each, 0, None)
    assert found.high - found.low > high - low


def test_an_unpaired_difference_of_one_seed_is_welchs_z():
    # Standard errors 0.3/√100 = 0.03 and 0.4/√100 = 0.04 make 0.05; a difference of 0.1 is two of them.
    found = statistics.unpaired(np.array([0.1]), np.array([0.03**2 + 0.04**2]), 0, None)
    assert (found.low, found.high) == pytest.approx((0.1 - 0.098, 0.1 + 0.098), abs=1e-4)
    assert found.p == pytest.approx(0.0455, abs=1e-4)
    assert found.test == "unpaired z over images"


def test_an_unpaired_difference_of_several_seeds_adds_their_spread():
    # Differences 0.1 and 0.2: sd 0.0707, standard error 0.05 on one degree of freedom, t(0.975, 1) = 12.706.
    found = statistics.unpaired(np.array([0.1, 0.2]), np.array([0.0016, 0.0034]), 0, None)
    assert found.high - 0.15 == pytest.approx(np.hypot(12.706 * 0.05, 1.96 * 0.05), abs=1e-4)


def test_a_printed_numbers_interval_is_wilsons_widened_by_the_spread_between_seeds():
    # Wilson's of 0.9 and 100 is 0.8256 to 0.9448 (Newcombe 1998); a spread of 0.02 over two seeds, t(0.975, 1) 12.706.
    low, high = statistics.wilson(0.9, 100)
    half = 12.706 * 0.02 / np.sqrt(2)
    found = statistics.widened(0.9, low, high, 2, Spread(0.02, 1, "seeds"))
    assert found == pytest.approx((0.9 - np.hypot(0.0744, half), 0.9 + np.hypot(0.0448, half)), abs=2e-4)
