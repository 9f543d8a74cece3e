import os
import subprocess
import sys
from pathlib import Path

import one_node
import pytest
import standin
import yaml

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="session", params=["accounting"])
def slurm(request, tmp_path_factory):
    """A running Slurm of one node; its folder."""
    accounting = request.param == "accounting"
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
    values = yaml.safe_load((ROOT / "config" / "miniature.yaml").read_text())
    values |= {"results_dir": str(tmp_path / "results"), "figures_dir": str(tmp_path / "figures")}
    path = standin.installed(tmp_path / "bin")

    def run(*arguments: str, environment: dict | None = None, **departures) -> subprocess.CompletedProcess:
        chosen = tmp_path / "config.yaml"
        chosen.write_text(yaml.safe_dump(values | departures))
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--configfile",
            str(chosen),
            "--snakefile",
            str(ROOT / "Snakefile"),
        ]
        own = os.environ | {"PATH": path, "TMPDIR": str(tmp_path)} | (environment or {})
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.run([*command, "--nolock", *arguments], cwd=ROOT, env=own, check=False, **pipes)

    return run
