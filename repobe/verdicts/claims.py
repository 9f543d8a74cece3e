"""The paper's claims, and whether the measurements support them.

A claim is judged by comparisons: one for each of its parts, channels, rivals and SNRs. A comparison has a difference,
its 95 % interval, and a two-sided p for "the difference equals the margin". Comparisons that fail a gate are not
tested. Holm's correction over all others keeps the overall level at 95 %. One comparison significantly on the wrong
side refutes the claim, unless it is with a rival that we rebuilt (REBUILT). One that is open, has not run or fails a
gate leaves it inconclusive; so does one that could come out otherwise if the trainings went on. A claim about several
datasets is judged on those that these tables have, and its verdict names them. More in docs/verdicts.md.
"""

from pathlib import Path

import pandas as pd

from repobe.runs import checksums
from repobe.tables.results import write_derived
from repobe.tables.statistics import LEVEL, UNKNOWN, holm, holm_factors
from repobe.verdicts import accuracy_checks, gates, paper, secrecy_checks, verdict_text
from repobe.verdicts.evidence import Tables

# Columns of a comparison, empty for evidence without one (an enumeration). Accuracies and SSIM are fractions.
COLUMNS = ["dataset", "quantity", "method", "rival", "channel", "snr_db", "margin", "difference", "low", "high"]
COLUMNS += ["p_holm", "seeds", "images", "test", "spread", *gates.GAINS, *gates.COLUMNS, "why"]
GATED = ["stand-in", "not trained", "training unknown", "not competent", "competence unknown"]  # the first is named
# D22, D27: neither the paper nor another defines these, so they may support a claim and never refute one alone.
REBUILT = ("escst", "necst_dp", "vae", "ibal_reconstruction")
RANK = {"no": 0, **dict.fromkeys(GATED, 1), "open": 2, "yes": 3}
CHECKS = {  # by the name in claims.yaml
    "ahead": accuracy_checks.ahead,
    "rises": accuracy_checks.rises,
    "rising": accuracy_checks.rising,
    "levels_off": accuracy_checks.levels_off,
    "leaks_less": secrecy_checks.leaks_less,
    "rebuilds_less": secrecy_checks.rebuilds_less,
    "shows_nothing": secrecy_checks.shows_nothing,
    "unread": secrecy_checks.unread,
    "keys_counted": secrecy_checks.keys_counted,
    "keys_differ": secrecy_checks.keys_differ,
    "inverted": secrecy_checks.inverted,
}


def judge(results: Path, tables: Tables | None = None) -> None:
    """Writes claims.csv (claim, verdict, deciding comparison, a sentence) and evidence.csv (every comparison).

    tables: those of <results>/tables, if they were read already.
    """
    tables = tables or Tables.of(results)
    rows, every = [], []
    for claim in paper.claims():
        judged, comparisons = verdict(tables, claim)
        rows.append({key: claim[key] for key in ("id", "where", "figure", "claim")} | judged)
        every += [{"id": claim["id"]} | comparison for comparison in comparisons]
    columns = ["id", "where", "figure", "claim", "verdict", *COLUMNS, "comparisons", "evidence"]
    write_derived(pd.DataFrame(rows, columns=columns), results / "claims.csv")
    write_derived(pd.DataFrame(every, columns=["id", "outcome", *COLUMNS, "p", "evidence"]), results / "evidence.csv")
    checksums.record(results, "claims", ["claims.csv", "evidence.csv"])


def verdict(tables: Tables, claim: dict) -> tuple[dict, list[dict]]:
    """(the claim's columns of claims.csv, its comparisons). All parts of the claim's sentence are judged together."""
    comparisons = [
        one | {"dataset": part.get("dataset", "")}
        for part in claim["parts"]
        for one in CHECKS[part["check"]](tables, part)
    ]
    notes = [one["evidence"] for one in comparisons if one["outcome"] == "note"]  # they do not affect the verdict
    comparisons = [one for one in comparisons if one["outcome"] != "note"]
    run = [one for one in comparisons if one["outcome"] != "not run"]
    if not run:
        return {"verdict": "not run", "evidence": "no such run in these tables"}, comparisons
    tested = [one for one in run if one["outcome"] == "open"]
    raw = [one["p"] for one in tested]
    for one, p, factor in zip(tested, holm(raw), holm_factors(raw), strict=True):
        one["p_holm"] = p
        one["low"], one["high"] = one["found"].interval(factor)  # by the rule that gives the verdict
        one["outcome"] = "open" if p >= 1 - LEVEL else "yes" if _lead(one) > 0 else "no"
        one |= _unless_trained_on(one)
    for one in run:
        if "p" in one:
            one["evidence"] = _sentence(one, len(tested))
    # Report the least favourable comparison, of those that refute the claim if any does.
    deciding = min(refuting(run) or run, key=lambda one: (RANK[one["outcome"]], _lead(one)))
    parts = [one["evidence"] for one in run if "p" not in one] or [deciding["evidence"]]
    parts += _counted(run) + _not_run(comparisons) + notes
    columns = {name: deciding.get(name) for name in COLUMNS} | {"comparisons": sum("p" in one for one in run) or None}
    return {"verdict": _together(comparisons), **columns, "evidence": "; ".join(parts)}, comparisons


