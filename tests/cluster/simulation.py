"""Many short jobs through profiles/slurm, on a Slurm of one node: what submitting, polling and files cost.

    PYTHONPATH=tests python -m cluster.simulation --runs 100 --together 20            # 200 jobs; as root, ten minutes
    PYTHONPATH=tests python -m cluster.simulation --runs 500 --together 20 --light    # 1,000

The workflow is the suite's own: every run is a training and a measurement, which sleep in the stages' place. Its
commands sbatch and squeue are counted on their way to Slurm's.

On its node every stage starts a snakemake of its own. A cluster's nodes do so at the same time; here one core does it
for all of them, stage after stage. With --light the jobs start none, and what remains is the login node's work.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from cluster import one_node, standin

ROOT = Path(__file__).parent.parent.parent
SLEEPING = "1"  # seconds a job
RUN = {
    "methods": {"repobe_reconstruction": {"method": "repobe", "task": "reconstruction"}},
    "evaluation": {"draws": 1, "attacks": {}},
    "inversion": {"attackers": [], "snr_db": [23], "epochs": 1},  # else the classifier would be a job of its own
}


def simulated(folder: Path, runs: int, together: int, light: bool, *options: str) -> list[tuple[str, str]]:
    """Names and values of what so many runs cost, with a Slurm that runs already; RuntimeError if a job fails.

    together: how many runs are one submission. light: jobs start no snakemake on their node. options: of snakemake.
    """
    journal, environment = folder / "journal", dict(os.environ)
    environment["PATH"] = standin.installed(folder / "bin")
    environment |= {"STANDIN_SECONDS": SLEEPING, "STANDIN_JOURNAL": str(journal), "TMPDIR": str(folder)}
    calls = {name: _counted(folder / "bin", name) for name in ("sbatch", "squeue")}
    if light:
        _lighten(folder / "bin" / "sbatch")
    command = _command(folder, runs, together, options)
    began, before = time.time(), _cpu()
    with (folder / "snakemake.log").open("w") as log:
        done = subprocess.run(command, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False)
    wall, cpu = time.time() - began, _cpu() - before
    if done.returncode:
        raise RuntimeError(f"snakemake failed:\n{(folder / 'snakemake.log').read_text()[-3000:]}")
    sbatch, squeue = ([float(line) for line in file.read_text().split()] for file in calls.values())
    jobs = len(journal.read_text().splitlines())
    between = sbatch[-1] - sbatch[0]
    files = [file for file in folder.rglob("*") if file.is_file() and "bin" not in file.relative_to(folder).parts]
    return [
        ("jobs that slept", f"{jobs:,}, {SLEEPING} s each"),
        ("submissions", str(len(sbatch))),
        ("planning, and the stages that are no jobs, until the first submission", f"{sbatch[0] - began:.0f} s"),
        ("submissions a second", f"{(len(sbatch) - 1) / between:.1f}" if between else "one submission"),
        ("status polls (squeue)", str(len(squeue))),
        ("CPU of snakemake where it submits", f"{cpu:.0f} s"),
        ("wall time", f"{wall:.0f} s"),
        ("wall time per job", f"{wall / jobs:.2f} s"),
        ("files written, with Snakemake's own and logs", f"{len(files):,}"),
        ("their bytes", f"{sum(file.stat().st_size for file in files) / 1e6:.1f} MB"),
    ]


def _command(folder: Path, runs: int, together: int, options: tuple[str, ...]) -> list[str]:
    values = yaml.safe_load((ROOT / "config" / "miniature.yaml").read_text()) | RUN
    values |= {"results_dir": "results", "figures_dir": "figures", "seeds": [*range(runs)]}
    (folder / "config.yaml").write_text(yaml.safe_dump(values))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command += ["--configfile", str(folder / "config.yaml"), "--profile", str(ROOT / "profiles" / "slurm")]
    command += ["--cores", "1", "--groups", "train=run", "measure=run", "--group-components", f"run={together}"]
    return [*command, "--until", "measure", *options]


def _counted(bin_: Path, name: str) -> Path:
    """Puts a command before Slurm's own of that name; the file that gets the time of each call but a test's."""
    calls = bin_ / f"{name}.calls"
    calls.touch()
    script = f'#!/bin/sh\n[ "$1" = --test-only ] || date +%s.%N >> {calls}\nexec {shutil.which(name)} "$@"\n'
    (bin_ / name).write_text(script)
    (bin_ / name).chmod(0o755)
    return calls


def _cpu() -> float:
    """Seconds of CPU of the children that ended: snakemake and what it called. Slurm's daemons are no children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _lighten(sbatch: Path) -> None:
    """Puts the stages themselves in place of the snakemake that a job would start."""
    counting = sbatch.with_name("sbatch.counting")
    sbatch.rename(counting)
    light = Path(__file__).with_name("light.py").resolve()
    sbatch.write_text(f'#!/bin/sh\nexec {sys.executable} {light} {counting} "$@"\n')
    sbatch.chmod(0o755)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=500, help="each is two jobs; default: 500")
    parser.add_argument("--together", type=int, default=20, help="runs that are one submission; default: 20")
    parser.add_argument("--light", action="store_true", help="start no snakemake on the node")
    parser.add_argument("--cpus", type=int, default=8, help="that the node pretends to have; default: 8")
    options = parser.parse_args()
    if lacking := one_node.missing(accounting=True):
        print(f"simulation: needs {lacking}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as scratch:
        node, folder = Path(scratch, "node"), Path(scratch, "workflow")
        folder.mkdir()
        try:
            one_node.start(node, accounting=True, cpus=options.cpus)
            rows = simulated(folder, options.runs, options.together, options.light)
        finally:
            one_node.stop(node)
    print("| what | measured |\n|---|---|")
    for name, value in rows:
        print(f"| {name} | {value} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
