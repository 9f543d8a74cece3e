"""results/report.html: one page for a reviewer, with everything inside it and nothing fetched."""

from pathlib import Path

import jinja2
import pandas as pd
import yaml

from repobe.claims import PAPER
from repobe.files import replace
from repobe.results import read


def write(results: Path, figures: Path) -> None:
    """Renders the page from comparison, claims, summaries and the figures' SVGs; all text is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    claims = read(results / "claims.csv")
    comparison = read(results / "comparison.csv")
    evasion = read(results / "summary" / "evasion.csv")
    page = environment.get_template("report.html.j2").render(
        claims=_records(claims),
        comparison=_records(comparison),
        verdicts=claims["verdict"].value_counts().to_dict(),
        numbers=comparison["verdict"].value_counts().to_dict(),
        stand_ins=sorted({"digits", "digits_rgb"} & set(evasion["dataset"])),
        figures=[(path.stem, _svg(path)) for path in sorted(figures.glob("fig*.svg"))],
        accuracy=_records(evasion),
        inversion=_records(read(results / "summary" / "inversion.csv")),
        **_cipher(read(results / "summary" / "audit.csv")),
        cost=_records(read(results / "summary" / "cost.csv")),
        decisions=yaml.safe_load((PAPER / "decisions.yaml").read_text()),
        weighed=_records(read(results / "decisions.csv")),
        provenance=pd.read_json(results / "tables" / "provenance.json", dtype=False).to_dict("records"),
    )
    replace(results / "report.html", page)


def _cipher(audit: pd.DataFrame) -> dict[str, list[dict]]:
    """The audit in three tables: the key space, key recovery with a column an SNR, what no shuffle hides."""
    recovery = audit[audit["quantity"] == "key_recovered"]
    seconds = audit[audit["quantity"] == "recovery_seconds"]["mean"]
    setting = ["method", "dataset", "channel", "grid", "schedule", "known_messages", "n"]
    wide = recovery.pivot_table("mean", setting, "snr_db", sort=False).rename(columns=lambda snr: f"{snr:g} dB")
    space = audit["schedule"].isna() & audit["snr_db"].isna()
    return {
        "key_space": _records(audit[space]),
        "recovery": _records(wide.reset_index()),
        "recovery_columns": [*setting, *wide.columns],
        "slowest_recovery_ms": 1000 * seconds.max() if len(seconds) else None,
        "leakage": _records(audit[audit["quantity"].str.endswith("accuracy")]),
    }


def _records(frame: pd.DataFrame) -> list[dict]:
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def _number(value) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4f}".rstrip("0").rstrip(".")
    return str(value)


def _svg(path: Path) -> str:
    """The drawing alone, ids made its own: two inlined SVGs must not share them."""
    text = path.read_text()
    text = text[text.index("<svg") :]
    prefix = path.stem + "-"
    return (
        text.replace(' id="', f' id="{prefix}')
        .replace('href="#', f'href="#{prefix}')
        .replace("url(#", f"url(#{prefix}")
    )
