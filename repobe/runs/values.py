"""The values that configs and specs hold: type, bounds and one spelling of each.

A whole number is an integer, 7 and never 7.0, because the text of a spec and the names of random streams spell it out.
"""

import math
import re
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

from repobe.runs.names import SAFE


def whole(value: Any) -> Any:
    """7 for 7.0; every other value as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def plain(value: Any) -> Any:
    """A value of YAML in its one spelling: whole numbers are integers, keys are texts and sorted, at every depth.

    ValueError if JSON cannot hold it, such as a date, .inf or a key that is no text, or if a number is too large.
    """
    if isinstance(value, dict):
        if odd := [key for key in value if not isinstance(key, str)]:
            raise ValueError(f"the key {odd[0]!r} is not a text; write it in quotes")
        return {key: plain(value[key]) for key in sorted(value)}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    if value is not None and not isinstance(value, (bool, int, float, str)):
        raise ValueError(f"{value} is a {type(value).__name__}; write a number, a text, true or false")
    if isinstance(value, (int, float)) and abs(value) > 1e9:
        raise ValueError(f"{value:.3g} is too large; write a number within ±1e9")
    return whole(value)


def distinct(values: tuple) -> tuple:
    """The values; ValueError if one occurs twice."""
    if twice := [value for number, value in enumerate(values) if value in values[:number]]:
        raise ValueError(f"{twice[0]!r} occurs twice; once is enough")
    return values


def file(path: str) -> str:
    """A path without ./, // and a / at its end, with ~ as the user's folder.

    ValueError for braces, which are Snakemake's wildcards, and for what cannot name a file.
    """
    if odd := re.search(r"[\x00-\x1f\x7f{}]", path):
        raise ValueError(f"{path!r} has the character {odd[0]!r}; choose another name")
    long = len(path) > 1024 or any(len(part.encode()) > 200 for part in path.split("/"))
    if not path or path.startswith("-") or long:
        raise ValueError(f"{path[:60]!r} cannot name a file: it is empty, too long, or begins with -")
    try:
        return str(Path(path).expanduser())
    except RuntimeError:
        raise ValueError(f"{path!r}: no user has this name; write ./{path} for a folder of that name") from None


def folder(path: str) -> str:
    """The same for a folder of results; ValueError also for characters that a shell expands even within quotes."""
    if odd := re.search(r'[$`"\\]', path):
        raise ValueError(f"{path!r} has the character {odd[0]!r}, which a shell expands; choose another name")
    return file(path)


def spelled(pattern: str, meaning: str) -> tuple:
    """The condition that a text matches the whole pattern, for Annotated; meaning: the same in words."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{text[:60]!r} should be {meaning}")
        return text

    return AfterValidator(check), Field(json_schema_extra={"pattern": f"^({pattern})$"})


FINITE = Field(strict=True, allow_inf_nan=False)
WHOLE = AfterValidator(whole)
COUNT = BeforeValidator(whole)

Item = TypeVar("Item")
UniqueTuple = Annotated[tuple[Item, ...], Field(min_length=1, max_length=1000), AfterValidator(distinct)]

Flag = Annotated[bool, Field(strict=True)]
File = Annotated[str, AfterValidator(file)]
Folder = Annotated[str, AfterValidator(folder)]
Name = Annotated[str, *spelled(SAFE.pattern, "at most 64 small letters, digits and _, a letter first")]
Patterns = Annotated[
    str,
    *spelled(r"[\s\S]*\S[\s\S]*", "patterns over runs"),
    Field(
        description="patterns over dataset/channel/method or dataset/channel/method/seed0; the rest is left out, "
        "and what matches a pattern after !"
    ),
]
# Below −28 dB, the exponential in the capacity of Rayleigh fading overflows.
Decibels = Annotated[float, FINITE, Field(ge=-25, le=100), WHOLE]
SNRs = UniqueTuple[Decibels]
Radius = Annotated[float, FINITE, Field(ge=0, le=1), WHOLE]
Rate = Annotated[float, FINITE, Field(gt=0, le=10, description="peak of the one-cycle schedule"), WHOLE]
Decay = Annotated[float, FINITE, Field(ge=0, le=1), WHOLE]
Epochs = Annotated[int, Field(strict=True, ge=1, le=10_000), COUNT]
Batch = Annotated[int, Field(strict=True, ge=2, le=65_536), COUNT]
Images = Annotated[int, Field(strict=True, ge=1, le=10**9), COUNT]
TrainImages = Annotated[int, Field(strict=True, ge=100, le=10**9), COUNT]  # enough that a validation split has images
Draws = Annotated[int, Field(strict=True, ge=1, le=255), COUNT]  # tables count them in a byte
Steps = Annotated[int, Field(strict=True, ge=1, le=100_000), COUNT]
RepeatCount = Annotated[int, Field(strict=True, ge=1, le=10_000), COUNT]
Messages = Annotated[int, Field(strict=True, ge=1, le=100), COUNT]
Threads = Annotated[int, Field(strict=True, ge=1, le=1024), COUNT]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**32), COUNT]
Size = Annotated[
    int, Field(strict=True, ge=16, le=1024, multiple_of=8, description="S in pixels, a multiple of 8"), COUNT
]

Weight = Annotated[float, FINITE, Field(ge=0, le=1e6), WHOLE]
Positive = Annotated[float, FINITE, Field(gt=0, le=100), WHOLE]
Count = Annotated[int, Field(strict=True, ge=0, le=10**6), COUNT]
# What the Hypers of the suite's own methods may hold, by name.
HYPER: dict[str, Any] = {
    **dict.fromkeys(("eps", "step", "start"), Radius),
    **dict.fromkeys(("beta", "contrast", "encoder_l2", "max_gradient_norm"), Weight),
    **dict.fromkeys(("temperature", "budget"), Positive),
    **dict.fromkeys(("bits", "symbols", "silent_epochs"), Count),
    **dict.fromkeys(("attention_blocks", "width", "samples"), Annotated[int, Field(strict=True, ge=1, le=1000), COUNT]),
    "steps": Steps,
    **dict.fromkeys(("halving_epochs", "rising_epochs"), Epochs),
    "last_learning_rate": Annotated[float, FINITE, Field(ge=0, le=10), WHOLE],
}
