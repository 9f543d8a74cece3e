"""The numbers that the READMEs quote, against the committed tables."""

import re
from pathlib import Path

import pandas as pd
import pytest
from unmarked import unmarked

from repobe.report.quotes import main, refresh
from repobe.tables.results import write
from repobe.verdicts import paper

ROOT = Path(__file__).parents[1]
DOCUMENTS = ["README.md", "docs/findings.md", "results/reference/README.md"]
# Decimal numbers that are no measurements: what the paper prints, and settings.
SETTINGS = {"0.016", "0.1", "0.125", "0.25"}  # radii
SETTINGS |= {"0.05", "0.9"}  # NECST-DP's budgets; 0.9 is also the momentum of a variant
SETTINGS |= {"0.3"}  # points: how far bfloat16 was expected to lie from float32 on MNIST
SETTINGS |= {"3.11"}  # Python
PRINTED = {f"{value:.4f}" for value in paper.numbers()["value"]}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_number_that_a_readme_quotes_is_that_of_the_tables(name):
    text = (ROOT / name).read_text()
    # python -m repobe.report.quotes README.md docs/findings.md results/reference/README.md writes them anew.
    assert text.splitlines() == refresh(text).splitlines()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_decimal_number_of_a_readme_names_its_source(name):
    found = re.findall(r"(?<![\w.])\d+\.\d+", unmarked((ROOT / name).read_text()))
    assert not [one for one in found if one not in SETTINGS | PRINTED]


def test_the_report_and_every_readme_show_all_committed_sets_in_the_same_order():
    shown = re.search(r"^REFERENCE \?= (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    assert {*shown.split()} == {path.name for path in (ROOT / "results" / "reference").iterdir() if path.is_dir()}
    for name, what in (("README.md", "numbers"), ("docs/findings.md", "claims")):
        assert f"<!-- {what} of {shown} -->" in (ROOT / name).read_text(), name


@pytest.fixture
def reference(tmp_path) -> Path:
    rows = [("repobe", 7, 0.91234), ("repobe", 23, 0.95), ("necst", 7, 0.8)]
    (tmp_path / "set").mkdir()
    write(pd.DataFrame(rows, columns=["method", "snr", "mean"]), tmp_path / "set" / "table.csv")
    return tmp_path


def test_a_number_is_rewritten_with_as_many_decimals_as_it_had(reference):
    at_7, highest = "<!-- = set/table mean method=repobe snr=7 -->", "<!-- = set/table 100*max:mean method=repobe -->"
    text = f"reads 0.77{at_7} of them, at best 1.0{highest} points"
    assert refresh(text, reference) == f"reads 0.91{at_7} of them, at best 95.0{highest} points"
    many = "<!-- = set/table 1000*sum:snr method=repobe -->"  # 30,000
    assert refresh(f"of 1,568{many} images", reference) == f"of 30,000{many} images"
    less = "<!-- = set/table 100*min:mean -->"
    assert refresh(f"+1.0{less}", reference) == f"+80.0{less}"
    hours = "<!-- = set/table 1/30*sum:snr method=repobe -->"  # 7 + 23
    assert refresh(f"0.0{hours}", reference) == f"1.0{hours}"


def test_a_table_is_rewritten_from_its_columns_and_rows(reference):
    comment = "<!-- table set/table mean\ncolumns: snr=7; snr=23\nrows: -; method=repobe; method=necst -->\n"
    head = "| | k | 7 dB | 23 dB |\n|---|---|---|---|\n| printed | 1 | 0.5 | 0.6 |\n"
    text = comment + head + "| RepObE | 3.5 | 0.0000 | 0.00 |\n| NECST | 100 | 0.1 | – |\n"
    wanted = comment + head + "| RepObE | 3.5 | 0.9123 | 0.95 |\n| NECST | 100 | 0.8 | – |\n"
    assert refresh(text, reference) == wanted
    left = unmarked(wanted)
    assert "0.5" in left
    assert "3.5" in left
    assert "0.9123" not in left


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("set/table mean method=repobe", "2 rows fit, but exactly one must"),
        ("set/table mean method=ibal", "0 rows fit"),
        ("set/table mean methods=repobe", "has no column methods"),
        ("set/table 100*max:means", "set/table.csv has no column means"),
        ("set/table 1/0*max:mean", "set/table.csv has no column 1/0"),
        ("set/table average:mean", "set/table.csv has no column average:mean"),
        ("set/table 100*max:method", "method holds no numbers"),
        ("set/table mean method=necst snr=seven", "0 rows fit"),
        ("set/table", "write <table> <column>"),
        ("set/table mean method='necst", "write <table> <column>"),
        ("set/other mean", "other.csv does not exist"),
    ],
)
def test_a_query_that_names_no_single_cell_is_refused(query, fault, reference):
    with pytest.raises(ValueError, match=re.escape(query) + ".*" + re.escape(fault)):
        refresh(f"0.1<!-- = {query} -->", reference)


def test_a_document_with_a_bad_query_is_named_in_one_line_and_keeps_its_text(tmp_path, capsys):
    good, bad = tmp_path / "good.md", tmp_path / "bad.md"
    good.write_text("no numbers\n")
    bad.write_text("reads 0.1<!-- = mnist32/summary/evasion mean method=nobody -->\n")
    assert main([str(good)]) == 0
    assert main([str(good), str(bad)]) == 2
    said = f"{bad}: mnist32/summary/evasion mean method=nobody: 0 rows fit, but exactly one must\n"
    assert capsys.readouterr() == ("", said)
    assert bad.read_text().startswith("reads 0.1<!--")


def test_an_empty_cell_of_what_is_measured_is_refused(reference):
    text = "<!-- table set/table mean\ncolumns: snr=7\nrows: method=necst -->\n| | 7 dB |\n|---|---|\n| NECST | – |\n"
    with pytest.raises(ValueError, match="but it is measured"):
        refresh(text, reference)
    with pytest.raises(ValueError, match="1 rows, but its comment names 2"):
        refresh(text.replace("method=necst", "method=necst; method=repobe"), reference)


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        ("", "table set/table mean: its comment names no columns"),
        ("snr=7; snr=7; snr=23", "set/table mean snr=23 method=necst: its row has 2 cells, but"),
    ],
)
def test_a_table_whose_comment_names_other_columns_is_refused(columns, fault, reference):
    comment = f"<!-- table set/table mean\ncolumns: {columns}\nrows: method=necst -->\n"
    with pytest.raises(ValueError, match=fault):
        refresh(comment + "| | 7 dB |\n|---|---|\n| NECST | 0.8 |\n", reference)
