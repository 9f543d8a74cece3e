"""results/report.html: one page for a reviewer, with everything inside it and nothing fetched.

What the page says lies in repobe/report/templates; here tables become cells: what is read, and what is sorted by.
"""

import html
import re
from pathlib import Path

import jinja2
import pandas as pd
import yaml

from repobe.cipher.keyspace import log2_keys_effective
from repobe.runs.config import load
from repobe.runs.files import replace
from repobe.tables.results import read
from repobe.tables.schema import is_proportion
from repobe.verdicts.comparison import PAPER

PAGE = Path(__file__).parent / "templates"
HEADINGS = {
    "interval": "95 % interval",
    "n": "images, trials or keys",
    "command": "re-run",
    "p_holm": "p (Holm)",
    "snr_db": "SNR (dB)",
    "snr_tap_db": "SNR at the tap (dB)",
    "snr_test_db": "SNR (dB)",
    "snr_train_db": "trained at SNR (dB)",
    "ssim": "SSIM",
    "psnr_db": "PSNR (dB)",
    "mse": "MSE",
    "floor_ssim": "SSIM of the mean image",
    "accuracy": "attacker's accuracy",
    "floor_accuracy": "accuracy of the mean image",
    "symbols_k": "channel uses k",
    "flops": "FLOPs",
    "peak_memory_mb": "peak memory (MB)",
    "train_seconds": "training (s)",
    "train_wall_seconds": "training, wall (s)",
    "spec_sha256": "config hash (SHA-256)",
    "id": "",
}
VERDICTS = {
    "reproduced": "✓",
    "agrees": "✓",
    "not reproduced": "✗",
    "differs": "✗",
    "inconclusive": "?",
    "not run": "–",
}
NUMBER = [
    "id",
    "verdict",
    "figure",
    "dataset",
    "channel",
    "method",
    "quantity",
    "snr_db",
    "relation",
    "printed",
    "ours",
]
NUMBER += ["low", "difference", "seeds", "n", "where"]
ACCURACY = ["dataset", "channel", "method", "snr_train_db", "snr_test_db", "attack", "eps", "metric", "mean", "low"]
ACCURACY += ["seeds", "n", "symbols_k"]
COST = ["dataset", "image_size", "channel", "method", "parameters", "symbols_k", "flops", "train_seconds"]
COST += ["images_per_second", "peak_memory_mb", "device", "threads"]
CLAIM = ["id", "verdict", "claim", "evidence", "figure", "where", "quantity", "method", "rival", "channel", "snr_db"]
CLAIM += ["margin", "difference", "p_holm", "test", "seeds", "images", "comparisons"]


