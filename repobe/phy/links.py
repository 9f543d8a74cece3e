"""Digital links: how many bytes a message may have, and which messages arrive.

The transmitter knows the SNR, and so the rate, before it codes a message; it never knows h. A message arrives whole or
not at all, and the receiver knows which. At each SNR a link offers several rates, each with a number of bytes and a
probability that they arrive, and takes the rate with the greatest value.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from repobe.phy.channel import Channel, Fading
from repobe.phy.fading import equally_likely
from repobe.phy.ldpc import BASE, BASE_COLUMNS
from repobe.phy.qam import BITS

# Outage probabilities that a code over block fading may have, from very rare to nearly certain.
OUTAGES = np.geomspace(0.001, 0.9, 60)

# (bytes of a message, probability that they arrive) to the value of sending them; arrays with one entry per offered
# rate.
Value = Callable[[np.ndarray, np.ndarray], np.ndarray]


def expected_bytes(size: np.ndarray, delivery: np.ndarray) -> np.ndarray:
    """The value of an offered rate if every byte is worth the same."""
    return size * delivery


def _power_gain(channel: Channel, like: Tensor, generator: torch.Generator | None) -> Tensor:
    """|h|² of each message, Float[b], drawn exactly as the channel draws it for symbols (D4)."""
    h = channel.gain(torch.empty(len(like), 1, dtype=torch.complex64, device=like.device), generator)
    assert h is not None  # block fading draws one for each message
    return h.abs().square().flatten()


class Ideal:
    """A code that reaches capacity: no message is lost at k times the ergodic capacity in bits.

    Over block fading, where a code meets one unknown h, it takes the rate of the greatest value among those with an
    outage in OUTAGES and the one that delivers most; if `outage` is not 0, among those whose outage is at most
    `outage`.
    """

    def __init__(self, channel: Channel, k: int, outage: float = 0.0, value: Value = expected_bytes) -> None:
        self.channel, self.k, self.outage, self.value = channel, k, outage, value
        self.offers = cache(self._offers)

    def _offers(self, n0: float) -> tuple[np.ndarray, np.ndarray]:
        """(rates in bits a symbol, the probability that a message of each arrives)."""
        channel = self.channel
        if not channel.block:
            return np.array([channel.ergodic_capacity(n0)]), np.ones(1)
        assert isinstance(channel, Fading)  # only a random h can last for a block
        outages = [self.outage, *(outage for outage in OUTAGES if not self.outage or outage < self.outage)]
        rates = np.array([channel.outage_rate(n0, outage) for outage in outages])
        return rates, 1 - channel.power_distribution((2**rates - 1) * n0)

    def rate(self, n0: float) -> float:
        """Bits a symbol."""
        rates, delivery = self.offers(n0)
        return float(rates[self.value(self.k * rates / 8, delivery).argmax()])

    def budget(self, n0: float) -> int:
        """How many bytes a message may have."""
        return int(self.k * self.rate(n0) / 8)

    def delivery(self, n0: float) -> float:
        """P(a message arrives)."""
        rates, delivery = self.offers(n0)
        return float(delivery[rates == self.rate(n0)][0])

    def arrives(self, n0: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Bool[b]: which messages, sent at the noise powers n0 Float[b], arrive in one draw of the channel."""
        if not self.channel.block:
            return torch.ones(len(n0), dtype=torch.bool, device=n0.device)
        rates = {n: self.rate(n) for n in set(n0.tolist())}
        rate = torch.tensor([rates[n] for n in n0.tolist()], device=n0.device)
        return torch.log2(1 + _power_gain(self.channel, n0, generator) / n0) >= rate


@dataclass(frozen=True)
class Scheme:
    """How a message is sent: in `blocks` codewords of `bits` bits each, which carry `payload` bits of it in total."""

    bits: int
    modulation: str
    rate: str
    blocks: int
    payload: int


