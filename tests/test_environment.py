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
