"""What the paper claims, and whether what was measured bears it out.

A claim is judged by comparisons: each part of it at every channel, rival and SNR. Each has a difference, its 95 %
interval, and the two-sided p that the difference equals the margin; Holm's correction over all of a claim's
comparisons makes one certainty of 95 % of them together. One comparison surely on the wrong side refutes the claim,
one that is open or has not run leaves it open.
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pandas as pd
import yaml

from repobe.tables import outcomes
from repobe.tables.results import read, write_derived
from repobe.tables.statistics import LEVEL, Difference, apart, holm, over_images, over_seeds
from repobe.verdicts.comparison import PAPER

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
    for claim in yaml.safe_load((PAPER / "claims.yaml").read_text()):
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
        comparisons += check(tables[table], claim.get("of", {}) | part)
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


def _paired(mine: pd.DataFrame, theirs: pd.DataFrame, margin: float) -> tuple[Difference, int, int] | None:
    """(difference, seeds, images) of two methods' fractions, images × seeds, over what both have; None for nothing."""
    shared = mine.columns.intersection(theirs.columns)
    each = (mine[shared] - theirs[shared]).dropna()
    if each.empty:
        return None
    if len(shared) > 1:
        return over_seeds(each.mean().to_numpy(), margin), len(shared), len(each)
    return over_images(each.iloc[:, 0].to_numpy(), margin), 1, len(each)


def _compared(found: Difference, seeds: int, images: int, **what) -> dict:
    return {"outcome": "open", **what, **vars(found), "seeds": seeds, "images": images}


def _missing(what: str) -> dict:
    return {"outcome": "not run", "evidence": what}


def _once(comparisons: list[dict]) -> list[dict]:
    """Without repetitions: what has not run is said once."""
    return [one for place, one in enumerate(comparisons) if one not in comparisons[:place]]


def ahead(rows: pd.DataFrame, claim: dict) -> list[dict]:
    """method − rival > margin, on the same test images, at every channel, rival and SNR."""
    comparisons = []
    for channel in claim["channels"]:
        args = (claim["dataset"], channel)
        mine = outcomes.fractions(rows, *args, claim["method"], claim["quantity"])
        for rival in claim["rivals"]:
            theirs = outcomes.fractions(rows, *args, rival, claim["quantity"])
            have = [set(side.columns.get_level_values("snr_test_db")) for side in (mine, theirs)]
            names = [name for name, snrs in zip((claim["method"], rival), have, strict=True) if not snrs]
            if names:
                comparisons += [_missing(f"{name} over {channel}") for name in names]
                continue
            for snr in sorted(claim.get("snr_db", have[0] | have[1])):
                both = snr in have[0] & have[1]
                found = _paired(mine[snr], theirs[snr], claim["margin"]) if both else None
                if found is None:
                    comparisons.append(_missing(f"{claim['method']} beside {rival} over {channel} at {snr:g} dB"))
                    continue
                what = {"quantity": claim["quantity"], "method": claim["method"], "rival": rival, "channel": channel}
                comparisons.append(_compared(*found, **what, snr_db=snr, margin=claim["margin"]))
    return _once(comparisons)


def rising(rows: pd.DataFrame, claim: dict) -> list[dict]:
    """Accuracy surely rises from the first SNR to the last, and never falls surely from one to the next."""

    def steps(snrs: list[float]) -> list[tuple]:
        return [(snrs[-1], snrs[0], False), *((after, before, True) for before, after in pairwise(snrs))]

    return _against_itself(rows, claim | {"margin": 0}, steps)


def levels_off(rows: pd.DataFrame, claim: dict) -> list[dict]:
    """From the last SNR but one to the last accuracy surely rises by less than −margin."""
    return _against_itself(rows, claim, lambda snrs: [(snrs[-2], snrs[-1], False)])


def _against_itself(rows: pd.DataFrame, claim: dict, steps: Callable[[list[float]], list[tuple]]) -> list[dict]:
    """The method at one SNR less itself at another, by the (snr, other, bound) that `steps` makes of a channel's."""
    comparisons = []
    for channel in claim["channels"]:
        mine = outcomes.fractions(rows, claim["dataset"], channel, claim["method"], claim["quantity"])
        snrs = sorted(set(mine.columns.get_level_values("snr_test_db")))
        if len(snrs) < 2:
            comparisons.append(_missing(f"{claim['method']} over {channel}"))
            continue
        for snr, other, bound in steps(snrs):
            found = _paired(mine[snr], mine[other], claim["margin"])
            what = {"quantity": claim["quantity"], "method": claim["method"], "rival": f"itself at {other:g} dB"}
            what |= {"channel": channel, "snr_db": snr, "margin": claim["margin"], "bound": bound}
            comparisons.append(_compared(*found, **what))
    return comparisons


