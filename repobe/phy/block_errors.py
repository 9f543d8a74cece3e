"""Block error rates of LDPC codes over QAM: simulated once into a table, from which a link is chosen.

Block fading needs no rows of its own: while h lasts the channel is AWGN at the SNR |h|²/n0.
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import torch

from repobe.phy import channels, qam
from repobe.phy.channel import Channel
from repobe.phy.ldpc import BASE, Code
from repobe.runs.seeds import seed

COLUMNS = ["channel", "bits", "modulation", "rate", "snr_db", "block_error_rate", "blocks"]
CHANNELS = {name: kind for name, kind in channels.BY_NAME.items() if not kind.block}
# 1536 bits is a length of the standard: k = 1568 symbols carry one such block per bit of the modulation. 240 bits, for
# the 128 symbols of S = 64, is shorter than the standard's shortest length; the standard's own formula still applies.
LENGTHS = (1536, 240)
STEP_DB = 0.5
ERRORS = 100  # then the relative standard error of a rate is a tenth, which is enough
BATCH = 100


def simulate(blocks: int, lengths: tuple[int, ...] = LENGTHS) -> pd.DataFrame:
    """The table: a row per channel, code, modulation and SNR, from `blocks` blocks, or fewer once ERRORS have failed.

    A curve begins at the SNR where the channel's capacity equals the code's rate: below it nothing arrives (Shannon's
    strong converse). It ends with its first row without an error.
    """
    rows = []
    for name, bits, modulation, rate in _curves(lengths):
        code, channel = Code(rate, bits), CHANNELS[name]()
        step = _first(channel, qam.BITS[modulation] * code.message / bits)
        failed = sent = 1
        while failed:
            snr_db = step * STEP_DB
            generator = torch.Generator().manual_seed(seed("blocks", name, bits, modulation, rate, snr_db))
            failed = sent = 0
            while sent < blocks and failed < ERRORS:
                count = min(BATCH, blocks - sent)
                failed += block_errors(code, modulation, snr_db, channel, count, generator)
                sent += count
            rows.append((name, bits, modulation, rate, snr_db, failed / sent, sent))
            step += 1
    return pd.DataFrame(rows, columns=COLUMNS)


def _curves(lengths: tuple[int, ...]) -> Iterator[tuple[str, int, str, str]]:
    return ((c, n, m, r) for c in CHANNELS for n in lengths for m in qam.BITS for r in BASE)


def _first(channel: Channel, rate: float) -> int:
    """The last step, SNR = step · STEP_DB, at which the capacity is below `rate` bits a symbol."""
    step = int(-10 / STEP_DB)
    while channel.ergodic_capacity(channels.noise_power((step + 1) * STEP_DB)) < rate:
        step += 1
    return step


@torch.no_grad()
def block_errors(
    code: Code, modulation: str, snr_db: float, channel: Channel, count: int, generator: torch.Generator
) -> int:
    """How many of `count` random blocks a receiver that knows h decodes wrongly."""
    message = torch.randint(2, (count, code.message), generator=generator) == 1
    x = qam.modulate(code.encode(message), modulation)
    h, noise = channel.draw(x, generator)
    n0 = channels.noise_power(snr_db)
    h = torch.ones_like(x) if h is None else h
    y = x + n0**0.5 * noise / h
    decided, _ = code.decode(qam.llr(y, n0 / (h.real.square() + h.imag.square()), modulation))
    return int((decided[:, : code.message] != message).any(dim=1).sum())


def read(path: Path | str) -> pd.DataFrame:
    """Reads the table from a file; ValueError names the fix where the file is missing or holds something else."""
    try:
        table = pd.read_csv(path)
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist; `python -m repobe block_error_rates {path}` makes it") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError):
        table = pd.DataFrame()
    if (
        list(table.columns) != COLUMNS
        or not table["block_error_rate"].between(0, 1).all()
        or table.isna().any(axis=None)
    ):
        raise ValueError(
            f"{path} is not a table of block error rates; delete it and `python -m repobe block_error_rates {path}`"
        )
    return table
