"""Checks of claims about accuracy, from the outcomes of each image."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd

from repobe.tables.selection import at
from repobe.tables.statistics import Difference, Spread, paired
from repobe.verdicts import paper
from repobe.verdicts.evidence import Tables, compared, missing, once
from repobe.verdicts.spread import TRAINING, accuracies, binomial_sd, pooled, relative, scaled
from repobe.verdicts.tolerances import tolerance


def ahead(tables: Tables, claim: dict) -> list[dict]:
    """method − rival > margin, on the same test images, at every channel, rival and SNR.

    The SNRs are those that the claim states, else the paper's.
    """
    comparisons = []
    for channel in claim["channels"]:
        args = (claim["dataset"], channel)
        mine = tables.fractions(*args, claim["method"], claim["quantity"])
        for rival in claim["rivals"]:
            theirs = tables.fractions(*args, rival, claim["quantity"])
            have = [set(side.columns.get_level_values("snr_test_db")) for side in (mine, theirs)]
            names = [name for name, snrs in zip((claim["method"], rival), have, strict=True) if not snrs]
            if names:
                comparisons += [missing(f"{name} over {channel}") for name in names]
                continue
            methods = [claim["method"], rival]
            for snr in claim.get("snr_db", paper.SNR_DB):
                both = snr in have[0] & have[1]
                found = None
                if both:
                    spread = tables.spread(*args, claim["quantity"], snr, _sd(mine[snr]), _sd(theirs[snr]))
                    found = _paired(mine[snr], theirs[snr], claim["margin"], spread)
                if found is None:
                    comparisons.append(missing(f"{claim['method']} beside {rival} over {channel} at {snr:g} dB"))
                    continue
                passed = tables.gates.passed(*args, methods, claim["quantity"], [snr, snr])
                what = {"quantity": claim["quantity"], "method": claim["method"], "rival": rival, "channel": channel}
                comparisons.append(compared(*found, passed, **what, snr_db=snr, margin=claim["margin"]))
    return once(comparisons)


def rises(tables: Tables, claim: dict) -> list[dict]:
    """Accuracy at the last SNR exceeds that at the first."""
    return _across_snrs(tables, claim, lambda snrs: [(snrs[-1], snrs[0], 0)])


def rising(tables: Tables, claim: dict) -> list[dict]:
    """Accuracy rises steadily: from the first SNR to the last, and no step to the next falls by the tolerance."""
    fall = -tolerance(claim["dataset"])

    def steps(snrs: list[float]) -> list[tuple]:
        return [(snrs[-1], snrs[0], 0), *((after, before, fall) for before, after in pairwise(snrs))]

    return _across_snrs(tables, claim, steps)


def levels_off(tables: Tables, claim: dict) -> list[dict]:
    """From the second-highest SNR to the highest, accuracy rises by less than −margin."""
    return _across_snrs(tables, claim, lambda snrs: [(snrs[-2], snrs[-1], claim["margin"])])


def _across_snrs(tables: Tables, claim: dict, steps: Callable[[list[float]], list[tuple]]) -> list[dict]:
    """Compares the method at one SNR with itself at another; `steps` turns the claim's SNRs into (snr, other, margin).

    If both accuracies come from one training, the spread between seeds is that of the step. A model for each SNR (r09)
    is a training of its own, so there the variances of two trainings add up.
    """
    comparisons = []
    rows = accuracies(tables.evasion, claim["dataset"], claim["quantity"])
    snrs = list(claim.get("snr_db", paper.SNR_DB))
    for channel in claim["channels"]:
        place = (claim["dataset"], channel, claim["method"])
        mine = tables.fractions(*place, claim["quantity"])
        have = set(mine.columns.get_level_values("snr_test_db"))
        if len(have.intersection(snrs)) < 2:
            comparisons.append(missing(f"{claim['method']} over {channel}"))
            continue
        own = at(rows, {"channel": channel, "method": claim["method"]})
        matched = own["snr_train_db"].nunique() > 1
        for snr, other, margin in steps(snrs):
            found = None
            if {snr, other} <= have:
                if matched:
                    spread = tables.spread(*place[:2], claim["quantity"], snr, _sd(mine[[snr]]), _sd(mine[[other]]))
                else:
                    spread = scaled(pooled(_steps(rows, snr, other), {"channel": channel}), _sd(mine[[snr, other]]))
                found = _paired(mine[snr], mine[other], margin, spread)
            if found is None:
                comparisons.append(
                    missing(f"one training of {claim['method']} over {channel} at {snr:g} and {other:g} dB")
                )
                continue
            passed = tables.gates.passed(*place[:2], [claim["method"]] * 2, claim["quantity"], [snr, other])
            what = {"quantity": claim["quantity"], "method": claim["method"], "channel": channel, "snr_db": snr}
            what |= {"rival": f"itself at {other:g} dB", "itself": not matched, "margin": margin}
            comparisons.append(compared(*found, passed, **what))
    return comparisons


def _paired(
    mine: pd.DataFrame, theirs: pd.DataFrame, margin: float, spread: Spread | None
) -> tuple[Difference, int, int] | None:
    """(difference, seeds, images) of two tables of fractions, images × seeds, where both have values; else None."""
    shared = mine.columns.intersection(theirs.columns)
    each = (mine[shared] - theirs[shared]).dropna()
    return None if each.empty else (paired(each.to_numpy(), margin, spread), len(shared), len(each))


def _steps(rows: pd.DataFrame, snr: float, other: float) -> pd.DataFrame:
    """For each training, accuracy at one SNR minus accuracy at the other, as `relative` rows of their mean."""
    by_snr = rows.pivot_table("value", [*TRAINING, "seed", "n"], "snr_test_db", observed=True)
    if not {snr, other} <= set(by_snr):
        return rows.iloc[:0][[*TRAINING, "seed", "value"]]
    steps = pd.DataFrame({"value": by_snr[snr] - by_snr[other], "mean": (by_snr[snr] + by_snr[other]) / 2}).dropna()
    return relative(steps.reset_index(), "mean")


def _sd(fractions: pd.DataFrame) -> float:
    """The binomial_sd of the mean accuracy of a table of fractions, images × seeds."""
    return binomial_sd(float(np.nanmean(fractions)), len(fractions))
