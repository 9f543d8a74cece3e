"""The shuffle of a 256×4×28×28 batch, forward and backward, beside a plain clone and other ways; keys a message."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from benchmarks.setup import Setup
from benchmarks.table import COST, FASTER, Goal, Row, alone, compared, scaled
from benchmarks.timing import median
from repobe.cipher.keys import Key, PerMessageKeys
from repobe.cipher.obfuscation import ENCRYPTION, encrypt, step_by_step

SIDE = 28  # of the feature map at S = 224
CLONES = 2.0  # torch's gather alone takes 1.9, even when no place moves
KEYS, KEYS_MS = 128, 4.0


def rows(setup: Setup) -> Iterator[Row]:
    """Every way, timed in clones; the suite's against the paper's literal steps; and the cost of deriving keys."""
    messages = 4 if setup.quick else 256
    feature = torch.randn(messages, SIDE * SIDE, 4, device=setup.device, requires_grad=True)  # as channels-last memory
    gradient = torch.randn_like(feature)
    key = Key.random(SIDE, SIDE, torch.Generator().manual_seed(0))
    keys = PerMessageKeys(bytes(32), SIDE, SIDE)
    each = keys.receiving(0, messages)
    places = key.permutation.to(setup.device)
    idle = Key((0,), torch.arange(SIDE * SIDE), 0, 0)  # 1×784 places, none of which moves

    def there_and_back(move: Callable[[Tensor], Tensor]) -> Callable[[], None]:
        def run() -> None:
            feature.grad = None
            move(feature).backward(gradient)

        return run

    ways = {
        "clone": torch.clone,
        "encrypt, one key": lambda x: encrypt(x, key),
        "encrypt, a key a message": lambda x: encrypt(x, each),
        "encrypt, nothing moves": lambda x: encrypt(x, idle),
        "index and autograd": lambda x: x[:, places],
    }
    if setup.device.type == "cpu":  # the reference computes its indices there
        ways["four literal steps"] = (
            lambda x: step_by_step(x.mT.unflatten(2, (SIDE, SIDE)), key, ENCRYPTION).flatten(2).mT
        )
    times = setup.times({name: there_and_back(move) for name, move in ways.items()})
    times = {name: scaled(each_round, 1000) for name, each_round in times.items()}
    goals = {name: Goal(CLONES, at_least=False) for name in ("encrypt, one key", "encrypt, a key a message")}
    for name in list(ways)[1:]:
        yield compared("shuffle", name, times[name], "clone", times["clone"], COST, goal=goals.get(name))
    if "four literal steps" in times:
        literal = times["four literal steps"]
        yield compared("shuffle", "encrypt, one key", times["encrypt, one key"], "four literal steps", literal, FASTER)
    deriving = setup.times({"keys": lambda: keys.receiving(0, KEYS).permutation})
    goal = Goal(KEYS_MS, at_least=False)
    yield alone("shuffle", f"keys of {KEYS} messages, 28×28 places", 1000 * median(deriving, "keys"), "ms", goal)
