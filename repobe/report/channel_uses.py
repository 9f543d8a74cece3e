"""Accuracy over channel uses: methods that a config can run at several k; each family becomes one curve."""

import pandas as pd

from repobe.report.styles import family, methods_in_order

# RepObE's k follows from its image size, 2·(S/8)²; the others choose theirs.
FAMILIES = ("jpeg2000", "jpeg2000_ldpc", "vae", "necst", "repobe")


def over_channel_uses(evasion: pd.DataFrame) -> pd.DataFrame:
    """The natural accuracy of FAMILIES in summary/evasion.csv, with a column `family`; ordered by SNR, family, k."""
    rows = evasion[(evasion["metric"] == "natural_accuracy") & (evasion["snr_train_db"] == "mixed")]
    rows = rows.assign(family=rows["method"].map(family))
    rows = rows[rows["family"].isin(FAMILIES)]
    place = {name: number for number, name in enumerate(methods_in_order(FAMILIES))}
    order = ["dataset", "channel", "snr_test_db", "family", "symbols_k"]
    return rows.sort_values(order, key=lambda column: column.map(place) if column.name == "family" else column)
