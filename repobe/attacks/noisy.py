"""The white box under attack: a system behind its noisy channel as a classifier of images, fresh or frozen draws."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from repobe.cipher.keys import FixedKey, Keys
from repobe.systems.system import System


class NoisyClassifier(nn.Module):
    """The white box that is attacked: Image [b, c, S, S] to Logits, each image through `draws` fresh channel draws.

    With the keys in hand, or with FixedKey(None): as the attacker's own copy without a shuffle at either end. Of
    several draws the logits are the log of the mean probability, log 1/D Σ softmax (Salman et al. 2019): expectation
    over transformation in one call, where torchattacks' own would run the encoder anew for each draw.
    """

    def __init__(self, system: System, n0: float, keys: Keys, generator: torch.Generator) -> None:
        super().__init__()
        self.system, self.n0, self.keys, self.generator = system, n0, keys, generator
        self.draws, self.sent = 1, 0

    def over(self, draws: int) -> "NoisyClassifier":
        """Itself, from now on over so many draws."""
        self.draws = draws
        return self

    def forward(self, image: Tensor) -> Tensor:
        return averaged(self.each(image, self.draws))

    def each(self, image: Tensor, draws: int) -> Tensor:
        """Logits [draws, b, classes]."""
        count = len(image) * draws
        key = self.keys.sending(self.sent, count)
        self.sent += count
        return through(self.system, image, self.n0, key, isinstance(self.keys, FixedKey), self.generator, draws)

    def frozen(self, image: Tensor, draws: int) -> "FrozenClassifier":
        """The same for these images, with draws of their own, named by torch's global stream."""
        return FrozenClassifier(self.system, self.n0, self.keys, int(torch.randint(2**62, ())), image, draws).eval()


class FrozenClassifier(nn.Module):
    """The same with `draws` of transmitter, key, h and noise for each of the images under attack that never change.

    Deterministic, as AutoAttack `standard` and attacks by queries need it: they keep an image at its first misread
    query, which of a noisy model is luck. An attack regroups its images, so what it asks about is given the draws of
    the image [n, c, S, S] under attack that is nearest in L∞: the right one inside balls that do not meet (`apart`).
    """

    def __init__(self, system: System, n0: float, keys, seed: int, image: Tensor, draws: int) -> None:
        super().__init__()
        self.system, self.n0, self.seed, self.draws, self.known = system, n0, seed, draws, image.flatten(1)
        self.fixed, self.key = isinstance(keys, FixedKey), keys.receiving(0, len(image))
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
            # One by one: such a system draws for a whole batch at once, but each image needs draws of its own.
            return torch.cat([self.alone(one, int(i)) for one, i in zip(image.split(1), which, strict=True)])
        sent = self.system.transmit(image, self.key and self.key[which.cpu()], self.n0).repeat(self.draws, 1)
        draw = [part if part is None else part[:, which].flatten(0, 1) for part in (self.gain, self.noise)]
        heard = self.system.channel.apply(sent, self.n0, draw)
        logits = self.system.receive(heard, self.key and self.key[which.cpu().repeat(self.draws)], self.n0)
        return averaged(logits.unflatten(0, (self.draws, -1)))

    def alone(self, image: Tensor, number: int) -> Tensor:
        """Logits [1, classes] of Image [1, c, S, S]."""
        generator = torch.Generator(image.device).manual_seed(self.seed + number)
        key = self.key and self.key[torch.full((self.draws,), number)]
        return averaged(through(self.system, image, self.n0, key, self.fixed, generator, self.draws))


def apart(image: Tensor, eps: float) -> bool:
    """Whether the L∞ balls of radius eps around these images do not meet."""
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
    """What an attack on a deterministic model finds, on all images at once where their balls do not meet."""
    together = len(image) if apart(image, eps) else 1
    each = zip(image.split(together), label.split(together), strict=True)
    return torch.cat([attacker(model.frozen(x, draws))(x, y) for x, y in each])


def through(system: System, image: Tensor, n0: float, key, fixed: bool, generator, draws: int) -> Tensor:
    """Logits [draws, b, classes]: each image sent once for all its draws, unless key or transmitter differ in them.

    key: one for all (`fixed`, or None), or those of draws·b messages.
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
    """Logits [draws, b, classes] as those [b, classes] of the mean probability; of one draw, its own."""
    if len(logits) == 1:
        return logits[0]
    return log_softmax(logits, dim=2).logsumexp(dim=0) - math.log(len(logits))
