"""Answers to a person on the terminal, or to a program as JSON: `verify`, `show` and `status`."""

import json
from pathlib import Path

from repobe.runs import status as states  # and no pandas, which takes a second to import


def verify(results: Path, as_json: bool) -> bool:
    """Prints a line for each file and, last, whether all agree; that is returned too."""
    from repobe.verdicts import verification

    said = verification.verify(results)
    differ = sum(not agrees for _, agrees in said)
    last = f"{differ} of {len(said)} do NOT agree" if differ else "all agree"
    lines = [{"line": line, "agrees": agrees} for line, agrees in said]
    print(_json(lines) if as_json else "\n".join([*(line for line, _ in said), last]), flush=True)
    return not differ


def show(name: str, results: Path, as_json: bool) -> None:
    """Prints all that is known of one number, claim, decision or contradiction."""
    from repobe.verdicts import records
    from repobe.verdicts import show as texts

    print(_json(records.record(name, results)) if as_json else texts.show(name, results), flush=True)


def status(configs: list[Path], as_json: bool) -> None:
    """Prints the state of each run of a config."""
    print(_json(states.as_data(*configs)) if as_json else states.status(*configs), flush=True)


def _json(data: object) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False)
