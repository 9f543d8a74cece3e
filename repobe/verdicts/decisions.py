"""The effect of each decision: a variant's runs against its reference's, from the raw tables."""

from pathlib import Path

import numpy as np
import pandas as pd

from repobe.runs import checksums
from repobe.tables.results import KEYS, read, write_derived
from repobe.tables.schema import is_proportion
from repobe.tables.selection import at
from repobe.tables.statistics import interval, newcombe
from repobe.verdicts import paper

COLUMNS = ["id", "change", "dataset", "channel", "quantity"]
COLUMNS += ["variant", "reference", "difference", "low", "high", "seeds", "n"]
# An entry compares these unless it names an attack or eps, not all attacks that the two runs share.
ATTACKS = ["none", "paper"]
# Runs that differ in these still pair. A variant may change image_size or the training SNRs (D2, D5).
UNPAIRED = {"image_size", "snr_train_db"}


def weigh(results: Path) -> None:
    """Writes decisions.csv: one row per change, dataset, channel and quantity, if it has run.

    variant, reference and difference are means over the SNRs that both have, without attack and under the paper's
    attack. low to high is the 95 % interval of the difference. Over several seeds it is Student's t on the differences
    of the seeds. For one seed it is Newcombe's interval of two proportions over n images, which treats the two as
    independent although the images are the same, and covers one training each: another seed may lie outside. There is
    no correction for the number of changes.
    """
    tables = {name: read(results / "tables" / f"{name}.csv", name) for name in ("evasion", "audit")}
    rows = [
        {"id": decision["id"], "change": weighed["change"]} | row
        for decision in paper.decisions()
        for weighed in decision.get("weighed_by", [])
        for row in differences(tables[weighed.get("table", "evasion")], weighed)
    ]
    write_derived(pd.DataFrame(rows, columns=COLUMNS), results / "decisions.csv")
    checksums.record(results, "decisions", ["decisions.csv"])


def differences(table: pd.DataFrame, weighed: dict) -> list[dict]:
    """Rows of one entry of `weighed_by`: {variant, of} or {spread, of}; each side names the columns it selects by."""
    quantity = "metric" if "metric" in table else "quantity"
    if "spread" in weighed:  # D4: the spread between channel draws; there is no second run
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
    # The result's rows by these columns; for a column that a side selects by, the reference's value.
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
    found = at(table, selection)
    if "attack" in table and not {"attack", "eps"} & set(selection):
        found = found[found["attack"].isin(ATTACKS)]
    return found


def _bounds(variant: np.ndarray, reference: np.ndarray, n: int, n_of: int, proportion: bool) -> tuple[float, float]:
    if len(variant) > 1:
        return interval(variant - reference, n, proportion=False)
    return newcombe(variant[0], n, reference[0], n_of) if proportion else (np.nan, np.nan)
