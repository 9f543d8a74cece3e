"""The last lines of a workflow on the terminal: what was found, where it is, what to try next.

python -m repobe.report.final_message results figures
"""

import collections
import shlex
import sys
from pathlib import Path

from repobe.report.headings import datasets_in_order, panel_title
from repobe.runs.files import cells
from repobe.runs.plugins import ROOT
from repobe.tables.results import read_json
from repobe.verdicts import paper
from repobe.verdicts.collection import source_folders
from repobe.verdicts.verdict_text import plain

VERDICTS = ("reproduced", "not reproduced", "inconclusive", "not run")


def lines(results: Path, figures: Path) -> list[str]:
    """Three lines, or none where there is no report yet. Their command works in the present folder."""
    report, claims = results / "report.html", results / "claims.csv"
    if not (report.is_file() and claims.is_file()):
        return []
    head, *body = cells(claims)
    rows = [dict(zip(head, row, strict=False)) for row in body]
    verdicts = collections.Counter(plain(row["verdict"]) for row in rows)
    found = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in VERDICTS if verdicts[verdict])
    said = [
        f"Found: of {len(rows)} claims and questions {found}.{_why(rows)}",
        f"Report: {report}; the figures are in {figures}/.",
    ]
    # `python -m repobe` and `make` find the suite in its own folder alone.
    home, suite = Path.cwd().resolve() == ROOT, shlex.quote(str(ROOT))
    runs = read_json(results / "summary" / "provenance.json")
    if {run["run"].split("/")[0] for run in runs} <= set(paper.STAND_INS.values()):
        said[0] += " Digits stand in for the paper's datasets, so they judge nothing that was measured on those."
        what = "draws what was measured on MNIST and CIFAR-10; README.md says how to measure it."
        return [*said, f"Next: `{'make tables' if home else f'make -C {suite} tables'}` {what}"]
    # A page of several folders (see `collect`) holds no raw tables; `show` reads those of the folder that judged.
    folder = source_folders(results).get(rows[0].get("set"), str(results))
    one = next((row["id"] for row in rows if plain(row["verdict"]) != "not run"), rows[0]["id"])
    command = f"python -m repobe show {one}"
    if not home:
        command = f"cd {suite} && {command} --results {shlex.quote(str(Path(folder).resolve()))}"
    elif folder != "results":
        command += f" --results {shlex.quote(folder)}"
    return [*said, f"Next: `{command}` tells all that is known of one of them."]


def _why(rows: list[dict]) -> str:
    """What the claims that have not run need, and which of the others depend on no data."""
    datasets = {claim["id"]: {part.get("dataset") for part in claim["parts"]} - {None} for claim in paper.claims()}
    lacking = [row["id"] for row in rows if plain(row["verdict"]) == "not run"]
    algebra = [row["id"] for row in rows if row["id"] not in lacking and datasets.get(row["id"]) == set()]
    needed = datasets_in_order(name for one in lacking for name in datasets.get(one, ()))
    said = f" {', '.join(algebra)} are about the cipher's algebra and depend on no data." if algebra else ""
    if needed:
        said += f" What has not run needs the paper's methods on {' and '.join(map(panel_title, needed))}."
    return said


if __name__ == "__main__":
    print("\n".join(lines(*map(Path, sys.argv[1:]))))
