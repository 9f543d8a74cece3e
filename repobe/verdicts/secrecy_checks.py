"""Checks of claims about secrecy: what attackers rebuild, and what the cipher is."""

import pandas as pd

from repobe.tables.statistics import apart, over_seeds
from repobe.verdicts.evidence import compared, missing, once


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
                comparisons.append(missing(f"{name if len(mine) else claim['method']} over {channel}"))
            for snr, each in pairs.groupby("snr_tap_db"):
                if len(each) > 1:
                    found = over_seeds((each["value"] - each["value_mine"]).to_numpy(), 0)
                else:
                    sides = ("value", "images_sd", "n", "value_mine", "images_sd_mine", "n_mine")
                    found = apart(*(each[side].iloc[0] for side in sides), margin=0)
                about = {"quantity": "ssim", "method": name, "rival": claim["method"], "channel": channel} | what
                comparisons.append(compared(found, len(each), int(each["n"].min()), **about, snr_db=snr, margin=0))
    return once(comparisons)


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
        return [missing("the enumeration of keys")]
    fewer = rows[rows["value"] < rows["n"]]
    counted = ", ".join(f"{r['grid']}: {r['value']:g} of {r['n']}" for r in fewer.to_dict("records"))
    evidence = f"keys that are distinct ciphers: all of them on {len(rows) - len(fewer)} of {len(rows)} grids"
    evidence += f", fewer on the others ({counted})" if counted else ""
    return [{"outcome": "yes" if fewer.empty else "no", "evidence": evidence}]


def inverted(audit: pd.DataFrame, claim: dict) -> list[dict]:
    """Decryption after encryption, bit for bit."""
    rows = audit[audit["quantity"] == "roundtrip_errors"]
    if rows.empty:
        return [missing("the round trips")]
    errors, trials = rows["value"].sum(), rows["n"].sum()
    evidence = f"{errors:g} wrong positions in {trials} round trips; Eq. 11 read with K_r[i]"
    return [{"outcome": "yes" if errors == 0 else "no", "evidence": evidence}]
