"""Which channels a config may name, read from their file without importing torch, which takes seconds."""

import ast
import re
from functools import cache
from pathlib import Path

CHANNELS = Path(__file__).parents[1] / "phy" / "channels.py"


@cache
def channels() -> dict[str, list[str]]:
    """The parameters of every channel by its name: each class of repobe/phy/channels.py that has a `name`."""
    found = {}
    for kind in ast.parse(CHANNELS.read_text()).body:
        if isinstance(kind, ast.ClassDef) and (name := _name_of(kind)):
            targets = [line.target for line in kind.body if isinstance(line, ast.AnnAssign)]
            found[name] = [target.id for target in targets if isinstance(target, ast.Name)]
    return found


def _name_of(kind: ast.ClassDef) -> str | None:
    """The value of the class attribute `name`; None where the class has none."""
    for line in kind.body:
        match line:
            case ast.Assign(targets=[ast.Name("name")], value=ast.Constant(value)):
                return str(value)
    return None


def channel(label: str) -> tuple[str, dict[str, float]]:
    """(name, parameters) of a channel as a config writes it: `rayleigh`, or with a parameter `rician_k10`.

    ValueError where there is no such channel or parameter, or where a number could be written shorter: the label names
    the folder of the runs, so that a second spelling would be a second run.
    """
    known = channels()
    if label in known:
        return label, {}
    name = max((name for name in known if label.startswith(f"{name}_")), key=len, default="")
    if not known.get(name):
        raise ValueError(f"channel '{label}' is unknown; it is one of {', '.join(known)}")
    parameters: dict[str, float] = {}
    for part in label.removeprefix(f"{name}_").split("_"):
        written = re.fullmatch(r"([a-z]+)(\d+(?:\.\d+)?)", part)
        free = set(known[name]) - set(parameters)
        if not written or written[1] not in free or f"{float(written[2]):g}" != written[2]:
            example = f"{name}_{known[name][0]}2.5"
            raise ValueError(f"channel '{label}' is unknown; {name} is written so, or with a number as in {example}")
        parameters[written[1]] = float(written[2])
    return name, parameters
