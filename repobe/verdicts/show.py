"""Everything about one printed number, claim, decision or contradiction, as text for a terminal."""

import re
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd

from repobe.runs.grid import name_of
from repobe.runs.names import run_name
from repobe.tables.results import read, read_json
from repobe.tables.statistics import interval
from repobe.verdicts import paper
from repobe.verdicts.collection import source_folders
from repobe.verdicts.comparison import chosen
from repobe.verdicts.contradictions import entries
from repobe.verdicts.decisions import differences
from repobe.verdicts.readings import headline
from repobe.verdicts.rerun_commands import at_papers_size, for_change, runs_of

WIDTH = 110
RESULTS = Path("results")  # where nothing else is said


def show(name: str, results: Path) -> str:
    """The text for n01 …, c01 …, D1 … or p01 …, from the tables in `results`; ValueError for an unknown name."""
    kind, one = stated(name, results)
    tell = {"number": _number, "claim": _claim, "decision": _decision, "contradiction": _contradiction}[kind]
    return "\n".join(tell(one, results))


def stated(name: str, results: Path) -> tuple[str, dict]:
    """(its kind: number, claim, decision or contradiction; what the paper states).

    ValueError for an unknown name, and for a folder of results that does not exist: before any run, `results` may lack.
    """
    if not results.is_dir() and results != RESULTS:
        raise ValueError(f"{results} does not exist: name a folder of results with --results")
    kinds = {
        "number": paper.numbers().to_dict("records"),
        "claim": paper.claims(),
        "decision": paper.decisions(),
        "contradiction": entries(table_if_there(results / "tables" / "cost.csv")),
    }
    for kind, every in kinds.items():
        for one in every:
            if name == one["id"] or _same(one["id"], name):
                return kind, one
    known = ", ".join(f"{min((one['id'] for one in every), key=len)} to {every[-1]['id']}" for every in kinds.values())
    raise ValueError(f"'{name}' is not a number, claim, decision or contradiction; known are {known}")


def _same(one: str, name: str) -> bool:
    """Whether c4 or C04 means c04."""
    return name[:1].lower() == one[0].lower() and name[1:].isdecimal() and int(name[1:]) == int(one[1:])


def _number(number: dict, results: Path) -> list[str]:
    relation = {"equals": "", "minimum": "a minimum of ", "maximum": "a maximum of "}[number["relation"]]
    quantity = number["quantity"].replace("_", " ")
    at = f"{number['dataset']} over {number['channel']} at {number['snr_db']} dB"
    lines = [f"{number['id']}  {number['where']}, Fig. {number['figure']}: {quantity} of {number['method']}, {at}", ""]
    lines.append(_pair("the paper prints", f"{relation}{number['value']:.4f}"))
    compared = table_if_there(results / "comparison.csv")
    if compared is None:
        return [*lines, *_nothing(results)]
    mine = _row(compared, number["id"], results / "comparison.csv").to_dict()
    if mine["verdict"] == "not run":
        lines.append(_pair("ours", "not run in these tables"))
    else:
        lines.append(_pair("ours", f"{mine['ours']:.4f} [{mine['low']:.4f}, {mine['high']:.4f}], a 95 % interval"))
        within = f"tolerance {100 * mine['tolerance']:g}"
        lines.append(_pair("difference", f"{100 * mine['difference']:+.2f} points; {within}"))
        lines.append(_pair("spread", f"between trainings: {mine['spread']}"))
        lines.append(_pair("gates", f"trained: {mine['trained']}; competent: {mine['competent']}"))
        lines += [_pair("", mine["why"])] if isinstance(mine["why"], str) else []
    lines += [_pair("verdict", mine["verdict"]), ""]
    results = source_folder(mine, results)
    rows = chosen(read(results / "tables" / "evasion.csv"), number)
    if len(rows):
        lines.insert(-1, _pair("ours is at", _scale(results, rows)))
        bounds = [interval(np.array([value]), n, True) for value, n in zip(rows["value"], rows["n"], strict=True)]
        shown = rows[["snr_test_db", "attack", "seed", "value"]].assign(
            low=[low for low, _ in bounds], high=[high for _, high in bounds], n=rows["n"], draws=rows["draws"]
        )
        lines += ["our rows, each with its 95 % interval over images", *_columns(shown)]
        lines += _summary(results, number)
        lines += _provenance(results, rows)
    bears = [
        f"{one['id']}  {weighed['change']}" + _weighed(results, weighed, number)
        for one in paper.decisions()
        for weighed in one.get("weighed_by", [])
        if _bears(weighed, number)
    ]
    lines += ["decisions whose effect was measured on this method", *bears, ""] if bears else []
    return [*lines, "run it at the paper's size", mine["command"]]


