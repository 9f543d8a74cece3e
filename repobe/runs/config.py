"""Reading and checking a config: a mistake is one line that names the key and the fix."""

import ast
from pathlib import Path

import jsonschema
import yaml

from repobe.runs import names, plugins
from repobe.runs.plugins import ROOT

SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"


def load(path: Path) -> dict:
    """Reads a config and checks it; ValueError names the file and the key."""
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist; name a config, for instance config/config.yaml") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not YAML ({' '.join(str(error).split())})") from None
    try:
        check(config)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return config


def check(config: dict) -> None:
    """ValueError for the first mistake: against the schema, then in the names of channels and methods."""
    validator = jsonschema.Draft202012Validator(yaml.safe_load(SCHEMA.read_text(encoding="utf-8")))
    for error in sorted(validator.iter_errors(config), key=lambda e: list(map(str, e.path))):
        key = ".".join(map(str, error.path)) or "the top level"
        unknown = error.validator == "additionalProperties"
        hint = f" (known here: {', '.join(error.schema['properties'])})" if unknown else ""
        raise ValueError(f"{key}: {error.message}{hint}")
    for name, described in config["datasets"].items():
        _check_dataset(name, "source" in described)
    for number, entry in enumerate(config["channels"]):
        source, label = names.located(entry)
        try:
            names.channel(label, source)
        except ValueError as error:
            raise ValueError(f"channels.{number}: {error}") from None
        if label in [names.located(other)[1] for other in config["channels"][:number]]:
            raise ValueError(f"channels.{number}: another channel of this config has the label '{label}'")
    for name, attack in config["evaluation"]["attacks"].items():
        if plugins.is_file(attack["kind"]):
            try:
                plugins.defines(attack["kind"], ast.FunctionDef, "attack")
            except ValueError as error:
                raise ValueError(f"evaluation.attacks.{name}.kind: {error}") from None
    for label, described in config["methods"].items():
        name = described.get("method", label)
        known = hyper_parameters(name, f"methods.{label}")
        if unknown := sorted(set(described.get("hyper", {})) - set(known)):
            what = f"{name} knows {', '.join(known) or 'none'}"
            raise ValueError(f"methods.{label}.hyper: no such hyper-parameter: {', '.join(unknown)}; {what}")


def _check_dataset(name: str, own: bool) -> None:
    """ValueError unless the suite knows the dataset, or it is the user's own and no dataset of the suite."""
    if not own and name not in names.DATASETS:
        known = ", ".join(names.DATASETS)
        raise ValueError(f"datasets.{name}: '{name}' is not one of {known}; a dataset of your own needs a source")
    if own and name in names.DATASETS:
        raise ValueError(f"datasets.{name}.source: '{name}' is a dataset of the suite; give yours another name")


def source_of(method: str) -> str:
    """The file of a method: relative to the root of the repository, or as the config has it."""
    if plugins.is_file(method):
        return method
    return "repobe/training/algorithm.py" if method == "repobe" else f"baselines/{method}.py"


def hyper_parameters(method: str, where: str) -> list[str]:
    """The fields of a method's Hyper, parsed from its file: importing it would import torch, which takes seconds."""
    path = source_of(method)
    if not (ROOT / path).exists():
        raise ValueError(f"{where}: method '{method}' is unknown: {path} does not exist")
    try:
        plugins.defines(path, ast.ClassDef, "Method")
        hyper = plugins.defines(path, ast.ClassDef, "Hyper")
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    fields = [node.target for node in hyper.body if isinstance(node, ast.AnnAssign)]
    return [field.id for field in fields if isinstance(field, ast.Name)]
