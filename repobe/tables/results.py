"""Tables of results: checks of rows, gathering of runs."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from repobe.runs import checksums
from repobe.runs.code_digest import mixed
from repobe.runs.console import tell
from repobe.runs.files import arrays, replace, text_of
from repobe.runs.names import run_name
from repobe.runs.spec import Spec
from repobe.tables import outcomes
from repobe.tables.agreement import refuse_two_data
from repobe.tables.schema import KEYS, OPTIONAL, RAW_TABLES, TEXT, columns, is_proportion

GATHERED = [*(f"{table}.csv" for table in RAW_TABLES), "history.csv", "outcomes.parquet", "provenance.json"]
GATHERED += ["reconstructions.npz"]


def read(path: Path, table: str | None = None) -> pd.DataFrame:
    """Reads a CSV; `table`, the name of a raw table, also checks it. ValueError names the file and the fault."""
    checksums.check(path)
    try:
        content = path.read_bytes()
        frame = pd.read_csv(
            io.BytesIO(content), dtype={"snr_train_db": str, "code": str}, keep_default_na=False, na_values=[""]
        )
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist; run snakemake to make it") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a CSV table ({error}); delete it and run again") from None
    if not content.endswith(b"\n"):
        raise ValueError(f"{path} is cut: its last line has no end; delete it and run again")
    if table:
        check(frame, table, path)
    return frame


def check(frame: pd.DataFrame, table: str, path: Path) -> None:
    """ValueError for unknown or missing columns, empty cells, repeated keys, accuracies outside [0, 1]."""
    expected = columns(table)
    if odd := sorted(set(frame.columns) ^ set(expected)):
        raise ValueError(f"{path}: columns missing or unknown: {', '.join(odd)}; it should have {', '.join(expected)}")
    for column in [c for c in expected if c not in OPTIONAL]:
        if (empty := frame[column].isna().to_numpy()).any():
            line = empty.argmax() + 2  # after the header
            raise ValueError(f"{path}, line {line}: {column} is empty; delete the file and run again")
    for column in [c for c in expected if c not in TEXT]:
        odd_one = frame[column].notna() & pd.to_numeric(frame[column], errors="coerce").isna()
        if odd_one.any():
            line, cell = odd_one.to_numpy().argmax() + 2, frame[column][odd_one].iloc[0]
            raise ValueError(f"{path}, line {line}: {column} is '{cell}', no number; delete the file and run again")
    if frame.duplicated(KEYS[table]).any():
        row = frame[frame.duplicated(KEYS[table])].iloc[0][KEYS[table]].to_dict()
        raise ValueError(f"{path}: the same measurement appears twice: {row}; delete the file and run again")
    if "value" in frame:
        accuracy = frame["metric" if "metric" in frame else "quantity"].map(is_proportion).astype(bool)
        if not np.isfinite(frame["value"].astype(float)).all():
            line = frame["value"].astype(float).abs().to_numpy().argmax() + 2
            raise ValueError(f"{path}, line {line}: the value is infinite; delete the file and run again")
        if (outside := (accuracy & ~frame["value"].between(0, 1)).to_numpy()).any():
            where = f"{path}, line {outside.argmax() + 2}"
            raise ValueError(f"{where}: the accuracy or rate lies outside [0, 1]; delete the file and run again")
        if "images_sd" in frame and frame.loc[~accuracy & (frame["n"] > 1), "images_sd"].isna().any():
            raise ValueError(
                f"{path}: images_sd is missing for a value that is not an accuracy; delete the file and run again"
            )


def tables(results: Path, specs: list[Path], config: str = "") -> None:
    """Gathers the runs' tables, images and provenance, and the audit of random features, into <results>/tables.

    sha256.json holds the hash of each file as it was gathered. config: the `checksums.of_specs` that these runs should
    have; ValueError if theirs is another one.
    """
    out = results / "tables"
    out.mkdir(parents=True, exist_ok=True)
    described = {path: Spec.load(path) for path in specs}
    if config and checksums.of_specs(text_of(path) for path in specs) != config:
        said = (
            "`python -m repobe status` with your config names them; delete their spec.yaml and training.json, run again"
        )
        raise ValueError(f"{results}/runs holds runs of another config; {said}")
    for table in RAW_TABLES:
        frames = [_of_run(path.parent / f"{table}.csv", table, spec) for path, spec in described.items()]
        if table == "audit":
            frames.insert(0, read(results / "cipher_audit.csv", table))
        frame = pd.concat(frames, ignore_index=True)
        check(frame, table, out / f"{table}.csv")
        if table == "cost":
            refuse_two_sizes(frame, "run all of the config, or give it another results_dir")
        write(frame, out / f"{table}.csv")
    outcomes.gather([spec.parent / "outcomes.parquet" for spec in specs], out / "outcomes.parquet")
    histories, pictures, provenance = [], {}, []
    for path, spec in described.items():
        history = _whole_history(path.parent / "history.csv", spec)
        histories.append(pd.concat([pd.DataFrame([spec.columns] * len(history)), history], axis=1))
        for name, picture in pictures_of(path.parent / "reconstructions.npz").items():
            pictures[f"{spec.path}/{name}"] = picture
        provenance.append(_provenance(path.parent / "provenance.json", spec))
    refuse_two_data(provenance, "delete the folders of the older ones and run again")
    write(pd.concat(histories, ignore_index=True), out / "history.csv")
    seal(out, pictures, provenance)
    for line in mixed_code(out):
        tell(line)


def refuse_two_sizes(cost: pd.DataFrame, fix: str) -> None:
    """ValueError if a method has runs of several image sizes, which tables would take for seeds of one training.

    cost: rows of cost.csv; fix: what to do about it.
    """
    for place, mine in cost.groupby(["dataset", "channel", "method"], sort=False):
        if len(sizes := mine["image_size"].unique()) > 1:
            said = " and ".join(f"{size}×{size}" for size in sizes)
            raise ValueError(f"{'/'.join(map(str, place))} has runs at {said} pixels; {fix}")


def _of_run(path: Path, table: str, spec: Spec) -> pd.DataFrame:
    """A run's own table, checked before it is joined, so that the file with the fault is the one that is named."""
    frame = read(path, table)
    for column, value in spec.columns.items():
        if (other := frame[column].astype(str) != str(value)).any():
            line, cell = other.to_numpy().argmax() + 2, frame[column][other].iloc[0]
            raise ValueError(f"{path}, line {line}: {column} is {cell}, but {value} in spec.yaml; {checksums.FIX}")
    return frame


