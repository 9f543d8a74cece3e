"""What the paper prints and says, beside what was measured."""

from pathlib import Path

import pandas as pd
import yaml

from repobe.results import read, write

PAPER = Path(__file__).parent.parent / "workflow" / "paper"
LABELS = {"at": "adversarial_training"}  # the paper's short names of numbers.csv
NOT_RUN = {"verdict": "not run", "evidence": "no such run in these tables"}


def _chosen(frame: pd.DataFrame, dataset: str, channel: str, method: str, quantity: str) -> pd.DataFrame:
    """Rows of summary/evasion.csv by SNR; the attack of the paper where the quantity is an adversarial accuracy."""
    rows = frame[
        (frame["dataset"] == dataset)
        & (frame["channel"] == channel)
        & (frame["method"] == LABELS.get(method, method))
        & (frame["metric"] == quantity)
        & frame["attack"].isin(["none", "paper"])
    ]
    return rows.sort_values("snr_test_db")


def compare(results: Path) -> None:
    """Writes comparison.csv: each printed number, ours with its interval, and the verdict.

    `equals` agrees where the interval holds the printed value to its last digit, `at_least` and `at_most` where
    the bound holds at every SNR of the range; inconclusive where it holds for the mean and not the interval.
    """
    numbers = pd.read_csv(PAPER / "numbers.csv", dtype={"snr_db": str})
    ours = read(results / "summary" / "evasion.csv")
    rows = []
    for number in numbers.to_dict("records"):
        printed = number.pop("value")
        rows.append(number | {"printed": printed} | _compared(number, printed, ours))
    write(pd.DataFrame(rows), results / "comparison.csv")


def _compared(number: dict, printed: float, ours: pd.DataFrame) -> dict:
    method = LABELS.get(number["method"], number["method"])
    only = f"{number['dataset']}/{number['channel']}/{method}"
    row = {name: None for name in ("ours", "low", "high", "difference", "seeds", "n")}
    command = f"snakemake --cores all --configfile config/paper.yaml --config only={only}"
    found = _chosen(ours, number["dataset"], number["channel"], number["method"], number["quantity"])
    wanted = [float(snr) for snr in number["snr_db"].split("-")]
    found = found[found["snr_test_db"].between(wanted[0], wanted[-1])]
    if found.empty or not set(wanted) <= set(found["snr_test_db"]):
        return row | {"verdict": "not run", "command": command}
    # Of a range the SNR that comes nearest to breaking the bound decides.
    one = found.loc[found["mean"].idxmin() if number["relation"] == "at_least" else found["mean"].idxmax()]
    low, high, half_digit = one["low"], one["high"], 0.00005
    if number["relation"] == "equals":
        verdict = "agrees" if low - half_digit <= printed <= high + half_digit else "differs"
    elif number["relation"] == "at_least":
        verdict = "agrees" if low >= printed else "differs" if high < printed else "inconclusive"
    else:
        verdict = "agrees" if high <= printed else "differs" if low > printed else "inconclusive"
    if pd.isna(low):
        verdict = "inconclusive"
    return row | {
        "ours": one["mean"],
        "low": low,
        "high": high,
        "difference": one["mean"] - printed,
        "seeds": one["seeds"],
        "n": one["n"],
        "verdict": verdict,
        "command": command,
    }


def judge(results: Path) -> None:
    """Writes claims.csv: each claim with its verdict and the evidence in words."""
    said = yaml.safe_load((PAPER / "claims.yaml").read_text())
    summaries = {name: read(results / "summary" / f"{name}.csv") for name in ("evasion", "inversion", "audit")}
    rows = [
        {key: claim[key] for key in ("id", "where", "figure", "claim")} | verdict(summaries, claim) for claim in said
    ]
    write(pd.DataFrame(rows), results / "claims.csv")


def verdict(summaries: dict[str, pd.DataFrame], claim: dict) -> dict:
    """Of all that the sentence says together: one part that fails refutes it, one that is open leaves it open."""
    outcomes = []
    for part in claim["parts"]:
        table, check = CHECKS[part["check"]]
        outcomes.append(check(summaries[table], claim.get("of", {}) | part))
    verdicts = {outcome["verdict"] for outcome in outcomes}
    if verdicts == {"not run"}:
        return NOT_RUN
    together = "inconclusive" if len(verdicts) > 1 else verdicts.pop()
    if "not reproduced" in verdicts:
        together = "not reproduced"
    return {"verdict": together, "evidence": " | ".join(outcome["evidence"] for outcome in outcomes)}


