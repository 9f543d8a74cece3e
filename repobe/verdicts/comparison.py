"""The paper's printed numbers beside ours."""

from pathlib import Path

import numpy as np
import pandas as pd

from repobe.runs import checksums
from repobe.tables.results import read, write_derived
from repobe.tables.selection import at
from repobe.tables.statistics import UNKNOWN, between_seeds, widened, wilson
from repobe.verdicts import paper
from repobe.verdicts.evidence import Tables
from repobe.verdicts.gates import COLUMNS, not_trained, reach
from repobe.verdicts.rerun_commands import at_papers_size
from repobe.verdicts.spread import binomial_sd
from repobe.verdicts.tolerances import tolerance
from repobe.verdicts.verdict_text import qualified

OURS = ["ours", "low", "high", "difference", "tolerance", "gain", "seeds", "n", "spread", *COLUMNS, "why"]


def chosen(frame: pd.DataFrame, number: dict) -> pd.DataFrame:
    """Rows of evasion.csv or its summary for a printed number, by SNR; adversarial means the paper's attack."""
    rows = at(frame, {name: number[name] for name in ("dataset", "channel", "method")} | {"metric": number["quantity"]})
    return rows[rows["attack"].isin(["none", "paper"])].sort_values("snr_test_db")


def compare(results: Path, tables: Tables | None = None) -> None:
    """Writes comparison.csv: each printed number, ours with its interval, the gates, and the verdict.

    agrees: the interval of the difference lies within the tolerance (D31); differs: it lies outside; else inconclusive,
    as where the verdict would not stand if our number moved once more as the second half of the training moved it.
    tables: those of <results>/tables, if they were read already.
    A printed maximum or minimum is compared with the highest or lowest of our means over its range of SNRs.
    """
    tables = tables or Tables.of(results)
    summary = read(results / "summary" / "evasion.csv")
    rows = []
    for number in paper.numbers().to_dict("records"):
        printed = number.pop("value")
        rows.append(number | {"printed": printed} | _compared(number, printed, summary, tables))
    write_derived(pd.DataFrame(rows), results / "comparison.csv")
    checksums.record(results, "comparison", ["comparison.csv"])


def _compared(number: dict, printed: float, summary: pd.DataFrame, tables: Tables) -> dict:
    """Our columns of comparison.csv, beside the paper's."""
    command = at_papers_size([f"{number['dataset']}/{number['channel']}/{number['method']}"])
    found = chosen(summary, number)
    wanted = [float(snr) for snr in number["snr_db"].split("-")]
    wanted = [snr for snr in paper.SNR_DB if wanted[0] <= snr <= wanted[-1]]
    found = found[found["snr_test_db"].isin(wanted)]
    if not set(wanted) <= set(found["snr_test_db"]):
        return dict.fromkeys(OURS) | {"verdict": "not run", "command": command}
    one = found.iloc[int(found["mean"].argmin() if number["relation"] == "minimum" else found["mean"].argmax())]
    low, high, spread = _interval(one, number, tables)
    place = number["dataset"], number["channel"]
    # Longer training may move a maximum or minimum to another SNR of its range, so each of them must pass the gates.
    snrs = list(dict.fromkeys([one["snr_test_db"], *found["snr_test_db"]]))
    passed = tables.gates.passed(*place, [number["method"]] * len(snrs), number["quantity"], snrs)
    within, gain = tolerance(number["dataset"]), passed["gain"]
    bounds = printed - within, printed + within
    verdict = f"inconclusive: {passed['failed']}" if passed["failed"] else _beside(low, high, *bounds)
    if verdict in ("agrees", "differs"):  # D32
        down, up = _moved(found, number, tables)
        why = passed["unfinished"] if verdict == "differs" else ""
        if _beside(max(0.0, low - down), min(1.0, high + up), *bounds) != verdict:
            moved = f"moved it by {100 * gain:+.2f} points"
            if not np.allclose((down, up), reach(number["quantity"], gain)):
                moved = f"moved another SNR of its range, which may move it by {100 * max(down, up):.2f} points"
            why = f"the second half of its training {moved}, and as much again could change this"
        passed |= not_trained(why) if why else {}
        verdict = "inconclusive: not trained" if why else qualified(verdict, {passed["size"]}, [spread])
    ours = [one["mean"], low, high, one["mean"] - printed, within, gain, one["seeds"], one["n"], spread]
    ours += [passed[name] for name in (*COLUMNS, "why")]
    return dict(zip(OURS, ours, strict=True)) | {"verdict": verdict, "command": command}


def _moved(found: pd.DataFrame, number: dict, tables: Tables) -> tuple[float, float]:
    """(down, up): how far our number would move if each SNR's mean moved by its `reach`."""
    place = number["dataset"], number["channel"], number["method"]
    gains = [tables.gates.gain(*place, snr, number["quantity"]) for snr in found["snr_test_db"]]
    reaches = np.array([reach(number["quantity"], gain) for gain in gains])
    means = found["mean"].to_numpy()
    of = np.min if number["relation"] == "minimum" else np.max
    return of(means) - of(means - reaches[:, 0]), of(means + reaches[:, 1]) - of(means)


def _beside(low: float, high: float, least: float, most: float) -> str:
    """Whether an interval agrees with the tolerated values, least to most."""
    if least <= low and high <= most:
        return "agrees"
    return "differs" if high < least or low > most else "inconclusive"


def _interval(one: pd.Series, number: dict, tables: Tables) -> tuple[float, float, str]:
    """(low, high, source of the spread between seeds): Wilson's interval over images, widened by that spread."""
    low, high = wilson(one["mean"], int(one["n"]))
    place = (number["dataset"], number["channel"], number["quantity"], one["snr_test_db"])
    seeds = int(one["seeds"])
    pool = tables.spread(*place, binomial_sd(one["mean"], int(one["n"])))
    spread = between_seeds(one["sd"], seeds, pool)
    if spread is None:
        return low, high, UNKNOWN
    low, high = widened(one["mean"], low, high, seeds, spread)
    return max(0.0, low), min(1.0, high), spread.source  # no accuracy lies beyond
