"""The spread between seeds: measured where a method has several, pooled for those that have one (D34)."""

import numpy as np
import pandas as pd

from repobe.tables.statistics import Spread

ENOUGH = 4  # degrees of freedom of a pool of one channel and SNR; with fewer all channels and SNRs are pooled
TRAINING = ["method", "channel", "snr_train_db"]
MEASURED = ["snr_test_db", "snr_tap_db", "attacker"]  # what one training is measured at, of which a frame has some


def pooled(rows: pd.DataFrame, place: dict) -> Spread | None:
    """The standard deviation between seeds, pooled over the trainings that have several; None where none has.

    rows: one quantity on one dataset, with TRAINING, seed and value. place: the channel and what else of MEASURED says
    where; rows from there alone are pooled where they have enough degrees of freedom. Each training counts once,
    however often it was measured.
    """
    near = rows[np.logical_and.reduce([rows[name] == value for name, value in place.items()])]
    there = " at ".join(f"{value:g} dB" if name.startswith("snr") else str(value) for name, value in place.items())
    for chosen, where, enough in ((near, f" over {there}", ENOUGH), (rows, "", 1)):
        measured = [name for name in MEASURED if name in chosen]
        each = chosen.groupby([*TRAINING, *measured], observed=True, as_index=False)["value"].agg(["var", "count"])
        each = each[each["count"] > 1]
        df = int((each.drop_duplicates(TRAINING)["count"] - 1).sum())
        if df >= enough:
            sd = float(np.sqrt(np.average(each["var"], weights=each["count"] - 1)))
            methods = each["method"].nunique()
            return Spread(sd, df, f"pooled from {methods} method{'s' if methods > 1 else ''}{where}")
    return None


def between_two(spread: Spread | None) -> Spread | None:
    """The spread of a difference of two trainings, from the spread of one."""
    return spread and Spread(float(np.sqrt(2)) * spread.sd, spread.df, spread.source)
