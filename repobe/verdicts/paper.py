"""What the paper says, as facts: every file of workflow/paper is read here, and nowhere else."""

from functools import cache
from pathlib import Path

import pandas as pd
import yaml

FOLDER = Path(__file__).parents[2] / "workflow" / "paper"


@cache
def numbers() -> pd.DataFrame:
    """Every printed number, a row each; snr_db is text, "7" or "7-23"."""
    return pd.read_csv(FOLDER / "numbers.csv", dtype={"snr_db": str})


@cache
def claims() -> list[dict]:
    """Every claim: id, where, figure, claim, and parts, each with all that its check needs."""
    return [
        {key: value for key, value in claim.items() if key != "of"}
        | {"parts": [claim.get("of", {}) | part for part in claim["parts"]]}
        for claim in _yaml("claims")
    ]


@cache
def decisions() -> list[dict]:
    """Every decision: id, paper, decision, why, and what weighs it."""
    return _yaml("decisions")


@cache
def readings() -> list[dict]:
    """Every reading that the paper allows: id, reading, paper, bears_on, and what it changes; the first is ours."""
    return _yaml("readings")


@cache
def against_itself() -> list[dict]:
    """Where the paper contradicts itself: id, where, says, but (with words in braces to compute), and see."""
    return _yaml("against_itself")


def _yaml(name: str) -> list[dict]:
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
