import numpy as np
import pandas as pd
import pytest
from conftest import evasion

from repobe.verdicts.spread import between_two, pooled


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
    assert between_two(found).sd == pytest.approx(np.sqrt(2) * found.sd)


def test_too_few_seeds_at_a_place_are_pooled_with_all_others_each_training_counted_once():
    # One training at two SNRs, variances 0.0002 and 0.0008 on one degree of freedom: their mean, on one.
    rows = table(seeds(0.90, 0.92), seeds(0.90, 0.94, snr_test_db=23.0))
    found = pooled(rows, AWGN_7)
    assert (found.sd**2, found.df, found.source) == (pytest.approx(0.0005), 1, "pooled from 1 method")


def test_without_any_second_seed_nothing_is_known():
    assert pooled(table(seeds(0.9), seeds(0.8, method="necst")), AWGN_7) is None
    assert between_two(None) is None
