"""The state of every run of a config, one of STATES. Only reads, so it is safe at any time."""

import collections
import json
import os
import re
import shlex
import socket
import time
from pathlib import Path
from typing import Any

from repobe.runs.code_digest import measured_by, recorded, trained_by
from repobe.runs.config import load
from repobe.runs.files import text_of
from repobe.runs.folders import run_folder
from repobe.runs.grid import grid
from repobe.runs.progress import clock, digest
from repobe.runs.spec import Spec

STAGES = {  # in the order of the workflow, each with the files that it writes
    "train": ("model.safetensors", "history.csv", "cost.csv", "provenance.json"),
    "measure": ("evasion.csv", "outcomes.parquet", "inversion.csv", "reconstructions.npz", "audit.csv"),
}
PARTS = {"train": ("train",), "measure": ("evaluate", "invert")}  # these report their progress
MEASURED = ("evasion.csv", "inversion.csv", "audit.csv")
STATES = ("done", "stale", "running", "interrupted", "failed", "waiting", "not started")
# A line that ends a job. A job goes on after what it says of its device (devices, gpus, precision) or its lock (locks).
FAULT = re.compile(
    r"repobe: (?!interrupted$|--device auto takes |takes GPU |this (\w+ cannot compute|file system has))"
    r"|Killed|[\w.]*(Error|Exception|Interrupt)\b"
)


def status(*configs: Path) -> str:
    """One line for each run and one with the counts, for `python -m repobe status`.

    ValueError where the config has a mistake.
    """
    about = as_data(*configs)
    runs, results = about["runs"], Path(about["results"])
    wide = max(len(one["run"]) for one in runs)
    lines = [f"{one['run']:<{wide}}  {one['state']:<11}  {one['note']}".rstrip() for one in runs]
    counted = ", ".join(f"{number} {state}" for state, number in about["counts"].items())
    stale = [run_folder(results, one["run"]) for one in runs if one["state"] == "stale"]
    if files := [str(run / file) for run in stale for file in stale_files(Spec.load(run / "spec.yaml"), run)]:
        lines += ["", "stale: made by older code; this command makes them again:"]
        command = ["snakemake", "--cores", "all", "--configfile", *map(str, configs), "--forcerun", *files]
        lines.append(shlex.join(command))
    if about["left_out"]:
        lines.append(f"left out by the config's `only`: {', '.join(about['left_out'])}")
    named = ", ".join(map(str, configs))
    return "\n".join([*lines, "", f"{named}: {len(runs)} runs in {results}: {counted}"])


def as_data(*configs: Path) -> dict[str, Any]:
    """The same as data: each run's state and a note, how many are in each state, the methods that `only` leaves out.

    ValueError where the config has a mistake.
    """
    values = load(*configs)
    try:
        specs, results = grid(values), Path(values["results_dir"])
    except ValueError as error:
        raise ValueError(f"{', '.join(map(str, configs))}: {error}") from None
    states = [(spec.path, *state_of(spec, results)) for spec in specs]
    counts = collections.Counter(state for _, state, _ in states)
    return {
        "results": str(results),
        "runs": [{"run": path, "state": state, "note": note} for path, state, note in states],
        "counts": {state: counts[state] for state in STATES if counts[state]},
        "left_out": [label for label in values["methods"] if label not in {spec.label for spec in specs}],
    }


def is_finished(spec: Spec, results: Path) -> bool:
    """Whether a run that this spec describes is trained and measured, by whatever code."""
    run = run_folder(results, spec.path)
    made = [run / "spec.yaml", *_written(run)]
    return all(file.exists() for file in made) and text_of(run / "spec.yaml") == spec.dump()


def lost_files(spec: Spec, results: Path) -> list[str]:
    """The files that the stages of a run write and its folder lacks; none where there is no folder.

    A folder that somebody deleted as a whole stays away, because the gathered tables hold its rows.
    """
    run = run_folder(results, spec.path)
    return [str(file) for file in _written(run) if not file.exists()] if (run / "spec.yaml").exists() else []


def _written(run: Path) -> list[Path]:
    """All that the stages of a run write."""
    return [run / file for files in STAGES.values() for file in files]


def state_of(spec: Spec, results: Path) -> tuple[str, str]:
    """(one of STATES, a note) of one run. The worst state of its stages counts: failed, interrupted, running."""
    run = run_folder(results, spec.path)
    described = run / "spec.yaml"
    if described.exists() and text_of(described) != spec.dump():
        return "not started", "its folder holds a run of another config"
    left = [stage for stage, files in STAGES.items() if not all((run / file).exists() for file in files)]
    if not left:
        return ("stale", f"{', '.join(old)} by other code") if (old := stale_files(spec, run)) else ("done", "")
    found = {stage: _stage(spec, run, results / "logs" / stage / f"{spec.path}.log", stage) for stage in left}
    for state in ("failed", "interrupted", "running"):
        notes = [f"{stage}: {note}" for stage, (stands, note) in found.items() if stands == state]
        if notes:
            return state, "; ".join(notes)
    if len(left) == len(STAGES):
        return "not started", ""
    return "waiting", f"for {', '.join(left)}"


def stale_files(spec: Spec, run: Path) -> list[str]:
    """The files of a finished run that other code made: its model, which decides all others, or some of its tables."""
    if recorded(run / "cost.csv") not in ("", trained_by(spec.method)):
        return ["model.safetensors"]
    return [file for file in MEASURED if recorded(run / file) not in ("", measured_by(spec.method))]


def _stage(spec: Spec, run: Path, log: Path, stage: str) -> tuple[str, str]:
    told = (_told(run / f"{part}.progress.json", spec) for part in PARTS[stage])
    at_work = next(filter(None, told), None)
    if at_work and _alive(at_work):
        return "running", _position(at_work)
    lines = lines_of(log)
    if lines and FAULT.match(lines[-1]):
        return "failed", f"{lines[-1].removeprefix('repobe: ')} ({log})"
    if at_work or lines[-1:] == ["repobe: interrupted"]:
        return "interrupted", _position(at_work) if at_work else ""
    return "not started", ""


def lines_of(log: Path) -> list[str]:
    """The lines of a log that are not empty; none if there is no log."""
    if not log.is_file():
        return []
    return [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]


def _told(path: Path, spec: Spec) -> dict | None:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return told if isinstance(told, dict) and told.get("spec_sha256") == digest(spec) else None


def _alive(told: dict) -> bool:
    """Whether the process still exists. On another host that cannot be checked, so it is assumed."""
    if told["host"] != socket.gethostname():
        return True
    try:
        os.kill(told["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _position(told: dict) -> str:
    left = "" if told["seconds_left"] is None else f", {clock(told['seconds_left'])} left"
    age = f"reported {clock(time.time() - told['told'])} ago by process {told['pid']} on {told['host']}"
    return f"step {told['done']} of {told['total']}{left}, {age}"
