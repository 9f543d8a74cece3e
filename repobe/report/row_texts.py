"""Rows of the verdicts' tables with columns that say in words what each compares."""

import pandas as pd

from repobe.report.cards import compared
from repobe.report.display_names import SPELLED, spelled
from repobe.report.headings import over_channel
from repobe.verdicts import paper

RELATIONS = {"equals": "", "minimum": ", its minimum", "maximum": ", its maximum"}


def readings(rows: pd.DataFrame) -> pd.DataFrame:
    """readings.csv with words for the readings' ids, and the place of the paper that allows each."""
    known = {one["id"]: one for one in paper.readings()}
    records = rows.to_dict("records")
    return rows.assign(
        reading=[f"{row['reading']}: {known[row['reading']]['reading']}" for row in records],
        allows=[known[row["reading"]]["paper"] for row in records],
        comparison=[compared(row) for row in records],
        counts=["{hold} hold, {fail} fail, {undecided} open, {not_run} not run".format(**row) for row in records],
        size=[f"{row['size']:g}×{row['size']:g}" for row in records],
    )


def evidence(rows: pd.DataFrame, methods: pd.Series) -> pd.DataFrame:
    """evidence.csv with one column that names each comparison; what did not run has its own sentence there."""
    words = [compared(row) or spelled(row["evidence"], methods.unique()) for row in rows.to_dict("records")]
    return rows.assign(comparison=words, why=_why(rows, methods), scale=_ours(rows["scale"]))


def numbers(rows: pd.DataFrame, methods: pd.Series) -> pd.DataFrame:
    """comparison.csv with one column `what` that names each number."""
    what = [
        f"Fig. {row['figure']}, {SPELLED['dataset'](row['dataset'])}, {SPELLED['channel'](row['channel'])}, "
        f"{row['snr_db']} dB: {SPELLED['method'](row['method'])}, {SPELLED['quantity'](row['quantity'])}"
        f"{RELATIONS[row['relation']]}"
        for row in rows.to_dict("records")
    ]
    measured = [_measured(row) if row["verdict"] != "not run" else None for row in rows.to_dict("records")]
    return rows.assign(what=what, why=_why(rows, methods), scale=_ours(rows["scale"]), measured=measured)


def _measured(row: dict) -> str:
    """On what ours was measured, where, and what its interval knows of other seeds."""
    said = f"{row['n']:,.0f} images, {row['seeds']:g} seed{'s' if row['seeds'] > 1 else ''}"
    if row["spread"] != "seeds":
        said += f"; spread between seeds {over_channel(row['spread'])}"
    return said + (f"; {row['set']}" if isinstance(row.get("set"), str) else "")


def _ours(scale: pd.Series) -> pd.Series:
    """`32×32, k = 32; the paper 224×224, …` without the paper's, which the heading of the column has."""
    return scale.str.partition(";")[0] if scale.notna().any() else scale


def _why(rows: pd.DataFrame, methods: pd.Series) -> pd.Series:
    return rows["why"].map(lambda why: spelled(why, methods.unique()), na_action="ignore")
