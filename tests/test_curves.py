"""Curves over SNR: what is enlarged, how far they are moved apart, and what the paper's points are called."""

import numpy as np
import pandas as pd
import pytest

from repobe.report import curves


def curve(means, half=0.0) -> pd.DataFrame:
    """A curve's rows, its bars of so much on either side."""
    means = np.array(means)
    return pd.DataFrame({"mean": means, "low": means - half, "high": means + half})


def test_a_band_is_enlarged_where_the_whole_range_hides_who_is_ahead():
    """From 0.1 to 0.9 a twentieth is 0.04, so two reach 0.86 on average; bars go to 0.85 and 0.91, 0.003 is margin."""
    low, next_, two = curve([0.1, 0.1]), curve([0.8, 0.8]), [curve([0.86, 0.9], 0.01), curve([0.87, 0.87])]
    assert curves.enlarged([low, next_, *two], []) == pytest.approx((0.85 - 0.003, 0.91 + 0.003))
    assert curves.enlarged([low, next_, two[0]], []) is None  # one alone is seen well
    assert curves.enlarged([low, next_, two[0]], [two[1]]) is None  # and the paper's points are no curve
    assert curves.enlarged(two, []) is None  # the whole range is theirs
    assert curves.enlarged([low, next_, curve([0.86, 0.9], 0.1), two[1]], []) is None  # 0.24 of 0.8 is over a quarter
    assert curves.enlarged([], []) is None


def test_the_papers_points_count_towards_the_range_and_lie_within_the_band():
    """From 0.1 to 0.9 is by the paper's points; curves at 0.89 and 0.895 and its 0.9 are a band, 0.0005 its margin."""
    printed = [curve([0.1]).drop(columns=["low", "high"]), curve([0.9]).drop(columns=["low", "high"])]
    assert curves.enlarged([curve([0.89]), curve([0.895])], printed) == pytest.approx((0.8895, 0.9005))


def test_curves_are_offset_by_a_quarter_of_a_decibel_at_most():
    """A marker far from its SNR would seem measured at another one."""
    assert curves.offsets(0) == []
    assert curves.offsets(1) == [0]
    assert curves.offsets(2) == [-0.125, 0.125]
    assert curves.offsets(9) == pytest.approx(np.linspace(-0.25, 0.25, 9))


def test_the_papers_points_are_called_as_it_calls_them():
    """Sec. 4.1 gives JPEG2000's 0.9203 at 23 dB and says of no code; ours is an ideal one."""
    (curve_,) = curves.curves_of(curves.points_printed("fig3c"), ["jpeg2000"], ["natural_accuracy"], printed=True)
    assert curve_.label == "JPEG2000 (paper)"
    assert [*zip(curve_.rows["snr_test_db"], curve_.rows["mean"], strict=True)] == [(23, 0.9203)]
