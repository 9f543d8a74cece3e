"""Claims under every reading that the paper allows, in the manner of a multiverse analysis (Simonsohn et al. 2020).

A reading replaces the runs that a claim names by other runs. Each claim is judged again by the same checks, tests and
gates, with two differences. Comparisons that have not run are left out, so all readings of a folder are judged by what
ran there. A stand-in dataset is compared too, but never judged.
"""

from pathlib import Path

import pandas as pd

from repobe.runs import checksums
from repobe.tables.results import write_derived
from repobe.verdicts import paper
from repobe.verdicts.claims import GATED, refuting, verdict
from repobe.verdicts.evidence import Tables
from repobe.verdicts.verdict_text import REBUILT_ALONE

COLUMNS = ["claim", "reading", "dataset", "outcome", "lead", "low", "high", "lowest", "lowest_high"]
COLUMNS += ["quantity", "method", "rival", "channel", "snr_db", "margin", "difference", "p_holm"]
COLUMNS += ["seeds", "images", "size", "hold", "fail", "undecided", "not_run"]
HEADLINE = ["claim", "most_favourable", "outcome", "lead", "low", "high", "as_decided"]
HEADLINE += ["quantity", "size", "not_run", "set", "holds", "fails", "open", "ahead", "readings"]
OUTCOMES = ["fails", "open", "holds"]  # by how well they suit the paper, the best last
AS_DECIDED = "r00"
PASSED_GATES = ("holds", "fails", "open", f"open: {REBUILT_ALONE}")  # of every outcome, those that passed the gates


def judge(results: Path, tables: Tables | None = None) -> None:
    """Writes readings.csv: for each claim, reading and dataset, the outcome and the least favourable comparison.

    lead: difference minus the claim's margin, with its 95 % interval low to high. lowest, lowest_high: the lowest `low`
    and the lowest `high` of all its comparisons. hold, fail, undecided: numbers of the claim's comparisons. not_run:
    number of runs, or SNRs of a run, that the claim lacks. tables: those of <results>/tables, if read already.
    """
    tables = tables or Tables.of(results)
    rows = [
        {"claim": claim["id"], "reading": reading["id"]} | row
        for claim in paper.claims()
        for reading in paper.readings()
        if claim["id"] in reading["claims"]
        for row in judged(tables, claim, reading)
    ]
    write_derived(pd.DataFrame(rows, columns=COLUMNS), results / "readings.csv")
    checksums.record(results, "readings", ["readings.csv"])


def judged(tables: Tables, claim: dict, reading: dict) -> list[dict]:
    """A row for each dataset of the claim and for its stand-in, if something has run there."""
    datasets = dict.fromkeys(part["dataset"] for part in claim["parts"])
    shown = [name for dataset in datasets for name in (dataset, paper.STAND_INS.get(dataset)) if name]
    rows = []
    for dataset in shown:
        runs = tables.cost[tables.cost["dataset"] == dataset]
        if runs.empty or not _touches(reading, {*runs["method"], *runs["channel"]}):
            continue  # at once, because a verdict takes long
        parts = [part for part in claim["parts"] if dataset in (part["dataset"], paper.STAND_INS.get(part["dataset"]))]
        _, comparisons = verdict(tables, under(reading, claim | {"parts": parts}, dataset, _snrs(tables, dataset)))
        ran = [one for one in comparisons if one["outcome"] != "not run"]
        used = {str(one.get(name)) for one in ran for name in ("method", "rival", "channel")}
        if ran and _touches(reading, used):  # otherwise it repeats the suite's own reading
            rows.append({"dataset": dataset} | _row(ran, len(comparisons) - len(ran)))
    return rows


