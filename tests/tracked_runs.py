"""Files of trained runs, and a database, for the tests of tracking."""

import json
import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
from conftest import CONFIG

from repobe.report.tracking.runs import track
from repobe.runs.files import arrays
from repobe.runs.grid import grid
from repobe.tables.schema import columns

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def make_run(results: Path, seed: int = 0, accuracy: float = 0.9, label: str = "repobe", **made) -> Path:
    """The files of one trained run with an accuracy at 7.5 and at -0.5 dB; returns its spec.yaml."""
    (spec,) = grid(CONFIG | {"seeds": [seed], "only": f"*/{label}"})
    run = results / "runs" / spec.path
    run.mkdir(parents=True, exist_ok=True)
    (run / "spec.yaml").write_text(spec.dump())
    row = spec.columns | {"n": 100, "symbols_k": 8, "code": "a"}
    seen = row | {"attack": "none", "eps": 0.0, "split": "test", "metric": "natural_accuracy", "draws": 1}
    evasion = [seen | {"snr_test_db": snr, "value": accuracy} for snr in (7.5, -0.5)]
    evasion += [
        seen | {"snr_test_db": 7.5, "attack": "paper", "eps": 0.016, "metric": "adversarial_accuracy", "value": 0.5}
    ]
    picture = {"snr_tap_db": 23, "attacker": "keyless", "knowledge": "the encoder", "metric": "ssim", "value": 0.25}
    broken = {"quantity": "key_recovered", "grid": "4x4", "schedule": "fixed", "known_messages": 1, "snr_db": -10}
    cost = {"parameters": 1000, "flops": 2000, "train_seconds": 60.0, "images_per_second": 5.0, "peak_memory_mb": 10.0}
    cost |= {"device": "cpu", "threads": 1, "precision": "float32"}
    rows = {"evasion": evasion, "inversion": [row | picture | {"images_sd": 0.1}]}
    rows |= {"audit": [row | broken | {"value": 1.0}], "cost": [row | cost]}
    for table, content in rows.items():
        pd.DataFrame(content, columns=columns(table)).to_csv(run / f"{table}.csv", index=False)
    history = {"epoch": [1, 2, 3], "loss": [3.0, 2.0, 1.0], "seconds": [10.0, 20.0, 30.0]}
    pd.DataFrame(history).to_csv(run / "history.csv", index=False)
    arrays(run / "reconstructions.npz", {"label": np.arange(2), "keyless": np.zeros((2, 1, 16, 16), np.uint8)})
    provenance = {"run": spec.path, "commit": COMMIT, "data_sha256": "ab" * 32, "train_wall_seconds": 100.0}
    provenance |= {"finished": "2026-01-02T03:04:05Z"} | made
    (run / "provenance.json").write_text(json.dumps(provenance))
    (run / "model.safetensors").write_bytes(b"weights")
    return run / "spec.yaml"


def empty_store(results: Path) -> Path:
    """The database of a results folder, without a run; making one takes MLflow seconds."""
    track(results, results / "figures", [make_run(results)], None)
    with sqlite3.connect(results / "mlflow" / "mlflow.db") as database:
        for table in ("metrics", "latest_metrics", "params", "tags", "runs", "inputs", "input_tags", "datasets"):
            database.execute(f"DELETE FROM {table}")
    return results / "mlflow" / "mlflow.db"
