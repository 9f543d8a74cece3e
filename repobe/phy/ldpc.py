"""Quasi-cyclic LDPC codes of IEEE 802.16e at any length, and a normalised min-sum decoder.

The parity checks are the standard's base matrices. Each entry stands for a Z×Z square: all zero (−1), or an identity
shifted by ⌊p·Z/96⌋ (IEEE Std 802.16e-2005, 8.4.9.2.5). The standard has lengths 24·Z for Z = 24, 28 … 96.
"""

import numpy as np
import torch
from torch import Tensor

BASE_COLUMNS = 24  # columns of every base matrix
SCALING = 0.8  # factor on the message of a check, which min-sum overestimates (Chen and Fossorier 2002)
ITERATIONS = 30  # at most; a block stops as soon as all its checks hold
LARGE = 1e6  # the log-likelihood ratio of a known bit

# Rates 1/2, 2/3B, 3/4A and 5/6. The last columns, as many as there are rows, are parity bits: one column of weight
# three, then a staircase.
BASE = {
    "1/2": """
-1 94 73 -1 -1 -1 -1 -1 55 83 -1 -1  7  0 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1
-1 27 -1 -1 -1 22 79  9 -1 -1 -1 12 -1  0  0 -1 -1 -1 -1 -1 -1 -1 -1 -1
-1 -1 -1 24 22 81 -1 33 -1 -1 -1  0 -1 -1  0  0 -1 -1 -1 -1 -1 -1 -1 -1
61 -1 47 -1 -1 -1 -1 -1 65 25 -1 -1 -1 -1 -1  0  0 -1 -1 -1 -1 -1 -1 -1
-1 -1 39 -1 -1 -1 84 -1 -1 41 72 -1 -1 -1 -1 -1  0  0 -1 -1 -1 -1 -1 -1
-1 -1 -1 -1 46 40 -1 82 -1 -1 -1 79  0 -1 -1 -1 -1  0  0 -1 -1 -1 -1 -1
-1 -1 95 53 -1 -1 -1 -1 -1 14 18 -1 -1 -1 -1 -1 -1 -1  0  0 -1 -1 -1 -1
-1 11 73 -1 -1 -1  2 -1 -1 47 -1 -1 -1 -1 -1 -1 -1 -1 -1  0  0 -1 -1 -1
12 -1 -1 -1 83 24 -1 43 -1 -1 -1 51 -1 -1 -1 -1 -1 -1 -1 -1  0  0 -1 -1
-1 -1 -1 -1 -1 94 -1 59 -1 -1 70 72 -1 -1 -1 -1 -1 -1 -1 -1 -1  0  0 -1
-1 -1  7 65 -1 -1 -1 -1 39 49 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1  0  0
43 -1 -1 -1 -1 66 -1 41 -1 -1 -1 26  7 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1  0
""",
    "2/3": """
 2 -1 19 -1 47 -1 48 -1 36 -1 82 -1 47 -1 15 -1 95  0 -1 -1 -1 -1 -1 -1
-1 69 -1 88 -1 33 -1  3 -1 16 -1 37 -1 40 -1 48 -1  0  0 -1 -1 -1 -1 -1
10 -1 86 -1 62 -1 28 -1 85 -1 16 -1 34 -1 73 -1 -1 -1  0  0 -1 -1 -1 -1
-1 28 -1 32 -1 81 -1 27 -1 88 -1  5 -1 56 -1 37 -1 -1 -1  0  0 -1 -1 -1
23 -1 29 -1 15 -1 30 -1 66 -1 24 -1 50 -1 62 -1 -1 -1 -1 -1  0  0 -1 -1
-1 30 -1 65 -1 54 -1 14 -1  0 -1 30 -1 74 -1  0 -1 -1 -1 -1 -1  0  0 -1
32 -1  0 -1 15 -1 56 -1 85 -1  5 -1  6 -1 52 -1  0 -1 -1 -1 -1 -1  0  0
-1  0 -1 47 -1 13 -1 61 -1 84 -1 55 -1 78 -1 41 95 -1 -1 -1 -1 -1 -1  0
""",
    "3/4": """
 6 38  3 93 -1 -1 -1 30 70 -1 86 -1 37 38  4 11 -1 46 48  0 -1 -1 -1 -1
62 94 19 84 -1 92 78 -1 15 -1 -1 92 -1 45 24 32 30 -1 -1  0  0 -1 -1 -1
71 -1 55 -1 12 66 45 79 -1 78 -1 -1 10 -1 22 55 70 82 -1 -1  0  0 -1 -1
38 61 -1 66  9 73 47 64 -1 39 61 43 -1 -1 -1 -1 95 32  0 -1 -1  0  0 -1
-1 -1 -1 -1 32 52 55 80 95 22  6 51 24 90 44 20 -1 -1 -1 -1 -1 -1  0  0
-1 63 31 88 20 -1 -1 -1  6 40 56 16 71 53 -1 -1 27 26 48 -1 -1 -1 -1  0
""",
    "5/6": """
 1 25 55 -1 47  4 -1 91 84  8 86 52 82 33  5  0 36 20  4 77 80  0 -1 -1
-1  6 -1 36 40 47 12 79 47 -1 41 21 12 71 14 72  0 44 49  0  0  0  0 -1
51 81 83  4 67 -1 21 -1 31 24 91 61 81  9 86 78 60 88 67 15 -1 -1  0  0
50 -1 50 15 -1 36 13 10 11 20 53 90 29 92 57 30 84 92 11 66 80 -1 -1  0
""",
}


