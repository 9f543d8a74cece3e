"""Outcomes: of every test image, in how many channel draws a method was right; what pairs methods image by image."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from repobe.files import replace
from repobe.spec import Spec

# The narrowest types that hold them: a test image in 10,000 costs a few bits on the disk.
SCHEMA = pa.schema(
    [(name, pa.dictionary(pa.int8(), pa.string())) for name in ("method", "dataset", "channel", "snr_train_db")]
    + [("image_size", pa.uint16()), ("seed", pa.uint32()), ("snr_test_db", pa.float64())]
    + [("attack", pa.dictionary(pa.int8(), pa.string()))]
    + [("image", pa.uint32()), ("correct", pa.uint8()), ("draws", pa.uint8())]
)
PARTS = ["method", "dataset", "channel", "snr_train_db", "image_size", "seed", "snr_test_db", "attack"]
ATTACKS = {"natural_accuracy": "none", "adversarial_accuracy": "paper"}


def frame(spec: Spec, counts: dict[tuple[float, str], tuple[np.ndarray, int]]) -> pd.DataFrame:
    """Rows of one run from {(snr_test_db, attack): (correct draws of each image, draws)}."""
    parts = [
        pd.DataFrame(
            spec.columns
            | {"snr_test_db": snr_db, "attack": attack}
            | {"image": np.arange(len(correct)), "correct": correct, "draws": draws}
        )
        for (snr_db, attack), (correct, draws) in counts.items()
    ]
    return pd.concat(parts) if parts else pd.DataFrame(columns=SCHEMA.names)


def write(rows: pd.DataFrame, path: Path) -> None:
    """A parquet file, whole or not at all; the same rows give the same bytes."""
    table = pa.Table.from_pandas(rows[SCHEMA.names], SCHEMA, preserve_index=False).replace_schema_metadata()
    plain = [name for name in SCHEMA.names if name != "image"]
    buffer = io.BytesIO()
    pq.write_table(
        table, buffer, compression="zstd", use_dictionary=plain, column_encoding={"image": "DELTA_BINARY_PACKED"}
    )
    replace(path, buffer.getvalue())


def read(path: Path) -> pd.DataFrame:
    """The rows of an outcomes.parquet, checked. ValueError names the file and the fault."""
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist; run snakemake to make it") from None
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} is damaged ({error}); delete it and run again") from None
    if table.schema.names != SCHEMA.names:
        raise ValueError(f"{path}: its columns are not {', '.join(SCHEMA.names)}; delete it and run again")
    rows = table.to_pandas()
    if (rows["correct"] > rows["draws"]).any():
        raise ValueError(f"{path}: more correct draws than draws")
    if rows.duplicated([*PARTS, "image"]).any():
        raise ValueError(f"{path}: the same image stands twice in one setting")
    return rows


def gather(paths: list[Path], out: Path) -> None:
    """The outcomes of many runs in one file."""
    runs = [read(path) for path in paths]
    for column in (field.name for field in SCHEMA if pa.types.is_dictionary(field.type)):
        names = list(dict.fromkeys(name for run in runs for name in run[column].cat.categories))
        for run in runs:
            run[column] = run[column].cat.set_categories(names)
    write(pd.concat(runs, ignore_index=True), out)


def fractions(rows: pd.DataFrame, dataset: str, channel: str, method: str, quantity: str) -> pd.DataFrame:
    """Of each image (the index) the fraction of its draws that were right; columns (snr_test_db, seed)."""
    chosen = rows[
        (rows["method"] == method)
        & (rows["dataset"] == dataset)
        & (rows["channel"] == channel)
        & (rows["attack"] == ATTACKS[quantity])
    ]
    fraction = chosen["correct"] / chosen["draws"].astype(float)
    return chosen.assign(fraction=fraction).pivot(index="image", columns=["snr_test_db", "seed"], values="fraction")


def accuracies(rows: pd.DataFrame) -> pd.DataFrame:
    """The accuracy of each setting, as evasion.csv has it."""
    return (
        rows.groupby(PARTS, observed=True, sort=False)
        .agg(correct=("correct", "sum"), draws=("draws", "sum"), n=("image", "size"))
        .assign(value=lambda sums: sums["correct"] / sums["draws"])
        .reset_index()
    )
