"""MLflow tracking: one MLflow run per spec. Nothing downstream reads it."""

import hashlib
import json
import os
from pathlib import Path

import yaml

from repobe.runs.files import replace
from repobe.runs.spec import Spec
from repobe.tables.results import read


def track(results: Path, figures: Path, specs: list[Path], uri: str | None) -> None:
    """Logs every run once: the hash of spec and tables identifies a run, so it is never duplicated."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri or f"sqlite:///{(results / 'mlruns.db').resolve()}")
    artifacts = None if uri else (results / "mlartifacts").resolve().as_uri()
    found = client.get_experiment_by_name("repobe")
    experiment = found.experiment_id if found else client.create_experiment("repobe", artifacts)
    shown = {}
    for path in specs:
        spec, run = Spec.load(path), path.parent
        content = b"".join((run / f).read_bytes() for f in ("spec.yaml", "evasion.csv", "inversion.csv", "audit.csv"))
        digest = hashlib.sha256(content).hexdigest()
        for old in client.search_runs([experiment], f"tags.run = '{spec.path}'"):
            if old.data.tags.get("content") == digest and old.info.status == "FINISHED":
                shown[spec.path] = old.info.run_id
            else:
                client.delete_run(old.info.run_id)
        if spec.path in shown:
            continue
        created = client.create_run(experiment, run_name=spec.path, tags={"run": spec.path, "content": digest})
        key = created.info.run_id
        client.log_batch(
            key,
            metrics=[Metric(name, value, 0, step) for name, value, step in _metrics(run)],
            params=[Param(name, str(value)) for name, value in _flat(yaml.safe_load(spec.dump()))],
            tags=[RunTag("commit", json.loads((run / "provenance.json").read_text(encoding="utf-8"))["commit"])],
        )
        for picture in sorted(figures.glob("fig*.png")):
            client.log_artifact(key, str(picture), "figures")
        client.set_terminated(key)
        shown[spec.path] = key
    replace(results / "tracked.json", json.dumps(shown, indent=1) + "\n")


def _metrics(run: Path) -> list[tuple[str, float, int]]:
    """(name, value, step): history by look at validation, the receiver's and the attackers' figures by SNR in dB."""
    rows = []
    for step, row in enumerate(read(run / "history.csv").to_dict("records"), start=1):
        rows += [(f"history/{name}", value, step) for name, value in row.items()]
    for row in read(run / "evasion.csv").to_dict("records"):
        radius = f"/eps {row['eps']:g}" if row["eps"] else ""
        rows.append((f"{row['metric']}/{row['attack']}{radius}", row["value"], int(row["snr_test_db"])))
    for row in read(run / "inversion.csv").to_dict("records"):
        rows.append((f"inversion/{row['attacker']}/{row['metric']}", row["value"], int(row["snr_tap_db"])))
    return rows


def _flat(values: dict, head: str = "") -> list[tuple[str, object]]:
    flat = []
    for name, value in values.items():
        flat += _flat(value, f"{head}{name}.") if isinstance(value, dict) else [(f"{head}{name}", value)]
    return flat
