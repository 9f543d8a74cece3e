"""What the paper says, as facts. Only this module reads the files of workflow/paper."""

from functools import cache

import pandas as pd
import yaml

from repobe.runs.console import in_a_line
from repobe.runs.plugins import ROOT

FOLDER = ROOT / "workflow" / "paper"
PRINTED = 31  # numbers that the paper prints
SIZE, K = 224, 1568  # Sec. 3.1: S, and 4×28×28 real features as 1,568 complex symbols (D13)
TITLES = {"mnist": "MNIST", "cifar10": "CIFAR-10"}  # its datasets
CHANNEL_TITLES = {  # its channels, and the readings of Rayleigh fading that it allows
    "awgn": "AWGN",
    "rayleigh": "Rayleigh fading",
    "rayleigh_fast": "Rayleigh fading of each symbol",
    "rayleigh_blind": "Rayleigh fading, gain unknown",
}
STAND_INS = {"mnist": "digits", "cifar10": "digits_rgb"}  # D15: the suite's replacements for them
SNR_DB = (7.0, 11.0, 15.0, 19.0, 23.0)  # the points of its curves in Figs. 3 and 4
END = "\n..."
RESTORE = "restore it: git checkout -- workflow/paper"
NEEDED = {  # keys of every entry
    "claims": {"id", "where", "figure", "claim", "parts"},
    "decisions": {"id", "paper", "decision", "why"},
    "readings": {"id", "reading", "paper", "claims"},
    "contradictions": {"id", "where", "says", "but", "see"},
}


def title(dataset: str) -> str:
    """A dataset as the paper writes it; a name that is not the paper's as it is."""
    return TITLES.get(dataset, dataset)


@cache
def numbers() -> pd.DataFrame:
    """All printed numbers, one per row; snr_db is text, "7" or "7-23"."""
    path = FOLDER / "numbers.csv"
    try:
        found = pd.read_csv(path, dtype={"snr_db": str})
        whole = list(found["id"]) == [f"n{place:02}" for place in range(1, PRINTED + 1)]
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path} cannot be read ({in_a_line(error)}); {RESTORE}") from None
    if not whole or not pd.api.types.is_numeric_dtype(found["value"]) or found.isna().any(axis=None):
        raise ValueError(f"{path} is not the table of n01 to n{PRINTED}, every cell filled; {RESTORE}")
    return found


@cache
def network_accuracy(dataset: str, channel: str) -> float | None:
    """The highest natural accuracy that the paper prints for its network: undefended, else RepObE.

    If it prints none over this channel, the highest over all channels; None if it prints none at all.
    """
    rows = numbers()
    rows = rows[(rows["dataset"] == dataset) & (rows["quantity"] == "natural_accuracy")]
    for method in ("undefended", "repobe"):
        mine = rows[rows["method"] == method]
        over = mine[mine["channel"] == channel]
        if len(mine):
            return float((over if len(over) else mine)["value"].max())
    return None


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
    """All readings that the paper allows: id, reading, paper, claims, and the changes; the first is ours."""
    return _yaml("readings")


@cache
def contradictions() -> list[dict]:
    """Where the paper contradicts itself: id, where, says, but (with words in braces to compute), and see."""
    return _yaml("contradictions")


@cache
def variants() -> frozenset[str]:
    """The labels of runs that differ from a method of the suite by a decision or a reading alone."""
    changes = [one for decision in decisions() for one in decision.get("weighed_by", [])]
    weighed = {one.get("variant", {}).get("method") for one in changes}
    read = {name for one in readings() for name in one.get("methods", {}).values()}
    return frozenset((weighed | read) - {None})


def _yaml(name: str) -> list[dict]:
    """The entries of a file; ValueError names a file that is missing, cut, no YAML, or lacks a key."""
    path = FOLDER / f"{name}.yaml"
    try:
        text = path.read_text(encoding="utf-8")
        entries = yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{path} cannot be read ({in_a_line(error)}); {RESTORE}") from None
    if not text.rstrip().endswith(END):  # because half a list is valid YAML too
        raise ValueError(f"{path} is cut: its last line is not '...', the end of a YAML document; {RESTORE}")
    for place, entry in enumerate(entries, start=1):
        lacking = sorted(NEEDED[name] - set(entry if isinstance(entry, dict) else ()))
        if lacking:
            raise ValueError(f"{path}, entry {place} has no key '{lacking[0]}'; {RESTORE}")
    return entries
