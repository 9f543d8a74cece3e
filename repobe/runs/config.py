"""Reading and checking a config: a mistake is one line that names the key and the fix."""

import ast
from pathlib import Path

import jsonschema
import yaml

from repobe.runs import names

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"


def load(path: Path) -> dict:
    """Reads a config and checks it; ValueError names the file and the key."""
    try:
        config = yaml.safe_load(path.read_text())
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
    validator = jsonschema.Draft202012Validator(yaml.safe_load(SCHEMA.read_text()))
    for error in sorted(validator.iter_errors(config), key=lambda e: list(map(str, e.path))):
        key = ".".join(map(str, error.path)) or "the top level"
        unknown = error.validator == "additionalProperties"
        hint = f" (known here: {', '.join(error.schema['properties'])})" if unknown else ""
        raise ValueError(f"{key}: {error.message}{hint}")
    for number, name in enumerate(config["channels"]):
        try:
            names.channel(name)
        except ValueError as error:
            raise ValueError(f"channels.{number}: {error}") from None
    for label, described in config["methods"].items():
        name = described.get("method", label)
        known = hyper_parameters(name, f"methods.{label}")
        if unknown := sorted(set(described.get("hyper", {})) - set(known)):
            what = f"{name} knows {', '.join(known) or 'none'}"
            raise ValueError(f"methods.{label}.hyper: no such hyper-parameter: {', '.join(unknown)}; {what}")


def source_of(method: str) -> str:
    """The file of a method, relative to the root of the repository."""
    return "repobe/training/algorithm.py" if method == "repobe" else f"baselines/{method}.py"


def hyper_parameters(method: str, where: str) -> list[str]:
    """The fields of a method's Hyper, parsed from its file: importing it would import torch, which takes seconds."""
    path = source_of(method)
    try:
        tree = ast.parse((ROOT / path).read_text())
    except FileNotFoundError:
        raise ValueError(f"{where}: method '{method}' is unknown: {path} does not exist") from None
    hyper = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Hyper"]
    if not hyper:
        raise ValueError(f"{where}: {path} has no class Hyper")
    fields = [node.target for node in hyper[0].body if isinstance(node, ast.AnnAssign)]
    return [field.id for field in fields if isinstance(field, ast.Name)]
