import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent


def test_both_environments_pin_the_same_versions():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    pinned = next(item["pip"] for item in conda if isinstance(item, dict))
    later = (ROOT / "environment.post-deploy.sh").read_text()
    attacks = next(item for item in project if item.startswith("torchattacks"))
    assert sorted([*pinned, attacks]) == sorted(project)
    assert f"--no-deps {attacks}\n" in later
    assert all("==" in item for item in project)


def test_the_version_is_the_same_in_every_file_that_names_it():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    latest = re.search(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert latest[1] == version


def test_commits_are_checked_by_the_tools_that_lint_runs():
    """Each hook is one of the environment's own tools, which pyproject.toml pins; no other version is fetched."""
    (own,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert own["repo"] == "local"
    development = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    pinned = {item.split("==")[0] for item in development}
    lint = (ROOT / "Makefile").read_text()
    for hook in own["hooks"]:
        tool = hook["entry"].split()[0]
        assert f"\t{tool}" in lint
        assert tool.removeprefix(".venv/bin/") in pinned
