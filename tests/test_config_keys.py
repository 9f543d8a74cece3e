"""Every key that a config may have is read: another value makes other runs, or the rules ask for it by name."""

import ast
import dataclasses
import json
from collections import defaultdict
from functools import cache

import pytest
from conftest import CONFIG, put

from repobe.runs.config import ROOT, SCHEMA, check
from repobe.runs.grid import grid
from repobe.runs.spec import Attack, Audit, Evaluation, Inversion, Spec, Training

# One value for every key of the schema, and another: by path, `*` for a name that the user chooses.
TRAINING = {
    "epochs": (3, 4), "batch_size": (64, 32), "learning_rate": (0.05, 0.1), "weight_decay": (1e-4, 0.0),
    "cycle_momentum": (False, True),
    "precision": ("float32", "bfloat16"),
}  # fmt: skip
VALUES = {
    "datasets.digits.image_size": (16, 24),
    "datasets.digits.train_images": (128, 256),
    **{f"datasets.digits.training.{key}": (other, value) for key, (value, other) in TRAINING.items()},
    **{f"datasets.digits.training_of.repobe.{key}": values for key, values in TRAINING.items()},
    "datasets.mine.image_size": (16, 24),
    "datasets.mine.source": (str(ROOT / "tests"), str(ROOT / "workflow")),  # folders that hold folders
    "datasets.digits_rgb.image_size": (16, 24),  # whose training nothing overrides
    "channels": (["awgn"], ["rayleigh"]),
    "methods.repobe.method": ("repobe", "trades"),
    "methods.repobe.task": ("classification", "reconstruction"),
    "methods.repobe.hyper": ({}, {"beta": 1.0}),
    "methods.repobe.after": ("undefended", "escst"),
    "methods.repobe.image_size": (16, 24),
    "methods.repobe.snr_train_db": ([7], "matched"),
    **{f"methods.vae.training.{key}": values for key, values in TRAINING.items()},
    "methods.vae.method": ("vae", "ibal"),
    "methods.undefended.image_size": (16, 24),
    "methods.escst.hyper": ({}, {"width": 8}),
    "halves": (["vae"], ["vae", "escst"]),
    "seeds": ([0], [1]),
    "snr_db": ([7, 23], [7, 23, 15]),
    **{f"training.{key}": values for key, values in TRAINING.items()},
    "evaluation.draws": (2, 3),
    **{
        f"evaluation.attacks.strong.{key}": values
        for key, values in {
            "kind": ("transfer", "eot_pgd"), "images": (20, 30), "only": ("*", "*/repobe"), "eps": ([0.01], [0.02]),
            "snr_db": ([7], [23]), "steps": (5, 6), "restarts": (1, 2), "eot": (2, 3),
            "surrogate": ("undefended", "escst"),
        }.items()
    },
    "inversion.attackers": (["keyless"], ["with_key"]),
    "inversion.snr_db": ([23], [7]),
    "inversion.only": ("*", "*/repobe"),
    "inversion.epochs": (1, 2),
    "inversion.images": (100, 200),
    "audit.trials": (2, 3),
    "audit.snr_db": ([23], [7]),
    "audit.known_messages": ([1], [2]),
    "threads": (1, 2),
    "recompute": (False, True),
    "only": ("*", "*/repobe"),
    "results_dir": ("results", "elsewhere"),
    "figures_dir": ("figures", "elsewhere"),
    "data_dir": (None, "docs"),
    "mlflow_uri": (None, "sqlite:///a.db"),
    "mlflow_weights": (False, True),
    "device": ("auto", "cuda"),
}  # fmt: skip
RULES = {  # not of any run: where things are
    **{key: f'config["{key}"]' for key in ("results_dir", "figures_dir", "data_dir", "mlflow_uri", "device")},
    "mlflow_weights": 'config.get("mlflow_weights")',
    "datasets.mine.source": 'config["datasets"].get(dataset, {}).get("source")',
}
CHOSEN = {"digits", "digits_rgb", "mine", "repobe", "vae", "undefended", "escst", "strong"}


def whole() -> dict:
    config = {key: value for key, value in CONFIG.items() if key not in ("methods", "datasets")}
    for path, (value, _) in VALUES.items():
        config = put(config, path, value)
    return config


def keys_of(node: dict, schema: dict, path: tuple = ()) -> set[str]:
    """The paths of the schema's leaves."""
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    found = set()
    for part in node.get("allOf", []):
        found |= keys_of(part, schema, path)
    for key, inner in node.get("properties", {}).items():
        found |= keys_of(inner, schema, (*path, key))
    for inner in [node.get("additionalProperties"), *node.get("patternProperties", {}).values()]:
        if isinstance(inner, dict):
            found |= keys_of(inner, schema, (*path, "*"))
    return found or {".".join(path)}


def test_the_values_above_are_of_every_key_that_the_schema_has():
    schema = json.loads(SCHEMA.read_text())
    mine = {".".join("*" if part in CHOSEN else part for part in path.split(".")) for path in VALUES}
    assert mine == keys_of(schema, schema)
    check(whole())


@pytest.mark.parametrize("path", VALUES)
def test_another_value_makes_other_runs_or_the_rules_read_the_key(path):
    other = put(whole(), path, VALUES[path][1])
    if path.endswith(".kind"):
        del other["evaluation"]["attacks"]["strong"]["surrogate"]  # of a transfer attack alone
    check(other)
    if path in RULES:
        assert any(RULES[path] in rules.read_text() for rules in (ROOT / "workflow" / "rules").glob("*.smk"))
        return
    assert [spec.dump() for spec in grid(other)] != dumped()


@cache
def read_of() -> dict[str, set[tuple[str, str]]]:
    """By the name of an attribute, in which files it is read, and of what."""
    found = defaultdict(set)
    for path in (ROOT / "repobe").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", None)
                found[node.attr].add((path.name, owner))
    return found


@cache
def dumped() -> list[str]:
    return [spec.dump() for spec in grid(whole())]


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (kind, f.name)
        for kind in (Spec, Training, Attack, Evaluation, Inversion, Audit)
        for f in dataclasses.fields(kind)
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_what_a_run_is_described_by_is_asked_for_somewhere(kind, field):
    """Outside the module that describes it: a spec, an attack … is one of these names, never another object."""
    owners = {
        Spec: {"spec", "self", "described"}, Training: {"training"}, Attack: {"attack", "a", "paper"},
        Evaluation: {"evaluation"}, Inversion: {"inversion", "described"}, Audit: {"audit"},
    }[kind]  # fmt: skip
    assert any(owner in owners and (file == "spec.py") == (owner == "self") for file, owner in read_of()[field])
