"""The claims as cards: verdict, reason in a plain sentence, size, readings, figure and command of each."""

import pandas as pd

from repobe.report import display_names
from repobe.report.cells import VERDICTS, in_points, signed
from repobe.report.display_names import capital, joined, method, spelled
from repobe.report.headings import channel_title, over_channel
from repobe.tables.schema import is_proportion
from repobe.verdicts import paper
from repobe.verdicts.readings import headline
from repobe.verdicts.verdict_text import REBUILT_ALONE, plain

QUANTITIES = display_names.QUANTITIES | {  # claims are about the paper's attack and its one eavesdropper
    "adversarial_accuracy": "accuracy under the paper's attack",
    "attacker_accuracy": "accuracy on the keyless attacker's images",
    "ssim": "SSIM of the keyless attacker's images",
}


def cards(
    claims: pd.DataFrame, evidence: pd.DataFrame, readings: pd.DataFrame, drawn: set[str], leads: dict[str, str]
) -> list[dict]:
    """A card for each row of claims.csv; drawn: the names of the figures that show something; leads: for each dataset,
    the folder that figures draw, empty if there is one folder.
    """
    under = headline(readings).set_index("claim").to_dict("index")
    words = {one["id"]: one["reading"] for one in paper.readings()}
    stand_ins = set(readings.loc[readings["outcome"] == "stand-in", "claim"])
    rows = claims.astype(object).where(claims.notna(), None).to_dict("records")
    return [
        {
            "id": row["id"],
            "where": row["where"],
            "claim": row["claim"],
            "verdict": row["verdict"],
            "kind": plain(row["verdict"]).replace(" ", "-"),
            "plain": plain(row["verdict"]),
            "sign": VERDICTS[plain(row["verdict"])],
            "reason": reason(row, evidence[evidence["id"] == row["id"]], row["id"] in stand_ins),
            "closest": closest(row),
            "scale": row["scale"]
            or ("exact, for any image size" if row["verdict"] != "not run" else "no size: not run"),
            "images": _images(row),
            "set": row.get("set") if row["verdict"] != "not run" else None,
            "elsewhere": row.get("elsewhere"),
            "readings": _readings(under.get(row["id"]), words, holding(readings, row["id"]), row.get("set")),
            "figures": [name for name in figures_of(row) if name in drawn],
            "drawn_from": leads.get(row["dataset"]),
            "command": row["command"],
        }
        for row in rows
    ]


def reason(row: dict, evidence: pd.DataFrame, stand_in: bool = False) -> str:
    """Why a claim has its verdict, in one sentence; evidence: its rows of evidence.csv; stand_in: whether it was
    compared on a dataset that stands in for the paper's.
    """
    verdict, _, gate = row["verdict"].partition(": ")
    outcomes = evidence["outcome"]
    ran = evidence[outcomes != "not run"]
    if ran.empty and stand_in:
        return "Not run on the paper's dataset. A stand-in ran in its place, and decides nothing."
    if ran.empty:
        return f"Nothing of it was measured here: {_missing(evidence)} did not run."
    if row["difference"] is None:  # an enumeration has no comparisons
        return f"{capital(row['evidence'])}."
    count = len(ran)
    if gate == REBUILT_ALONE:
        against = int((outcomes == "no").sum())
        where = "surely on the other side of the margin, all with a rival that we rebuilt"
        return f"{against} of {count} comparisons lie {where}."
    if gate:
        closed = evidence[outcomes == gate]
        failed, worst = len(closed), (closed["difference"] - closed["margin"]).astype(float).idxmin()
        why = spelled(closed.loc[worst, "why"], _methods(evidence))
        return f"No verdict, because {failed} of {count} comparisons fail a gate ({gate}): {why}."
    if plain(verdict) == "reproduced":
        return f"{_all(count)} surely on the claim's side of its margin."
    if plain(verdict) == "not reproduced":
        return f"{int((outcomes == 'no').sum())} of {count} comparisons lie surely on the other side of the margin."
    undecided = int((outcomes == "open").sum())
    lacking = f"{_missing(evidence)} did not run" if (outcomes == "not run").any() else ""
    if not undecided:
        return f"{_all(count, ' that ran')} surely on the claim's side, but {lacking}."
    return f"The intervals of {undecided} of {count} comparisons contain the margin{lacking and f'; {lacking}'}."


def _all(count: int, which: str = "") -> str:
    return f"All {count} comparisons{which} lie" if count > 1 else f"The only comparison{which} lies"


