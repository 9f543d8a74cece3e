"""What `show` knows of one number, claim, decision or contradiction, as data: `python -m repobe show c04 --json`."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from repobe.verdicts.comparison import chosen
from repobe.verdicts.show import source_folder, stated, table_if_there

# For each kind of entry: its derived tables, each with the column that names the entry.
TABLES = {
    "number": {"comparison": "id"},
    "claim": {"claims": "id", "evidence": "id", "readings": "claim"},
    "decision": {"decisions": "id"},
    "contradiction": {},
}


def record(name: str, results: Path) -> dict[str, Any]:
    """What the paper says (`stated`), and the rows about it in each derived table; a missing table is null.

    For a number, also the raw `rows` that it was compared with. ValueError for an unknown name.
    """
    kind, one = stated(name, results)
    found: dict[str, Any] = {"id": one["id"], "kind": kind, "results": str(results), "stated": one}
    for table, column in TABLES[kind].items():
        path = results / f"{table}.csv"
        found[table] = _rows(frame[frame[column] == one["id"]]) if (frame := table_if_there(path)) is not None else None
    if kind == "number":
        folder = source_folder(found["comparison"][0], results) if found["comparison"] else results
        raw = table_if_there(folder / "tables" / "evasion.csv")
        found["rows"] = _rows(chosen(raw, one)) if raw is not None else None
    return found


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows in JSON's own types; what is missing is null."""
    return json.loads(frame.to_json(orient="records", double_precision=15))
