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


def test_code_outside_git_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert provenance.commit() == "not in git"


def test_a_repository_around_the_suite_does_not_stand_for_its_code(repository, monkeypatch):
    """An unpacked archive of the suite inside somebody's repository of papers: that repository's HEAD is not ours."""
    suite = repository / "papers" / "suite"
    (suite / "repobe").mkdir(parents=True)
    monkeypatch.setattr(provenance, "ROOT", suite)
    assert provenance.commit() == "not in git: the repository around it is not the suite's"


def test_a_link_to_the_suite_is_the_suite(repository, tmp_path_factory, monkeypatch):
    link = tmp_path_factory.mktemp("links") / "suite"
    link.symlink_to(repository)
    monkeypatch.setattr(provenance, "ROOT", link)
    assert provenance.commit() == _git(repository, "rev-parse", "HEAD").strip()


def test_variables_of_git_that_name_another_repository_change_nothing(repository, monkeypatch):
    """A git hook and `git rebase --exec` set them."""
    head = provenance.commit()
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.setenv(name, str(repository / "nowhere"))
    assert provenance.commit() == head


def test_why_git_refuses_is_told(repository, monkeypatch):
    """Git refuses a folder of another owner; its own variable for tests says that the owner is another."""
    monkeypatch.setenv("HOME", str(repository / "nobody"))  # no safe.directory
    run, another = subprocess.run, {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    monkeypatch.setattr(subprocess, "run", lambda command, env, **how: run(command, env=env | another, **how))
    said = provenance.commit()
    assert said.startswith("unknown: git says: detected dubious ownership in repository")
    assert "\n" not in said


def test_a_repository_without_a_commit_says_why(tmp_path, monkeypatch):
    _git(tmp_path, "init", "-q")
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert provenance.commit().startswith("unknown: git says: ")


def test_a_machine_without_git_is_told(repository, monkeypatch):
    monkeypatch.setenv("PATH", str(repository))
    assert provenance.commit() == "unknown: git cannot be run (No such file or directory)"
