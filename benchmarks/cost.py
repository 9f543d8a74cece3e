"""What a config costs before it runs: FLOP of every run and part, core-hours, GPU-hours, jobs and files.

python -m benchmarks.cost config/paper.yaml                            # prints; --out FOLDER keeps the table
python -m benchmarks.cost config/paper.yaml --gpu-bfloat16 120 --gpu-float32 30    # TFLOP/s of your GPU
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks import machine, table, workflow
from benchmarks.rates import Rates
from benchmarks.stage_flop import Counted, classifier, shape
from benchmarks.table import TABLES
from repobe.runs import files
from repobe.runs.config import load
from repobe.runs.console import in_a_line
from repobe.runs.grid import every_run, kept
from repobe.runs.spec import Spec

# TFLOP/s of one data-centre card. bfloat16: what six natural trainings at S = 224 reached that shared an H200.
# float32: assumed; TF32 is off.
GPU = {"bfloat16": 34.0, "float32": 20.0}
CLASSIFIER = "evaluation classifier"
RUN_FILES = 20  # in a run's folder: nine results, two descriptions, five lists of checksums, three of parts, a lock
RUN_LOGS = 4  # of a run's jobs: spec, training, train, measure


def main(arguments: list[str] | None = None) -> int:
    """Counts, prints and writes; what the user can fix is one line on stderr and exit code 2."""
    options = _parser().parse_args(arguments)
    try:
        rates = Rates.measured(options.rates, {"bfloat16": options.gpu_bfloat16, "float32": options.gpu_float32})
        torch.set_num_threads(1)
        found = counted(load(options.config), rates, _shown)
        _shown("")
        jobs, _ = workflow.planned(options.config)
        about = {"jobs": jobs, "machine": rates.machine, "gpu": rates.gpu_named}
        about["commit"] = machine.provenance(torch.device("cpu"))["commit"]
        rows = [_plain(row | about) for row in found]
        print(markdown(options.config.stem, rows))
        if options.out:
            out = options.out / f"{table.CONFIGS}{options.config.stem}.csv"
            out.parent.mkdir(parents=True, exist_ok=True)
            files.table(out, rows)
            print(f"{out} has a row for each dataset, method and part; `python -m benchmarks --readme` shows it")
        return 0
    except (ValueError, OSError) as error:
        print(f"benchmarks.cost: {in_a_line(error)}", file=sys.stderr)
        return 2


def _shown(run: str) -> None:
    """Replaces the line of a terminal; a log stays free of it."""
    if sys.stderr.isatty():
        print(f"\r{run:<78}\r", end="", file=sys.stderr)


def counted(config: dict, rates: Rates, told: Callable[[str], object] = str) -> list[dict]:
    """A row for each dataset, method and part: what all of its runs cost together.

    Columns: dataset, method, part, runs, precision, flop, core_hours, gpu_hours, and bytes, the size of the weights
    that the runs leave. told: called with each run's name.
    """
    shapes = {
        name: shape(name, one.get("source"), Path(config["results_dir"])) for name, one in config["datasets"].items()
    }
    every = every_run(config)
    work, found, judged = Counted(every, shapes), {}, {}
    for spec in kept(config, every):
        told(spec.path)
        pieces = work.pieces(spec)
        for part, flop in work.parts(spec).items():
            precision = pieces.precision if part == "training" else "float32"
            left = pieces.weights if part == "training" else 0
            _add(found, spec, spec.label, part, precision, flop, rates, left)
        if spec.inversion.attackers:
            judged[spec.dataset] = spec
    for dataset, spec in judged.items():
        _add(found, spec, CLASSIFIER, CLASSIFIER, "float32", classifier(shapes[dataset]), rates)
    return list(found.values())


def _add(found: dict, spec: Spec, method: str, part: str, precision: str, flop: float, rates: Rates, left: int = 0):
    """Adds a part of one run to the row of its dataset and method."""
    if not flop:
        return
    row = {"dataset": spec.dataset, "method": method, "part": part, "runs": 0, "precision": precision}
    row |= {"flop": 0.0, "core_hours": 0.0, "gpu_hours": 0.0, "bytes": 0}
    row = found.setdefault((spec.dataset, method, part), row)
    row["runs"] += 1
    row["flop"] += flop
    row["core_hours"] += flop / rates.on_core(spec, part, precision) / 3600
    row["gpu_hours"] += flop / rates.gpu[precision] / 3600
    row["bytes"] += left


def shares(rows: list[dict], by: str) -> dict[str, dict[str, float]]:
    """Sums of flop, core_hours and gpu_hours by the values of a column, the most expensive first."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        one = found.setdefault(row[by], dict.fromkeys(("flop", "core_hours", "gpu_hours"), 0.0))
        for name in one:
            one[name] += float(row[name])
    return dict(sorted(found.items(), key=lambda item: -item[1]["flop"]))


def markdown(config: str, rows: list[dict]) -> str:
    """A config's cost, from the rows of its table: by part, by method, and what its runs leave."""
    about, whole = rows[0], _sum(shares(rows, "part"))
    trained = [row for row in rows if row["part"] == "training"]
    runs, size = sum(int(row["runs"]) for row in trained), sum(int(row["bytes"]) for row in trained)
    lines = [
        f"### config/{config}.yaml",
        "",
        f"{runs} trainings, {about['jobs']} jobs, {runs * (RUN_FILES + RUN_LOGS)} files of runs and of their logs, "
        f"{size / 1e9:.3g} GB of weights. Core-hours are at the rates that one thread of {about['machine']} reached "
        f"(part `limits`). GPU-hours are an assumption: {about['gpu']}. Counted at commit {about['commit']}.",
        "",
    ]
    for by in ("part", "method"):
        lines += [f"| {by} | EFLOP | share | core-hours | GPU-hours |", "|---|---|---|---|---|"]
        lines += [_line(name, one, whole) for name, one in (shares(rows, by) | {"all": whole}).items()]
        lines.append("")
    return "\n".join(lines)


def _sum(parts: dict[str, dict[str, float]]) -> dict[str, float]:
    return {name: sum(one[name] for one in parts.values()) for name in ("flop", "core_hours", "gpu_hours")}


def _line(name: str, one: dict[str, float], whole: dict[str, float]) -> str:
    hours = " | ".join(f"{one[of]:.3g}" if one[of] < 1000 else f"{one[of]:.0f}" for of in ("core_hours", "gpu_hours"))
    return f"| {name} | {one['flop'] / 1e18:.3g} | {100 * one['flop'] / whole['flop']:.1f} % | {hours} |"


def _plain(row: dict) -> dict:
    return {name: f"{value:.6g}" if isinstance(value, float) else value for name, value in row.items()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmarks.cost", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path)
    default = TABLES / "amd-epyc-2-cores.csv"
    parser.add_argument("--rates", type=Path, default=default, help="a machine's table; default: the committed one")
    for precision, rate in GPU.items():
        text = f"TFLOP/s of a GPU in {precision}; default: {rate:g}, an assumption"
        parser.add_argument(f"--gpu-{precision}", type=float, default=rate, help=text)
    parser.add_argument("--out", type=Path, help="folder to write the table to, for instance results/benchmarks")
    return parser


if __name__ == "__main__":
    sys.exit(main())
