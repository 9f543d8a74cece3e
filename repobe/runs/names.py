"""Which datasets and channels a config may name, and how a run is named.

Channels are read from their files without importing torch, which takes seconds. A config names a channel by its label,
or by path.py:label if its class is in a file of the user's own.
"""

import ast
import difflib
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from repobe.runs import plugins

SAFE = re.compile("[a-z][a-z0-9_]{0,63}")
DATASETS = ("digits", "digits_rgb", "mnist", "fashion_mnist", "kmnist", "cifar10", "cifar100")
PARAMETER_MINIMUM = {"nakagami": {"m": 0.5}}  # bounds of the suite's channels, known without torch
CHANNELS = Path(__file__).parents[1] / "phy" / "channels.py"


@cache
def channels(source: str | None = None) -> dict[str, list[str]]:
    """The parameters of every channel by its name: each class that has a `name` in repobe/phy/channels.py or in source.

    ValueError if source is not a Python file, or if one of its names is taken or unsafe as the name of a folder.
    """
    found = {}
    for name, kind in _classes(source).items():
        targets = [line.target for line in kind.body if isinstance(line, ast.AnnAssign)]
        found[name] = [target.id for target in targets if isinstance(target, ast.Name)]
    for name in found if source else ():
        if not SAFE.fullmatch(name):
            raise ValueError(f"{source}: '{name}' cannot name a folder; use at most 64 small letters, digits and _")
        if name in channels():
            raise ValueError(f"{source}: a channel of the suite is called '{name}' already; use another name")
    return found


def class_of(source: str, name: str) -> ast.ClassDef:
    """The class of a channel that `channels` lists."""
    return _classes(source)[name]


def _classes(source: str | None) -> dict[str, ast.ClassDef]:
    """The channels' classes by their names."""
    classes = [node for node in plugins.parsed(source or CHANNELS).body if isinstance(node, ast.ClassDef)]
    return {name: kind for kind in classes if (name := _name_of(kind))}


def run_name(dataset: str, channel: str, label: str, seed: int | str) -> str:
    """The name of a run: patterns match it, and its folder's path begins with it."""
    return f"{dataset}/{channel}/{label}/seed{seed}"


def nearest(name: str, known: Iterable[str]) -> str:
    """'did you mean repobe? ' where one of the known names is close to a mistyped one; else empty."""
    close = difflib.get_close_matches(name, known, 1)
    return f"did you mean {close[0]}? " if close else ""


def _name_of(kind: ast.ClassDef) -> str | None:
    """The value of the class attribute `name`; None where the class has none."""
    for line in kind.body:
        match line:
            case ast.Assign(targets=[ast.Name("name")], value=ast.Constant(value)):
                return str(value)
    return None


def located(entry: str) -> tuple[str | None, str]:
    """(file, label) of an entry of a config's `channels`: path.py:label, or a label alone, whose file is None.

    ValueError for a file without a label.
    """
    if plugins.is_file(entry):
        label = next(iter(channels(entry)), "label")
        raise ValueError(f"{entry!r} names no channel in that file; add a colon and the label: '{entry}:{label}'")
    source, colon, label = entry.rpartition(".py:")
    return (f"{source}.py", label) if colon else (None, entry)


def channel(label: str, source: str | None = None) -> tuple[str, dict[str, float]]:
    """(name, parameters) of a channel as a config writes it: `rayleigh`, or with a parameter `rician_k10`.

    ValueError if there is no such channel or parameter, or if a number could be written shorter: the label names the
    folder of the runs, so a second spelling would be a second run.
    """
    known = channels(source)
    if not known:
        raise ValueError(f"{source} has no channel: a class with a name, such as name = 'mine'")
    if label in known:
        return label, {}
    name = max((name for name in known if label.startswith(f"{name}_")), key=len, default="")
    if not known.get(name):
        raise ValueError(f"channel {label!r} is unknown; {nearest(label, known)}it is one of {', '.join(known)}")
    parameters: dict[str, float] = {}
    for part in label.removeprefix(f"{name}_").split("_"):
        written = re.fullmatch(r"([a-z]+)(\d+(?:\.\d+)?)", part)
        free = set(known[name]) - set(parameters)
        if not written or written[1] not in free or f"{float(written[2]):g}" != written[2]:
            example = f"{name}_{known[name][0]}2.5"
            raise ValueError(f"channel {label!r} is unknown; {name} is written so, or with a number as in {example}")
        parameters[written[1]] = float(written[2])
        if source is None and parameters[written[1]] < (least := PARAMETER_MINIMUM.get(name, {}).get(written[1], 0)):
            raise ValueError(f"channel {name}: {written[1]} is {written[2]}; it must be {least} or more")
    return name, parameters
