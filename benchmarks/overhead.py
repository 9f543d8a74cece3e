"""The workflow's overhead: the share of wall time × cores that is spent outside epochs, attacks and decoders."""

import csv
import re
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from benchmarks import workflow
from benchmarks.table import Goal, Row, alone
from repobe.runs.config import ROOT

DEMO = ROOT / "config" / "config.yaml"
DEMO_SECONDS, SHARE = 600.0, 0.15
TOLD = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (\w+) (\S+): \d+ (?:steps|of)", re.MULTILINE)  # runs.progress


def rows(of: Path, cores: int) -> Iterator[Row]:
    """of: a config, which is run now on `cores` cores, or the results folder of a run without interruptions."""
    if of.is_dir():
        yield from _rows(str(of), of, _lasted(of), cores)
        return
    with tempfile.TemporaryDirectory() as scratch:
        seconds = workflow.run(of, Path(scratch), cores)
        yield from _rows(of.name, Path(scratch) / "results", seconds, cores, demo=of.resolve() == DEMO)


def _rows(name: str, results: Path, wall: float, cores: int, demo: bool = False) -> Iterator[Row]:
    jobs = sum(1 for _ in (results / "logs").rglob("*.log"))
    worked = epochs(results) + stages(results)
    yield alone(
        "overhead",
        f"{name}: {jobs} jobs",
        wall,
        f"s on {cores} core{'s' if cores > 1 else ''}",
        Goal(DEMO_SECONDS, False) if demo else None,
    )
    yield alone("overhead", f"{name}: in epochs, attacks and decoders", worked, "core-seconds")
    share = 1 - worked / (wall * cores)
    yield alone("overhead", f"{name}: overhead", share, "of the core-seconds", Goal(SHARE, False) if demo else None)


def epochs(results: Path) -> float:
    """Seconds that all trainings spent in their epochs, without validation, as history.csv says."""
    total = 0.0
    for path in (results / "runs").rglob("history.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            total += sum(float(row["seconds"]) for row in csv.DictReader(file))
    return total


def stages(results: Path) -> float:
    """Seconds between the first and the last progress line of every other stage of every run: attacks and decoders.

    Logs give whole seconds, so each time is a little too long or too short; on average these errors cancel.
    """
    told: dict[tuple[str, str], list[datetime]] = {}
    for path in (results / "logs").rglob("*.log"):
        for at, stage, run in TOLD.findall(path.read_text(encoding="utf-8")):
            told.setdefault((stage, run), []).append(datetime.fromisoformat(at))
    return sum((max(at) - min(at)).total_seconds() for (stage, _), at in told.items() if stage != "train")


def _lasted(results: Path) -> float:
    """Seconds from the first log to the last file; ValueError where there are no logs."""
    logs = [path.stat().st_mtime for path in (results / "logs").rglob("*.log")]
    if not logs:
        raise ValueError(f"{results}/logs holds no log; name the results folder of a run, or a config to run")
    return max(path.stat().st_mtime for path in results.rglob("*")) - min(logs)
