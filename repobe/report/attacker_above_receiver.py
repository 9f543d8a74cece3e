"""Attackers that rebuild better than the receiver: a reader who sees one in a figure needs a sentence about it."""

import pandas as pd

from repobe.report.display_names import method
from repobe.report.headings import channel_title, panel_title
from repobe.tables.schema import NO_ATTACKER

KEY = ["dataset", "channel", "method", "snr_tap_db", "metric"]
METRICS = {"ssim": "SSIM", "attacker_accuracy": "classifier's accuracy"}
WHY = (
    "The receiver is no upper bound: its decoder was trained with the encoder and for all SNRs at once, an attacker's "
    "decoder for this encoder and this SNR alone, and often for longer."
)


def above_receiver(inversion: pd.DataFrame) -> pd.DataFrame:
    """For each system whose receiver an attacker exceeds, the best attacker's row and the column `mean_receiver`."""
    rows = inversion[inversion["metric"].isin(METRICS)]
    receiver = rows[rows["attacker"] == "legitimate"][[*KEY, "mean"]]
    attackers = rows[~rows["attacker"].isin(NO_ATTACKER)].sort_values("mean", ascending=False).drop_duplicates(KEY)
    both = attackers.merge(receiver, on=KEY, suffixes=("", "_receiver"))
    return both[both["mean"] > both["mean_receiver"]].sort_values(KEY, ignore_index=True)


def sentence(inversion: pd.DataFrame) -> str:
    """Which attackers beat which receivers, and why they may; empty if none does."""
    said = [
        f"{row['attacker'].replace('_', ' ')} on {method(row['method'])} "
        f"({panel_title(row['dataset'])}, {channel_title(row['channel'])}): "
        f"{METRICS[row['metric']]} {row['mean']:.3f}, receiver {row['mean_receiver']:.3f}"
        for row in above_receiver(inversion).to_dict("records")
    ]
    return f"Attackers that rebuild better than the receiver: {'; '.join(said)}. {WHY}" if said else ""
