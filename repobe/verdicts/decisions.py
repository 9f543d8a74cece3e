"""The effect of each decision: a variant's runs against its reference's, from the raw tables."""

from pathlib import Path

import numpy as np
import pandas as pd

from repobe.runs import checksums
from repobe.tables import outcomes
from repobe.tables.results import write_derived
from repobe.tables.schema import KEYS, is_proportion
from repobe.tables.selection import at
from repobe.tables.statistics import interval, newcombe, over_seeds, paired
from repobe.verdicts import paper
from repobe.verdicts.evidence import Tables

COLUMNS = ["id", "change", "dataset", "channel", "quantity"]
COLUMNS += ["variant", "reference", "difference", "low", "high", "seeds", "n"]
# An entry compares these unless it names an attack or eps, not all attacks that the two runs share.
ATTACKS = ["none", "paper"]
# Runs that differ in these still pair. A variant may change image_size or the training SNRs (D2, D5).
UNPAIRED = {"image_size", "snr_train_db"}


def weigh(results: Path, tables: Tables | None = None) -> None:
    """Writes decisions.csv: one row per change, dataset, channel and quantity, if it has run.

    variant, reference and difference are means over the SNRs that both have, without attack and under the paper's
    attack. low to high is the 95 % interval of the difference, for these images and, over several seeds, these seeds:
    `paired`, image by image, where outcomes.parquet has the same images of both. Else it is Newcombe's interval of two
    proportions, which takes the two for independent, widened by Student's t on the differences of the seeds. For one
    seed it covers one training each: another seed may lie outside. There is no correction for the number of changes.
    tables: those of <results>/tables, if they were read already.
    """
    tables = tables or Tables.of(results)
    rows = [
        {"id": decision["id"], "change": weighed["change"]} | row
        for decision in paper.decisions()
        for weighed in decision.get("weighed_by", [])
        for row in differences(getattr(tables, weighed.get("table", "evasion")), weighed, tables.outcomes)
    ]
    write_derived(pd.DataFrame(rows, columns=COLUMNS), results / "decisions.csv")
    checksums.record(results, "decisions", ["decisions.csv"])


def differences(table: pd.DataFrame, weighed: dict, images: pd.DataFrame | None = None) -> list[dict]:
    """Rows of one entry of `weighed_by`: {variant, of} or {spread, of}; each side names the columns it selects by.

    images: the outcomes of each image, for paired intervals.
    """
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
    if variant.empty or of.empty:  # to pair empty tables takes as long as to pair small ones
        return []
    pairs = of.merge(variant, on=pairing, suffixes=("_of", ""))
    # The result's rows by these columns; for a column that a side selects by, the reference's value.
    names = {name: name if name in pairing else f"{name}_of" for name in ("dataset", "channel", quantity)}
    by_image = _by_image(images, weighed, list(names.values())[:2]) if images is not None and len(pairs) else {}
    rows = []
    for key, group in pairs.groupby(list(names.values()), sort=False):
        each = group.groupby("seed")[["value", "value_of"]].mean()
        n, n_of = int(group["n"].min()), int(group["n_of"].min())
        values = each["value"].to_numpy(), each["value_of"].to_numpy()
        if len(by_image.get(key, ())) == max(n, n_of):
            found = paired(by_image[key], 0, None)
            low, high = found.low, found.high
        else:  # an audit, or other images: runs of older versions attacked the first ones
            low, high = _unpaired(*values, n, n_of, is_proportion(str(key[-1])))
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


def _by_image(images: pd.DataFrame, weighed: dict, place: list[str]) -> dict[tuple, np.ndarray]:
    """By (dataset, channel, quantity): the variant's correct fraction minus the reference's, Float[images, seeds].

    Means over the SNRs that both have. Empty if a side selects by what the outcomes do not have.
    """
    chosen = set(weighed["variant"]) | set(weighed["of"])
    if "attack" in chosen or not chosen <= set(images.columns):
        return {}
    pairing = [name for name in ("dataset", "channel", "seed", "snr_test_db", "attack", "image") if name not in chosen]
    variant, of = (outcomes.with_fraction(at(images, weighed[side])) for side in ("variant", "of"))
    pairs = of.merge(variant, on=pairing, suffixes=("_of", ""))
    pairs["difference"] = pairs["fraction"] - pairs["fraction_of"]
    quantities = {attack: quantity for quantity, attack in outcomes.ATTACKS.items()}
    return {
        (dataset, channel, quantities[attack]): rows.pivot_table("difference", "image", "seed").dropna().to_numpy()
        for (dataset, channel, attack), rows in pairs.groupby([*place, "attack"], observed=True, sort=False)
        if attack in quantities
    }


def _unpaired(variant: np.ndarray, reference: np.ndarray, n: int, n_of: int, proportion: bool) -> tuple[float, float]:
    """The interval of the difference of two means Float[seeds] over different images, or keys."""
    each = variant - reference
    if not proportion:
        return interval(each, n, proportion=False)
    low, high = over_seeds(each, *newcombe(variant.mean(), n, reference.mean(), n_of))
    return max(-1.0, low), min(1.0, high)
