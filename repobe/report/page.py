"""results/report.html: one self-contained page for a reviewer; it fetches nothing.

The page's text is in repobe/report/templates.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path

import jinja2
import pandas as pd

from repobe.report import attacker_above_receiver, row_texts
from repobe.report.cards import cards
from repobe.report.cells import fixed, number, short, table
from repobe.report.display_names import SPELLED, method
from repobe.report.drawings import drawing, drawn
from repobe.report.leaderboard import leaderboard
from repobe.report.saving import leading
from repobe.report.sections import about, channel_uses, cipher, counts, leaks, rebuilt_images, runs, sizes, withstood
from repobe.runs.files import replace
from repobe.tables.results import read, read_json
from repobe.tables.schema import RAW_TABLES
from repobe.tables.statistics import ENOUGH
from repobe.verdicts import paper
from repobe.verdicts.claims import REBUILT
from repobe.verdicts.collection import source_folders
from repobe.verdicts.contradictions import entries
from repobe.verdicts.rerun_commands import Commands, for_change
from repobe.verdicts.tolerances import TOLERANCE

TEMPLATES = Path(__file__).parent / "templates"
# The columns of each table, in order; `set` is there only where a page shows several folders.
NUMBERS = ["id", "verdict", "scale", "what", "printed", "ours", "low", "difference", "why", "measured"]
ACCURACY = ["set", "dataset", "channel", "method", "snr_train_db", "snr_test_db", "attack", "eps", "metric", "mean"]
ACCURACY += ["low", "seeds", "n", "symbols_k"]
COST = ["set", "dataset", "image_size", "channel", "method", "parameters", "symbols_k", "flops", "train_seconds"]
COST += ["images_per_second", "peak_memory_mb", "device", "threads"]
PICTURES = ["set", "dataset", "channel", "method", "snr_train_db", "snr_tap_db", "attacker", "ssim", "floor_ssim"]
PICTURES += ["psnr_db", "mse", "accuracy", "low", "floor_accuracy", "seeds", "n"]
EVIDENCE = ["id", "dataset", "outcome", "scale", "comparison", "margin", "difference", "p_holm", "why", "test", "seeds"]
EVIDENCE += ["images", "spread"]
READINGS = ["claim", "reading", "allows", "set", "dataset", "outcome", "size", "lead", "low", "comparison", "counts"]
WEIGHED = ["id", "change", "set", "dataset", "channel", "quantity", "variant", "reference", "difference", "seeds", "n"]


def environment() -> jinja2.Environment:
    """The templates' environment: all text is escaped, and an unknown name is an error."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"number": number, "fixed": fixed, "short": short}
    made.filters |= {name: SPELLED[name] for name in ("method", "dataset", "channel", "attack")}
    return made


