"""Puts several folders of results side by side, for one report of all that is committed.

Folders differ in training and in image size, so their runs are never mixed (`merge` is for parts of one grid). Each
row gets a column `set` with its folder's name, and each claim and printed number is judged by one folder alone.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from repobe.runs.files import arrays, replace, text_of
from repobe.tables.results import pictures_of, read, read_json, write_derived
from repobe.tables.schema import RAW_TABLES
from repobe.verdicts.paper import STAND_INS
from repobe.verdicts.readings import PASSED_GATES
from repobe.verdicts.verdict_text import of_a_part, plain

SUMMARIES = [f"summary/{table}" for table in RAW_TABLES]
DECIDED = ["reproduced", "not reproduced", "agrees", "differs"]
SOURCES_FILE = "sets.json"  # {name: folder, seen from this one}, in a folder that `collect` made
CHANGE = ["id", "change", "dataset", "channel", "quantity"]  # the key of decisions.csv


def collect(out: Path, folders: list[Path]) -> None:
    """Writes into <out> the summaries, verdicts, evidence, readings, decisions and provenance of several folders.

    The first folder that has a dataset leads for it: the column `leads` marks the rows that figures draw. A claim or a
    number has the verdict of one folder (`judged`); its other verdicts stand in the column `elsewhere`. ValueError if
    two folders have the same name, <out> is one of them, or a file is missing.
    """
    names = [folder.name for folder in folders]
    if out.resolve() in {folder.resolve() for folder in folders}:
        raise ValueError(f"{out} is one of the folders; name another one to write to")
    if len(set(names)) < len(names):
        raise ValueError(f"two folders have the same name: {', '.join(names)}; rename one")
    tables = {
        name: side_by_side(name, folders)
        for name in (*SUMMARIES, "claims", "evidence", "comparison", "decisions", "readings")
    }
    leader = leaders(tables["summary/cost"])
    for table in SUMMARIES:
        frame = tables[table]
        first = frame["dataset"].map(leader).fillna(names[0])  # `none`: the audit of random features
        tables[table] = frame.assign(leads=frame["set"] == first)
    chosen = judged(tables["claims"])
    tables["claims"] = chosen
    decides = dict(zip(chosen["id"], chosen["set"], strict=True))
    tables["evidence"] = tables["evidence"][tables["evidence"]["id"].map(decides) == tables["evidence"]["set"]]
    tables["comparison"] = judged(tables["comparison"])
    tables["decisions"] = tables["decisions"].drop_duplicates(CHANGE)
    tables["readings"] = most_judged(tables["readings"])
    (out / "summary").mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        write_derived(frame, out / f"{name}.csv")
    _beside(out / "summary", folders, leader)


def source_folders(results: Path) -> dict[str, str]:
    """{name: folder} of the folders that `collect` put side by side here; empty for any other results folder."""
    path = results / SOURCES_FILE
    return {
        name: os.path.relpath(results / folder) for name, folder in (read_json(path) if path.is_file() else {}).items()
    }


def side_by_side(table: str, folders: Iterable[Path]) -> pd.DataFrame:
    """The rows of a table of every folder, with the folder's name in the column `set`; ValueError if one is missing."""
    return pd.concat([read(folder / f"{table}.csv").assign(set=folder.name) for folder in folders], ignore_index=True)


def leaders(cost: pd.DataFrame) -> dict[str, str]:
    """{dataset: the first folder that has it}; a stand-in leads only where the paper's dataset is in no folder."""
    rows = cost.drop_duplicates("dataset")
    first = dict(zip(rows["dataset"].map(str), rows["set"].map(str), strict=True))
    for real, stand_in in STAND_INS.items():
        if real in first and stand_in in first:
            first[stand_in] = ""
    return first


def judged(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each id: a decided verdict first, one on all the claim's datasets before one on a part of them, one
    of competent networks (D33) before one of others, then the larger image size, then the first.
    """
    # `scale` begins with the image size: "32×32, k = 32; …". Evidence without images has none and is of every size.
    size = rows["scale"].astype("string").str.partition("×")[0].astype(float).fillna(0)
    ran = rows["verdict"] != "not run"
    decided, whole = rows["verdict"].map(plain).isin(DECIDED), ~rows["verdict"].map(of_a_part)
    order = rows.assign(_decided=decided, _whole=whole, _ran=ran, _able=rows["competent"] != "no", _size=size)
    keys = ["_decided", "_whole", "_ran", "_able", "_size"]
    order = order.sort_values(keys, ascending=False, kind="stable")
    chosen = order.drop_duplicates("id").sort_index()
    others = order.drop(chosen.index)
    others = others[others["_ran"]]
    said = {
        one: "; ".join(
            f"{verdict} in {', '.join(mine['set'])}" for verdict, mine in group.groupby("verdict", sort=False)
        )
        for one, group in others.groupby("id")
    }
    kept = chosen.drop(columns=keys).sort_values("id", ignore_index=True)
    return kept.assign(elsewhere=kept["id"].map(said))


def most_judged(readings: pd.DataFrame) -> pd.DataFrame:
    """For each claim and dataset, the rows of one folder, because readings compare within a folder.

    It is the folder in which the most readings pass the gates; of equals, the one with the most readings.
    """
    counted = readings.assign(_judged=readings["outcome"].isin(PASSED_GATES))
    groups = counted.groupby(["claim", "dataset", "set"])
    counted = counted.assign(_judged=groups["_judged"].transform("sum"), _ran=groups["reading"].transform("nunique"))
    best = counted.sort_values(["_judged", "_ran"], ascending=False, kind="stable")
    first = best.drop_duplicates(["claim", "dataset"]).set_index(["claim", "dataset"])["set"]
    keys = pd.MultiIndex.from_frame(readings[["claim", "dataset"]])
    return readings[readings["set"].to_numpy() == first.reindex(keys).to_numpy()]


def _beside(summary: Path, folders: list[Path], leader: dict[str, str]) -> None:
    """Writes what is not a table of results: pictures, provenance, the layer table, and where the folders are."""
    pictures = {
        name: picture
        for folder in folders
        for name, picture in pictures_of(folder / "summary" / "reconstructions.npz").items()
        if leader[name.partition("/")[0]] == folder.name
    }
    arrays(summary / "reconstructions.npz", pictures)
    runs = {folder.name: read_json(folder / "summary" / "provenance.json") for folder in folders}
    entries = [run | {"set": name} for name, made in runs.items() for run in made]
    replace(summary / "provenance.json", json.dumps(entries, indent=1) + "\n")
    replace(summary / "layer_table.csv", text_of(folders[0] / "summary" / "layer_table.csv"))
    out = summary.parent
    places = {folder.name: os.path.relpath(folder, out) for folder in folders}
    replace(out / SOURCES_FILE, json.dumps(places, indent=1) + "\n")