def closest(row: dict) -> str:
    """The least favourable comparison in one sentence; empty for a claim without comparisons."""
    if row["difference"] is None:
        return ""
    points = is_proportion(row["quantity"])
    as_text, unit = (in_points, " points") if points else (signed, "")
    gap, low, high, margin = (as_text(row[name]) for name in ("difference", "low", "high", "margin"))
    first, second = (_side(row[name]) for name in ("method", "rival"))
    sure = row["p_holm"]
    p = "" if sure is None else f", p = {sure:.2g} (Holm)" if sure >= 1e-4 else ", p < 0.0001 (Holm)"
    return (
        f"Least favourable: {QUANTITIES[row['quantity']]} over {channel_title(row['channel'])} at {row['snr_db']:g} dB"
        f", {first} minus {second}: {gap}{unit} ({low} to {high}){p}; the claim wants more than {margin}."
    )


def figures_of(row: dict) -> list[str]:
    """The figures that a claim names, that of its deciding channel first: `3a-3b` is 3a and 3b."""
    letters = row["figure"].split("-") if row["figure"] not in ("-", None) else []
    printed = paper.numbers().drop_duplicates("figure").set_index("figure")["channel"]
    return [f"fig{one}" for one in sorted(letters, key=lambda one: printed.get(one) != row["channel"])]


def _images(row: dict) -> str:
    if row["difference"] is None:
        return ""
    seeds = f"{row['seeds']:g} seed{'s' if row['seeds'] > 1 else ''}"
    return f"{row['images']:,.0f} test images, {seeds}"


def holding(readings: pd.DataFrame, claim: str) -> list[str]:
    """The readings under which a claim holds, on each of its datasets that ran; stand-ins judge nothing."""
    mine = readings[(readings["claim"] == claim) & (readings["outcome"] != "stand-in")]
    return [one for one, rows in mine.groupby("reading") if (rows["outcome"] == "holds").all()]


def _readings(found: dict | None, words: dict[str, str], held: list[str], judged_in: str | None) -> str:
    """judged_in: the folder of the claim's own verdict; readings from another folder are of other trainings."""
    if found is None:
        return ""
    place = ""
    if judged_in and found["set"] != judged_in:
        place = f"in {found['set']} ({found['size']:g}×{found['size']:g}, other trainings than above), "
    most_favourable = f"{found['most_favourable']} ({words[found['most_favourable']]})"
    if found["readings"] == 1:
        return f"{place}only one reading of the paper ran, {most_favourable}: {found['outcome']}."
    which = f" ({joined(held)})" if held else ""
    counts = f"holds under {found['holds']}{which}, fails under {found['fails']}, is open under {found['open']}"
    lead = f"{in_points(found['lead'])} points" if is_proportion(found["quantity"]) else signed(found["lead"])
    best = f"Most favourable to the paper: {most_favourable}, {found['outcome']}; its worst comparison leads by {lead}."
    lacking = f" {found['not_run']:g} of the claim's runs did not run there." if found["not_run"] else ""
    return f"{place}of {found['readings']} it {counts}. {best}{lacking}"


def compared(row: dict) -> str:
    """What a row of evidence.csv or readings.csv compares, in words; empty if it compares nothing."""
    if not isinstance(row["method"], str):
        return ""
    first, second = (_side(row[name]) for name in ("method", "rival"))
    place = f"{channel_title(row['channel'])}, {row['snr_db']:g} dB"
    return f"{first} minus {second}: {QUANTITIES[row['quantity']]}, {place}"


def _side(name: str) -> str:
    """A side of a comparison: a method, or words such as `itself at 7 dB` and `the mean image`."""
    return name if " " in name else method(name)


def _methods(evidence: pd.DataFrame) -> list[str]:
    names = pd.concat([evidence["method"], evidence["rival"]]).dropna().unique()
    return [*{*(name for name in names if " " not in name), "undefended", "repobe"}]


def _missing(evidence: pd.DataFrame) -> str:
    """What of a claim has not run: `necst over awgn` as NECST over AWGN, with the dataset if there are several."""
    several = evidence["dataset"].nunique() > 1
    rows = evidence.loc[evidence["outcome"] == "not run", ["evidence", "dataset"]].dropna(subset="evidence")
    said = []
    for text, dataset in rows.drop_duplicates().itertuples(index=False):
        name = text.partition(" over ")[0]
        beside = " beside ".join(_side(one) for one in name.split(" beside "))
        of = f" ({paper.title(dataset)})" if several else ""
        said.append(beside + over_channel(text).removeprefix(name) + of)
    return joined(said) if said else "its runs"
