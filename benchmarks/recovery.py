"""A 28×28 key found from known messages of random features, over AWGN at 7 dB."""

from collections.abc import Iterator

import torch

from benchmarks.setup import Setup
from benchmarks.table import Goal, Row, alone
from repobe.attacks.cryptanalysis import recovery
from repobe.phy.channel import complex_normal
from repobe.phy.channels import AWGN, normalise_power
from repobe.runs.spec import Audit

MS_A_TRIAL = 1000.0


def rows(setup: Setup) -> Iterator[Row]:
    """Milliseconds a trial, on the CPU, where an audit searches for keys."""
    known = normalise_power(complex_normal((200, 1568), torch.zeros(1), torch.Generator().manual_seed(0)))
    audit = Audit(trials=2 if setup.quick else 50, snr_db=(7,), known_messages=(1, 10))
    for row in recovery(known, 28, AWGN(), audit, "benchmark"):
        if row["quantity"] == "recovery_seconds":
            subject = f"{row['schedule']} key, {row['known_messages']} known messages"
            yield alone("recovery", subject, 1000 * row["value"], "ms a trial", Goal(MS_A_TRIAL, at_least=False))
