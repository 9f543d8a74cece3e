"""What MLflow shows of one trained run: names, times, tags, parameters and metrics. Imports no MLflow.

A metric is named <section>/<rest>, because MLflow draws the metrics of one section together:

    training/loss                                     a step for each validation
    natural_accuracy/7.5dB                            the receiver
    adversarial_accuracy/paper_eps0.016_7.5dB         under an attack
    inversion_ssim/keyless_23dB                       an attacker's picture
    audit_key_recovered/4x4_fixed_1known_-10dB        the cipher under attack
    cost/flops
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

import pandas as pd

from repobe.runs import checksums
from repobe.runs.spec import Spec
from repobe.tables.results import read, read_json
from repobe.tables.schema import COST_NUMBERS, RAW_TABLES

TABLES = (*(f"{table}.csv" for table in RAW_TABLES), "history.csv")
EMPTY = hashlib.sha256().hexdigest()
IDENTITY = ("spec.yaml", *TABLES, "reconstructions.npz", "provenance.json")


@dataclass(frozen=True)
class Metric:
    """One value; step: the number of the validation, 0 outside training; time_ms: since 1970."""

    name: str
    value: float
    time_ms: int
    step: int = 0


@dataclass(frozen=True)
class Contents:
    """path: identifies the run within its results folder; name: what people see, with the method first.

    began_ms, ended_ms: of the training, since 1970; dataset: the fields of MLflow's Dataset.
    """

    path: str
    name: str
    began_ms: int
    ended_ms: int
    tags: dict[str, str]
    params: dict[str, str]
    metrics: list[Metric]
    dataset: dict[str, str] | None = None


@dataclass(frozen=True)
class Seed:
    """A trained run and its folder. Its tables are read only where MLflow lacks it, because reading takes longest."""

    spec: Spec
    run: Path

    @cached_property
    def digest(self) -> str:
        """A digest of everything that MLflow shows of the run."""
        return digest([self.run / name for name in IDENTITY])

    @cached_property
    def contents(self) -> Contents:
        """What MLflow shows of the run."""
        return contents(self.spec, self.run)


def contents(spec: Spec, run: Path) -> Contents:
    """What MLflow shows of one seed's run. ValueError names a file that is missing or damaged."""
    made = read_json(run / "provenance.json")
    ended = round(datetime.fromisoformat(made["finished"]).timestamp() * 1000)
    cost = read(run / "cost.csv", "cost").to_dict("records")[0]
    commit = made["commit"].removesuffix("+changes")
    tags = describing(spec) | {
        "seed": str(spec.seed),
        "device": str(cost["device"]),
        "uncommitted_changes": str(commit != made["commit"]).lower(),
    }
    if re.fullmatch("[0-9a-f]{40}", commit):
        tags["mlflow.source.git.commit"] = commit
    if "data_sha256" in made:
        tags["data_sha256"] = made["data_sha256"]
    return Contents(
        path=spec.path,
        name=_title(spec, f"{spec.label} seed{spec.seed}"),
        began_ms=ended - round(made["train_wall_seconds"] * 1000),
        ended_ms=ended,
        tags=tags,
        params=dict(_flat(spec.as_dict())),
        metrics=[*_training(read(run / "history.csv"), ended), *measured(_tables(run), ended)],
        dataset=_dataset(spec, made.get("data_sha256")),
    )


def describing(spec: Spec) -> dict[str, str]:
    """The tags that the seeds of a configuration share."""
    return {
        "dataset": spec.dataset,
        "channel": spec.channel,
        "method": spec.label,
        "module": spec.method,
        "task": spec.task,
        "image_size": str(spec.image_size),
        "precision": spec.training.precision,
        "snr_train_db": spec.snr_train_name,
    }


def configuration_of(spec: Spec) -> str:
    """The path of a run without its seed; the SNR of a matched run becomes a level of its own."""
    return re.sub(r"/seed\d+_?([^/]*)$", r"/\1", spec.path).rstrip("/")


def configuration(seeds: list[Seed]) -> Contents:
    """The seeds of one configuration together: the mean of every metric that all of them have, at the same step.

    A value of training has the time of the first seed's value.
    """
    spec, shown = seeds[0].spec, [seed.contents for seed in seeds]
    found: dict[tuple[str, int], list[Metric]] = {}
    for one in shown:
        for metric in one.metrics:
            found.setdefault((metric.name, metric.step), []).append(metric)
    means = [
        replace(same[0], value=sum(metric.value for metric in same) / len(same))
        for same in found.values()
        if len(same) == len(seeds)
    ]
    return Contents(
        path=configuration_of(spec),
        name=_title(spec, spec.label),
        began_ms=min(one.began_ms for one in shown),
        ended_ms=max(one.ended_ms for one in shown),
        tags=describing(spec) | {"seeds": str(len(seeds))},
        params={name: value for name, value in shown[0].params.items() if name != "seed"},
        metrics=means,
        dataset=shown[0].dataset,
    )


