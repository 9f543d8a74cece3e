"""docs/columns.md, against the tables that are committed and the columns that the code writes."""

import csv
import re
from pathlib import Path

import pyarrow.parquet
import pytest

from repobe.tables.schema import KEYS, VALUES

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "columns.md").read_text(encoding="utf-8")
TABLES = sorted((ROOT / "results" / "reference").glob("*/**/*.csv"))


def section(heading: str) -> str:
    """A section of the page, by the first word of its heading."""
    (found,) = [part for part in re.split(r"^## ", PAGE, flags=re.MULTILINE) if part.startswith(heading)]
    return found


def words(text: str) -> set[str]:
    return set(re.findall(r"`([a-z_0-9]+)`", text))


def described(table: Path) -> set[str]:
    """The words in code that describe a table: those of its folder, and of what tables share."""
    folders = {"tables": ["`tables/`"], "summary": ["`tables/`", "`summary/`"]}.get(table.parent.name, ["Verdicts"])
    return words("".join(section(heading) for heading in ["Who", *folders]))


@pytest.mark.parametrize("table", TABLES, ids=lambda path: "/".join(path.parts[-3:]))
def test_every_column_of_a_committed_table_is_described(table):
    with table.open(newline="", encoding="utf-8") as file:
        header = next(csv.reader(file))
    assert set(header) - described(table) == set()


def test_every_column_that_a_stage_writes_is_described():
    written = {column for columns in (*KEYS.values(), *VALUES.values()) for column in columns}
    assert written - described(ROOT / "tables" / "evasion.csv") == set()


def test_the_columns_of_outcomes_are_described():
    path = ROOT / "results" / "reference" / "mnist32" / "tables" / "outcomes.parquet"
    assert set(pyarrow.parquet.read_schema(path).names) - described(path) == set()


def test_every_column_that_is_described_exists():
    """The first cell of each line of a table on the page names columns."""
    headers = {"n", "draws_sd"}
    for path in TABLES:
        headers |= set(path.read_text(encoding="utf-8").partition("\n")[0].split(","))
    cells = re.findall(r"^\| (`[^|]*`) \|", PAGE, flags=re.MULTILINE)
    named = {name for cell in cells for name in words(cell)}
    assert len(named) > 60
    assert named - headers == set()


def test_every_outcome_of_a_committed_table_is_described():
    evidence, readings = [line for line in PAGE.splitlines() if line.startswith("| `outcome`")]
    described_by = {"evidence.csv": evidence, "readings.csv": readings}
    found = set()
    for path in TABLES:
        if path.name in described_by:
            with path.open(newline="", encoding="utf-8") as file:
                values = {row["outcome"].partition(":")[0] for row in csv.DictReader(file)}
            found |= values
            assert not [one for one in values if one not in described_by[path.name]], path
    assert {"yes", "no", "open", "not run", "not trained"} <= found
