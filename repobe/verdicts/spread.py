"""The spread between seeds: measured for methods with several seeds, pooled for methods with one (D34)."""

import numpy as np
import pandas as pd

from repobe.tables.selection import at
from repobe.tables.statistics import Spread

ENOUGH = 4  # degrees of freedom from one channel and SNR; with fewer, pool all channels and SNRs
TRAINING = ["method", "channel", "snr_train_db"]
MEASURED = ["snr_test_db", "snr_tap_db", "attacker"]  # what one training is measured at; a frame has some of them


def pooled(rows: pd.DataFrame, place: dict) -> Spread | None:
    """The standard deviation between seeds, pooled over trainings with several seeds; None if there are none.

    rows: one quantity on one dataset, with TRAINING, seed and value. place: the channel and columns of MEASURED. If the
    rows at that place have enough degrees of freedom, only they are pooled. Each training counts once, however often it
    was measured.
    """
    near = at(rows, place)
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
    """The spread of a difference of two trainings, from that of one training."""
    return spread and Spread(float(np.sqrt(2)) * spread.sd, spread.df, spread.source)
