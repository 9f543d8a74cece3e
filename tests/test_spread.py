import numpy as np
import pandas as pd
import pytest
from conftest import evasion

from repobe.verdicts.spread import binomial_sd, pooled, relative, scaled


def seeds(*value: float, **departures) -> list[dict]:
    return [{"seed": seed, "value": one} | departures for seed, one in enumerate(value)]


def table(*groups: list[dict]) -> pd.DataFrame:
    return evasion(*(row for group in groups for row in group))


AWGN_7 = {"channel": "awgn", "snr_test_db": 7.0}


def test_variances_of_one_place_are_pooled_by_their_degrees_of_freedom():
    # 0.90, 0.92, 0.94: variance 0.0004 on 2; 0.80, 0.80, 0.81, 0.83: mean 0.81, variance 0.0006/3 = 0.0002 on 3.
    rows = table(
        seeds(0.90, 0.92, 0.94),
        seeds(0.80, 0.80, 0.81, 0.83, method="necst"),
        seeds(0.1, method="ibal"),  # one seed has no spread
        seeds(0.1, 0.9, 0.5, channel="rayleigh"),  # elsewhere
    )
    found = pooled(rows, AWGN_7)
    assert found.sd == pytest.approx(np.sqrt((2 * 0.0004 + 3 * 0.0002) / 5))
    assert (found.df, found.source) == (5, "pooled from 2 methods over awgn at 7 dB")
    # The variances of two trainings add up, each on its own scale.
    assert scaled(found, 1, 1).sd == pytest.approx(np.sqrt(2) * found.sd)
    assert scaled(found, 3, 4).sd == pytest.approx(5 * found.sd)


def test_too_few_seeds_at_a_place_are_pooled_with_all_others_each_training_counted_once():
    # One training at two SNRs, variances 0.0002 and 0.0008 on one degree of freedom: their mean, on one.
    rows = table(seeds(0.90, 0.92), seeds(0.90, 0.94, snr_test_db=23.0))
    found = pooled(rows, AWGN_7)
    assert (found.sd**2, found.df) == (pytest.approx(0.0005), 1)
    assert found.source == "pooled from 1 method over awgn"
    # Over Rayleigh fading nothing has a second seed: the source says where the spread was measured.
    found = pooled(rows, {"channel": "rayleigh", "snr_test_db": 7.0})
    assert found.source == "pooled from 1 method over awgn"
    rows = table(seeds(0.90, 0.92), seeds(0.90, 0.94, channel="rayleigh"))
    assert pooled(rows, AWGN_7).source == "pooled from 1 method over awgn and rayleigh"


def test_a_place_needs_four_degrees_of_freedom_to_stand_alone():
    """Three methods of two seeds have three, so all SNRs count; a fourth makes four. Variances 0.0002, 0.0008."""
    near = [seeds(0.90, 0.92, method=name) for name in ("repobe", "necst", "ibal", "escst")]
    far = [seeds(0.90, 0.94, method="vae", snr_test_db=23.0)]
    found = pooled(table(*near[:3], *far), AWGN_7)
    assert (found.sd**2, found.df) == (pytest.approx((3 * 0.0002 + 0.0008) / 4), 4)
    assert found.source == "pooled from 4 methods over awgn"
    found = pooled(table(*near, *far), AWGN_7)
    assert (found.sd**2, found.df) == (pytest.approx(0.0002), 4)
    assert found.source == "pooled from 4 methods over awgn at 7 dB"


def test_without_any_second_seed_nothing_is_known():
    assert pooled(table(seeds(0.9), seeds(0.8, method="necst")), AWGN_7) is None


def test_the_spread_of_an_accuracy_grows_with_the_room_that_it_has():
    """A method that reads 0.5 borrows five times the spread of one that reads 0.99 (sqrt(0.25/0.0099) = 5.03)."""
    rows = table(seeds(0.988, 0.990, 0.992), seeds(0.986, 0.990, 0.990, 0.994, method="necst"))
    # Variances 4e-6 on 2 and 10.67e-6 on 3 (squares 16, 0, 0 and 16 over 3): (8 + 32)e-6/5 = 8e-6.
    near, far = (scaled(pooled(relative(rows), AWGN_7), binomial_sd(one, 10_000)).sd for one in (0.99, 0.5))
    assert near == pytest.approx(np.sqrt(8e-6))
    assert far == pytest.approx(np.sqrt(8e-6) * 5.0, rel=0.01)
    # One image more on either side, 9,999 of 10,000: an accuracy of 1 still has a spread.
    assert binomial_sd(1.0, 9998) == pytest.approx(np.sqrt(0.9999 * 0.0001))
