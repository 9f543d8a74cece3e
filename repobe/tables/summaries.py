"""Summaries of tables over seeds."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from repobe.runs import checksums
from repobe.runs.files import replace
from repobe.tables.results import read, write_derived
from repobe.tables.schema import (
    AUDITED,
    CONFIGURATION,
    COST_NUMBERS,
    FRACTIONS,
    KEYS,
    OVER_KEYS,
    RAW_TABLES,
    READ,
    VALUES,
    is_proportion,
)
from repobe.tables.statistics import interval


def summary(results: Path) -> None:
    """Writes <results>/summary: for each key without the seed, the mean and its 95 % interval."""
    source, out = results / "tables", results / "summary"
    out.mkdir(parents=True, exist_ok=True)
    every = {table: read(source / f"{table}.csv", table) for table in RAW_TABLES if table != "cost"}
    natural = every["evasion"].query("metric == 'natural_accuracy'")
    tested = {str(dataset): int(n) for dataset, n in natural.groupby("dataset")["n"].max().items()}
    for table, frame in every.items():
        write_derived(summarise(frame, table, tested), out / f"{table}.csv")
    cost = read(source / "cost.csv", "cost")
    group = cost.groupby([*CONFIGURATION, "device", "threads", "precision"], sort=False)
    mean = group[COST_NUMBERS].mean()
    write_derived(mean.assign(seeds=group.size()).reset_index(), out / "cost.csv")
    for name in ("reconstructions.npz", "provenance.json"):
        checksums.check(source / name)
        replace(out / name, (source / name).read_bytes())
    names = [*(f"{table}.csv" for table in RAW_TABLES), "reconstructions.npz", "provenance.json"]
    checksums.record(out, "summary", names)


def summarise(frame: pd.DataFrame, table: str, tested: Mapping[str, int] = MappingProxyType({})) -> pd.DataFrame:
    """One row per key without the seed: mean sd low high seeds n. tested: the number of test images by dataset."""
    key = [column for column in KEYS[table] if column != "seed"]
    rows = []
    for values, group in frame.groupby(key, sort=False, dropna=False):
        row: dict[str, Any] = dict(zip(key, values, strict=True))
        measured = row["metric" if "metric" in row else "quantity"]
        accuracy = is_proportion(measured) and measured not in OVER_KEYS
        spread = next((name for name in ("images_sd", "keys_sd") if name in group), None)
        sd = float(group[spread].mean()) if spread else np.nan
        images = min(tested.get(row["dataset"], AUDITED), AUDITED) if measured in READ else None
        low, high = interval(group["value"].to_numpy(float), int(group["n"].min()), accuracy, sd, images)
        if measured in FRACTIONS:  # Student's interval may leave [0, 1]
            low, high = np.clip([low, high], 0, 1)
        row |= {"mean": group["value"].mean(), "sd": group["value"].std(ddof=1), "low": low, "high": high}
        row |= {"seeds": len(group), "n": int(group["n"].min())}
        if "draws_sd" in group:
            row["draws_sd"] = group["draws_sd"].mean()
        if "symbols_k" in group:
            row["symbols_k"] = int(group["symbols_k"].iloc[0])
        rows.append(row)
    last = [name for name in ("draws_sd", "symbols_k") if name in VALUES[table]]
    return pd.DataFrame(rows, columns=[*key, "mean", "sd", "low", "high", "seeds", "n", *last])