def leaks_less(inversion: pd.DataFrame, claim: dict) -> list[dict]:
    """The keyless attacker's SSIM from the method lies below that from every rival and the legitimate user's."""
    others = {"the legitimate user": (claim["method"], "legitimate")} | {
        name: (name, "keyless") for name in claim["rivals"]
    }
    return _above_keyless(inversion, claim, others)


def shows_nothing(inversion: pd.DataFrame, claim: dict) -> list[dict]:
    """The keyless attacker's SSIM is not surely above the mean image's, which shows nothing of what was sent.

    That attacker is the paper's; beside the verdict a note says what the best of all reads.
    """
    return _above_keyless(inversion, claim, {"the mean image": (claim["method"], "mean_image")}, bound=True) + [
        note for channel in claim["channels"] for note in _best_attacker(inversion, claim, channel)
    ]


def _above_keyless(inversion: pd.DataFrame, claim: dict, others: dict[str, tuple[str, str]], **what) -> list[dict]:
    """SSIM of each (method, attacker) against that of the claim's method under the keyless attacker, by tap SNR."""
    comparisons = []
    for channel in claim["channels"]:
        rows = inversion[(inversion["dataset"] == claim["dataset"]) & (inversion["channel"] == channel)]
        rows = rows[rows["metric"] == "ssim"]
        mine = rows[(rows["method"] == claim["method"]) & (rows["attacker"] == "keyless")]
        for name, (method, attacker) in others.items():
            theirs = rows[(rows["method"] == method) & (rows["attacker"] == attacker)]
            pairs = theirs.merge(mine, on=["snr_tap_db", "seed"], suffixes=("", "_mine"))
            if pairs.empty:
                comparisons.append(_missing(f"{name if len(mine) else claim['method']} over {channel}"))
            for snr, each in pairs.groupby("snr_tap_db"):
                if len(each) > 1:
                    found = over_seeds((each["value"] - each["value_mine"]).to_numpy(), 0)
                else:
                    sides = ("value", "images_sd", "n", "value_mine", "images_sd_mine", "n_mine")
                    found = apart(*(each[side].iloc[0] for side in sides), margin=0)
                about = {"quantity": "ssim", "method": name, "rival": claim["method"], "channel": channel} | what
                comparisons.append(_compared(found, len(each), int(each["n"].min()), **about, snr_db=snr, margin=0))
    return _once(comparisons)


def _best_attacker(inversion: pd.DataFrame, claim: dict, channel: str) -> list[dict]:
    rows = inversion[(inversion["dataset"] == claim["dataset"]) & (inversion["channel"] == channel)]
    rows = rows[(rows["method"] == claim["method"]) & (rows["metric"] == "attacker_accuracy")]
    read_by = rows.groupby("attacker")["value"].mean()
    attackers = read_by.drop(["original", "mean_image", "legitimate"], errors="ignore")
    if attackers.empty:
        return []
    evidence = f"{channel}, beyond the paper's attacker: {attackers.idxmax()} reads the class of {attackers.max():.2f}"
    if "mean_image" in read_by:
        evidence += f" of its pictures, of the mean image {read_by['mean_image']:.2f}"
    return [{"outcome": "note", "evidence": evidence}]


def key_space(audit: pd.DataFrame, claim: dict) -> list[dict]:
    """Enumeration against Eq. 12 on every grid of up to 4×4 places."""
    rows = audit[audit["quantity"] == "distinct_ciphers"]
    if rows.empty:
        return [_missing("the enumeration of keys")]
    fewer = rows[rows["value"] < rows["n"]]
    counted = ", ".join(f"{r['grid']}: {r['value']:g} of {r['n']}" for r in fewer.to_dict("records"))
    evidence = f"keys that are distinct ciphers: all of them on {len(rows) - len(fewer)} of {len(rows)} grids"
    evidence += f", fewer on the others ({counted})" if counted else ""
    return [{"outcome": "yes" if fewer.empty else "no", "evidence": evidence}]


def inverted(audit: pd.DataFrame, claim: dict) -> list[dict]:
    """Decryption after encryption, bit for bit."""
    rows = audit[audit["quantity"] == "roundtrip_errors"]
    if rows.empty:
        return [_missing("the round trips")]
    errors, trials = rows["value"].sum(), rows["n"].sum()
    evidence = f"{errors:g} wrong positions in {trials} round trips; Eq. 11 read with K_r[i]"
    return [{"outcome": "yes" if errors == 0 else "no", "evidence": evidence}]


CHECKS = {  # by the name in claims.yaml: the table that it reads, and the check
    "ahead": ("outcomes", ahead),
    "rising": ("outcomes", rising),
    "levels_off": ("outcomes", levels_off),
    "leaks_less": ("inversion", leaks_less),
    "shows_nothing": ("inversion", shows_nothing),
    "key_space": ("audit", key_space),
    "inverted": ("audit", inverted),
}