def source_folder(mine: dict, results: Path) -> Path:
    """The folder whose tables a row comes from: where several folders are on one page, the row names it."""
    sets = source_folders(results)
    return Path(sets[mine["set"]]) if sets else results


def _scale(results: Path, rows: pd.DataFrame) -> str:
    """Image size and training, because the paper trains at 224×224 pixels."""
    history = read(results / "tables" / "history.csv")
    one = rows.iloc[0]
    same = (history[["method", "dataset", "channel"]] == one[["method", "dataset", "channel"]]).all(axis=1)
    size = f"{one['image_size']}×{one['image_size']} pixels"
    size += (
        ", as in the paper" if one["image_size"] == paper.SIZE else f", where the paper has {paper.SIZE}×{paper.SIZE}"
    )
    return f"{size}; {history.loc[same, 'epoch'].max():g} epochs, {rows['seed'].nunique()} seed(s)"


def _summary(results: Path, number: dict) -> list[str]:
    rows = chosen(read(results / "summary" / "evasion.csv"), number)
    if rows["seeds"].max() < 2:
        return ["one seed: another seed may lie outside the interval", ""]
    return ["over seeds", *_columns(rows[["snr_test_db", "mean", "low", "high", "seeds"]]), ""]


def _bears(weighed: dict, number: dict) -> bool:
    """Whether a change has this number's method as its reference, and its channel if it names one."""
    of = weighed["of"]
    return of.get("method") == number["method"] and of.get("channel", number["channel"]) == number["channel"]


def _weighed(results: Path, weighed: dict, number: dict) -> str:
    table = weighed.get("table", "evasion")
    found = differences(read(results / "tables" / f"{table}.csv", table), weighed)
    same = [row for row in found if row["dataset"] == number["dataset"] and row["quantity"] == number["quantity"]]
    same = [row for row in same if row["channel"] == number["channel"]]
    return "".join(f": {100 * row['difference']:+.2f} points" for row in same) or ": not run in these tables"


def _claim(claim: dict, results: Path) -> list[str]:
    lines = [f"{claim['id']}  {claim['where']}, Fig. {claim['figure']}", *_wrapped(f"“{claim['claim']}”"), ""]
    judged, every = table_if_there(results / "claims.csv"), table_if_there(results / "evidence.csv")
    if judged is None or every is None:
        return [*lines, *_nothing(results)]
    mine = _row(judged, claim["id"], results / "claims.csv")
    lines += [_pair("verdict", mine["verdict"]), *_wrapped(mine["evidence"]), ""]
    all_of_it = every[every["id"] == claim["id"]]
    if tested := [column for column in ("rival", "channel", "snr_db") if all_of_it[column].notna().any()]:
        names = ["outcome", "quantity", "method", *tested, "margin", "difference", "low", "high", "p_holm", "seeds"]
        run = all_of_it[all_of_it["outcome"] != "not run"]
        lines += ["every comparison; differences and SSIM are fractions", *_columns(run[[*names, "images"]]), ""]
    lines += _readings(claim, results)
    return [*lines, "run it at the paper's size", at_papers_size(runs_of(claim))]


def _row(frame: pd.DataFrame, name: str, path: Path) -> pd.Series:
    """The row of a claim or a number; ValueError names a table without it, which an older suite may have made."""
    rows = frame[frame["id"] == name]
    if rows.empty:
        raise ValueError(f"{path} has no row {name}; delete it and run snakemake again")
    return rows.iloc[0]


