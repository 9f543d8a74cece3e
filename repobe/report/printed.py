"""The paper's printed numbers beside ours, and its claims with their verdicts, as Markdown tables for the documents.

`make quotes` writes them below the comments `<!-- numbers of mnist32 cifar64 -->` and `<!-- claims of … -->`, from the
folders named there: each number and each claim has the verdict that `repobe collect` would choose.
"""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from repobe.report.headings import panel_title
from repobe.report.wording import QUANTITIES, method
from repobe.tables.results import read
from repobe.verdicts.collection import judged

NUMBERS = ("id", "Fig.", "what", "paper", "ours", "measured at", "verdict")
CLAIMS = ("id", "claim", "measured at", "verdict")
# What is in a group differs in its SNR only, or is the lowest and the highest over all SNRs.
GROUP = ["figure", "dataset", "channel", "method", "quantity", "extreme", "set", "size"]


def numbers(folders: Iterable[Path]) -> str:
    """A row for the numbers of one curve: what the paper prints, what was measured, at which size, and the verdict."""
    rows = _judged(folders, "comparison")
    rows = rows.assign(extreme=rows["relation"] != "equals")
    groups = rows.groupby(GROUP, sort=False, dropna=False)
    return _table(NUMBERS, [_numbers(group) for _, group in groups])


def claims(folders: Iterable[Path]) -> str:
    """A row for each claim: its sentence, the size at which it was measured, and the verdict."""
    rows = _judged(folders, "claims")
    at = [
        size or ("any size" if verdict != "not run" else "–")
        for size, verdict in zip(rows["size"], rows["verdict"], strict=True)
    ]
    return _table(CLAIMS, list(zip(rows["id"], rows["claim"], at, rows["verdict"], strict=True)))


def _judged(folders: Iterable[Path], table: str) -> pd.DataFrame:
    every = [read(folder / f"{table}.csv").assign(set=folder.name) for folder in folders]
    rows = judged(pd.concat(every, ignore_index=True))
    return rows.assign(size=rows["scale"].str.partition(",")[0].fillna(""))  # "32×32, k = 32; the paper 224×224, …"


def _numbers(group: pd.DataFrame) -> tuple[str, ...]:
    first = group.iloc[0]
    ran = group["verdict"].iloc[0] != "not run"
    if first["extreme"]:
        words = {"minimum": "lowest", "maximum": "highest"}
        at = f"{' and '.join(group['relation'].map(words))} of {first['snr_db'].replace('-', ' to ')} dB"
    else:
        at = f"{' and '.join(group['snr_db'])} dB"
    system = f"{method(first['method'])}, {panel_title(first['dataset'], first['channel'])}"
    what = f"{system}: {QUANTITIES[first['quantity']]}, {at}"
    verdicts = group["verdict"].unique()
    one = len(verdicts) == 1
    return (
        ", ".join(group["id"]),
        first["figure"],
        what,
        ", ".join(f"{value:.4f}" for value in group["printed"]),
        ", ".join(f"{value:.4f}" for value in group["ours"]) if ran else "–",
        first["size"] or "–",
        verdicts[0]
        if one
        else "; ".join(f"{name}: {said}" for name, said in zip(group["id"], group["verdict"], strict=True)),
    )


def _table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
