"""The paper's printed numbers beside ours, and its claims with their verdicts, as Markdown tables for the documents.

`make quotes` writes them below the comments `<!-- numbers of mnist32 cifar64 -->` and `<!-- claims of … -->`, from the
folders named there: each number and each claim has the verdict that `repobe collect` would choose.
"""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from repobe.report import markdown
from repobe.report.display_names import QUANTITIES, method
from repobe.report.headings import panel_title
from repobe.verdicts.collection import judged, side_by_side
from repobe.verdicts.verdict_text import size_of

NUMBERS = ("id", "Fig.", "what", "paper", "ours", "measured at", "verdict")
CLAIMS = ("id", "claim", "measured at", "verdict")
# The numbers of a group differ only in their SNR, or are the lowest and the highest over all SNRs.
GROUP = ["figure", "dataset", "channel", "method", "quantity", "extreme", "set", "size"]


def numbers(folders: Iterable[Path]) -> str:
    """A row for the numbers of one curve: what the paper prints, what was measured, at which size, and the verdict."""
    rows = _judged(folders, "comparison")
    rows = rows.assign(extreme=rows["relation"] != "equals")
    groups = rows.groupby(GROUP, sort=False, dropna=False)
    return markdown.table(NUMBERS, [_numbers(group) for _, group in groups])


def claims(folders: Iterable[Path]) -> str:
    """A row for each claim: its sentence, the size at which it was measured, and the verdict."""
    rows = _judged(folders, "claims")
    exact = (rows["size"] == "") & (rows["verdict"] != "not run")
    at = rows["size"].mask(exact, "any size").replace("", "–")
    return markdown.table(CLAIMS, list(zip(rows["id"], rows["claim"], at, rows["verdict"], strict=True)))


def _judged(folders: Iterable[Path], name: str) -> pd.DataFrame:
    rows = judged(side_by_side(name, folders))
    return rows.assign(size=rows["scale"].fillna("").map(size_of))


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
    said = first["verdict"]
    if group["verdict"].nunique() > 1:
        said = "; ".join(f"{name}: {verdict}" for name, verdict in zip(group["id"], group["verdict"], strict=True))
    return (
        ", ".join(group["id"]),
        first["figure"],
        what,
        ", ".join(f"{value:.4f}" for value in group["printed"]),
        ", ".join(f"{value:.4f}" for value in group["ours"]) if ran else "–",
        first["size"] or "–",
        said,
    )
