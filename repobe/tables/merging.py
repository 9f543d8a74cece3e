"""Merges the gathered tables of several folders (parts of a grid, repeated runs) into one folder."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from repobe.tables import outcomes, results
from repobe.tables.schema import KEYS


def merge(out: Path, sources: list[Path]) -> None:
    """Writes <out>/tables from <source>/tables of each source; <out> may be one of the sources.

    If a run, or the cipher audit of random features, is in several sources, the last one wins. ValueError if a file of
    a source is missing or has changed since it was gathered.
    """
    frames: dict[str, pd.DataFrame] = {}
    pictures: dict[str, np.ndarray] = {}
    provenance: dict[str, dict] = {}
    for tables in [source / "tables" for source in sources]:
        _refuse_changed(tables)
        entries = {entry["run"]: entry for entry in results.told(tables / "provenance.json")}
        cells = {f"{name}.csv": _cells(tables / f"{name}.csv") for name in [*KEYS, "history"]}
        cells["outcomes.parquet"] = outcomes.read(tables / "outcomes.parquet")
        made = set(_runs(cells["history.csv"])) | set(_runs(cells["audit.csv"]))  # the cipher audit has no history
        for name, new in cells.items():
            old = frames.get(name, new.iloc[:0])
            frames[name] = pd.concat([old[~_runs(old).isin(made)], new], ignore_index=True)
        pictures = {name: picture for name, picture in pictures.items() if name.rpartition("/")[0] not in entries}
        pictures |= results.pictures_of(tables / "reconstructions.npz")
        provenance |= entries
    folder = out / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    counted = pa.Table.from_pandas(frames.pop("outcomes.parquet"), preserve_index=False)
    outcomes.write(counted.select(outcomes.SCHEMA.names).cast(outcomes.SCHEMA), folder / "outcomes.parquet")
    for name, frame in frames.items():
        results.write(frame, folder / name)
    results.seal(folder, pictures, list(provenance.values()))


def _cells(path: Path) -> pd.DataFrame:
    """A CSV's cells as text, so that no number changes its digits."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def _runs(frame: pd.DataFrame) -> pd.Series:
    """A key for each row's run. It includes snr_train_db, because matched training has one model per SNR."""
    names = ["dataset", "channel", "method", "seed", "snr_train_db"]
    return frame[names].astype(str).agg("/".join, axis=1) if len(frame) else pd.Series(dtype=str)


def _refuse_changed(tables: Path) -> None:
    for line, agrees in results.gathered(tables):
        if not agrees:
            raise ValueError(f"{tables.parent}: {line}; `verify` must find no changed file in a folder that is merged")
