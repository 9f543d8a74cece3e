"""results/report.html: one self-contained page for a reviewer; it fetches nothing.

The page's text is in repobe/report/templates.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path

import jinja2
import pandas as pd

from repobe.report.cells import number, table
from repobe.report.drawings import drawing
from repobe.report.sections import about, channel_uses, cipher, counts, leaks, named, rebuilt_images, withstood
from repobe.runs.files import replace
from repobe.tables.results import read, told
from repobe.verdicts import paper
from repobe.verdicts.against_itself import entries
from repobe.verdicts.commands import ABLATIONS, Commands
from repobe.verdicts.gates import COLUMNS as GATES
from repobe.verdicts.gates import STAND_INS
from repobe.verdicts.readings import headline

TEMPLATES = Path(__file__).parent / "templates"
# The columns of each table, in order.
NUMBERS = ["id", "verdict", "figure", "dataset", "channel", "method", "quantity", "snr_db", "relation", "printed"]
NUMBERS += ["ours", "low", "difference", "tolerance", *GATES, "why", "seeds", "n", "spread", "where"]
ACCURACY = ["dataset", "channel", "method", "snr_train_db", "snr_test_db", "attack", "eps", "metric", "mean", "low"]
ACCURACY += ["seeds", "n", "symbols_k"]
COST = ["dataset", "image_size", "channel", "method", "parameters", "symbols_k", "flops", "train_seconds"]
COST += ["images_per_second", "peak_memory_mb", "device", "threads"]
COMPARED = ["figure", "where", "quantity", "method", "rival", "channel", "snr_db", "margin", "difference", "p_holm"]
COMPARED += [*GATES, "test", "seeds", "images", "spread"]
CLAIMS = ["id", "verdict", "claim", "evidence", *COMPARED, "comparisons"]
EVIDENCE = ["id", "outcome", *COMPARED[2:], "p"]
READINGS = ["claim", "reading", "allows", "dataset", "outcome", "lead", "low", "method", "rival", "channel", "snr_db"]
READINGS += ["quantity", "margin", "hold", "fail", "undecided", "not_run"]
HEADLINE = ["claim", "kindest", "outcome", "lead", "low", "as_decided", "holds", "fails", "open", "ahead", "readings"]
WEIGHED = ["id", "change", "dataset", "channel", "quantity", "variant", "reference", "difference", "seeds", "n"]


def environment() -> jinja2.Environment:
    """The templates' environment: all text is escaped, and an unknown name is an error."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["number"] = number
    return made


def write(results: Path, figures: Path, configfiles: Sequence[str] = ("config/config.yaml",)) -> None:
    """Writes <results>/report.html from the comparison, the claims, the summaries and the figures' SVGs.

    configfiles: the config that described the runs; the page's re-run commands name it.
    """
    provenance = pd.DataFrame(told(results / "tables" / "provenance.json"))
    claims, evidence, comparison, weighed, readings = (
        read(results / f"{name}.csv") for name in ("claims", "evidence", "comparison", "decisions", "readings")
    )
    evasion, inversion, audit, cost = (
        read(results / "summary" / f"{name}.csv") for name in ("evasion", "inversion", "audit", "cost")
    )
    rebuilt = rebuilt_images(inversion)
    commands = Commands(configfiles, list(provenance["run"]))
    for frame, file in [(evasion, "evasion"), (rebuilt, "inversion"), (audit, "audit"), (cost, "cost")]:
        frame["command"] = [commands.measures(row, file) for row in frame.to_dict("records")]
    claims["command"] = claims["id"].map({claim["id"]: commands.judges(claim) for claim in paper.claims()})
    weighed["command"] = ABLATIONS
    drawn = [drawing(path, results, figures) for path in sorted(figures.glob("fig*.svg"))]
    page = (
        environment()
        .get_template("page.html.j2")
        .render(
            claims=table(claims, CLAIMS),
            evidence=table(evidence, EVIDENCE),
            headline=table(named(headline(readings), "kindest"), HEADLINE),
            readings=table(named(readings, "reading"), READINGS),
            comparison=table(comparison, NUMBERS),
            verdicts=counts(claims),
            numbers=counts(comparison),
            stand_ins=sorted(set(STAND_INS.values()) & set(evasion["dataset"])),
            figures=[
                ("The paper's figures", [one for one in drawn if not one["name"].startswith("fig_")]),
                ("The suite's own", [one for one in drawn if one["name"].startswith("fig_")]),
            ],
            accuracy=table(evasion, ACCURACY),
            channel_uses=channel_uses(evasion),
            rebuilt=table(rebuilt, [name for name in rebuilt if name not in ("image_size", "command", "high")]),
            leaks=leaks(rebuilt),
            withstood=withstood(evasion),
            **cipher(audit),
            cost=table(cost, COST),
            decisions=paper.decisions(),
            weighed=table(weighed, WEIGHED),
            itself=table(pd.DataFrame(entries(cost)), ["id", "where", "says", "but", "see"]),
            provenance=table(provenance, ["run", *(name for name in provenance if name != "run")]),
            about=about(provenance),
            configfile=shlex.join(configfiles),
        )
    )
    replace(results / "report.html", page)
