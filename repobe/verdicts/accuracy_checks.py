"""Checks of claims about accuracy, from the outcomes image by image."""

from collections.abc import Callable
from itertools import pairwise

import pandas as pd

from repobe.tables import outcomes
from repobe.tables.statistics import Difference, over_images, over_seeds
from repobe.verdicts.evidence import compared, missing, once


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
                comparisons += [missing(f"{name} over {channel}") for name in names]
                continue
            for snr in sorted(claim.get("snr_db", have[0] | have[1])):
                both = snr in have[0] & have[1]
                found = _paired(mine[snr], theirs[snr], claim["margin"]) if both else None
                if found is None:
                    comparisons.append(missing(f"{claim['method']} beside {rival} over {channel} at {snr:g} dB"))
                    continue
                what = {"quantity": claim["quantity"], "method": claim["method"], "rival": rival, "channel": channel}
                comparisons.append(compared(*found, **what, snr_db=snr, margin=claim["margin"]))
    return once(comparisons)


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
            comparisons.append(missing(f"{claim['method']} over {channel}"))
            continue
        for snr, other, bound in steps(snrs):
            found = _paired(mine[snr], mine[other], claim["margin"])
            what = {"quantity": claim["quantity"], "method": claim["method"], "rival": f"itself at {other:g} dB"}
            what |= {"channel": channel, "snr_db": snr, "margin": claim["margin"], "bound": bound}
            comparisons.append(compared(*found, **what))
    return comparisons


def _paired(mine: pd.DataFrame, theirs: pd.DataFrame, margin: float) -> tuple[Difference, int, int] | None:
    """(difference, seeds, images) of two methods' fractions, images × seeds, over what both have; None for nothing."""
    shared = mine.columns.intersection(theirs.columns)
    each = (mine[shared] - theirs[shared]).dropna()
    if each.empty:
        return None
    if len(shared) > 1:
        return over_seeds(each.mean().to_numpy(), margin), len(shared), len(each)
    return over_images(each.iloc[:, 0].to_numpy(), margin), 1, len(each)
