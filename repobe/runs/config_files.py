"""Reads a config's YAML from files, of which a later one overrides the earlier, and from Snakemake's --config."""

import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from repobe.runs.console import in_a_line


class _Reader(yaml.SafeLoader):
    """YAML that refuses a duplicate key, of which PyYAML keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                what = "a key is a text, not a list or a mapping; quote braces"
                raise ValueError(f"line {key.start_mark.line + 1}: {what}")
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                raise ValueError(f"line {key.start_mark.line + 1}: the key '{key.value}' occurs twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def parsed(text: str) -> dict:
    """A command-line argument parsed as JSON; ValueError if it is not JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"the argument is not JSON ({error})") from None


def read(path: Path) -> dict:
    """The content of a YAML file; ValueError names a file that is missing, not YAML, or has a duplicate key."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Reader)  # a SafeLoader
        json.dumps(content, default=str)  # an anchor that contains itself has no end
        return content
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist; name a config, for instance config/config.yaml") from None
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; name a config, for instance config/config.yaml") from None
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}," if error.problem_mark else ""
        raise ValueError(f"{path}{line} is not YAML ({error.problem})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not YAML ({in_a_line(error)})") from None
    except RecursionError:
        raise ValueError(f"{path} is nested too deeply; a config has a few levels") from None
    except ValueError as error:
        raise ValueError(f"{path}, {error}") from None


def merged(config: Any, over: Any) -> Any:
    """A config with another's values in place of its own, key by key, as Snakemake merges files of --configfile."""
    if not isinstance(config, dict) or not isinstance(over, dict):
        return over
    return config | {key: merged(config.get(key), value) for key, value in over.items()}


def understood(value: Any) -> Any:
    """A value of Snakemake's --config, whose lists hold only texts: numbers, null … in them are read as YAML."""
    if isinstance(value, dict):
        return {key: understood(item) for key, item in value.items()}
    if isinstance(value, list):
        return [understood(item) for item in value]
    if not isinstance(value, str):
        return value
    try:
        meant = yaml.safe_load(value)
    except yaml.YAMLError:
        return value  # a pattern such as */repobe
    return meant if meant is None or isinstance(meant, (bool, int, float)) else value