def ahead(evasion: pd.DataFrame, claim: dict) -> dict:
    """method − rival > margin at every SNR and channel, by intervals that do not meet."""
    outcomes, evidence, missing = [], [], []
    for channel in claim["channels"]:
        args = (claim["dataset"], channel)
        mine = _chosen(evasion, *args, claim["method"], claim["quantity"]).set_index("snr_test_db")
        for rival in claim["rivals"]:
            theirs = _chosen(evasion, *args, rival, claim["quantity"]).set_index("snr_test_db")
            shared = [s for s in mine.index.intersection(theirs.index) if s in claim.get("snr_db", mine.index)]
            if not shared:
                missing.append(f"{rival} or {claim['method']} over {channel}")
                continue
            worst = min(shared, key=lambda s: mine.loc[s, "mean"] - theirs.loc[s, "mean"])
            gap = mine.loc[worst, "mean"] - theirs.loc[worst, "mean"]
            surely = mine.loc[worst, "low"] - theirs.loc[worst, "high"] > claim["margin"]
            surely_not = mine.loc[worst, "high"] - theirs.loc[worst, "low"] <= claim["margin"]
            outcomes.append("yes" if surely else "no" if surely_not else "open")
            evidence.append(
                f"{channel}, {claim['method']} against {rival}: {100 * gap:+.2f} points at {worst:g} dB, its least"
            )
    if not outcomes:
        return NOT_RUN
    verdict = (
        "not reproduced" if "no" in outcomes else "inconclusive" if "open" in outcomes or missing else "reproduced"
    )
    return {"verdict": verdict, "evidence": "; ".join(evidence + [f"not run: {name}" for name in missing])}


def rising(evasion: pd.DataFrame, claim: dict) -> dict:
    """Accuracy never falls surely from one SNR to the next, and surely rises from the first to the last."""
    outcomes, evidence = [], []
    for channel in claim["channels"]:
        mine = _chosen(evasion, claim["dataset"], channel, claim["method"], claim["quantity"])
        if len(mine) < 2:
            continue
        first, last = mine.iloc[0], mine.iloc[-1]
        steps = zip(mine["low"].iloc[:-1], mine["high"].iloc[1:], strict=True)
        fell = any(after < before for before, after in steps)
        outcomes.append(
            "no" if fell or last["high"] < first["low"] else "yes" if last["low"] > first["high"] else "open"
        )
        span = f"{first['snr_test_db']:g} to {last['snr_test_db']:g} dB"
        evidence.append(f"{channel}: {first['mean']:.4f} to {last['mean']:.4f} from {span}")
    if not outcomes:
        return NOT_RUN
    complete = len(outcomes) == len(claim["channels"])
    verdict = (
        "not reproduced"
        if "no" in outcomes
        else "reproduced"
        if complete and set(outcomes) == {"yes"}
        else "inconclusive"
    )
    return {"verdict": verdict, "evidence": "; ".join(evidence)}


def leaks_less(inversion: pd.DataFrame, claim: dict) -> dict:
    """The keyless attacker's SSIM from RepObE lies below that from every rival and below the legitimate user's."""
    rows = inversion[(inversion["dataset"] == claim["dataset"]) & (inversion["channel"].isin(claim["channels"]))]
    rows = rows[rows["metric"] == "ssim"]
    mine = rows[rows["method"] == claim["method"]].set_index("attacker")["mean"]
    if not {"keyless", "legitimate"} <= set(mine.index):
        return NOT_RUN
    evidence = f"SSIM: attacker {mine['keyless']:.3f}, legitimate user {mine['legitimate']:.3f}"
    rivals = rows[rows["method"].isin(claim["rivals"]) & (rows["attacker"] == "keyless")].set_index("method")["mean"]
    if mine["keyless"] >= mine["legitimate"] or (rivals <= mine["keyless"]).any():
        return {"verdict": "not reproduced", "evidence": evidence}
    missing = sorted(set(claim["rivals"]) - set(rivals.index))
    if missing:
        return {"verdict": "inconclusive", "evidence": f"{evidence}; not run: {', '.join(missing)}"}
    return {"verdict": "reproduced", "evidence": evidence}


def key_space(audit: pd.DataFrame, claim: dict) -> dict:
    """Enumeration against Eq. 12 on every grid of up to 4×4 places."""
    rows = audit[audit["quantity"] == "distinct_ciphers"]
    if rows.empty:
        return NOT_RUN
    fewer = rows[rows["mean"] < rows["n"]]
    counted = ", ".join(f"{r['grid']}: {r['mean']:g} of {r['n']}" for r in fewer.to_dict("records"))
    return {
        "verdict": "reproduced" if fewer.empty else "not reproduced",
        "evidence": f"keys that are distinct ciphers: all of them on {len(rows) - len(fewer)} of {len(rows)} grids"
        + (f", fewer on the others ({counted})" if counted else ""),
    }


def inverted(audit: pd.DataFrame, claim: dict) -> dict:
    """Decryption after encryption, bit for bit."""
    rows = audit[audit["quantity"] == "roundtrip_errors"]
    if rows.empty:
        return NOT_RUN
    errors, trials = rows["mean"].sum(), rows["n"].sum()
    return {
        "verdict": "reproduced" if errors == 0 else "not reproduced",
        "evidence": f"{errors:g} wrong positions in {trials} round trips; Eq. 11 read with K_r[i]",
    }


CHECKS = {  # by the name in claims.yaml: the summary that it reads, and the check
    "ahead": ("evasion", ahead),
    "rising": ("evasion", rising),
    "leaks_less": ("inversion", leaks_less),
    "key_space": ("audit", key_space),
    "inverted": ("audit", inverted),
}
