"""A document without the numbers whose source a comment names: what is left must quote no measurement."""

import re

from repobe.report.quotes import NUMBER, TABLE, WHOLE, _spec


def unmarked(text: str) -> str:
    """The document without marked numbers, marked tables and code."""
    text = TABLE.sub(_labels, NUMBER.sub("", WHOLE.sub("", text)))
    text = re.sub(r"^    .*$", "", re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL), flags=re.MULTILINE)
    return re.sub(r"`[^`]*`", "", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def _labels(found: re.Match) -> str:
    """A marked table without the cells that its comment covers."""
    _, columns, rows = _spec(found["query"])
    lines = found["body"].splitlines()
    kept = lines[:2]
    for line, row in zip(lines[2:], rows, strict=True):
        cells = line.strip().strip("|").split("|")
        values = [cell for cell, column in zip(cells[-len(columns) :], columns, strict=True) if "-" in (column, row)]
        kept.append("|".join([*cells[: -len(columns)], *values]))
    return "\n".join(kept) + "\n"
