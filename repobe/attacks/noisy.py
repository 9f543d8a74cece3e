"""The attacked white box: a system and its noisy channel as one image classifier, with fresh or frozen draws."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from repobe.cipher.interface import Keys, MessageKeys
from repobe.cipher.keys import FixedKey
from repobe.systems.system import System


class NoisyClassifier(nn.Module):
    """The attacked white box: Image [b, c, S, S] to Logits, each image through `draws` fresh channel draws.

    It uses the given keys; FixedKey(None) is the attacker's own copy without a shuffle at either end. For several
    draws, the logits are the log of the mean probability, log 1/D Σ softmax (Salman et al. 2019). This gives
    expectation over transformation in one call; torchattacks' own version runs the encoder once per draw.
    """

    def __init__(self, system: System, n0: float, keys: Keys, generator: torch.Generator) -> None:
        super().__init__()
        self.system, self.n0, self.keys, self.generator = system, n0, keys, generator
        self.draws, self.sent = 1, 0

    def over(self, draws: int) -> "NoisyClassifier":
        """Sets the number of draws and returns itself."""
        self.draws = draws
        return self

    def forward(self, image: Tensor) -> Tensor:
        return averaged(self.each(image, self.draws))

    def each(self, image: Tensor, draws: int) -> Tensor:
        """Logits [draws, b, classes], one set for each fresh draw."""
        count = len(image) * draws
        key = self.keys.sending(self.sent, count)
        self.sent += count
        return through(self.system, image, self.n0, key, isinstance(self.keys, FixedKey), self.generator, draws)

    def frozen(self, image: Tensor, draws: int) -> "FrozenClassifier":
        """This classifier with frozen draws for these images; torch's global stream gives their seed."""
        return FrozenClassifier(self.system, self.n0, self.keys, int(torch.randint(2**62, ())), image, draws).eval()


class FrozenClassifier(nn.Module):
    """The same with frozen draws: each attacked image has `draws` of transmitter, key, h and noise that never change.

    AutoAttack `standard` and query attacks need a deterministic model: they stop at the first misread query, which is
    chance if the model is noisy. An attack regroups its images, so a query uses the draws of the attacked image
    [n, c, S, S] that is nearest in L∞. That is the right one if the balls do not meet (`apart`).
    """

    def __init__(self, system: System, n0: float, keys: Keys, seed: int, image: Tensor, draws: int) -> None:
        super().__init__()
        self.system, self.n0, self.seed, self.draws, self.known = system, n0, seed, draws, image.flatten(1)
        self.fixed, key = isinstance(keys, FixedKey), keys.receiving(0, len(image))
        self.key = key and key.to(image.device)  # moved once, so that no query waits for the host
        self.gain = self.noise = None
        if not (system.digital or system.random_transmitter):
            generator = torch.Generator(image.device).manual_seed(seed)
            with torch.no_grad():
                sent = system.transmit(image, self.key, n0).repeat(draws, 1)
                gain, self.noise = system.channel.draw(sent, generator)
            self.gain = None if gain is None else gain.unflatten(0, (draws, -1))
            self.noise = self.noise.unflatten(0, (draws, -1))

    def forward(self, image: Tensor) -> Tensor:
        which = torch.cdist(image.detach().flatten(1), self.known, p=torch.inf).argmin(dim=1)
        if self.noise is None:
            # One by one, because such a system draws for a whole batch, but each image needs its own draws.
            each = zip(image.split(1), which.tolist(), strict=True)
            return torch.cat([self.alone(one, number) for one, number in each])
        sent = self.system.transmit(image, self.key and self.key[which], self.n0).repeat(self.draws, 1)
        draw = [part if part is None else part[:, which].flatten(0, 1) for part in (self.gain, self.noise)]
        heard = self.system.channel.apply(sent, self.n0, draw)
        logits = self.system.receive(heard, self.key and self.key[which.repeat(self.draws)], self.n0)
        return averaged(logits.unflatten(0, (self.draws, -1)))

    def alone(self, image: Tensor, number: int) -> Tensor:
        """Logits [1, classes] of Image [1, c, S, S] with the draws of attacked image `number`."""
        generator = torch.Generator(image.device).manual_seed(self.seed + number)
        key = self.key and self.key[torch.full((self.draws,), number, device=image.device)]
        return averaged(through(self.system, image, self.n0, key, self.fixed, generator, self.draws))


def apart(image: Tensor, eps: float) -> bool:
    """Whether the L∞ balls of radius eps around these images are disjoint."""
    distance = torch.cdist(image.flatten(1), image.flatten(1), p=torch.inf)
    distance.fill_diagonal_(torch.inf)
    return bool(distance.min() > 2 * eps)


def frozen(
    attacker: Callable[[nn.Module], Callable[[Tensor, Tensor], Tensor]],
    model: NoisyClassifier,
    image: Tensor,
    label: Tensor,
    eps: float,
    draws: int,
) -> Tensor:
    """Runs an attack on frozen draws, on all images at once if their balls are disjoint, else one by one."""
    together = len(image) if apart(image, eps) else 1
    each = zip(image.split(together), label.split(together), strict=True)
    return torch.cat([attacker(model.frozen(x, draws))(x, y) for x, y in each])


def through(
    system: System,
    image: Tensor,
    n0: float,
    key: MessageKeys | None,
    fixed: bool,
    generator: torch.Generator,
    draws: int,
) -> Tensor:
    """Logits [draws, b, classes]: each image is sent once for all draws, or once per draw if key or transmitter differ.

    key: one key for all (`fixed`, or None), or the keys of draws·b messages.
    """
    if draws == 1:
        return system(image, n0, key, generator)[None]
    if fixed and not system.random_transmitter:
        sent = system.transmit(image, key, n0, generator)
        sent = sent.repeat(draws, *[1] * (sent.dim() - 1))
    else:
        sent = system.transmit(image.repeat(draws, 1, 1, 1), key, n0, generator)
    return system.deliver(sent, n0, key, generator).unflatten(0, (draws, len(image)))


def averaged(logits: Tensor) -> Tensor:
    """Logits [draws, b, classes] to the log of the mean probability [b, classes]; one draw stays as it is."""
    if len(logits) == 1:
        return logits[0]
    return log_softmax(logits, dim=2).logsumexp(dim=0) - math.log(len(logits))
