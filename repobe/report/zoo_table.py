"""The list of the zoo's models: what the paper prints of each, what we measured, and the best attack known."""

from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import yaml

from repobe.report import markdown
from repobe.report.leaderboard import NEAR, PAPER_EPS, near_paper
from repobe.runs.console import in_a_line
from repobe.runs.folders import zoo_models
from repobe.runs.spec import Spec, from_plain
from repobe.tables.results import read
from repobe.tables.selection import at
from repobe.verdicts import paper

KNOWN = "best_known.yaml"
HEADER = ["model", "S", "SNR", "natural: printed", "ours", "attacked: printed", "ours, the paper's attack",
          "ours, strongest", "best known"]  # fmt: skip


@dataclass(frozen=True)
class Submission:
    """One entry of best_known.yaml: an attack on a model of the zoo, scored by `python -m repobe rescore`.

    attack, by, link: what it is called, who made it, and where it is described; the other fields are printed by
    `rescore`.
    """

    model: str
    eps: float
    snr_db: float
    images: int
    draws: int
    accuracy: float
    attack: str
    by: str
    link: str


def submissions(zoo: Path) -> list[Submission]:
    """The entries of best_known.yaml; ValueError names one that lacks a key or has a wrong value."""
    path = zoo / KNOWN
    if not path.is_file():
        return []
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8")) or []
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not YAML ({in_a_line(error)})") from None
    if not isinstance(entries, list):
        raise ValueError(f"{path} is not a list of submissions")
    return [from_plain(Submission, one, f"{path}, entry {place}") for place, one in enumerate(entries, start=1)]


def models(zoo: Path) -> list[dict]:
    """One row for each model whose rounded weights were measured; at its highest SNR, near the paper's radius.

    printed_natural, printed_attacked: the paper's, None where it prints none; attacked, strongest: accuracy under the
    paper's attack and under the most harmful of ours, with its name and number of images; best_known: the submission
    with the lowest accuracy at that SNR and no larger radius, None if there is none.
    """
    known, rows = submissions(zoo), []
    for name, folder in zoo_models(zoo).items():
        described, table = folder / "spec.yaml", folder / "evasion.csv"
        spec = Spec.load(described)
        if not table.is_file():
            raise ValueError(f"{table} does not exist; measure it: python -m repobe evaluate {described}")
        rows.append(_row(name, spec, read(table), [one for one in known if one.model == name]))
    return rows


def _row(name: str, spec: Spec, evasion: pd.DataFrame, known: list[Submission]) -> dict:
    snr = evasion["snr_test_db"].max()
    here = evasion[evasion["snr_test_db"] == snr]
    near = near_paper(here).sort_values("value", kind="stable")
    best = [{"attack": row.attack, "accuracy": row.value, "images": row.n} for row in near.head(1).itertuples()]
    met = [asdict(one) for one in known if one.snr_db == snr and 0 <= PAPER_EPS - one.eps < NEAR]
    return {
        "model": name,
        "image_size": spec.image_size,
        "snr_db": float(snr),
        "printed_natural": _printed(spec, "natural_accuracy", snr),
        "natural": _only(here[here["metric"] == "natural_accuracy"]),
        "printed_attacked": _printed(spec, "adversarial_accuracy", snr),
        "attacked": _only(near[near["attack"] == "paper"]),
        "strongest": best[0] if best else None,
        "best_known": min(met, key=lambda one: one["accuracy"]) if met else None,
    }


def _only(rows: pd.DataFrame) -> float | None:
    return float(rows["value"].iloc[0]) if len(rows) else None


def _printed(spec: Spec, quantity: str, snr_db: float) -> float | None:
    """The number that the paper prints at one SNR for a method on a dataset and channel."""
    rows = paper.numbers()
    place = {"dataset": spec.dataset, "channel": spec.channel, "method": spec.label, "quantity": quantity,
             "snr_db": f"{snr_db:g}"}  # fmt: skip
    rows = at(rows, place)
    return float(rows["value"].iloc[0]) if len(rows) else None


def as_markdown(rows: list[dict]) -> str:
    """The rows of `models` as a table in Markdown."""
    lines = []
    for row in rows:
        numbers = [row[name] for name in ("printed_natural", "natural", "printed_attacked", "attacked")]
        ours, known = row["strongest"], row["best_known"]
        source = known and f"[{known['attack']}, {known['by']}]({known['link']})"
        lines.append([
            f"`{row['model']}`", str(row["image_size"]), f"{row['snr_db']:g} dB", *map(_shown, numbers),
            _attack(ours, ours and ours["attack"]), _attack(known, source),
        ])  # fmt: skip
    return markdown.table(HEADER, lines).rstrip("\n")


def _attack(found: dict | None, name: str | None) -> str:
    return f"{_shown(found['accuracy'])} ({name}, {found['images']} images)" if found else "–"


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