def write(results: Path, figures: Path, configfile: str = "config/config.yaml") -> None:
    """Renders the page from comparison, claims, summaries and the figures' SVGs; all text is escaped.

    configfile: what the runs were described by, for the commands that re-run them.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    provenance = pd.read_json(results / "tables" / "provenance.json", dtype=False)
    claims, comparison = read(results / "claims.csv"), read(results / "comparison.csv")
    evasion, inversion, audit, cost = (
        read(results / "summary" / f"{name}.csv") for name in ("evasion", "inversion", "audit", "cost")
    )
    run_again = _Commands(configfile, list(provenance["run"]))
    rebuilt = _rebuilt(inversion)
    for frame, file in [(evasion, "evasion"), (rebuilt, "inversion"), (audit, "audit"), (cost, "cost")]:
        frame["command"] = [run_again.measures(row, file) for row in frame.to_dict("records")]
    said = yaml.safe_load((PAPER / "claims.yaml").read_text())
    commands = {claim["id"]: run_again.judges(claim) for claim in said}
    claims["command"] = claims["id"].map(commands)
    weighed = read(results / "decisions.csv")
    weighed["command"] = "snakemake --cores all --configfile config/ablations.yaml"
    drawn = [_figure(path, results, figures) for path in sorted(figures.glob("fig*.svg"))]
    page = environment.get_template("page.html.j2").render(
        claims=table(claims, CLAIM),
        evidence=table(read(results / "evidence.csv"), ["id", "outcome", *CLAIM[6:-1], "p"]),
        comparison=table(comparison, NUMBER),
        verdicts=_counts(claims),
        numbers=_counts(comparison),
        stand_ins=sorted({"digits", "digits_rgb"} & set(evasion["dataset"])),
        figures=[
            ("The paper's figures", [one for one in drawn if not one["name"].startswith("fig_")]),
            ("The suite's own", [one for one in drawn if one["name"].startswith("fig_")]),
        ],
        accuracy=table(evasion, ACCURACY),
        rebuilt=table(rebuilt, [name for name in rebuilt if name not in ("image_size", "command", "high")]),
        leaks=_leaks(rebuilt),
        withstood=_withstood(evasion),
        **_cipher(audit),
        cost=table(cost, COST),
        decisions=yaml.safe_load((PAPER / "decisions.yaml").read_text()),
        weighed=table(
            weighed,
            ["id", "change", "dataset", "channel", "quantity", "variant", "reference", "difference", "seeds", "n"],
        ),
        provenance=table(provenance, ["run", *(name for name in provenance if name != "run")]),
        about=_about(provenance),
        configfile=configfile,
    )
    replace(results / "report.html", page)


def table(frame: pd.DataFrame, columns: list[str]) -> dict:
    """{headings, rows} of the columns that are there; a cell is {text, sort, kind}.

    `low` stands for the interval low to high, `difference` is in points with its own interval where its quantity is a
    proportion; a `command` closes the row.
    """
    shown = [name for name in columns if name in frame] + ["command"] * ("command" in frame)
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    headings = [HEADINGS.get("interval" if name == "low" else name, name.replace("_", " ")) for name in shown]
    return {"headings": headings, "rows": [[_cell(name, row) for name in shown] for row in rows]}


def _cell(name: str, row: dict) -> dict:
    value, kind = row[name], ""
    if name == "verdict":
        return {"text": f"{VERDICTS.get(value, '')} {value}", "sort": value, "kind": value.replace(" ", "-")}
    if name == "low":
        return {"text": _interval(row, number), "sort": value, "kind": "interval"}
    if name in ("difference", "margin") and value is not None:
        quantity = row.get("quantity") or "accuracy"
        points = is_proportion(quantity)
        as_text = _points if points else _signed
        text = as_text(value) + (" points" if points else "")
        if name == "difference" and "printed" in row:  # ours, shifted by a number that has no interval
            low, high = row["low"], row["high"]
            bounds = {"low": None, "high": None} if low is None else {}
            row = bounds or {"low": low - row["printed"], "high": high - row["printed"]}
        if name == "difference" and row.get("low") is not None:
            text += f" ({_interval(row, as_text)})"
        return {"text": text, "sort": value, "kind": "interval"}
    if name in ("command", "claim", "evidence", "change", "run"):
        kind = name
    elif isinstance(value, (int, float)):
        kind = "number"
    return {"text": number(value), "sort": value, "kind": kind}


def number(value) -> str:
    """Four decimals, none from 1,000 up; a dash for what is missing."""
    if value is None or value != value:
        return "–"
    if isinstance(value, float):
        if 0 < abs(value) < 0.00005:
            return f"{value:.1e}"
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) else str(value)


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def _points(value: float) -> str:
    return f"{100 * value:+.2f}".replace("-", "−")


def _interval(row: dict, as_text) -> str:
    return "–" if row["low"] is None else f"{as_text(row['low'])} to {as_text(row['high'])}"


def _counts(frame: pd.DataFrame) -> list[tuple[str, str, int]]:
    """(verdict, its sign, how many), the good ones first."""
    counts = frame["verdict"].value_counts()
    return [(verdict, sign, int(counts[verdict])) for verdict, sign in VERDICTS.items() if verdict in counts]


class _Commands:
    """The one command that measures a number again: it trains its runs, and what they learn from, in the folder that
    the config names, which is another than that of committed tables.
    """

    def __init__(self, configfile: str, runs: list[str]) -> None:
        self.results, self.runs = load(Path(configfile))["results_dir"], runs
        self.options = f"--cores all --configfile {configfile}"

    def measures(self, row: dict, file: str) -> str:
        if row["method"] == "white":
            return self._made([f"{self.results}/white.csv"], "white")
        prefix = f"{row['dataset']}/{row['channel']}/{row['method']}/"
        return self._made([f"{self.results}/runs/{r}/{file}.csv" for r in self.runs if r.startswith(prefix)], "train")

    def _made(self, targets: list[str], anew: str) -> str:
        """The targets first: --configfile and --forcerun take all that follows."""
        return f"snakemake {' '.join(targets)} {self.options} --forcerun {anew}"

    def judges(self, claim: dict) -> str:
        parts = [claim.get("of", {}) | part for part in claim["parts"]]
        runs = [
            f"{part['dataset']}/{channel}/{method}"
            for part in parts
            if "dataset" in part
            for channel in part["channels"]
            for method in [part["method"], *part.get("rivals", [])]
        ]
        if not runs:
            return self._made([f"{self.results}/claims.csv"], "white")
        return f'snakemake --cores all --configfile config/paper.yaml --config only="{" ".join(dict.fromkeys(runs))}"'


def _rebuilt(inversion: pd.DataFrame) -> pd.DataFrame:
    """One row an attacker of a run: SSIM, PSNR, MSE and the classifier's accuracy beside those of the mean image."""
    key = ["dataset", "image_size", "channel", "method", "snr_tap_db", "attacker"]
    wide = inversion.pivot_table("mean", key, "metric", sort=False).reset_index()
    wide = wide.rename(columns={"attacker_accuracy": "accuracy"})
    for column in ("ssim", "psnr_db", "mse", "accuracy"):
        wide[column] = wide[column] if column in wide else float("nan")
    bounds = inversion[inversion["metric"] == "attacker_accuracy"][[*key, "low", "high", "seeds", "n"]]
    wide = wide.merge(bounds, on=key, how="left")
    floor = wide[wide["attacker"] == "mean_image"][[*key[:-1], "ssim", "accuracy"]]
    floor = floor.rename(columns={"ssim": "floor_ssim", "accuracy": "floor_accuracy"})
    wide = wide.merge(floor, on=key[:-1], how="left")
    last = ["ssim", "floor_ssim", "psnr_db", "mse", "accuracy", "low", "high", "floor_accuracy", "seeds", "n"]
    return wide[[*key, *last]]


