"""One comparison of a claim, a row of evidence.csv, and the tables that comparisons are computed from."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from repobe.tables import outcomes
from repobe.tables.results import read
from repobe.tables.schema import RAW_TABLES
from repobe.tables.statistics import Difference, Spread
from repobe.verdicts.gates import Gates
from repobe.verdicts.spread import accuracies, pooled, relative, scaled


@dataclass(frozen=True)
class Tables:
    """The raw tables that claims and printed numbers are judged from."""

    outcomes: pd.DataFrame
    evasion: pd.DataFrame
    inversion: pd.DataFrame
    audit: pd.DataFrame
    history: pd.DataFrame
    cost: pd.DataFrame
    # Claims and readings ask for the same settings many times, and a table of outcomes has millions of rows.
    _fractions: dict[tuple[str, ...], pd.DataFrame] = field(default_factory=dict, init=False, repr=False)
    _spreads: dict[tuple[str, str, str, float], Spread | None] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, results: Path) -> "Tables":
        """Reads <results>/tables; ValueError names a file that is missing or damaged."""
        folder = results / "tables"
        raw = {name: read(folder / f"{name}.csv", name) for name in RAW_TABLES}
        kept = outcomes.read(folder / "outcomes.parquet")
        return cls(outcomes=kept, history=read(folder / "history.csv"), **raw)

    def fractions(self, dataset: str, channel: str, method: str, quantity: str) -> pd.DataFrame:
        """`outcomes.fractions` of these tables; not to be changed, because each setting is made once."""
        setting = (dataset, channel, method, quantity)
        if setting not in self._fractions:
            self._fractions[setting] = outcomes.fractions(self.outcomes, *setting)
        return self._fractions[setting]

    def spread(self, dataset: str, channel: str, quantity: str, snr_db: float, *scale: float) -> Spread | None:
        """The spread between seeds that is pooled over the methods there; scale: each accuracy's `binomial_sd`."""
        setting = (dataset, channel, quantity, snr_db)
        if setting not in self._spreads:
            rows = relative(accuracies(self.evasion, dataset, quantity))
            self._spreads[setting] = pooled(rows, {"channel": channel, "snr_test_db": snr_db})
        return scaled(self._spreads[setting], *scale)

    @cached_property
    def gates(self) -> Gates:
        """The gates that a comparison must pass."""
        return Gates(self.history, self.cost, self.evasion, outcomes.images_of(self.outcomes))


def compared(found: Difference, seeds: int, images: int, passed: dict, **what: object) -> dict:
    """A row: what was compared, the result, and the gates. Its outcome is open, or the gate that it fails.

    `found` stays in the row, because its interval depends on how many comparisons are tested together.
    """
    outcome = passed["failed"] or "open"
    result = {name: getattr(found, name) for name in ("difference", "low", "high", "p", "test", "spread")}
    return {"outcome": outcome, **what, **result, "found": found, "seeds": seeds, "images": images, **passed}


def missing(what: str) -> dict:
    """A comparison that has not run."""
    return {"outcome": "not run", "evidence": what}


def once(comparisons: list[dict]) -> list[dict]:
    """The comparisons without repetitions, because a missing run may appear several times."""
    return [one for place, one in enumerate(comparisons) if one not in comparisons[:place]]
