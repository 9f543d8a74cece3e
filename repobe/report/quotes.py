"""Numbers that a document quotes from committed tables. A comment names the source of each, so they can be refreshed.

    0.965<!-- = mnist32/summary/evasion mean method=undefended channel=rayleigh snr_test_db=7 attack=paper -->

names the table, the column and the values that select the row. A table of numbers has one comment above it,

    <!-- table mnist32/summary/evasion mean metric=natural_accuracy
    columns: channel=awgn snr_test_db=7; channel=awgn snr_test_db=23
    rows: method=repobe; -; method=necst -->

It describes the last columns of the table. A row `-` or a column `-` stays as it is. A column may begin with its own
table and column. Two tables are written whole (`printed`): below `<!-- numbers of mnist32 cifar64 -->` the paper's
numbers beside ours, below `<!-- claims of mnist32 cifar64 -->` its claims. `make quotes` refreshes all numbers of the
documents and keeps their decimals; tests/test_quotes.py checks that none is out of date and none lacks a comment.
"""

import re
import shlex
import sys
from fractions import Fraction
from functools import cache
from pathlib import Path

import pandas as pd

from repobe.report import printed
from repobe.runs.console import in_a_line, tell
from repobe.runs.files import replace
from repobe.runs.plugins import ROOT
from repobe.tables.results import read

REFERENCE = ROOT / "results" / "reference"
NUMBER = re.compile(r"(?P<shown>[+−-]?\d[\d.,]*)(?P<comment><!-- = (?P<query>[^>]*?) -->)")
WHOLE = re.compile(r"(?P<comment><!-- (?P<kind>numbers|claims) of (?P<sets>[^>]+?) -->\n)(?P<body>(?:\|.*\n)*)")
TABLE = re.compile(r"<!-- table(?P<query>[^>]*?)-->\n(?P<body>(?:\|.*\n)+)")
COLUMN = re.compile(r"(?:(?P<factor>\d+(?:/[1-9]\d*)?)\*)?(?:(?P<joined>max|min|sum):)?(?P<name>.*)")


def refresh(text: str, reference: Path = REFERENCE) -> str:
    """The document with every number refreshed from the tables under `reference`; ValueError names a failing query."""

    def number(found: re.Match) -> str:
        return _like(found["shown"], quoted(found["query"], reference)) + found["comment"]

    def whole(found: re.Match) -> str:
        make = printed.numbers if found["kind"] == "numbers" else printed.claims
        return found["comment"] + make([reference / name for name in found["sets"].split()])

    text = WHOLE.sub(whole, text)
    return TABLE.sub(lambda found: _table(found, reference), NUMBER.sub(number, text))


def quoted(query: str, reference: Path = REFERENCE):
    """The cell that a query names: <table> <column> <name>=<value> …

    A column `100*x` is in points, and `1/3600*x` turns seconds into hours. `max:x`, `min:x` and `sum:x` take all rows
    that fit; otherwise exactly one row must fit, else ValueError.
    """
    cells, factor, joined = _cells(query, reference)
    if len(cells) == 0 or (len(cells) > 1 and not joined):
        raise ValueError(f"{query}: {len(cells)} rows fit, but exactly one must")
    cell = cells.agg(joined) if joined else cells.iloc[0]
    return cell * float(Fraction(factor)) if factor else cell


def _cells(query: str, reference: Path) -> tuple[pd.Series, str | None, str | None]:
    """(the column's cells in the rows that fit a query; its factor; `max`, `min`, `sum` or None)."""
    try:
        path, asked, *chosen = shlex.split(query)
    except ValueError:
        raise ValueError(f"'{query}' is no query; write <table> <column> <name>=<value> …") from None
    try:
        frame = _read(reference / f"{path}.csv")
    except ValueError as error:
        raise ValueError(f"{query}: {error}") from None
    factor, joined, column = COLUMN.fullmatch(asked).groups()
    wanted = [(name, value) for name, _, value in (one.partition("=") for one in chosen)]
    if unknown := [name for name in (column, *(name for name, _ in wanted)) if name not in frame]:
        raise ValueError(f"{query}: {path}.csv has no column {unknown[0]}")
    if factor and not pd.api.types.is_numeric_dtype(frame[column]):
        raise ValueError(f"{query}: {column} holds no numbers; leave {factor}* out")
    for name, value in wanted:
        if pd.api.types.is_numeric_dtype(frame[name]):
            frame = frame[(frame[name] - pd.to_numeric(value, errors="coerce")).abs() < 1e-9]  # a word fits no row
        else:
            frame = frame[frame[name] == value]
    return frame[column], factor, joined


@cache
def _read(path: Path) -> pd.DataFrame:
    return read(path)


def _table(found: re.Match, reference: Path) -> str:
    first, columns, rows = _spec(found["query"])
    lines = found["body"].splitlines()
    if len(lines) != len(rows) + 2:
        raise ValueError(f"table {first}: {len(lines) - 2} rows, but its comment names {len(rows)}")
    if "" in columns:
        raise ValueError(f"table {first}: its comment names no columns; write columns: and, for each, <name>=<value>")
    for place, row in enumerate(rows, start=2):
        lines[place] = _row(lines[place], [_query(first, column, row) for column in columns], reference)
    return f"<!-- table{found['query']}-->\n" + "\n".join(lines) + "\n"


def _row(line: str, queries: list[str | None], reference: Path) -> str:
    """One line of a table with its last cells refreshed."""
    cells = line.strip().strip("|").split("|")
    if len(cells) < len(queries):
        raise ValueError(f"{queries[-1]}: its row has {len(cells)} cells, but the comment names {len(queries)} columns")
    labels, shown = cells[: -len(queries)], [cell.strip() for cell in cells[-len(queries) :]]
    values = [
        one if query is None else _value(one, query, reference) for one, query in zip(shown, queries, strict=True)
    ]
    return "|" + "|".join([*labels, *(f" {value} " for value in values)]) + "|"


def _value(shown: str, query: str, reference: Path) -> str:
    """A refreshed cell. ValueError if it shows – although there is a measurement."""
    if shown != "–":
        return _like(shown, quoted(query, reference))
    if len(_cells(query, reference)[0]):
        raise ValueError(f"{query}: its cell shows –, but it is measured; write a number there")
    return shown


def _query(first: str, column: str, row: str) -> str | None:
    if "-" in (column, row):
        return None
    return f"{column} {row}" if "/" in column.split()[0] else f"{first} {column} {row}"


def _spec(text: str) -> tuple[str, list[str], list[str]]:
    """(the query shared by all cells, the query of each column, the query of each row)."""
    first, _, rest = text.partition("columns:")
    columns, _, rows = rest.partition("rows:")
    return " ".join(first.split()), *([" ".join(one.split()) for one in part.split(";")] for part in (columns, rows))


def _like(shown: str, value) -> str:
    """A value with as many decimals as the number it replaces, and with a sign or thousands separators as that has."""
    if isinstance(value, str):
        return value
    decimals = len(shown.partition(".")[2])
    sign, thousands = "+" if shown[:1] in "+−" else "", "," if "," in shown else ""
    return f"{value:{sign}{thousands}.{decimals}f}".replace("-", "−")


def main(paths: list[str]) -> int:
    """Refreshes documents; of the first that cannot be, one line on stderr and exit code 2."""
    for path in map(Path, paths):
        try:
            replace(path, refresh(path.read_text(encoding="utf-8")))
        except (ValueError, OSError) as error:
            tell(f"{path}: {in_a_line(error)}")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
