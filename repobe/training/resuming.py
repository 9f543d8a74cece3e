"""resume.pt: what a killed training needs so that it goes on to the same weights."""

import io
import sys
from dataclasses import dataclass, field, fields
from pathlib import Path

import torch
from torch import Tensor

from repobe.runs import checksums
from repobe.runs.devices import random_state, set_random_state
from repobe.runs.files import replace
from repobe.training.method import Method


@dataclass
class State:
    """How far a training is.

    history: a row of history.csv for each validation. best: the highest score, and the weights that reached it. order:
    the batches of the epoch under way, as indices. seconds, bytes, devices: of the jobs so far the time by the clock,
    the peak of memory and the names of the devices.
    """

    history: list[dict] = field(default_factory=list)
    best: dict = field(default_factory=lambda: {"score": -float("inf"), "weights": None})
    order: list[Tensor] = field(default_factory=list)
    seconds: float = 0.0
    bytes: int = 0
    devices: list[str] = field(default_factory=list)


def save(path: Path, student: Method, state: State, origin: str) -> None:
    """Writes resume.pt; origin: the digest of everything that the training depends on."""
    content = io.BytesIO()
    kept = {
        "origin": origin,
        "method": student.state_dict(),
        "optimisers": [one.state_dict() for one in student.optimisers],
        "schedulers": [one.state_dict() for one in student.schedulers],
        "random": torch.get_rng_state(),
        "random_device": random_state(student.device),
    }
    torch.save(kept | vars(state) | {"order": [index.cpu() for index in state.order]}, content)
    replace(path, checksums.sealed(content.getvalue()))


def load(path: Path, student: Method, origin: str) -> State:
    """Restores a saved training of the same origin, if there is one; ValueError if the file is damaged."""
    if not path.exists():
        return State()
    try:
        kept = torch.load(io.BytesIO(checksums.unsealed(path)), map_location="cpu", weights_only=True)
    except Exception as error:  # a truncated zip raises RuntimeError, EOFError, UnpicklingError, …
        reason = str(error).split("\n")[0]
        raise ValueError(f"{path} is damaged ({reason}); delete it to train this run from its start") from None
    if kept.get("origin") != origin:
        print(f"{path} was saved by another training or by other code: starting again", file=sys.stderr)
        return State()
    student.load_state_dict(kept["method"])
    for owner, states in ((student.optimisers, "optimisers"), (student.schedulers, "schedulers")):
        for one, saved in zip(owner, kept[states], strict=True):
            one.load_state_dict(saved)
    torch.set_rng_state(kept["random"])
    set_random_state(student.device, kept["random_device"])
    kept["order"] = [index.to(student.device) for index in kept["order"]]
    return State(**{one.name: kept[one.name] for one in fields(State)})