def _leaks(rebuilt: pd.DataFrame) -> dict[str, dict]:
    """Of each family of attackers the one that reads most of RepObE's images, and what it reads of the undefended."""
    found = {}
    for family in ("keyless", "same_key", "known_plaintext", "fresh_key", "with_key", "legitimate"):
        rows = rebuilt[rebuilt["attacker"].str.startswith(family)]
        for name, mine in [
            (family, rows[rows["method"].str.startswith("repobe")]),
            (f"{family}, undefended", rows[rows["method"] == "undefended"]),
        ]:
            read_by = mine[mine["accuracy"].notna()]
            if len(read_by):
                found[name] = read_by.loc[read_by["accuracy"].idxmax()].to_dict()
    return found


def _withstood(evasion: pd.DataFrame) -> dict[str, dict]:
    """Of each adversarial attack, at a radius within 8/255, the row where it leaves RepObE least."""
    rows = evasion[
        (evasion["metric"] == "adversarial_accuracy") & (evasion["eps"] > 0) & (evasion["eps"] <= 8.001 / 255)
    ]
    rows = rows[rows["method"].str.startswith("repobe")]
    found = {}
    for kind in ("paper", "strong", "autoattack", "keyless", "transfer", "square"):
        mine = rows[rows["attack"].str.startswith(kind)]
        if len(mine):
            found[kind] = mine.loc[mine["mean"].idxmin()].to_dict()
    return found


