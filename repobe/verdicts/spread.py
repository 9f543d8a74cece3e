"""The spread between seeds, pooled over methods: what a method with fewer than five seeds takes for its own (D34)."""

from dataclasses import replace
from typing import TypeVar

import numpy as np
import pandas as pd

from repobe.tables.outcomes import ATTACKS
from repobe.tables.selection import at
from repobe.tables.statistics import ENOUGH, Spread

TRAINING = ["method", "channel", "snr_train_db"]
MEASURED = ["snr_test_db", "snr_tap_db", "attacker"]  # what one training is measured at; a frame has some of them
Numbers = TypeVar("Numbers", float, pd.Series)


def pooled(rows: pd.DataFrame, place: dict) -> Spread | None:
    """The standard deviation between seeds, pooled over trainings with several seeds; None if there are none.

    rows: one quantity on one dataset, with TRAINING, seed and value. place: the channel and columns of MEASURED. If the
    rows at that place have ENOUGH degrees of freedom, only they are pooled, else those of all channels and SNRs. Each
    training counts once, however often it was measured.
    """
    near = at(rows, place)
    there = " at ".join(f"{value:g} dB" if name.startswith("snr") else str(value) for name, value in place.items())
    for chosen, where, enough in ((near, there, ENOUGH), (rows, "", 1)):
        trainings = chosen.groupby([*TRAINING, *_measured(chosen)], observed=True, as_index=False)
        each = trainings["value"].agg(["var", "count"])
        each = each[each["count"] > 1]
        df = int((each.drop_duplicates(TRAINING)["count"] - 1).sum())
        if df >= enough:
            sd = float(np.sqrt(np.average(each["var"], weights=each["count"] - 1)))
            methods = each["method"].nunique()
            where = where or " and ".join(dict.fromkeys(each["channel"].map(str)))
            source = f"pooled from {methods} method{'s' if methods > 1 else ''} over {where}"
            return Spread(sd, df, source)
    return None


def scaled(spread: Spread | None, *scale: float) -> Spread | None:
    """The spread of a difference of trainings that vary `scale` times as much each; None if it is not known.

    scale: one factor for each training of the difference, or one alone where a figure stands alone. For `relative` rows
    it is the training's `binomial_sd`, else 1.
    """
    return spread and replace(spread, sd=spread.sd * float(np.sqrt(np.square(scale).sum())))


def accuracies(evasion: pd.DataFrame, dataset: str, quantity: str) -> pd.DataFrame:
    """All methods' rows of evasion.csv for one quantity on one dataset: what the spread is pooled from."""
    return at(evasion, {"dataset": dataset, "metric": quantity, "attack": ATTACKS[quantity]})


def binomial_sd(accuracy: Numbers, images: Numbers) -> Numbers:
    """sqrt(p·(1 − p)), with one image more on either side, so that it is never 0."""
    p = (accuracy * images + 1) / (images + 2)
    return (p * (1 - p)) ** 0.5


def relative(rows: pd.DataFrame, accuracy: str = "value") -> pd.DataFrame:
    """Rows whose values are divided by the binomial_sd of their training's mean accuracy.

    An accuracy near 0.99 varies less between seeds than one near 0.6, because it has less room. As in a
    quasi-binomial model (Wedderburn 1974), the variance grows with p·(1 − p). accuracy: the column that has p.
    """
    mean = rows.groupby([*TRAINING, *_measured(rows)], observed=True)[accuracy].transform("mean")
    return rows.assign(value=rows["value"] / binomial_sd(mean, rows["n"]))


def _measured(rows: pd.DataFrame) -> list[str]:
    return [name for name in MEASURED if name in rows]
