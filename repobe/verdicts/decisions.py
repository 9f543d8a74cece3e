"""What each decision weighs: the runs of a variant beside those of its reference, from the raw tables."""

from pathlib import Path

import numpy as np
import pandas as pd

from repobe.tables.results import KEYS, read, write_derived
from repobe.tables.schema import is_proportion
from repobe.tables.statistics import interval, newcombe
from repobe.verdicts import paper

COLUMNS = ["id", "change", "dataset", "channel", "quantity"]
COLUMNS += ["variant", "reference", "difference", "low", "high", "seeds", "n"]
# What an entry weighs unless it chooses otherwise: not whatever other attacks and radii the two runs happen to share.
ATTACKS = ["none", "paper"]
# Two runs that differ in these are still a pair: the first is what a variant may change, the second follows from it.
UNPAIRED = {"image_size", "snr_train_db"}


def weigh(results: Path) -> None:
    """Writes decisions.csv: one row a change, dataset, channel and quantity; what has not run has no row.

    variant, reference and difference are means over the SNRs that both have, without attack and under the paper's.
    low and high bound the difference with 95 %: over seeds by Student's t on each seed's difference, of one seed by
    Newcombe's interval of two proportions over n images. That one takes the two for independent, which they are not,
    on the same images; and it is of one training each: another seed may lie outside it. Nothing is corrected for how
    many changes are weighed.
    """
    tables = {name: read(results / "tables" / f"{name}.csv", name) for name in ("evasion", "audit")}
    rows = [
        {"id": decision["id"], "change": weighed["change"]} | row
        for decision in paper.decisions()
        for weighed in decision.get("weighed_by", [])
        for row in differences(tables[weighed.get("table", "evasion")], weighed)
    ]
    write_derived(pd.DataFrame(rows, columns=COLUMNS), results / "decisions.csv")


def differences(table: pd.DataFrame, weighed: dict) -> list[dict]:
    """Rows of one entry of `weighed_by`: {variant, of}, each the columns that choose its rows, or {spread, of}."""
    quantity = "metric" if "metric" in table else "quantity"
    if "spread" in weighed:  # D4: no second run, but how far one channel draw lies from the next
        of = _chosen(table, weighed["of"])
        return [
            dict(zip(("dataset", "channel", "quantity"), key, strict=True))
            | {"reference": rows["value"].mean(), "difference": rows[weighed["spread"]].mean()}
            | {"seeds": rows["seed"].nunique(), "n": rows["n"].min()}
            for key, rows in of.groupby(["dataset", "channel", quantity], sort=False)
        ]
    chosen = set(weighed["variant"]) | set(weighed["of"])
    keys = next(keys for keys in KEYS.values() if quantity in keys and set(keys) <= set(table.columns))
    pairing = [key for key in keys if key not in UNPAIRED | chosen]
    variant, of = (_chosen(table, weighed[side]) for side in ("variant", "of"))
    pairs = of.merge(variant, on=pairing, suffixes=("_of", ""))
    # What tells rows of the result apart; a column that either side chooses is the reference's in it.
    names = {name: name if name in pairing else f"{name}_of" for name in ("dataset", "channel", quantity)}
    rows = []
    for key, group in pairs.groupby(list(names.values()), sort=False):
        each = group.groupby("seed")[["value", "value_of"]].mean()
        n, n_of = int(group["n"].min()), int(group["n_of"].min())
        values = each["value"].to_numpy(), each["value_of"].to_numpy()
        low, high = _bounds(*values, n, n_of, is_proportion(str(key[-1])))
        row = dict(zip(("dataset", "channel", "quantity"), key, strict=True))
        variant_mean, reference = each["value"].mean(), each["value_of"].mean()
        row |= {"variant": variant_mean, "reference": reference, "difference": variant_mean - reference}
        rows.append(row | {"low": low, "high": high, "seeds": len(each), "n": min(n, n_of)})
    return rows


def _chosen(table: pd.DataFrame, selection: dict) -> pd.DataFrame:
    found = table[np.logical_and.reduce([table[column] == value for column, value in selection.items()])]
    if "attack" in table and not {"attack", "eps"} & set(selection):
        found = found[found["attack"].isin(ATTACKS)]
    return found


def _bounds(variant: np.ndarray, reference: np.ndarray, n: int, n_of: int, proportion: bool) -> tuple[float, float]:
    if len(variant) > 1:
        return interval(variant - reference, n, proportion=False)
    return newcombe(variant[0], n, reference[0], n_of) if proportion else (np.nan, np.nan)
