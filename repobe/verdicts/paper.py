"""What the paper says, as facts. Only this module reads the files of workflow/paper."""

from functools import cache
from pathlib import Path

import pandas as pd
import yaml

FOLDER = Path(__file__).parents[2] / "workflow" / "paper"


@cache
def numbers() -> pd.DataFrame:
    """All printed numbers, one per row; snr_db is text, "7" or "7-23"."""
    return pd.read_csv(FOLDER / "numbers.csv", dtype={"snr_db": str})


@cache
def claims() -> list[dict]:
    """All claims: id, where, figure, claim, and parts; each part has all arguments of its check."""
    return [
        {key: value for key, value in claim.items() if key != "of"}
        | {"parts": [claim.get("of", {}) | part for part in claim["parts"]]}
        for claim in _yaml("claims")
    ]


@cache
def decisions() -> list[dict]:
    """All decisions: id, paper, decision, why, and the runs that measure their effect."""
    return _yaml("decisions")


@cache
def readings() -> list[dict]:
    """All readings that the paper allows: id, reading, paper, bears_on, and the changes; the first is ours."""
    return _yaml("readings")


@cache
def against_itself() -> list[dict]:
    """Where the paper contradicts itself: id, where, says, but (with words in braces to compute), and see."""
    return _yaml("against_itself")


def _yaml(name: str) -> list[dict]:
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
