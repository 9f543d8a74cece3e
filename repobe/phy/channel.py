"""The interface of a channel: gain, noise, equaliser, capacity and error rate. The channels are in `channels`.

x ─ times h ─ plus noise CN(0, n0) ─ equaliser, if the receiver knows h ─▶ what the receiver reads
"""

import dataclasses
import functools
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from repobe.phy import fading


def complex_normal(shape: Sequence[int], like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """CN(0, 1): each of the real and the imaginary part has variance 1/2."""
    parts = torch.randn(*shape, 2, device=like.device, dtype=like.real.dtype, generator=generator)
    return torch.view_as_complex(parts) * 0.5**0.5


class Channel(ABC):
    """y = h x + n with n ~ CN(0, n0), then equalised; E|h|² = 1, so that the SNR is its average over h (D3).

    block: whether one h lasts for a whole image, so that a code meets a single fade. coherent: whether the receiver
    knows h. Drawing (gain, unit noise) and applying are separate, so that two systems can have exactly the same draw.
    """

    name: str
    block: bool = False
    coherent: bool = True

    @abstractmethod
    def gain(self, x: Tensor, generator: torch.Generator | None) -> Tensor | None:
        """h for Symbols x Complex[b, k]: None where h is 1, else Complex[b, 1] or Complex[b, k]."""

    @abstractmethod
    def ergodic_capacity(self, n0: float) -> float:
        """E log₂(1 + |h|²/n0) in bits a symbol: the rate of the best code that is long enough to see all fades."""

    @abstractmethod
    def bit_error_rate(self, n0: float, spread: float = 0.0) -> float:
        """The mean probability that the receiver reads a BPSK symbol as its opposite.

        spread: σ² of Gaussian noise CN(0, σ²) that the sender adds before it scales its symbols to unit power.
        """

    @property
    def label(self) -> str:
        """The name of this channel in a config: its `name`, and each parameter that is not the default."""
        fields: tuple[dataclasses.Field, ...] = dataclasses.fields(self) if dataclasses.is_dataclass(self) else ()
        given = {
            field.name: getattr(self, field.name) for field in fields if getattr(self, field.name) != field.default
        }
        return "_".join([self.name, *(f"{name}{value:g}" for name, value in given.items())])

    def draw(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor | None, Tensor]:
        """(h, noise of unit power) for Symbols x."""
        return self.gain(x, generator), complex_normal(x.shape, x, generator)

    def draw_twice(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor | None, Tensor]:
        """(h, noise of unit power) for Symbols x Complex[2b, k]: both halves of the batch get the same draw."""
        h, noise = self.draw(x[: len(x) // 2], generator)
        return None if h is None else torch.cat([h, h]), torch.cat([noise, noise])

    def apply(self, x: Tensor, n0: float | Tensor, draw: tuple[Tensor | None, Tensor]) -> Tensor:
        """What the receiver reads, Complex[b, k]; n0: noise power per complex symbol, a float or Float[b]."""
        h, noise = draw
        n0 = n0.reshape(-1, 1) if isinstance(n0, Tensor) else n0
        y = (x if h is None else h * x) + n0**0.5 * noise
        return self.equalise(y, h, n0) if self.coherent and h is not None else y

    def equalise(self, y: Tensor, h: Tensor, n0: float | Tensor) -> Tensor:
        """The MMSE estimate of unit-power symbols, for a receiver that knows h (D12)."""
        return h.conj() * y / (h.real.square() + h.imag.square() + n0)

    def __call__(self, x: Tensor, n0: float | Tensor, generator: torch.Generator | None = None) -> Tensor:
        return self.apply(x, n0, self.draw(x, generator))


class Fading(Channel, ABC):
    """A channel whose h is random. Capacity and error rate follow from the distribution of |h|² (see `fading`)."""

    block = True

    @abstractmethod
    def power_distribution(self, g: np.ndarray) -> np.ndarray:
        """P(|h|² < g)."""

    @abstractmethod
    def power_quantile(self, p: np.ndarray) -> np.ndarray:
        """The inverse of power_distribution: |h|² is below it with probability p."""

    def ergodic_capacity(self, n0: float) -> float:
        return fading.ergodic_capacity(self.power_distribution, self.power_quantile, n0)

    def outage_rate(self, n0: float, outage: float) -> float:
        """The rate, in bits a symbol, at which a code that meets one unknown h is lost with probability `outage`.

        At outage 0, the rate at which most bits arrive on average.
        """
        return fading.outage_rate(self.power_distribution, self.power_quantile, n0, outage)

    def bit_error_rate(self, n0: float, spread: float = 0.0) -> float:
        return _bit_error_rate(self, n0, spread)


@functools.cache
def _bit_error_rate(channel: Fading, n0: float, spread: float) -> float:
    """Cached, because training asks for it at every update."""
    return fading.bit_error_rate(channel.power_distribution, n0, spread)
