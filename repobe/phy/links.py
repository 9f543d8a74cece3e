"""Digital links: how many bytes a message may have, and which messages arrive.

Both know the SNR, and so the rate, before the message is coded; neither transmitter knows h. A message arrives whole or
not at all, and the receiver knows which.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
import torch
from scipy.special import exp1, lambertw
from torch import Tensor

from repobe.phy.channels import AWGN, Channel, FastRayleigh
from repobe.phy.ldpc import BASE, COLUMNS
from repobe.phy.qam import BITS

# Of |h|² ~ Exp(1), equally likely each: what an expectation over block fading is a mean of.
GAINS = -np.log1p(-(np.arange(2000) + 0.5) / 2000)


def ergodic_capacity(n0: float) -> float:
    """E log₂(1 + |h|²/n0) = e^{n0} E₁(n0) / ln 2 bits a symbol, h ~ CN(0, 1)."""
    return float(np.exp(n0) * exp1(n0) / np.log(2))


def outage_rate(n0: float, outage: float) -> float:
    """The rate R of a code over one unknown h, in bits a symbol, that is lost where log₂(1 + |h|²/n0) < R.

    outage: its probability 1 − exp(−(2^R − 1) n0); at 0 the one that delivers most, R exp(−(2^R − 1) n0), which is
    greatest at R = W(1/n0)/ln 2 with Lambert's W.
    """
    if outage == 0:
        return float(lambertw(1 / n0).real / np.log(2))
    return float(np.log2(1 - np.log1p(-outage) / n0))


def _power_gain(channel: Channel, like: Tensor, generator: torch.Generator | None) -> Tensor:
    """|h|² for each of the messages, Float[b]: drawn as the channel draws it for symbols (D4)."""
    h = channel.gain(torch.empty(len(like), 1, dtype=torch.complex64, device=like.device), generator)
    return h.abs().square().flatten()


class Ideal:
    """A code that reaches the channel's capacity: k log₂(1 + SNR) bits over AWGN, k times the ergodic one over fast
    Rayleigh, neither of which loses a message; over block Rayleigh the rate of `outage_rate`.
    """

    def __init__(self, channel: Channel, k: int, outage: float = 0.0) -> None:
        self.channel, self.k, self.outage = channel, k, outage

    def rate(self, n0: float) -> float:
        """Bits a symbol."""
        if isinstance(self.channel, AWGN):
            return float(np.log2(1 + 1 / n0))
        return ergodic_capacity(n0) if isinstance(self.channel, FastRayleigh) else outage_rate(n0, self.outage)

    def budget(self, n0: float) -> int:
        """Bytes of a message."""
        return int(self.k * self.rate(n0) / 8)

    def arrives(self, n0: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Bool[b]: which of the messages sent at Float[b] arrive, by one draw of the channel."""
        if isinstance(self.channel, AWGN | FastRayleigh):
            return torch.ones(len(n0), dtype=torch.bool, device=n0.device)
        rate = torch.tensor([self.rate(n) for n in n0.tolist()], device=n0.device)
        return torch.log2(1 + _power_gain(self.channel, n0, generator) / n0) >= rate


@dataclass(frozen=True)
class Scheme:
    """How a message is sent: `blocks` codewords of `bits`, of which `payload` bits in all are the message's."""

    bits: int
    modulation: str
    rate: str
    blocks: int
    payload: int


class Coded:
    """LDPC blocks and QAM: the (length, modulation, rate) of a table of block error rates that delivers most.

    A message arrives if all its blocks do. Between two rows the rate is drawn as a line, which is above a curve that
    bends as these do; below a curve's first row nothing arrives and above its last, where none was lost, everything.
    """

    def __init__(self, channel: Channel, k: int, table: pd.DataFrame, outage: float = 0.0) -> None:
        self.channel, self.k, self.outage = channel, k, outage
        self.block_fading = not isinstance(channel, AWGN | FastRayleigh)
        simulated = "rayleigh_fast" if isinstance(channel, FastRayleigh) else "awgn"
        self.curves: dict[Scheme, tuple[np.ndarray, np.ndarray]] = {}
        for (bits, modulation, rate), rows in table[table["channel"] == simulated].groupby(
            ["bits", "modulation", "rate"]
        ):
            blocks = k * BITS[modulation] // bits
            if blocks:
                message = bits - len(BASE[rate].split()) // COLUMNS * (bits // COLUMNS)
                rows = rows.sort_values("snr_db")
                scheme = Scheme(bits, modulation, rate, blocks, blocks * message)
                self.curves[scheme] = (rows["snr_db"].to_numpy(float), rows["block_error_rate"].to_numpy(float))
        self.scheme = cache(self._scheme)

    def survival(self, scheme: Scheme, snr: np.ndarray) -> np.ndarray:
        """P(all blocks arrive) at an SNR, linear, that lasts."""
        snr_db, rate = self.curves[scheme]
        with np.errstate(divide="ignore"):
            lost = np.interp(10 * np.log10(snr), snr_db, rate, left=1.0)
        return (1 - lost) ** scheme.blocks

    def delivery(self, scheme: Scheme, n0: float) -> float:
        """P(a message arrives), over h too."""
        return float(self.survival(scheme, (GAINS if self.block_fading else np.ones(1)) / n0).mean())

    def _scheme(self, n0: float) -> Scheme | None:
        """Of the most expected payload; of those that are lost no oftener than `outage`, if it is not 0."""
        chance = {scheme: self.delivery(scheme, n0) for scheme in self.curves}
        fit = {s: p for s, p in chance.items() if p > 0 and (self.outage == 0 or p >= 1 - self.outage)}
        return max(fit, key=lambda s: fit[s] * s.payload, default=None)

    def budget(self, n0: float) -> int:
        """Bytes of a message; 0 where no block fits the k symbols or none would arrive."""
        scheme = self.scheme(n0)
        return scheme.payload // 8 if scheme else 0

    def arrives(self, n0: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Bool[b]: which of the messages sent at Float[b] arrive, by one draw of the channel and of each one's luck."""
        snr = 1 / n0
        if self.block_fading:
            snr = snr * _power_gain(self.channel, n0, generator)
        luck = torch.rand(len(n0), generator=generator, device=n0.device)
        chance = [
            float(self.survival(scheme, np.array(s))) if (scheme := self.scheme(n)) else 0.0
            for n, s in zip(n0.tolist(), snr.tolist(), strict=True)
        ]
        return luck < torch.tensor(chance, device=n0.device)
