"""Provenance: a run names the commit of its code, and says where the code differed from it."""

import subprocess
from pathlib import Path

import pytest

from repobe.runs import provenance


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Path:
    """A repository of one commit with a file of code and a README."""
    (tmp_path / "repobe").mkdir()
    for name in ("repobe/code.py", "README.md"):
        (tmp_path / name).write_text("one\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
        _git(tmp_path, *command)
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    return tmp_path


def _git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    return subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def test_clean_code_is_named_by_its_commit_alone(repository):
    head = _git(repository, "rev-parse", "HEAD").strip()
    assert len(head) == 40
    assert provenance.commit() == head
    (repository / "README.md").write_text("two\n")  # prose changes no number
    assert provenance.commit() == head


@pytest.mark.parametrize("name", ["repobe/code.py", "repobe/new.py", "baselines/new.py", "pyproject.toml"])
def test_changed_code_is_reported_as_different_from_its_commit(repository, name):
    head = provenance.commit()
    (repository / name).parent.mkdir(exist_ok=True)
    (repository / name).write_text("two\n")
    assert provenance.commit() == head + "+changes"


def test_code_outside_git_says_so(repository, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(repository / "nowhere"))
    assert provenance.commit() == "not in git"