def base(rate: str, z: int) -> np.ndarray:
    """int[rows, 24]: the shift of every Z×Z square, or −1 where the square is all zero."""
    shift = np.array(BASE[rate].split(), int).reshape(-1, BASE_COLUMNS)
    return np.where(shift < 0, -1, shift * z // 96)


class Code:
    """The code of one rate and length `bits` = 24·Z, of which the first `message` bits are free. All on one device.

    ValueError where the standard has no such rate, or the length is not a multiple of 24.
    """

    def __init__(self, rate: str, bits: int, device: str | torch.device = "cpu") -> None:
        if rate not in BASE or bits < BASE_COLUMNS or bits % BASE_COLUMNS:
            raise ValueError(f"no code of rate {rate} and {bits} bits: rates are {', '.join(BASE)}, lengths 24·Z")
        self.bits, self.z, self.device = bits, bits // BASE_COLUMNS, torch.device(device)
        self.base = base(rate, self.z)
        self.checks = len(self.base) * self.z
        self.message = bits - self.checks
        # The variables of each check. Checks with fewer variables are padded with a known bit, number `bits`.
        most = (self.base >= 0).sum(axis=1).max()
        place = np.full((self.checks, most), bits)
        for row, shifts in enumerate(self.base):
            for number, column in enumerate(np.flatnonzero(shifts >= 0)):
                inside = (np.arange(self.z) + shifts[column]) % self.z
                place[row * self.z : (row + 1) * self.z, number] = column * self.z + inside
        self.variables = torch.from_numpy(place).to(self.device)

    def matrix(self) -> np.ndarray:
        """The parity-check matrix H, uint8 [checks, bits]: H c = 0 mod 2 for every codeword c."""
        whole = np.zeros((self.checks, self.bits + 1), np.uint8)
        np.put_along_axis(whole, self.variables.cpu().numpy(), 1, axis=1)
        return whole[:, :-1]

    def encode(self, message: Tensor) -> Tensor:
        """Bool[b, message] to the codeword Bool[b, bits] that begins with it.

        The sum of all rows of squares leaves only the first parity square: the two outer shifts of its column are equal
        and cancel, and the middle shift is 0. Then each row, from the top of the staircase down, gives the next parity
        square.
        """
        known = self.base.shape[1] - len(self.base)
        squares = message.unflatten(1, (known, self.z))
        sums = []
        for shifts in self.base[:, :known]:
            total = torch.zeros_like(squares[:, 0])
            for column in np.flatnonzero(shifts >= 0):
                total = total ^ squares[:, column].roll(-int(shifts[column]), dims=1)
            sums.append(total)
        first = torch.stack(sums).sum(dim=0) % 2 == 1
        parity, last = [first], torch.zeros_like(first)
        for row, shifts in enumerate(self.base[:-1, known]):
            last = last ^ sums[row]
            if shifts >= 0:
                last = last ^ first.roll(-int(shifts), dims=1)
            parity.append(last)
        return torch.cat([message, *parity], dim=1)

    def decode(self, llr: Tensor, iterations: int = ITERATIONS) -> tuple[Tensor, Tensor]:
        """(Bool[b, bits], whether all checks hold Bool[b]) from log-likelihood ratios log P(0)/P(1), Float[b, bits].

        Flooding min-sum: the message of a check to a variable is SCALING times the product of the signs and the
        smallest magnitude among the messages of its other variables.
        """
        decided = torch.zeros(llr.shape, dtype=torch.bool, device=llr.device)
        holds = torch.zeros(len(llr), dtype=torch.bool, device=llr.device)
        left = torch.arange(len(llr), device=llr.device)
        heard = torch.cat([llr.T, torch.full_like(llr[:, :1].T, LARGE)])  # blocks last, so that whole rows are gathered
        edges = self.variables.T.flatten()
        shape = self.variables.T.shape
        told = torch.zeros(len(edges), len(llr), device=llr.device, dtype=llr.dtype)
        for iteration in range(iterations + 1):
            total = heard.index_add(0, edges, told)
            total[-1] = LARGE
            known = total.index_select(0, edges)
            good = ~_odd((known < 0).unflatten(0, shape)).any(dim=0)
            decided[left], holds[left] = (total[:-1] < 0).T, good
            if good.all() or iteration == iterations:
                break
            if good.any():
                left, heard, told, known = left[~good], heard[:, ~good], told[:, ~good], known[:, ~good]
            asked = (known - told).unflatten(0, shape)
            magnitude = asked.abs()
            least = torch.minimum(magnitude[0], magnitude[1])
            second = torch.maximum(magnitude[0], magnitude[1])
            for edge in magnitude[2:]:
                second = torch.minimum(second, torch.maximum(least, edge))
                least = torch.minimum(least, edge)
            negative = asked < 0
            told = torch.where(magnitude == least, second, least)
            told *= torch.where(negative ^ _odd(negative), -SCALING, SCALING)
            told = told.flatten(0, 1)
        return decided, holds


def _odd(bits: Tensor) -> Tensor:
    """The sum modulo 2 over the first dimension."""
    total = bits[0]
    for more in bits[1:]:
        total = total ^ more
    return total
