"""What the paper prints, beside what was measured."""

from pathlib import Path

import pandas as pd

from repobe.tables.results import read, write_derived

PAPER = Path(__file__).parents[2] / "workflow" / "paper"
LABELS = {"at": "adversarial_training"}  # the paper's short names of numbers.csv


def label(number: dict) -> str:
    """What the suite calls the method of a row of numbers.csv."""
    return LABELS.get(number["method"], number["method"])


def chosen(frame: pd.DataFrame, number: dict) -> pd.DataFrame:
    """A number's rows of tables/evasion.csv or its summary by SNR; an adversarial accuracy's are the paper's attack."""
    rows = frame[
        (frame["dataset"] == number["dataset"])
        & (frame["channel"] == number["channel"])
        & (frame["method"] == label(number))
        & (frame["metric"] == number["quantity"])
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
    write_derived(pd.DataFrame(rows), results / "comparison.csv")


def _compared(number: dict, printed: float, ours: pd.DataFrame) -> dict:
    only = f"{number['dataset']}/{number['channel']}/{label(number)}"
    row = {name: None for name in ("ours", "low", "high", "difference", "seeds", "n")}
    command = f"snakemake --cores all --configfile config/paper.yaml --config only={only}"
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
