"""Outcomes: the number of correct channel draws of each test image, for paired tests.

Writing avoids pandas, because importing it takes a second.
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from repobe.runs import checksums
from repobe.runs.files import replace
from repobe.runs.spec import Spec

if TYPE_CHECKING:
    import pandas as pd

# The narrowest types that fit; compressed, an image takes a few bits on disk.
SCHEMA = pa.schema(
    [(name, pa.dictionary(pa.int16(), pa.string())) for name in ("method", "dataset", "channel", "snr_train_db")]
    + [("image_size", pa.uint16()), ("seed", pa.uint32()), ("snr_test_db", pa.float64())]
    + [("attack", pa.dictionary(pa.int16(), pa.string()))]
    + [("image", pa.uint32()), ("correct", pa.uint8()), ("draws", pa.uint8())]
)
PARTS = ["method", "dataset", "channel", "snr_train_db", "image_size", "seed", "snr_test_db", "attack"]
ATTACKS = {"natural_accuracy": "none", "adversarial_accuracy": "paper"}


def rows(spec: Spec, counts: dict[tuple[float, str], tuple[np.ndarray, int]], number: np.ndarray) -> pa.Table:
    """Rows of one run from {(snr_test_db, attack): (correct draws of each image, draws)}, sorted by image number.

    number: int [n], the index of each image in the dataset's own test split; a setting covers the first few of them.
    """
    parts = []
    for (snr_db, attack), (correct, draws) in counts.items():
        columns = spec.columns | {"snr_test_db": snr_db, "attack": attack, "draws": draws}
        columns = {name: [value] * len(correct) for name, value in columns.items()}
        order = np.argsort(number[: len(correct)])
        columns |= {"image": number[order], "correct": correct[order]}
        parts.append(pa.table(columns).select(SCHEMA.names).cast(SCHEMA))
    return pa.concat_tables(parts) if parts else SCHEMA.empty_table()


def write(table: pa.Table, path: Path) -> None:
    """Writes a parquet file atomically; the same rows give the same bytes."""
    # One chunk and one dictionary, so that the bytes do not depend on the parts that the rows came in.
    table = table.unify_dictionaries().combine_chunks().replace_schema_metadata()
    plain = [name for name in SCHEMA.names if name != "image"]
    buffer = io.BytesIO()
    pq.write_table(
        table, buffer, compression="zstd", use_dictionary=plain, column_encoding={"image": "DELTA_BINARY_PACKED"}
    )
    replace(path, buffer.getvalue())


def read(path: Path) -> "pd.DataFrame":
    """The rows of an outcomes.parquet, checked. ValueError names the file and the fault."""
    return _checked(stored(path), path)


def _checked(table: pa.Table, path: Path) -> "pd.DataFrame":
    frame = table.to_pandas()
    if (frame["correct"] > frame["draws"]).any():
        raise ValueError(f"{path}: more correct draws than draws; delete it and run again")
    if frame.duplicated([*PARTS, "image"]).any():
        raise ValueError(f"{path}: the same image appears twice in one setting; delete it and run again")
    return frame


def stored(path: Path) -> pa.Table:
    """The rows as they are on disk; the checksum and the columns are checked, the values are not."""
    checksums.check(path)
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist; run snakemake to make it") from None
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} is damaged ({error}); delete it and run again") from None
    if table.schema.names != SCHEMA.names:
        raise ValueError(f"{path}: its columns are not {', '.join(SCHEMA.names)}; delete it and run again")
    return table


def gather(paths: list[Path], out: Path) -> None:
    """The outcomes of many runs in one file."""
    runs = [stored(path) for path in paths]
    for run, path in zip(runs, paths, strict=True):
        _checked(run, path)  # names the faulty file
    write(pa.concat_tables([run.cast(SCHEMA) for run in runs]), out)


def fractions(rows: "pd.DataFrame", dataset: str, channel: str, method: str, quantity: str) -> "pd.DataFrame":
    """Fraction of correct draws of each image: images are the index, (snr_test_db, seed) the columns."""
    chosen = rows[
        (rows["method"] == method)
        & (rows["dataset"] == dataset)
        & (rows["channel"] == channel)
        & (rows["attack"] == ATTACKS[quantity])
    ]
    chosen = with_fraction(chosen)
    return chosen.pivot(index="image", columns=["snr_test_db", "seed"], values="fraction")


def with_fraction(rows: "pd.DataFrame") -> "pd.DataFrame":
    """The rows with the fraction of correct draws as a column, `fraction`."""
    return rows.assign(fraction=rows["correct"] / rows["draws"].astype(float))


def images_of(rows: "pd.DataFrame") -> "pd.DataFrame":
    """For each setting of PARTS, in the column `images` a number that is the same for the same set of images."""
    sets = rows.groupby(PARTS, observed=True, sort=False)["image"].agg(lambda images: hash(frozenset(images)))
    return sets.rename("images").reset_index().astype({"snr_train_db": str})


def accuracies(rows: "pd.DataFrame") -> "pd.DataFrame":
    """The accuracy of each setting; it must equal that of evasion.csv."""
    return (
        rows.groupby(PARTS, observed=True, sort=False)
        .agg(correct=("correct", "sum"), draws=("draws", "sum"), n=("image", "size"))
        .assign(value=lambda sums: sums["correct"] / sums["draws"])
        .reset_index()
    )
