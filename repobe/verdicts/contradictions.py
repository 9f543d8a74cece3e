"""Contradictions in the paper: its statements beside what follows from its own numbers and equations."""

import math

import pandas as pd

from repobe.cipher.keyspace import log2_keys_effective, log2_keys_printed
from repobe.verdicts import paper

PLACES = 28  # H' = W' of the feature map at 224×224 pixels (Sec. 3.1)
NAMES = {"adversarial_training": "AT", "trades": "TRADES"}
# The figures whose gains the paper calls steady, and the ids of the two printed points of each curve.
STEADY = [("3c", "n05", "n06"), ("4c", "n23", "n24"), ("4d", "n27", "n28")]


def entries(cost: pd.DataFrame | None = None) -> list[dict]:
    """The entries of contradictions.yaml with the words in braces computed; cost: table that gives our k."""
    words = facts() | {"k_ours": _k_ours(cost)}
    return [one | {"but": one["but"].format(**words)} for one in paper.contradictions()]


def facts() -> dict[str, str]:
    """The computed words: they follow from numbers.csv and from Eqs. 12 and 20 alone."""
    number = paper.numbers().set_index("id")["value"]
    gaps = _gaps()
    low, high = (100 * (number[base] - number[ours]) for ours, base in (("n15", "n17"), ("n16", "n18")))
    rises = [(figure, number[last] - number[first]) for figure, first, last in STEADY]
    proof, different = log2_keys_printed(PLACES, PLACES), log2_keys_effective(PLACES)
    return {
        "gaps": ", ".join(f"{gap:.2f} ({where})" for where, gap in gaps),
        "gaps_within": str(sum(3 <= gap <= 5 for _, gap in gaps)),
        "gaps_count": str(len(gaps)),
        "natural_ours": f"{number['n15']:.4f} to {number['n16']:.4f}",
        "natural_baseline": f"{number['n17']:.4f} to {number['n18']:.4f}",
        "natural_lower": f"{low:.2f} and {high:.2f} points",
        "jpeg2000_ahead": f"{100 * (number['n08'] - number['n06']):.2f}",
        "bits_proof": f"{proof:.1f}",
        "bits_printed": f"{different + 2 * math.log2(paper.SIZE):.1f}",
        "bits_different": f"{different:.1f}",
        "k_repobe": f"{paper.K:,}",
        "steady": ", ".join(f"{100 * rise:+.2f} points from 7 to 23 dB (Fig. {figure})" for figure, rise in rises),
        "weight_near": f"{weight(0.5, 1):.3f}",
        "weight_far": f"{weight(2, 1):.3f}",
        "ratio_small": f"{weight(4, 0.5) / weight(1, 0.5):.2f}",
        "ratio_large": f"{weight(4, 50) / weight(1, 50):.2f}",
    }


def weight(squared_distance: float, tau: float) -> float:
    """The weight of Eq. 20."""
    return 1 - math.exp(-squared_distance / tau)


def _gaps() -> list[tuple[str, float]]:
    """RepObE's lead in points for each pair of printed adversarial accuracies (CIFAR-10, same channel and SNR)."""
    rows = paper.numbers()
    rows = rows[(rows["dataset"] == "cifar10") & (rows["quantity"] == "adversarial_accuracy")]
    ours = rows[rows["method"] == "repobe_adversarial"]
    pairs = ours.merge(rows[rows["method"].isin(NAMES)], on=["channel", "snr_db"], suffixes=("", "_rival"))
    return [
        (
            f"{NAMES[row['method_rival']]}, {paper.CHANNEL_TITLES[row['channel']]}, {row['snr_db']} dB",
            100 * (row["value"] - row["value_rival"]),
        )
        for row in pairs.to_dict("records")
    ]


def _k_ours(cost: pd.DataFrame | None) -> str:
    if cost is None or cost.empty:
        return "not known"
    methods = cost.groupby(cost["symbols_k"].astype(int))["method"].agg(lambda names: ", ".join(dict.fromkeys(names)))
    return "; ".join(f"{k:,} ({names})" for k, names in methods.items())
