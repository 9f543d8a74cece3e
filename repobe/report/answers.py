"""The subcommands that answer a person in words, or with --json a program: `verify`, `show`, `status` and `zoo`.

Pandas takes a second to import: `status` does without.
"""

import json
from argparse import Namespace

from repobe.runs import status as states
from repobe.runs.console import tell


def verify(o: Namespace) -> int:
    """Checks that the tables follow from their raw rows: prints a line for each file, and whether all agree.

    Exit code 1 if one does not.
    """
    from repobe.verdicts import verification

    said = []
    for line, agrees in verification.verify(o.results):
        said.append({"line": line, "agrees": agrees})
        if not o.as_json:
            _print(line)
    differ = sum(not one["agrees"] for one in said)
    last = f"{differ} of {len(said)} do NOT agree" if differ else "all agree"
    _print(_json(said) if o.as_json else last)
    return 1 if differ else 0


def show(o: Namespace) -> None:
    """Shows all that is known of one printed number (n21), claim (c04), decision (D7) or contradiction (p01)."""
    from repobe.verdicts import records
    from repobe.verdicts import show as texts

    _print(_json(records.record(o.name, o.results)) if o.as_json else texts.show(o.name, o.results))


def status(o: Namespace) -> None:
    """Shows the state of each run of a config: done, stale, running, interrupted, failed, waiting, not started."""
    _print(_json(states.as_data(*o.configs)) if o.as_json else states.status(*o.configs))


def zoo(o: Namespace) -> None:
    """Lists the models of the zoo: their accuracy as printed, as measured by us, and under the best attack known."""
    from repobe.report import zoo_table

    found = zoo_table.models(o.zoo)
    if not found:
        tell(f"repobe zoo: {o.zoo} is empty; python -m repobe publish puts a trained run into it")
    _print(_json(found) if o.as_json else zoo_table.as_markdown(found))


def _json(data: object) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False)


def _print(text: str) -> None:
    print(text, flush=True)  # at once, so that a reader who has gone is noticed here
