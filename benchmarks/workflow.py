"""Snakemake from outside: planning many jobs, and running a config in a folder of its own."""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from repobe.runs.config import ROOT

MINIATURE = ROOT / "config" / "miniature.yaml"


def planned(config: Path, **departures) -> tuple[int, float]:
    """(jobs, seconds) of a dry run of a config that has not run yet. departures: other values of its keys."""
    with tempfile.TemporaryDirectory() as scratch:
        chosen = _config(config, Path(scratch), **departures)
        began = time.perf_counter()
        said = _snakemake("-n", "--quiet", "rules", "--configfile", chosen)
        return int(re.search(r"^total\s+(\d+)$", said, re.MULTILINE)[1]), time.perf_counter() - began


def run(config: Path, folder: Path, cores: int) -> float:
    """Seconds that all of a config takes, its results in folder/results."""
    chosen = _config(config, folder)
    began = time.perf_counter()
    _snakemake("--cores", str(cores), "--configfile", chosen)
    return time.perf_counter() - began


def _config(config: Path, folder: Path, **departures) -> str:
    values = yaml.safe_load(config.read_text(encoding="utf-8"))
    values |= {"results_dir": str(folder / "results"), "figures_dir": str(folder / "figures")} | departures
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return str(path)


def _snakemake(*arguments: str) -> str:
    """Its output; ValueError with the last lines if it fails."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # its jobs call `python`
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--nolock", *arguments],
        cwd=ROOT,
        env=os.environ | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise ValueError(f"snakemake {' '.join(arguments)} failed: {done.stdout[-2000:]}")
    return done.stdout
