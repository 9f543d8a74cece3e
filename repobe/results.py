"""Tables: what a row must have, how runs are gathered, how seeds become intervals."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from repobe.files import replace
from repobe.spec import Spec

RUN = ["method", "dataset", "image_size", "channel", "snr_train_db"]
# The key of each table: what makes a row the measurement that it is.
KEYS = {
    "evasion": [*RUN, "snr_test_db", "attack", "eps", "seed", "split", "metric"],
    "inversion": [*RUN, "snr_tap_db", "attacker", "knowledge", "seed", "metric"],
    "audit": [*RUN, "quantity", "grid", "schedule", "known_messages", "snr_db", "seed"],
    "cost": [*RUN, "seed"],
}
OPTIONAL = {"schedule", "known_messages", "snr_db"}  # of the audit: what concerns no message has none
VALUES = {
    "evasion": ["value", "draws_sd", "n", "draws", "symbols_k"],
    "inversion": ["value", "n", "symbols_k"],
    "audit": ["value", "n"],
    "cost": [
        "parameters",
        "symbols_k",
        "flops",
        "train_seconds",
        "images_per_second",
        "peak_memory_mb",
        "device",
        "threads",
    ],
}


def read(path: Path, table: str | None = None) -> pd.DataFrame:
    """A CSV; with the name of a raw table also checked. ValueError names the file and the fault."""
    try:
        frame = pd.read_csv(path, dtype={"snr_train_db": str}, keep_default_na=False, na_values=[""])
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist; run snakemake to make it") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a CSV table ({error}); delete it and run again") from None
    if table:
        check(frame, table, path)
    return frame


def check(frame: pd.DataFrame, table: str, path: Path) -> None:
    """Refuses unknown or missing columns, missing or repeated keys, accuracies outside [0, 1]."""
    expected = KEYS[table] + VALUES[table]
    if odd := sorted(set(frame.columns) ^ set(expected)):
        raise ValueError(f"{path}: columns missing or unknown: {', '.join(odd)}; it should have {', '.join(expected)}")
    for column in [c for c in KEYS[table] if c not in OPTIONAL]:
        if frame[column].isna().any():
            raise ValueError(f"{path}: the key column {column} has an empty cell")
    if frame.duplicated(KEYS[table]).any():
        row = frame[frame.duplicated(KEYS[table])].iloc[0][KEYS[table]].to_dict()
        raise ValueError(f"{path}: the same measurement stands twice: {row}")
    if "value" in frame:
        accuracy = frame["metric" if "metric" in frame else "quantity"].map(is_proportion).astype(bool)
        if not np.isfinite(frame["value"].astype(float)).all():
            raise ValueError(f"{path}: a value is missing or infinite")
        if not frame.loc[accuracy, "value"].between(0, 1).all():
            raise ValueError(f"{path}: an accuracy or a rate lies outside [0, 1]")


def tables(results: Path, specs: list[Path]) -> None:
    """Gathers the runs' CSVs, pictures and provenance, and the audit of no run, into <results>/tables."""
    out = results / "tables"
    out.mkdir(parents=True, exist_ok=True)
    for table in KEYS:
        paths = [spec.parent / f"{table}.csv" for spec in specs]
        if table == "audit":
            paths.insert(0, results / "white.csv")
        frame = pd.concat([read(path) for path in paths], ignore_index=True)
        check(frame, table, out / f"{table}.csv")
        write(frame, out / f"{table}.csv")
    histories, pictures, provenance = [], {}, []
    for path in specs:
        spec = Spec.load(path)
        history = read(path.parent / "history.csv")
        histories.append(pd.concat([pd.DataFrame([spec.columns] * len(history)), history], axis=1))
        for name, picture in pictures_of(path.parent / "reconstructions.npz").items():
            pictures[f"{spec.path}/{name}"] = picture
        provenance.append(json.loads((path.parent / "provenance.json").read_text()))
    write(pd.concat(histories, ignore_index=True), out / "history.csv")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **pictures)
    replace(out / "reconstructions.npz", buffer.getvalue())
    replace(out / "provenance.json", json.dumps(provenance, indent=1) + "\n")


def pictures_of(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz, without pickle."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is missing or damaged ({error}); delete it and run again") from None


def summary(results: Path) -> None:
    """Writes <results>/summary: each key without its seed, the mean, and its 95 % interval."""
    source, out = results / "tables", results / "summary"
    out.mkdir(parents=True, exist_ok=True)
    for table in ("evasion", "inversion", "audit"):
        write(summarise(read(source / f"{table}.csv", table), table), out / f"{table}.csv")
    cost = read(source / "cost.csv", "cost")
    group = cost.groupby([*RUN, "device", "threads"], sort=False)
    mean = group[["parameters", "symbols_k", "flops", "train_seconds", "images_per_second", "peak_memory_mb"]].mean()
    write(mean.assign(seeds=group.size()).reset_index(), out / "cost.csv")
    for name in ("reconstructions.npz", "provenance.json"):
        replace(out / name, (source / name).read_bytes())


def summarise(frame: pd.DataFrame, table: str) -> pd.DataFrame:
    """One row a key: mean sd low high seeds n."""
    key = [column for column in KEYS[table] if column != "seed"]
    rows = []
    for values, group in frame.groupby(key, sort=False, dropna=False):
        row = dict(zip(key, values, strict=True))
        accuracy = is_proportion(row.get("metric", row.get("quantity")))
        low, high = interval(group["value"].to_numpy(float), int(group["n"].min()), accuracy)
        row |= {"mean": group["value"].mean(), "sd": group["value"].std(ddof=1), "low": low, "high": high}
        row |= {"seeds": len(group), "n": int(group["n"].min())}
        if "draws_sd" in group:
            row["draws_sd"] = group["draws_sd"].mean()
        if "symbols_k" in group:
            row["symbols_k"] = int(group["symbols_k"].iloc[0])
        rows.append(row)
    return pd.DataFrame(
        rows,
        columns=[
            *key,
            "mean",
            "sd",
            "low",
            "high",
            "seeds",
            "n",
            *(column for column in ("draws_sd", "symbols_k") if column in VALUES[table]),
        ],
    )


def is_proportion(name: str) -> bool:
    """Whether a metric or quantity counts successes among n: its value lies in [0, 1], its interval is Wilson's."""
    return name.endswith("accuracy") or name == "key_recovered"


def interval(values: np.ndarray, n: int, accuracy: bool) -> tuple[float, float]:
    """95 %: Student's t over seeds; for one seed Wilson's over the n images of an accuracy; else (nan, nan).

    Wilson's says how sure the figure is of this model, not how another seed's would turn out.
    """
    if len(values) > 1:
        half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
        low, high = values.mean() - half, values.mean() + half
        return (max(0.0, low), min(1.0, high)) if accuracy else (low, high)
    if not accuracy:
        return np.nan, np.nan
    p, z = values[0], stats.norm.ppf(0.975)  # n·p need not be whole: it is a mean over channel draws
    centre, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, (centre - half) / (1 + z * z / n)), min(1.0, (centre + half) / (1 + z * z / n))


def write(frame: pd.DataFrame, path: Path) -> None:
    """A CSV, whole or not at all."""
    replace(path, frame.to_csv(index=False))
