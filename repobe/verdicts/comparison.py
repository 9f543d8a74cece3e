"""What the paper prints, beside what was measured."""

from pathlib import Path

import pandas as pd

from repobe.tables.results import read, write_derived
from repobe.verdicts import paper
from repobe.verdicts.commands import at_papers_size


def chosen(frame: pd.DataFrame, number: dict) -> pd.DataFrame:
    """A number's rows of tables/evasion.csv or its summary by SNR; an adversarial accuracy's are the paper's attack."""
    rows = frame[
        (frame["dataset"] == number["dataset"])
        & (frame["channel"] == number["channel"])
        & (frame["method"] == number["method"])
        & (frame["metric"] == number["quantity"])
        & frame["attack"].isin(["none", "paper"])
    ]
    return rows.sort_values("snr_test_db")


def compare(results: Path) -> None:
    """Writes comparison.csv: each printed number, ours with its interval, and the verdict.

    `equals` agrees where the interval holds the printed value to its last digit, `at_least` and `at_most` where
    the bound holds at every SNR of the range; inconclusive where it holds for the mean and not the interval.
    """
    ours = read(results / "summary" / "evasion.csv")
    rows = []
    for number in paper.numbers().to_dict("records"):
        printed = number.pop("value")
        rows.append(number | {"printed": printed} | _compared(number, printed, ours))
    write_derived(pd.DataFrame(rows), results / "comparison.csv")


def _compared(number: dict, printed: float, ours: pd.DataFrame) -> dict:
    row = {name: None for name in ("ours", "low", "high", "difference", "seeds", "n")}
    command = at_papers_size([f"{number['dataset']}/{number['channel']}/{number['method']}"])
    found = chosen(ours, number)
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