def _whole_history(path: Path, spec: Spec) -> pd.DataFrame:
    """A run's history up to its last epoch."""
    history, epochs = read(path), spec.training.epochs
    if "epoch" not in history or not len(history) or history["epoch"].iloc[-1] != epochs:
        raise ValueError(f"{path} does not end with epoch {epochs}, as spec.yaml has it; {checksums.FIX}")
    return history


def _provenance(path: Path, spec: Spec) -> dict:
    found = read_json(path)
    if not isinstance(found, dict) or found.get("run") != spec.path:
        raise ValueError(f"{path} is not that of {spec.path}; {checksums.FIX}")
    return found


def mixed_code(folder: Path) -> list[str]:
    """A line for each raw table whose runs were made by different code; it names the first three that differ."""
    lines = []
    for table in RAW_TABLES:
        frame = read(folder / f"{table}.csv", table)
        frame = frame[frame["code"].notna()].drop_duplicates(["dataset", "channel", "method", "seed"])
        runs = frame[["dataset", "channel", "method", "seed", "code"]].itertuples(index=False, name=None)
        codes = {run_name(*run): made_by for *run, made_by in runs}
        if odd := mixed(codes):
            named = ", ".join(odd[:3]) + (f" and {len(odd) - 3} more" if len(odd) > 3 else "")
            what = f"{len(odd)} of {len(codes)} runs were made by another version of the suite than the rest"
            lines.append(f"tables/{table}.csv: {what} ({named}); its rows are right, provenance.json has the commits")
    return lines


def seal(folder: Path, pictures: dict[str, np.ndarray], provenance: list[dict]) -> None:
    """Writes images and provenance beside the tables, and last the SHA-256 of all files."""
    arrays(folder / "reconstructions.npz", pictures)
    replace(folder / "provenance.json", json.dumps(provenance, indent=1) + "\n")
    checksums.record(folder, "", [name for name in GATHERED if (folder / name).exists()])


def gathered(folder: Path) -> Iterator[tuple[str, bool]]:
    """(a line, whether it agrees) for each file of a tables folder: the file now against its sealed hash."""
    if not (folder / "sha256.json").exists():
        yield "tables/sha256.json: is missing", False
        return
    words = {True: "as sealed", False: "CHANGED since it was sealed", None: "is missing"}
    unlisted = {name: False for name in GATHERED if (folder / name).exists()}
    for name, agrees in sorted((unlisted | checksums.compared(folder)).items()):
        yield f"tables/{name}: {words[agrees]}", bool(agrees)


def read_json(path: Path) -> Any:
    """The content of a JSON file; ValueError names a file that is missing or damaged."""
    checksums.check(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError) as error:
        raise ValueError(f"{path} is missing or damaged ({error}); delete it and run again") from None


def pictures_of(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz, without pickle."""
    checksums.check(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except Exception as error:  # a damaged archive can raise anything: EOFError, zlib.error, NotImplementedError, …
        raise ValueError(f"{path} is missing or damaged ({error}); delete it and run again") from None


def write(frame: pd.DataFrame, path: Path) -> None:
    """Writes a CSV atomically."""
    replace(path, frame.to_csv(index=False))


def write_derived(frame: pd.DataFrame, path: Path) -> None:
    """Writes a CSV of derived numbers in 12 digits, because sums differ between machines in later digits."""
    replace(path, frame.to_csv(index=False, float_format="%.12g"))