def _unless_trained_on(one: dict) -> dict:
    """The columns of a comparison that D32 closes after the test: one that would not come out so if each side moved by
    as much again, that is against the claim while a side was not trained to its end, or that holds because of an
    attacker that is not known to learn. Else none.
    """
    if one.get("itself"):  # one training, so the difference moves by what it gained itself
        change = one["gain"] - one["rival_gain"]
        fall, rise = (gates.reach(one["quantity"], moved)[1] for moved in (-change, change))
    else:
        (down, up), (rival_down, rival_up) = (gates.reach(one["quantity"], one[name]) for name in gates.GAINS)
        fall, rise = down + rival_up, up + rival_down
    stands = {"yes": one["low"] - fall > one["margin"], "no": one["high"] + rise < one["margin"], "open": True}
    why = ""
    if not stands[one["outcome"]] and (fall if one["outcome"] == "yes" else rise):
        sides = [(one["method"], one["gain"]), (one["rival"], one["rival_gain"])]
        moved = " and ".join(f"{side} by {100 * gain:+.2f} points" for side, gain in sides)
        why = f"the second half of the training moved {moved}, and as much again could change this"
    elif one["outcome"] == "no":
        why = one["unfinished"]
    elif one["outcome"] == "yes":
        why = one.get("unable", "")
    return {"outcome": "not trained"} | gates.not_trained(why) if why else {}


def _together(comparisons: list[dict]) -> str:
    """The verdict in words, with what limits it (`verdict_text.qualified`), or the gate that leaves it inconclusive."""
    ran = dict.fromkeys(one["dataset"] for one in comparisons if one["outcome"] != "not run")
    judged = [one for one in comparisons if one["dataset"] in ran]
    found = {one["outcome"] for one in judged}
    against = refuting(judged)
    decided = "no" if against else "yes" if found == {"yes"} else ""
    if decided:
        needed = against or judged
        sizes = {one["size"] for one in needed if one.get("size")}
        spreads = {one["spread"] for one in needed if "spread" in one}
        if decided == "no":  # one failure is enough, so one whose spread is known counts
            spreads = spreads - {UNKNOWN} or spreads
        # One failure on any dataset is enough.
        alone = ran if decided == "yes" and len(judged) < len(comparisons) else ()
        return verdict_text.qualified({"no": "not reproduced", "yes": "reproduced"}[decided], sizes, spreads, alone)
    if "no" in found:
        return f"inconclusive: {verdict_text.REBUILT_ALONE}"
    return "inconclusive" + next((f": {gate}" for gate in GATED if gate in found), "")


def refuting(comparisons: list[dict]) -> list[dict]:
    """The comparisons that refute a claim: surely on the wrong side, and not with a rival that we rebuilt."""
    against = [one for one in comparisons if one["outcome"] == "no"]
    return [one for one in against if not any(_is_rebuilt(str(one.get(side))) for side in ("method", "rival"))]


def _is_rebuilt(label: str) -> bool:
    """Labels of one method's settings begin alike: necst_dp_005, vae_k128."""
    return any(label == name or label.startswith(f"{name}_") for name in REBUILT)


def _lead(one: dict) -> float:
    return one["difference"] - one["margin"] if "p" in one else 0.0


def _sentence(one: dict, comparisons: int) -> str:
    scale, unit = (1, "SSIM") if one["quantity"] == "ssim" else (100, "points")
    digits = 3 if scale == 1 else 2
    gap, low, high, margin = (f"{scale * one[name]:+.{digits}f}" for name in ("difference", "low", "high", "margin"))
    wanted = f"more than {margin}" if one["margin"] else "above 0"
    between = f"{one['seeds']} seeds" if one["spread"] == "seeds" else f"spread between seeds {one['spread']}"
    said = (
        f"{one['channel']}, {one['snr_db']:g} dB: {one['method']} against {one['rival']} {gap} {unit} [{low}, {high}], "
        f"wanted {wanted}; {one['test']}, {one['images']} images, {between}"
    )
    if one["failed"]:
        return f"{said}; no verdict: {one['why']}"
    p = f"p = {one['p_holm']:.2g}" if one["p_holm"] >= 1e-4 else "p < 0.0001"
    return f"{said}, {p}" + (f" by Holm over {comparisons}" if comparisons > 1 else "")


def _counted(run: list[dict]) -> list[str]:
    compared = [one["outcome"] for one in run if "p" in one]
    if len(compared) < 2:
        return []
    kinds = {"yes": "hold", "no": "fail", "open": "are open"}
    said = [f"{compared.count(kind)} {verb}" for kind, verb in kinds.items()]
    gated = sum(outcome in GATED for outcome in compared)
    return [f"of {len(compared)} comparisons {', '.join(said)}" + (f", {gated} fail a gate" if gated else "")]


def _not_run(comparisons: list[dict]) -> list[str]:
    several = len({one["dataset"] for one in comparisons}) > 1
    missing = dict.fromkeys(
        one["evidence"] + (f" ({paper.title(one['dataset'])})" if several else "")
        for one in comparisons
        if one["outcome"] == "not run"
    )
    return [f"not run: {', '.join(missing)}"] if missing else []
