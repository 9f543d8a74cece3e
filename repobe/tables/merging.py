"""Merges the gathered tables of several folders (parts of a grid, repeated runs) into one folder."""

from collections.abc import Hashable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from repobe.runs.files import whole_folder
from repobe.runs.grid import matches, name_of, refuse_idle_patterns
from repobe.runs.names import run_name
from repobe.tables import agreement, outcomes, results
from repobe.tables.schema import RAW_TABLES

# The columns that name a run. They include snr_train_db, because matched training has one model per SNR.
RUN_COLUMNS = ["dataset", "channel", "method", "seed", "snr_train_db"]
CSV = [*(f"{name}.csv" for name in RAW_TABLES), "history.csv"]


def merge(out: Path, sources: list[Path], without: str = "") -> list[str]:
    """Writes <out>/tables from <source>/tables of each source; <out> may be one of the sources.

    If a run, or the cipher audit of random features, is in several sources, the last one wins; each returned line
    names a source and the runs that a later one replaced, or says whether those that were trained twice have the same
    tables. without: patterns of runs to leave out, as in a config's `only`, for instance seeds of an older training.
    ValueError if a file of a source is missing or has changed since it was gathered, if <out> has runs that no source
    has, if a pattern matches no run, or if the sources have one method at two image sizes, of two lengths or
    trained at two sets of SNRs, or one dataset with different images.
    """
    frames: dict[str, pd.DataFrame] = {}
    counted = outcomes.SCHEMA.empty_table()
    pictures: dict[str, np.ndarray] = {}
    provenance: dict[str, dict] = {}
    made_in: dict[str, Path] = {}
    costs, lines = [], []
    folders = [source / "tables" for source in sources]
    for tables in folders:
        _refuse_changed(tables)
    runs = [_provenance(tables) for tables in folders]
    every = set().union(*runs)
    _refuse_loss(out / "tables", every)
    refuse_idle_patterns("--without", without, [name_of(run) for run in every])
    for tables, entries in zip(folders, runs, strict=True):
        cells = {name: _cells(tables / name) for name in CSV}
        images = outcomes.stored(tables / "outcomes.parquet").cast(outcomes.SCHEMA)
        if without:
            named = {run: run_name(*run.split("/")[:4]) for run in _runs(cells["cost.csv"])[1]}
            left = {run for run, name in named.items() if matches(without, name)}
            cells = {name: frame[_others(frame, left)] for name, frame in cells.items()}
            images = images.filter(pa.array(_others(images.select(RUN_COLUMNS).to_pandas(), left)))
            entries = {run: entry for run, entry in entries.items() if not matches(without, name_of(run))}
        costs.append(cells["cost.csv"])
        trained = set(_runs(cells["history.csv"])[1])
        made = trained | set(_runs(cells["audit.csv"])[1])  # the cipher audit has no history
        made_in |= dict.fromkeys(made, tables.parent)
        twice = trained & set(_runs(frames["history.csv"])[1]) if frames else set()
        differing: dict[str, list[str]] = {}
        for name, new in cells.items():
            old = frames.get(name, new.iloc[:0])
            others = _others(old, made)
            if name != agreement.UNCOMPARED:
                _compare(name, old[~others], new, twice, differing)
            frames[name] = pd.concat([old[others], new], ignore_index=True).fillna("")
        # Avoids pandas for these millions of rows, except for the columns that name the run and for runs in two
        # folders.
        mask = pa.array(_others(counted.select(RUN_COLUMNS).to_pandas(), made))
        if twice:
            before, after = (_text(part) for part in (counted.filter(pc.invert(mask)), images))
            _compare("outcomes.parquet", before, after, twice, differing)
        counted = pa.concat_tables([counted.filter(mask), images])
        if again := sorted(provenance.keys() & entries.keys()):
            lines.append(f"{tables.parent} replaces {len(again)} runs of the folders before it: {', '.join(again)}")
        lines += agreement.said(twice, differing)
        pictures = {name: picture for name, picture in pictures.items() if name.rpartition("/")[0] not in entries}
        here = results.pictures_of(tables / "reconstructions.npz")
        pictures |= {name: picture for name, picture in here.items() if name.rpartition("/")[0] in entries}
        provenance |= entries
    # Also the rows that a later source replaced: if their size is another one, another config made them.
    results.refuse_two_sizes(pd.concat(costs), "merge folders of one config only")
    _refuse_two_lengths(frames["history.csv"])
    _refuse_two_mixtures(frames["cost.csv"], made_in)
    _refuse_two_models(frames["evasion.csv"], made_in)
    agreement.refuse_two_data(list(provenance.values()), "leave the older ones out by --without")
    with whole_folder(out / "tables") as folder:  # it may be a source, of which this is the only copy
        outcomes.write(counted, folder / "outcomes.parquet")
        for name, frame in frames.items():
            results.write(frame, folder / name)
        results.seal(folder, pictures, list(provenance.values()))
    return lines


