"""Adopts finished results by their content, if a copy has lost the file times that Snakemake goes by.

A copy with its times (`cp -a`, `rsync -a`) needs none of this.
"""

import json
import os
import time
from pathlib import Path

from repobe.runs import checksums
from repobe.runs.config import load
from repobe.runs.files import about
from repobe.runs.folders import classifier_file, data_file, run_folder
from repobe.runs.grid import every_run, kept
from repobe.runs.spec import Spec
from repobe.runs.status import STAGES, state_of


def adopt(*configs: Path) -> str:
    """Sets the file times of every finished run in the order in which the files are made, so that nothing runs again.

    Returns a line for each run that is not adopted, with the reason, and one with the counts. A run is adopted if it
    belongs to this config, if today's code made it from the data that are there now, and if every file is unchanged.
    ValueError if a config has a mistake.
    """
    values = load(*configs)
    results, specs = Path(values["results_dir"]), every_run(values)
    named = {spec.path for spec in kept(values, specs)}
    shared = checksums.compared(results / "data")
    refused = {spec.path: reason for spec in specs if (reason := _refusal(spec, results, shared))}
    adopted = [spec for spec in specs if spec.path not in refused]
    _touch(_in_order(adopted, results))
    if not adopted and set(refused.values()) == {"not started"}:
        return f"{results}: nothing to adopt, none of the {len(named)} runs is there; copy {results}/ first"
    lines = [f"{path}: not adopted, {refused[path]}" for path in refused if path in named]
    return "\n".join([*lines, f"{results}: {len(named - set(refused))} of {len(named)} runs adopted"])


def _refusal(spec: Spec, results: Path, shared: dict[str, bool | None]) -> str:
    """Why a run is not adopted; empty if it is. shared: the `checksums.compared` of all datasets and classifiers."""
    run, data = run_folder(results, spec.path), data_file(results, spec.dataset)
    state, note = state_of(spec, results)
    if state != "done":
        return f"{state} {note}".strip()
    if not data.exists():
        return f"{data} is not there; copy it too"
    own = {data.name, classifier_file(results, spec.dataset).name}
    files = checksums.compared(run) | {name: same for name, same in shared.items() if name in own}
    for name, same in files.items():
        if not same:
            return f"{name} is not what was written" if same is False else f"{name} is missing; copy it too"
    if not {name for stage in STAGES.values() for name in stage} <= set(files):
        return "it has no checksums"
    made_from = json.loads((run / "provenance.json").read_text(encoding="utf-8"))["data_sha256"]
    return "" if about(data).get("sha256") == made_from else f"{data} are not the data that it was made from"


def _in_order(specs: list[Spec], results: Path) -> list[Path]:
    """The files as the workflow makes them: data, descriptions, models (teachers first), measurements."""
    by_path = {spec.path: spec for spec in specs}

    def teachers(spec: Spec) -> int:
        return 1 + teachers(by_path[spec.teacher]) if spec.teacher in by_path else 0

    runs = [run_folder(results, spec.path) for spec in sorted(specs, key=teachers)]
    datasets = sorted({spec.dataset for spec in specs})
    files = [place(results, dataset) for place in (data_file, classifier_file) for dataset in datasets]
    files += [run / name for run in runs for name in ("spec.yaml", "training.json")]
    files += [run / name for stage in ("train", "measure") for run in runs for name in STAGES[stage]]
    return [file for file in files if file.exists()]


def _touch(files: list[Path]) -> None:
    """Gives the files times one millisecond apart, the last one now."""
    last = time.time_ns()
    for place, file in enumerate(reversed(files)):
        moment = last - place * 1_000_000
        os.utime(file, ns=(moment, moment))
