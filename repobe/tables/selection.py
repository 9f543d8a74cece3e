"""Selecting rows of a table by the values of their columns."""

from collections.abc import Mapping

import numpy as np
import pandas as pd


def at(frame: pd.DataFrame, place: Mapping[str, object]) -> pd.DataFrame:
    """The rows that have these values in these columns; place: at least one column."""
    return frame[np.logical_and.reduce([frame[column] == value for column, value in place.items()])]
