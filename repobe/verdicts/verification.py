"""Verifies that derived tables follow from the raw rows: recomputes them in a temporary folder and compares cells."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from repobe.runs import checksums
from repobe.runs.files import cells
from repobe.runs.folders import run_folder
from repobe.tables import outcomes, summaries
from repobe.tables import results as tables
from repobe.tables.schema import RAW_TABLES
from repobe.verdicts import claims, comparison, decisions, readings
from repobe.verdicts.collection import source_folders
from repobe.verdicts.evidence import Tables

SUMMARY = [f"summary/{table}.csv" for table in RAW_TABLES]
SUMMARY += ["summary/reconstructions.npz", "summary/provenance.json"]
RECOMPUTED = {  # from the tables and the summary, by what makes them
    comparison.compare: ("comparison.csv",),
    claims.judge: ("claims.csv", "evidence.csv"),
    decisions.weigh: ("decisions.csv",),
    readings.judge: ("readings.csv",),
}


def verify(results: Path) -> Iterator[tuple[str, bool]]:
    """(a line, whether it agrees) for each file of <results>, each as soon as it is known.

    It compares the raw tables with their hashes as sealed, the runs' files with the checksums that their stages
    recorded, the accuracies with the outcomes of each image, and every derived table with a recomputed one. ValueError
    if there are no tables.
    """
    raw = results / "tables"
    if sets := source_folders(results):
        every = "; ".join(f"python -m repobe verify {folder}" for folder in sets.values())
        raise ValueError(f"{results} shows several folders on one page; verify each: {every}")
    if not raw.is_dir():
        raise ValueError(f"{raw} does not exist: there is nothing to verify; run snakemake, or name another folder")
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder)
        copied = again / "tables"
        copied.mkdir()
        for path in raw.iterdir():  # not the checksums, so that derived tables are compared too
            if path.name != "sha256.json":
                (copied / path.name).symlink_to(path.resolve())
        for step in (
            tables.gathered(raw),
            _as_written(results, copied / "provenance.json"),
            _recomputed(results, again),
        ):
            yield from _or_stopped(step, again, results)


def _or_stopped(said: Iterable[tuple[str, bool]], again: Path, results: Path) -> Iterator[tuple[str, bool]]:
    """The lines of a step of `verify`, and what stopped it, if anything did: a damaged or missing file."""
    try:
        yield from said
    except (ValueError, OSError) as error:
        yield f"stopped: {str(error).replace(str(again), str(results))}", False


def _recomputed(results: Path, again: Path) -> Iterator[tuple[str, bool]]:
    """Computes every derived table from <again>/tables, into `again`, and compares it with that of `results`."""
    held = Tables.of(again)  # once: a table of outcomes has millions of rows
    yield _accuracies(held)
    for line in tables.mixed_code(again / "tables"):
        yield line, True  # reported only: the tables are right
    summaries.summary(again)
    for name in SUMMARY:
        yield _same(results / name, again / name, name)
    for make, names in RECOMPUTED.items():
        make(again, held)
        for name in names:
            yield _same(results / name, again / name, name)


def _as_written(results: Path, provenance: Path) -> Iterator[tuple[str, bool]]:
    """Compares the runs' files, and those they were measured with, with the checksums that their stages recorded."""
    runs = [run_folder(results, entry["run"]) for entry in tables.read_json(provenance)]
    derived = {*SUMMARY, *(name for names in RECOMPUTED.values() for name in names)}  # these are computed again
    words = {False: "CHANGED since it was written", None: "is missing"}
    count = 0
    for folder in (results, results / "data", *runs):
        for name, agrees in checksums.compared(folder).items():
            if name in derived:
                continue
            count += bool(agrees)
            if not agrees:
                yield f"{(folder / name).relative_to(results)}: {words[agrees]}", False
    if count:
        yield f"runs: {count} files agree with their checksums", True
    if without := sum(not checksums.recorded(run) for run in runs):
        yield f"runs: {without} of {len(runs)} have no files with checksums here: not compared", True


def _accuracies(held: Tables) -> tuple[str, bool]:
    """Compares each accuracy of evasion.csv with the mean of its outcomes, if there are any."""
    name = "tables/evasion.csv against tables/outcomes.parquet"
    rows = held.evasion
    rows = rows[rows["metric"].isin(outcomes.ATTACKS) & rows["attack"].isin(outcomes.ATTACKS.values())]
    counted = outcomes.accuracies(held.outcomes)
    counted = counted.astype({column: rows[column].dtype for column in outcomes.PARTS})
    both = rows.merge(counted, on=outcomes.PARTS, how="outer", suffixes=("", "_counted"), indicator=True)
    both = both.assign(apart=(both["value"] - both["value_counted"]).abs())
    bad = both[(both["_merge"] != "both") | (both["apart"] > 1e-12) | (both["n"] != both["n_counted"])]
    if bad.empty:
        return f"{name}: agree ({len(both)} accuracies)", True
    first = bad.iloc[0]
    where = ", ".join(f"{column} {first[column]}" for column in outcomes.PARTS)
    return (
        f"{name}: DIFFER in {len(bad)} of {len(both)}, first {where}: "
        f"{first['value']} of {first['n']:g} against {first['value_counted']} of {first['n_counted']:g}"
    ), False


def _same(there: Path, again: Path, name: str) -> tuple[str, bool]:
    if not there.exists():
        return f"{name}: is missing", False
    if there.suffix == ".csv":
        return _same_cells(there, again, name)
    if there.suffix == ".npz":
        one, other = tables.pictures_of(there), tables.pictures_of(again)
        agrees = one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)
    else:
        agrees = there.read_bytes() == again.read_bytes()
    return f"{name}: {'agrees' if agrees else 'DIFFERS from its copy in tables/'}", agrees


def _same_cells(there: Path, again: Path, name: str) -> tuple[str, bool]:
    """Compares cells as text, so every digit counts."""
    (head, *rows), (head_again, *rows_again) = (_cells(path) for path in (there, again))
    if head != head_again:
        return f"{name}: DIFFERS, its columns are {', '.join(head)}; recomputed {', '.join(head_again)}", False
    if len(rows) != len(rows_again):
        return f"{name}: DIFFERS, it has {len(rows)} rows; recomputed {len(rows_again)}", False
    bad = [
        (number, column, cell, cell_again)
        for number, (row, row_again) in enumerate(zip(rows, rows_again, strict=True), start=2)
        for column, cell, cell_again in zip(head, row, row_again, strict=True)
        if cell != cell_again
    ]
    if not bad:
        return f"{name}: agrees ({len(rows)} rows)", True
    number, column, cell, cell_again = bad[0]
    more = f" (and {len(bad) - 1} more cells)" if len(bad) > 1 else ""
    return (
        f"{name}: DIFFERS, line {number}, {column}: {cell or 'empty'}; recomputed {cell_again or 'empty'}{more}",
        False,
    )


def _cells(path: Path) -> list[list[str]]:
    """Rows of equal length: missing and surplus cells of a line show as a cell. ValueError names a damaged file."""
    rows = cells(path) or [[]]
    return [row if number == 0 else _fit(row, len(rows[0])) for number, row in enumerate(rows)]


def _fit(row: list[str], length: int) -> list[str]:
    fit = row[:length] + ["no cell"] * (length - len(row))
    return fit if len(row) <= length else [*fit[:-1], ",".join(row[length - 1 :])]
