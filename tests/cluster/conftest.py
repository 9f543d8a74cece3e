import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cluster import one_node, standin

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def slurm(request, tmp_path_factory):
    """A running Slurm of one node, with accounting unless the module says ACCOUNTING = False."""
    accounting = getattr(request.module, "ACCOUNTING", True)
    if lacking := one_node.missing(accounting):
        pytest.skip(f"needs {lacking}")
    folder = tmp_path_factory.mktemp("slurm")
    try:
        one_node.start(folder, accounting)
        yield folder
    finally:
        one_node.stop(folder)


@pytest.fixture
def workflow(tmp_path):
    """Runs snakemake on runs of the digits, in its own folder, with a stand-in for the stages."""
    path = standin.installed(tmp_path / "bin")

    def run(*arguments: str, environment: dict | None = None, **departures) -> subprocess.CompletedProcess:
        own = os.environ | {"PATH": path, "TMPDIR": str(tmp_path)} | (environment or {})
        return _snakemake(tmp_path, arguments, own, departures)

    return run


@pytest.fixture
def miniature(tmp_path):
    """Runs the whole miniature, or the files that are named, with its results in a folder of that name."""

    def run(name: str, *arguments: str) -> subprocess.CompletedProcess:
        (tmp_path / name).mkdir()
        return _snakemake(tmp_path / name, arguments, dict(os.environ), {})

    return run


def _snakemake(folder: Path, arguments: tuple, environment: dict, departures: dict) -> subprocess.CompletedProcess:
    values = yaml.safe_load((ROOT / "config" / "miniature.yaml").read_text())
    values |= {"results_dir": str(folder / "results"), "figures_dir": str(folder / "figures")} | departures
    (folder / "config.yaml").write_text(yaml.safe_dump(values))
    command = [sys.executable, "-m", "snakemake", "--configfile", str(folder / "config.yaml"), "--nolock", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False, **pipes)