def under(reading: dict, claim: dict, dataset: str, snrs: set[float]) -> dict:
    """The claim with the reading's runs on a dataset; snrs: the SNRs in dB at which the dataset was tested.

    A part that states no SNRs is judged at all of these, because readings compare what ran in one folder.
    """
    offset = reading.get("snr_offset_db", 0)
    parts = []
    for part in reading.get("parts", {}).get(claim["id"], claim["parts"]):
        changed = part | {"dataset": dataset}
        for key, names in (("method", "methods"), ("rivals", "methods"), ("channels", "channels")):
            if key in part:
                changed[key] = _renamed(part[key], reading.get(names, {}))
        stated = part.get("snr_db", [snr - offset for snr in snrs])
        changed["snr_db"] = sorted(snr + offset for snr in stated if not offset or {snr, snr + offset} <= snrs)
        parts.append(changed)
    return claim | {"parts": parts}


def headline(rows: pd.DataFrame) -> pd.DataFrame:
    """For each claim: the most favourable reading, its outcome, and how many readings hold, fail or are open.

    ahead: number of readings of which every interval lies above the claim's margin, regardless of the gates. A claim
    that ran only on a stand-in has no row. quantity, size, not_run and set (where rows have them) are those of the
    most favourable reading.
    """
    found = []
    for claim, mine in rows[~rows["dataset"].isin(paper.STAND_INS.values())].groupby("claim", sort=True):
        # If a claim has two datasets, the worse one counts.
        ranked = mine.assign(rank=mine["outcome"].map(_rank)).sort_values(["rank", "lead"])
        each = ranked.drop_duplicates("reading").set_index("reading")
        best = each.sort_values(["rank", "lead"]).iloc[-1]
        counts = {outcome: int((each["rank"] == place).sum()) for place, outcome in enumerate(OUTCOMES)}
        ahead = mine.groupby("reading")["lowest"].min() > 0
        counts |= {"ahead": int(ahead.sum()), "readings": len(each)}
        told = ["outcome", "lead", "low", "high", "quantity", "size", "not_run", "set"]
        most_favourable = {"most_favourable": best.name} | {name: best.get(name) for name in told}
        found.append({"claim": claim} | most_favourable | {"as_decided": each["outcome"].get(AS_DECIDED)} | counts)
    return pd.DataFrame(found, columns=HEADLINE)


def _rank(outcome: str) -> int:
    return OUTCOMES.index(outcome.partition(":")[0])


def _renamed(names: str | list[str], changes: dict[str, str]) -> str | list[str]:
    return changes.get(names, names) if isinstance(names, str) else [changes.get(name, name) for name in names]


def _snrs(tables: Tables, dataset: str) -> set[float]:
    return set(tables.evasion.loc[tables.evasion["dataset"] == dataset, "snr_test_db"])


def _touches(reading: dict, names: set[str]) -> bool:
    """Whether any method or channel that the reading adds is among `names`; true of one that adds none."""
    put_in = {*reading.get("methods", {}).values(), *reading.get("channels", {}).values()}
    return not put_in or bool(put_in & names)


def _row(ran: list[dict], not_run: int) -> dict:
    """The columns of readings.csv from the comparisons that ran."""
    last = min(ran, key=lambda one: one["difference"] - one["margin"])
    kinds = [one["outcome"] for one in ran]
    gated = next((words for words in GATED if words in kinds), None)
    if "stand-in" in kinds:
        outcome = "stand-in"
    elif "no" in kinds:
        outcome = "fails" if refuting(ran) else f"open: {REBUILT_ALONE}"
    else:
        outcome = f"open: {gated}" if gated else "open" if "open" in kinds else "holds"
    counts = {"hold": kinds.count("yes"), "fail": kinds.count("no"), "not_run": not_run}
    lead = {name: last[of] - last["margin"] for name, of in (("lead", "difference"), ("low", "low"), ("high", "high"))}
    lead["lowest"] = min(one["low"] - one["margin"] for one in ran)
    lead["lowest_high"] = min(one["high"] - one["margin"] for one in ran)
    same = {name: last.get(name) for name in COLUMNS if name in last and name not in lead}
    return same | {"outcome": outcome} | lead | counts | {"undecided": len(ran) - counts["hold"] - counts["fail"]}