def _cipher(audit: pd.DataFrame) -> dict:
    """The audit in three tables and in the few numbers that the threat model quotes."""
    recovery = audit[audit["quantity"] == "key_recovered"]
    seconds = audit[audit["quantity"] == "recovery_seconds"]["mean"]
    run = ["method", "dataset", "image_size", "channel", "snr_train_db", "grid"]
    setting = [*run, "schedule", "known_messages", "n"]
    wide = recovery.pivot_table("mean", setting, "snr_db", sort=False).rename(columns=lambda snr: f"{snr:g} dB")
    wide = wide.reset_index()
    wide = wide.merge(recovery.drop_duplicates(setting)[[*setting, "command"]], on=setting)
    reached = recovery[(recovery["dataset"] != "none") & (recovery["snr_db"] >= 7) & (recovery["known_messages"] == 1)]
    space = audit[audit["quantity"].str.startswith("log2_keys") & (audit["grid"] == "28x28")]
    told = audit[audit["quantity"].isin(["multiset_label_accuracy", "histogram_label_accuracy"])]
    wrong = audit[audit["quantity"] == "wrong_key_accuracy"]
    return {
        "key_space": table(audit[audit["schedule"].isna() & audit["snr_db"].isna()], ["quantity", "grid", "mean", "n"]),
        "recovery": table(wide, [name for name in wide if name != "command"]),
        "multiset": table(
            audit[audit["quantity"].str.endswith("accuracy")],
            [*run, "quantity", "snr_db", "mean", "low", "seeds", "n"],
        ),
        "cipher": {
            "slowest_ms": 1000 * seconds.max() if len(seconds) else None,
            "bits": dict(zip(space["quantity"].str.removeprefix("log2_keys_"), space["mean"], strict=True)),
            "recovered": {
                schedule: (rows["mean"].min(), rows["mean"].max()) for schedule, rows in reached.groupby("schedule")
            },
            "told": told.loc[told["mean"].idxmax()].to_dict() if len(told) else None,  # the highest of all rows
            "wrong_key": (wrong["mean"].min(), wrong["mean"].max()) if len(wrong) else None,
            "wrong_keys": [
                {"grid": grid, "log2": log2_keys_effective(int(grid.split("x")[0])), "n": rows["n"].max()}
                | {"low": rows["mean"].min(), "high": rows["mean"].max()}
                for grid, rows in sorted(wrong.groupby("grid"), key=lambda pair: int(pair[0].split("x")[0]))
            ],
        },
    }


def _about(provenance: pd.DataFrame) -> dict[str, str]:
    """What all runs share, in a few lines."""
    seeds = sorted({run.rsplit("/seed", 1)[1].split("_")[0] for run in provenance["run"]}, key=int)
    told = {
        "runs": number(len(provenance)),
        "seeds": ", ".join(seeds),
        "training, wall": f"{provenance['train_wall_seconds'].sum() / 3600:.2f} hours in all",
    }
    for name in ("commit", "device", "threads", "python", "torch", "torchvision"):
        if name in provenance:
            told[name] = ", ".join(sorted({str(value) for value in provenance[name]}))
    return told


def _figure(path: Path, results: Path, figures: Path) -> dict:
    """A drawing alone, with its title and words; ids made its own, for two inlined SVGs must not share them."""
    text = path.read_text()
    title, alt = (
        html.unescape(found.group(1)) if (found := re.search(rf"<dc:{tag}>(.*?)</dc:{tag}>", text, re.DOTALL)) else ""
        for tag in ("title", "description")
    )
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], count=1, flags=re.DOTALL)
    prefix = path.stem + "-"
    for before, after in [(' id="', f' id="{prefix}'), ('href="#', f'href="#{prefix}'), ("url(#", f"url(#{prefix}")]:
        text = text.replace(before, after)
    opening = text[: text.index(">")]
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', opening).group(1))
    named = re.sub(r' (?:width|height)="[^"]*"', "", opening)
    named += f' role="img" aria-label="{html.escape(alt or path.stem, quote=True)}"'
    return {
        "name": path.stem,
        "title": title or path.stem,
        "alt": alt,
        "about": "" if (about := alt.partition(". ")[0].rstrip(".") + ".").startswith(title) else about,
        "svg": text.replace(opening, named, 1),
        "width": width,
        "command": f"python -m figures.{path.stem} {results} {figures}",
        "numbers": path.with_suffix(".csv"),
    }