def _refuse_two_lengths(history: pd.DataFrame) -> None:
    """ValueError if a method has trainings of several lengths, which tables would take for seeds of one training."""
    lengths = history.assign(epoch=pd.to_numeric(history["epoch"])).groupby(RUN_COLUMNS, sort=False)["epoch"].max()
    for place, mine in lengths.groupby(RUN_COLUMNS[:3], sort=False):
        if mine.nunique() > 1:
            method, said = "/".join(map(str, place)), " and ".join(f"{epochs:g}" for epochs in mine.unique())
            raise ValueError(f"{method} has trainings of {said} epochs; leave the older ones out by --without")


def _refuse_two_mixtures(cost: pd.DataFrame, made_in: dict[str, Path]) -> None:
    """ValueError if one seed of a method was trained on a mixture of SNRs and on one SNR alone: no claim means both."""
    for place, trained_at in cost.groupby(RUN_COLUMNS[:4], sort=False)["snr_train_db"]:
        if trained_at.nunique() > 1 and "mixed" in set(trained_at):
            raise ValueError(_two_trainings(place, trained_at, made_in))


def _refuse_two_models(evasion: pd.DataFrame, made_in: dict[str, Path]) -> None:
    """ValueError if a run has two trainings, each at one SNR, that were tested at the same SNR."""
    tested = evasion.assign(snr_test_db=pd.to_numeric(evasion["snr_test_db"]))
    for (*place, snr_db), trained_at in tested.groupby([*RUN_COLUMNS[:4], "snr_test_db"], sort=False)["snr_train_db"]:
        if trained_at.nunique() > 1:
            raise ValueError(_two_trainings(place, trained_at, made_in, f", each tested at {snr_db:g} dB"))


def _two_trainings(place: Iterable[Hashable], trained_at: pd.Series, made_in: dict[str, Path], tested: str = "") -> str:
    """What is said of a run that was trained at several sets of SNRs. --without cannot tell its trainings apart."""
    run, said = run_name(*map(str, place)), []
    for snr in trained_at.unique():
        at = "a mixture of SNRs" if snr == "mixed" else f"{snr} dB"
        said.append(f"{at} ({made_in['/'.join(map(str, (*place, snr)))]})")
    return f"{run} was trained at {' and '.join(said)}{tested}; leave out one folder, or the run by --without"


def _provenance(tables: Path) -> dict[str, dict]:
    return {entry["run"]: entry for entry in results.read_json(tables / "provenance.json")}


def _refuse_loss(folder: Path, runs: set[str]) -> None:
    """ValueError if the tables that would be written over hold runs other than `runs`."""
    if not (folder / "provenance.json").exists():
        return
    if lost := [run for run in _provenance(folder) if run not in runs]:
        out = folder.parent
        raise ValueError(f"{folder} has runs that no source has ({len(lost)}: {lost[0]} …); name {out} as a source too")


def _cells(path: Path) -> pd.DataFrame:
    """A CSV's cells as text, so that no number changes its digits."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def _text(images: pa.Table) -> pd.DataFrame:
    """The outcomes, with the columns that name a run as text, as in the CSVs."""
    return images.to_pandas().astype(dict.fromkeys(RUN_COLUMNS, str))


def _compare(name: str, old: pd.DataFrame, new: pd.DataFrame, twice: set[str], differing: dict[str, list[str]]) -> None:
    """Adds the table's name to each run of `twice` whose rows differ."""
    every = old.columns.union(new.columns)  # an empty column, such as other runs' losses, is no difference
    both = (frame.reindex(columns=every, fill_value="") for frame in (old, new))
    before, after = (agreement.run_hashes(frame, *_runs(frame)) for frame in both)
    for run in twice:
        if before.get(run) != after.get(run):
            differing.setdefault(run, []).append(name)


def _runs(frame: pd.DataFrame) -> tuple[np.ndarray, list[str]]:
    """(the number of each row's run, the name of each run); makes only one row per run into text."""
    number = frame.groupby(RUN_COLUMNS, sort=False, observed=True, dropna=False).ngroup().to_numpy()
    first = frame[RUN_COLUMNS].iloc[np.unique(number, return_index=True)[1]]
    return number, ["/".join(map(str, run)) for run in first.itertuples(index=False, name=None)]


def _others(frame: pd.DataFrame, made: set[str]) -> np.ndarray:
    """bool [rows]: which rows belong to other runs than `made`."""
    number, names = _runs(frame)
    return np.array([name not in made for name in names], dtype=bool)[number]


def _refuse_changed(tables: Path) -> None:
    for line, agrees in results.gathered(tables):
        if not agrees:
            raise ValueError(f"{tables.parent}: {line}; restore it, or gather the runs again")