class Coded:
    """LDPC blocks over QAM; length, modulation and rate have the greatest value by a table of block error rates.

    If `outage` is not 0, messages are lost with at most that probability.

    A message arrives if all its blocks do. Between two rows of the table the error rate is interpolated linearly in dB,
    which is pessimistic in the tail. Below the first row of a curve every block is lost, above its last none.
    """

    def __init__(
        self,
        channel: Channel,
        k: int,
        table: pd.DataFrame,
        outage: float = 0.0,
        value: Value = expected_bytes,
    ) -> None:
        self.channel, self.k, self.outage, self.value = channel, k, outage, value
        simulated = table[table["channel"] == ("awgn" if channel.block else channel.label)]
        if simulated.empty:
            raise ValueError(f"the table of block error rates has no rows of {channel.label}; simulate it again")
        self.gains = np.ones(1)
        if channel.block:
            assert isinstance(channel, Fading)  # only a random h can last for a block
            self.gains = equally_likely(channel.power_quantile)
        self.curves: dict[Scheme, tuple[np.ndarray, np.ndarray]] = {}
        for key, rows in simulated.groupby(["bits", "modulation", "rate"]):
            bits, modulation, rate = cast(tuple[int, str, str], key)
            blocks = k * BITS[modulation] // bits
            if blocks:
                message = bits - len(BASE[rate].split()) // BASE_COLUMNS * (bits // BASE_COLUMNS)
                rows = rows.sort_values("snr_db")
                scheme = Scheme(bits, modulation, rate, blocks, blocks * message)
                self.curves[scheme] = (rows["snr_db"].to_numpy(float), rows["block_error_rate"].to_numpy(float))
        self.offers = cache(self._offers)

    def survival(self, scheme: Scheme, snr: np.ndarray) -> np.ndarray:
        """P(all blocks arrive) at a linear SNR that lasts for the whole message."""
        snr_db, rate = self.curves[scheme]
        with np.errstate(divide="ignore"):
            lost = np.interp(10 * np.log10(snr), snr_db, rate, left=1.0)
        return (1 - lost) ** scheme.blocks

    def _offers(self, n0: float) -> tuple[list[Scheme], np.ndarray]:
        """(schemes, the probability that a message of each arrives, over h too)."""
        chance = {scheme: float(self.survival(scheme, self.gains / n0).mean()) for scheme in self.curves}
        fit = {s: p for s, p in chance.items() if p > 0 and (self.outage == 0 or p >= 1 - self.outage)}
        return list(fit), np.array(list(fit.values()))

    def scheme(self, n0: float) -> Scheme | None:
        """The scheme in use; None where no block fits the k symbols or none would arrive."""
        schemes, delivery = self.offers(n0)
        if not schemes:
            return None
        return schemes[self.value(np.array([s.payload // 8 for s in schemes]), delivery).argmax()]

    def delivery(self, n0: float) -> float:
        """P(a message arrives); 0 where there is no scheme."""
        schemes, delivery = self.offers(n0)
        scheme = self.scheme(n0)
        return float(delivery[schemes.index(scheme)]) if scheme else 0.0

    def budget(self, n0: float) -> int:
        """Bytes of a message; 0 where there is no scheme."""
        scheme = self.scheme(n0)
        return scheme.payload // 8 if scheme else 0

    def arrives(self, n0: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Bool[b]: which messages, sent at the noise powers n0 Float[b], arrive in one draw of the channel.

        Given its SNR, a message arrives with the probability of `survival`: one more random number for each.
        """
        snr = 1 / n0
        if self.channel.block:
            snr = snr * _power_gain(self.channel, n0, generator)
        luck = torch.rand(len(n0), generator=generator, device=n0.device)
        used = {n: self.scheme(n) for n in set(n0.tolist())}
        chance = [
            float(self.survival(scheme, np.array(s))) if (scheme := used[n]) else 0.0
            for n, s in zip(n0.tolist(), snr.tolist(), strict=True)
        ]
        return luck < torch.tensor(chance, device=n0.device)