def grid(seeds: list[Seed]) -> Contents:
    """All runs together, for the files that are drawn from all of them."""
    return Contents(
        path="grid",
        name="figures and report",
        began_ms=min(seed.contents.began_ms for seed in seeds),
        ended_ms=max(seed.contents.ended_ms for seed in seeds),
        tags={"seeds": str(len(seeds))},
        params={},
        metrics=[],
    )


def digest(files: list[Path]) -> str:
    """The SHA-256 of the files' names and contents; a file that is missing counts as empty."""
    whole = hashlib.sha256()
    for path in files:
        inner = checksums.of(path) if path.exists() else EMPTY
        whole.update(f"{path.name} {inner}\n".encode())
    return whole.hexdigest()


def measured(tables: dict[str, pd.DataFrame], time_ms: int) -> list[Metric]:
    """The metrics of a run's evasion, inversion, audit and cost table. ValueError if two rows get the same name."""
    named = [*_evasion(tables["evasion"]), *_inversion(tables["inversion"]), *_audit(tables["audit"])]
    named += _cost(tables["cost"])
    name, times = Counter(name for name, _ in named).most_common(1)[0]
    if times > 1:
        raise ValueError(f"{times} rows of the tables would all be the metric {name}")
    return [Metric(name, value, time_ms) for name, value in named]


def _title(spec: Spec, beginning: str) -> str:
    """What people see in MLflow's narrow list, so that the method comes first."""
    return " ".join([beginning, spec.channel, spec.dataset, *([f"{spec.snr_train_name}dB"] if spec.matched else [])])


def _dataset(spec: Spec, sha256: str | None) -> dict[str, str]:
    about = json.dumps({"dataset": spec.dataset, "image_size": spec.image_size, "train_images": spec.train_images})
    sha256 = (sha256 or "not recorded")[:36]  # MLflow takes no more
    return {"name": spec.dataset, "digest": sha256, "source_type": "local", "source": about, "profile": about}


def _tables(run: Path) -> dict[str, pd.DataFrame]:
    return {table: read(run / f"{table}.csv", table) for table in RAW_TABLES}


def _training(history: pd.DataFrame, ended_ms: int) -> Iterator[Metric]:
    """seconds: of each part of the training, so that the last part ends where the training ends."""
    left = history["seconds"][::-1].cumsum()[::-1].shift(-1, fill_value=0)
    for step, (row, after) in enumerate(zip(history.to_dict("records"), left, strict=True), start=1):
        for name, value in row.items():
            yield Metric(_name("training", name), float(value), ended_ms - round(after * 1000), step)


def _evasion(frame: pd.DataFrame) -> Iterator[tuple[str, float]]:
    for row in frame.to_dict("records"):
        attack = row["attack"] if row["attack"] != "none" else ""
        radius = f"eps{row['eps']:g}" if row["eps"] else ""
        yield _name(row["metric"], attack, radius, _db(row["snr_test_db"])), row["value"]


def _inversion(frame: pd.DataFrame) -> Iterator[tuple[str, float]]:
    for row in frame.to_dict("records"):
        yield _name(f"inversion_{row['metric']}", row["attacker"], _db(row["snr_tap_db"])), row["value"]


def _audit(frame: pd.DataFrame) -> Iterator[tuple[str, float]]:
    for row in frame.astype(object).where(frame.notna(), None).to_dict("records"):
        what = "overheard" if row["quantity"].startswith("ciphertext_only") else "known"
        known = f"{row['known_messages']:g}{what}" if row["known_messages"] is not None else ""
        parts = (row["grid"], row["schedule"] or "", known, "" if row["snr_db"] is None else _db(row["snr_db"]))
        yield _name(f"audit_{row['quantity']}", *parts), row["value"]


def _cost(frame: pd.DataFrame) -> Iterator[tuple[str, float]]:
    (row,) = frame.to_dict("records")
    for name in COST_NUMBERS:
        yield _name("cost", name), row[name]


def _db(snr: float) -> str:
    return f"{snr:g}dB"


def _name(section: str, *parts: str) -> str:
    """A name in the characters that MLflow takes; no spaces, because its search would need quotes for them."""
    return re.sub(r"[^\w.:/-]+", "_", f"{section}/{'_'.join(part for part in parts if part)}")


def _flat(values: dict, head: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{head}{name}.")
        else:
            shown = value if isinstance(value, str) else json.dumps(value)
            yield re.sub(r"[^\w.:/-]+", "_", f"{head}{name}"), shown
