"""Accuracy over channel uses: methods that a config can run at several k; each family becomes one curve."""

import pandas as pd

from repobe.report.styles import family, methods_in_order, user_methods

# RepObE's k follows from its image size, 2·(S/8)²; the others choose theirs.
FAMILIES = ("jpeg2000", "jpeg2000_ldpc", "vae", "necst", "repobe")


def over_channel_uses(evasion: pd.DataFrame) -> pd.DataFrame:
    """The natural accuracy of FAMILIES and of a user's own methods, from summary/evasion.csv.

    With a column `family`; ordered by SNR, family, k.
    """
    rows = evasion[(evasion["metric"] == "natural_accuracy") & (evasion["snr_train_db"] == "mixed")]
    rows = rows.assign(family=rows["method"].map(family))
    families = [*FAMILIES, *map(family, user_methods(rows["method"]))]
    rows = rows[rows["family"].isin(families)]
    place = {name: number for number, name in enumerate(methods_in_order(families))}
    order = ["dataset", "channel", "snr_test_db", "family", "symbols_k"]
    return rows.sort_values(order, key=lambda column: column.map(place) if column.name == "family" else column)
