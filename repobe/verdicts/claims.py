"""What the paper claims, and whether what was measured bears it out.

A claim is judged by comparisons: each part of it at every channel, rival and SNR. Each has a difference, its 95 %
interval, and the two-sided p that the difference equals the margin; Holm's correction over all of a claim's
comparisons makes one certainty of 95 % of them together. One comparison surely on the wrong side refutes the claim,
one that is open or has not run leaves it open.
"""

from pathlib import Path

import pandas as pd

from repobe.tables import outcomes
from repobe.tables.results import read, write_derived
from repobe.tables.statistics import LEVEL, holm
from repobe.verdicts import accuracy_checks, paper, secrecy_checks

# Of one comparison; what no comparison has, an enumeration's say, is empty. Accuracies and SSIM are fractions.
COLUMNS = ["quantity", "method", "rival", "channel", "snr_db", "margin", "difference", "low", "high", "p_holm"]
COLUMNS += ["seeds", "images", "test"]
RANK = {"no": 0, "open": 1, "yes": 2}


def judge(results: Path) -> None:
    """Writes claims.csv: each claim, its verdict, the comparison that decides and a sentence; evidence.csv: all."""
    tables = {
        "outcomes": outcomes.read(results / "tables" / "outcomes.parquet"),
        **{name: read(results / "tables" / f"{name}.csv", name) for name in ("inversion", "audit")},
    }
    rows, every = [], []
    for claim in paper.claims():
        judged, comparisons = verdict(tables, claim)
        rows.append({key: claim[key] for key in ("id", "where", "figure", "claim")} | judged)
        every += [{"id": claim["id"]} | comparison for comparison in comparisons]
    columns = ["id", "where", "figure", "claim", "verdict", *COLUMNS, "comparisons", "evidence"]
    write_derived(pd.DataFrame(rows, columns=columns), results / "claims.csv")
    write_derived(pd.DataFrame(every, columns=["id", "outcome", *COLUMNS, "p", "evidence"]), results / "evidence.csv")


def verdict(tables: dict[str, pd.DataFrame], claim: dict) -> tuple[dict, list[dict]]:
    """(its columns of claims.csv, its comparisons): all that the sentence says together is what is judged."""
    comparisons = []
    for part in claim["parts"]:
        table, check = CHECKS[part["check"]]
        comparisons += check(tables[table], part)
    notes = [one["evidence"] for one in comparisons if one["outcome"] == "note"]  # that decide nothing
    comparisons = [one for one in comparisons if one["outcome"] != "note"]
    run = [one for one in comparisons if one["outcome"] != "not run"]
    if not run:
        return {"verdict": "not run", "evidence": "no such run in these tables"}, comparisons
    tested = [one for one in run if "p" in one]
    for one, p in zip(tested, holm([one["p"] for one in tested]), strict=True):
        one["p_holm"] = p
        one["outcome"] = _outcome(one)
        one["evidence"] = _sentence(one, len(tested))
    found = {one["outcome"] for one in comparisons}
    together = "not reproduced" if "no" in found else "reproduced" if found == {"yes"} else "inconclusive"
    # Of those that weigh most the one that lies furthest back; that a curve did not fall decides nothing else.
    deciding = min(run, key=lambda one: (RANK[one["outcome"]], one.get("bound", False), _lead(one)))
    parts = [one["evidence"] for one in run if "p" not in one] or [deciding["evidence"]]
    if len(tested) > 1:
        of = {kind: sum(one["outcome"] == kind for one in run) for kind in RANK}
        parts.append(f"of {len(tested)} comparisons {of['yes']} hold, {of['no']} fail, {of['open']} are open")
    if missing := [one["evidence"] for one in comparisons if one["outcome"] == "not run"]:
        parts.append(f"not run: {', '.join(dict.fromkeys(missing))}")
    parts += notes
    columns = {name: deciding.get(name) for name in COLUMNS} | {"comparisons": len(tested) or None}
    return {"verdict": together, **columns, "evidence": "; ".join(parts)}, comparisons


def _lead(one: dict) -> float:
    return one["difference"] - one["margin"] if "p" in one else 0.0


def _outcome(one: dict) -> str:
    """yes or no where it is sure beside the claim's other comparisons; a `bound` holds until it is surely broken."""
    surely = one["p_holm"] < 1 - LEVEL
    if one.get("bound"):
        return "no" if surely and _lead(one) < 0 else "yes"
    return "open" if not surely else "yes" if _lead(one) > 0 else "no"


def _sentence(one: dict, comparisons: int) -> str:
    scale, unit = (1, "SSIM") if one["quantity"] == "ssim" else (100, "points")
    digits = 3 if scale == 1 else 2
    gap, low, high, margin = (f"{scale * one[name]:+.{digits}f}" for name in ("difference", "low", "high", "margin"))
    over = f"{one['seeds']} seeds" if one["seeds"] > 1 else f"{one['images']} images"
    wanted = f"at least {margin}" if one.get("bound") else f"more than {margin}" if one["margin"] else "above 0"
    p = f"p = {one['p_holm']:.2g}" if one["p_holm"] >= 1e-4 else "p < 0.0001"
    return (
        f"{one['channel']}, {one['snr_db']:g} dB: {one['method']} against {one['rival']} {gap} {unit} [{low}, {high}], "
        f"wanted {wanted}; {one['test']}, {over}, {p}" + (f" by Holm over {comparisons}" if comparisons > 1 else "")
    )


CHECKS = {  # by the name in claims.yaml: the table that it reads, and the check
    "ahead": ("outcomes", accuracy_checks.ahead),
    "rising": ("outcomes", accuracy_checks.rising),
    "levels_off": ("outcomes", accuracy_checks.levels_off),
    "leaks_less": ("inversion", secrecy_checks.leaks_less),
    "shows_nothing": ("inversion", secrecy_checks.shows_nothing),
    "key_space": ("audit", secrecy_checks.key_space),
    "inverted": ("audit", secrecy_checks.inverted),
}
