"""How gathering, verdicts and figures grow with the runs: copies of finished runs under other seeds, no training.

    python -m benchmarks.gathering FOLDER --runs 250,1000     # a results folder with finished runs; one core

Each command that reads all runs has a process of its own, whose seconds of CPU and peak memory are printed.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from repobe.runs.config import ROOT
from repobe.runs.console import in_a_line
from repobe.runs.folders import run_folder
from repobe.runs.spec import Spec
from repobe.tables import outcomes

TABLES = ("evasion.csv", "inversion.csv", "audit.csv", "cost.csv")
WHOLE = ("history.csv", "reconstructions.npz")
COMMANDS = ("tables", "summary", "layer_table", "compare", "claims", "decisions", "readings", "figures")


def copied(source: Path, results: Path, count: int) -> list[Path]:
    """The specs of `count` runs in `results`: those of `source`, and copies of them under further seeds."""
    runs = sorted(file.parent for file in source.glob("runs/*/*/*/seed*/outcomes.parquet"))
    if not runs:
        raise ValueError(f"{source}: no finished run; name a results folder that has some")
    kinds = {replace(Spec.load(run / "spec.yaml"), seed=0).path: run for run in runs}  # one of a run's seeds
    results.mkdir(parents=True)
    shutil.copy(source / "cipher_audit.csv", results)
    kinds = list(kinds.values())
    return [_copy(kinds[number % len(kinds)], results, number // len(kinds)) for number in range(count)]


def _copy(run: Path, results: Path, seed: int) -> Path:
    """Copies a run under another seed; returns the copy's spec.yaml."""
    spec = replace(Spec.load(run / "spec.yaml"), seed=seed)
    folder = run_folder(results, spec.path)
    folder.mkdir(parents=True)
    (folder / "spec.yaml").write_text(spec.dump(), encoding="utf-8")
    for name in WHOLE:
        shutil.copy(run / name, folder)
    provenance = json.loads((run / "provenance.json").read_text(encoding="utf-8")) | {"run": spec.path}
    (folder / "provenance.json").write_text(json.dumps(provenance), encoding="utf-8")
    for name in TABLES:
        frame = pd.read_csv(run / name, dtype=str, keep_default_na=False)
        frame.assign(seed=seed).to_csv(folder / name, index=False)
    table = outcomes.stored(run / "outcomes.parquet")
    place = table.schema.get_field_index("seed")
    field = table.schema.field(place)
    seeds = pa.array(np.full(len(table), seed), field.type)
    outcomes.write(table.set_column(place, field, seeds).cast(outcomes.SCHEMA), folder / "outcomes.parquet")
    return folder / "spec.yaml"


def timed(command: list[str]) -> tuple[float, float]:
    """(seconds of CPU, GiB at the peak) of a process; ValueError if it fails."""
    process = os.posix_spawn(sys.executable, [sys.executable, "-m", *command], os.environ)
    _, status, used = os.wait4(process, 0)
    if status:
        raise ValueError(f"python -m {' '.join(command[:3])} failed; its message is above")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20


def measured(source: Path, count: int, folder: Path) -> Iterator[tuple[str, float, float]]:
    """(command, seconds of CPU, GiB at the peak) of each command that reads `count` runs."""
    results = folder / f"{count}" / "results"
    specs = copied(source, results, count)
    calls = {name: ["repobe", name, str(results)] for name in COMMANDS}
    calls["tables"] += map(str, specs)
    calls["layer_table"] = ["repobe", "layer_table", str(results / "summary" / "layer_table.csv")]
    calls["figures"] = ["figures", str(results), str(folder / f"{count}" / "figures")]
    for name, call in calls.items():
        yield name, *timed(call)


def main() -> int:
    """Measures and prints; what the user can fix is one line on stderr and exit code 2."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="a results folder with finished runs; it is only read")
    parser.add_argument("--runs", default="250,1000", help="how many to gather, separated by commas")
    options = parser.parse_args()
    source = options.source.resolve()
    os.chdir(ROOT)
    print("| runs | command | seconds of CPU | GiB at the peak |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for count in map(int, options.runs.split(",")):
            try:
                for name, seconds, peak in measured(source, count, Path(scratch)):
                    print(f"| {count:,} | {name} | {seconds:.1f} | {peak:.2f} |", flush=True)
            except (ValueError, OSError) as error:
                print(f"benchmarks.gathering: {in_a_line(error)}", file=sys.stderr)
                return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