def _readings(claim: dict, results: Path) -> list[str]:
    """The most favourable reading, and a line for each reading."""
    every = table_if_there(results / "readings.csv")
    if every is None or not (every["claim"] == claim["id"]).any():
        return []
    mine = every[every["claim"] == claim["id"]]
    names = {one["id"]: one["reading"] for one in paper.readings()}
    lines = ["under every reading of the paper that ran: the least favourable comparison"]
    for one in headline(mine).to_dict("records"):
        told = f"holds under {one['holds']} of {one['readings']} readings, fails under {one['fails']}"
        told += f"; the whole interval is ahead under {one['ahead']}"
        lines += [
            _pair("most favourable", f"{one['most_favourable']}, {names[one['most_favourable']]}: {one['outcome']}"),
            _pair("", told),
        ]
    shown = mine.assign(reading=mine["reading"] + " " + mine["reading"].map(names))
    columns = ["reading", "dataset", "outcome", "lead", "low", "high", "method", "rival", "channel", "snr_db"]
    return [*lines, *_columns(shown[columns]), ""]


def _decision(decision: dict, results: Path) -> list[str]:
    lines = [decision["id"], ""]
    for key, what in (("paper", "the paper"), ("decision", "we do"), ("why", "because"), ("measured", "tried")):
        if key in decision:
            lines += _paragraph(what, decision[key])
    if "weighed_by" not in decision:
        return [*lines, "", "no run measures its effect"]
    weighed = table_if_there(results / "decisions.csv")
    lines += ["", "its effect: variant minus reference, means over SNRs, with 95 % intervals"]
    lines += ["for one seed, one training each: another seed may lie outside; no correction for many comparisons"]
    if weighed is None:
        return [*lines, *_nothing(results)]
    mine = weighed[weighed["id"] == decision["id"]].drop(columns="id")
    lines += _columns(mine) if len(mine) else [f"no run in {results} measures its effect"]
    return [*lines, "", "run it again", *dict.fromkeys(map(for_change, decision["weighed_by"]))]


def _contradiction(one: dict, results: Path) -> list[str]:
    lines = [f"{one['id']}  {one['where']}: a contradiction in the paper", ""]
    for key, what in (("says", "it says"), ("but", "but"), ("see", "see")):
        lines += _paragraph(what, one[key])
    return lines


def _provenance(results: Path, rows: pd.DataFrame) -> list[str]:
    path = results / "tables" / "provenance.json"
    known = read_json(path) if path.exists() else []
    lines = ["the runs that it comes from"]
    heads = {run_name(*run) for run in rows[["dataset", "channel", "method", "seed"]].itertuples(index=False)}
    for about in known:
        if name_of(about["run"]) in heads:
            seconds = f"trained {about['train_wall_seconds']} s on {about['device']}, {about['threads']} threads"
            commit = re.sub(r"^([0-9a-f]{12})[0-9a-f]+", r"\1", about["commit"])  # but keep a reason for having none
            lines.append(f"{about['run']}: commit {commit}, {seconds}, finished {about['finished']}")
    return [*lines, ""]


def table_if_there(path: Path) -> pd.DataFrame | None:
    """A table of the results, None if there is none."""
    return read(path) if path.exists() else None


def _nothing(results: Path) -> list[str]:
    below = sorted({path.parent for depth in ("*", "*/*") for path in results.glob(f"{depth}/comparison.csv")})
    other = f"; these have results: {', '.join(map(str, below))}" if below else ""
    return ["", f"Nothing was measured in {results}: run snakemake, or name another folder with --results{other}."]


def _pair(name: str, value: str) -> str:
    return f"{name:<18}{value}"


def _paragraph(name: str, text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=_pair(name, ""), subsequent_indent=_pair("", ""))


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH)


def _columns(frame: pd.DataFrame) -> list[str]:
    return frame.to_string(index=False, na_rep="–", float_format=lambda value: f"{value:.6g}").splitlines()
