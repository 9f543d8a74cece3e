"""The three lines that a workflow ends with."""

import json
from pathlib import Path

import pytest

from repobe.report import final_message
from repobe.report.final_message import lines

CLAIMS = """id,verdict
c01,"reproduced, at 64×64"
c02,not reproduced
c03,inconclusive: not trained
c04,inconclusive
c05,not run
"""


@pytest.fixture
def results(tmp_path) -> Path:
    (tmp_path / "summary").mkdir()
    (tmp_path / "report.html").touch()
    (tmp_path / "claims.csv").write_text(CLAIMS)
    return tmp_path


def ran(results: Path, *datasets: str) -> None:
    told = [{"run": f"{dataset}/awgn/repobe/seed0"} for dataset in datasets]
    (results / "summary" / "provenance.json").write_text(json.dumps(told))


def test_they_say_what_was_found_where_it_is_and_what_to_try_next(results):
    ran(results, "mnist", "digits")
    found, where, after = lines(results, Path("figures/mine"))
    assert found == (
        "Found: of 5 claims and questions 1 reproduced, 1 not reproduced, 2 inconclusive, 1 not run. "
        "What has not run needs the paper's methods on MNIST."
    )
    assert where == f"Report: {results}/report.html; the figures are in figures/mine/."
    assert f"python -m repobe show c01 --results {results}" in after


def test_in_another_folder_the_commands_go_to_the_suites_own(results, monkeypatch, tmp_path):
    """`python -m repobe` finds the suite in its own folder alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(final_message, "ROOT", Path("/my suite"))
    ran(results, "mnist")
    assert f"`cd '/my suite' && python -m repobe show c01 --results {tmp_path}`" in lines(Path(), Path("figures"))[2]
    ran(results, "digits")
    assert "`make -C '/my suite' tables`" in lines(Path(), Path("figures"))[2]


def test_the_next_step_is_about_a_claim_that_has_run(results):
    ran(results, "cells")
    (results / "claims.csv").write_text("id,verdict\nc01,not run\nc11,reproduced\n")
    assert "show c11" in lines(results, Path("figures"))[2]


def test_of_a_page_of_several_folders_the_one_that_judged_is_named(results, monkeypatch):
    """The page's own folder has no raw tables to show a claim from."""
    ran(results, "mnist")
    (results / "claims.csv").write_text("id,verdict,set\nc01,reproduced,mnist32\n")
    (results / "sets.json").write_text(json.dumps({"mnist32": "../reference/mnist32"}))
    monkeypatch.chdir(results.parent)
    monkeypatch.setattr(final_message, "ROOT", results.parent)
    assert "python -m repobe show c01 --results reference/mnist32" in lines(results, Path("figures"))[2]


def test_on_data_of_ones_own_they_say_what_depends_on_none_and_what_the_rest_needs(results):
    """c11 to c13 are of Sec. 3.2 and Theorem 1; c02 is about CIFAR-10, c05 about MNIST."""
    ran(results, "cells")
    rows = ["id,verdict", "c02,not run", "c05,not run", "c11,reproduced", "c12,reproduced", "c13,not reproduced"]
    (results / "claims.csv").write_text("\n".join(rows) + "\n")
    assert lines(results, Path("figures"))[0] == (
        "Found: of 5 claims and questions 2 reproduced, 1 not reproduced, 2 not run. c11, c12, c13 are about the "
        "cipher's algebra and depend on no data. What has not run needs the paper's methods on MNIST and CIFAR-10."
    )


def test_stand_ins_are_said_to_judge_nothing_of_the_papers_datasets(results):
    ran(results, "digits", "digits_rgb")
    found, _, after = lines(results, Path("figures"))
    assert "Digits stand in for the paper's datasets" in found
    assert "make tables" in after


def test_without_a_report_there_is_nothing_to_say(results):
    (results / "report.html").unlink()
    assert lines(results, Path("figures")) == []
