"""`snakemake --use-conda`, all but conda's own solve: environment.yml's parts, installed as conda installs them."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from rattler import MatchSpec, Version, VersionSpec

from repobe.report.tracking.runs import UNTRACKED

ROOT = Path(__file__).parent.parent.parent
DEPENDENCIES = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
SPECS = [MatchSpec(item) for item in DEPENDENCIES if isinstance(item, str)]
(PIP,) = [item["pip"] for item in DEPENDENCIES if isinstance(item, dict)]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_condas_own_parser_reads_every_line_that_conda_solves():
    assert {str(spec.name.normalized) for spec in SPECS} == {"python", "pip"}  # pip must be there for the pip section


def test_the_python_that_conda_solves_is_one_that_the_project_supports():
    (python,) = [spec for spec in SPECS if spec.name.normalized == "python"]
    supported = VersionSpec(PROJECT["requires-python"])
    wanted = VersionSpec(str(python.version))
    assert supported.matches(Version("3.11.0"))
    assert not supported.matches(Version("3.10.9"))
    assert wanted.matches(Version("3.11.9"))
    assert not wanted.matches(Version("3.12.0"))


def test_every_version_that_pip_installs_is_the_projects_own():
    """Compared as conda compares versions, not as text."""
    project = dict(item.split("==") for item in PROJECT["dependencies"])
    later = (ROOT / "environment.post-deploy.sh").read_text()
    own = dict(re.findall(r"([\w-]+)==(\S+)", "\n".join([*PIP, *re.findall(r"pip install .*", later)])))
    assert own.keys() == project.keys()
    for name, version in own.items():
        assert MatchSpec(f"{name} =={version}").version is not None
        assert Version(version) == Version(project[name]), name


@pytest.mark.slow
def test_the_miniature_runs_in_an_environment_made_of_its_pip_section(tmp_path):
    """uv in pip's place, whose downloads are kept; then the post-deploy script and the workflow in that environment."""
    python = tmp_path / "environment" / "bin" / "python"
    uv = shutil.which("uv")
    if not uv:
        pytest.skip("needs uv on PATH")
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("\n".join(PIP))
    path = os.pathsep.join([str(python.parent), "/usr/bin", "/bin"])
    # Proxies, certificates and mirrors are the machine's own; another Python's settings are not wanted.
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "CONDA"))}
    environment = own | {"PATH": path, "OMP_NUM_THREADS": "1"}

    def ran(*command: str) -> str:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        done = subprocess.run(command, cwd=ROOT, env=environment, check=False, **pipes)
        assert done.returncode == 0, done.stdout[-3000:]
        return done.stdout

    ran(uv, "venv", "--quiet", "--seed", "--python", sys.executable, str(tmp_path / "environment"))
    ran(uv, "pip", "install", "--quiet", "--python", str(python), "--requirement", str(wanted))
    ran("bash", str(ROOT / "environment.post-deploy.sh"))
    names = [item.split("==")[0] for item in PROJECT["dependencies"]]
    modules = {"pillow": "PIL", "pyyaml": "yaml", "scikit-learn": "sklearn"}
    ran(str(python), "-c", "; ".join(f"import {modules.get(name, name.replace('-', '_'))}" for name in names))
    values = yaml.safe_load((ROOT / "config" / "miniature.yaml").read_text())
    values |= {"results_dir": str(tmp_path / "results"), "figures_dir": str(tmp_path / "figures")}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
    ran(str(python), "-m", "snakemake", "--cores", "1", "--nolock", "--configfile", str(tmp_path / "config.yaml"))
    assert (tmp_path / "results" / "report.html").exists()
    assert UNTRACKED not in (tmp_path / "results" / "tracked.json").read_text()