def write(results: Path, figures: Path, configfiles: Sequence[str] = ("config/config.yaml",)) -> None:
    """Writes <results>/report.html from the comparison, the claims, the summaries and the figures' SVGs.

    configfiles: the configs that described the runs, in order; the page's re-run commands name them. A folder that
    `collect` made has runs of several configs: config/<set>.yaml each.
    """
    provenance = pd.DataFrame(read_json(results / "summary" / "provenance.json"))
    claims, evidence, comparison, weighed, readings = (
        read(results / f"{name}.csv") for name in ("claims", "evidence", "comparison", "decisions", "readings")
    )
    evasion, inversion, audit, cost = (read(results / "summary" / f"{name}.csv") for name in RAW_TABLES)
    sets = source_folders(results)
    commands = _commands(provenance, sets, configfiles)
    rebuilt = rebuilt_images(inversion)
    for frame, file in [(evasion, "evasion"), (rebuilt, "inversion"), (audit, "audit"), (cost, "cost")]:
        frame["command"] = [commands[row.get("set")].measures(row, file) for row in frame.to_dict("records")]
    stated = {claim["id"]: claim for claim in paper.claims()}
    claims["command"] = [commands[row.get("set")].judges(stated[row["id"]]) for row in claims.to_dict("records")]
    comparison["command"] = [commands[row.get("set")].compares(row) for row in comparison.to_dict("records")]
    changes = {(one["id"], each["change"]): each for one in paper.decisions() for each in one.get("weighed_by", [])}
    weighed["command"] = [for_change(changes.get((row["id"], row["change"]), {})) for row in weighed.to_dict("records")]
    every = [drawing(path, results, figures) for path in drawn(figures, ".svg")]
    shown = [one for one in every if not one["empty"]]
    lead = {name: leading(frame) for name, frame in [("evasion", evasion), ("inversion", inversion), ("cost", cost)]}
    leads = dict(zip(lead["cost"]["dataset"], lead["cost"]["set"], strict=True)) if sets else {}
    page = (
        environment()
        .get_template("page.html.j2")
        .render(
            cards=cards(claims, evidence, readings, {one["name"] for one in shown}, leads),
            drawings={one["name"]: one for one in shown},
            evidence=table(row_texts.evidence(evidence, evasion["method"]), EVIDENCE),
            readings=table(row_texts.readings(readings), READINGS),
            comparison=table(row_texts.numbers(comparison, evasion["method"]), NUMBERS),
            verdicts=counts(claims),
            numbers=counts(comparison),
            sizes=sizes(cost[cost["dataset"].isin(lead["cost"]["dataset"])]),
            boards=_boards(leaderboard(lead["evasion"], lead["inversion"], lead["cost"])),
            stand_ins=sorted(set(paper.STAND_INS.values()) & set(lead["evasion"]["dataset"])),
            figures=[
                ("The paper's figures", [one for one in shown if not one["name"].startswith("fig_")]),
                ("The suite's own", [one for one in shown if one["name"].startswith("fig_")]),
            ],
            empty=[one for one in every if one["empty"]],
            accuracy=table(evasion, ACCURACY),
            channel_uses=channel_uses(lead["evasion"]),
            rebuilt=table(rebuilt, PICTURES),
            above_receiver=attacker_above_receiver.sentence(lead["inversion"]),
            leaks=leaks(_of_the_paper(rebuilt)),
            withstood=withstood(_of_the_paper(evasion)),
            **cipher(audit),
            cost=table(cost, COST),
            decisions=paper.decisions(),
            weighed=table(weighed, WEIGHED),
            contradictions=table(pd.DataFrame(entries(lead["cost"])), ["id", "where", "says", "but", "see"]),
            provenance=runs(provenance),
            about=about(provenance),
            tolerance={SPELLED["dataset"](name): 100 * points for name, points in TOLERANCE.items()},
            rivals=[method(name) for name in REBUILT],
            own_spread=ENOUGH + 1,
            sets=sets,
            configfile=shlex.join(configfiles),
        )
    )
    replace(results / "report.html", page)


def _commands(provenance: pd.DataFrame, sets: dict[str, str], configfiles: Sequence[str]) -> dict[str | None, Commands]:
    """The commands of each set; those of a single folder under None."""
    if not sets:
        return {None: Commands(configfiles, list(provenance["run"]))}
    return {
        name: Commands([f"config/{name}.yaml"], list(provenance.loc[provenance["set"] == name, "run"])) for name in sets
    }


def _of_the_paper(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the paper's datasets; all rows where only stand-ins ran."""
    real = frame[~frame["dataset"].isin(paper.STAND_INS.values())]
    return real if len(real) else frame


def _boards(boards: list[dict]) -> list[dict]:
    """The leaderboards as tables of the page."""
    columns = ["method", "natural", "attacked", "attack", "attacked_n", "leak", "attacker", "image_size", "symbols_k"]
    columns += ["parameters", "flops", "train_seconds"]
    send = ["method", "ssim", "psnr_db", *columns[5:]]
    return [
        board | {"classify": table(board["classify"], columns), "send": table(board["send"], send)} for board in boards
    ]
