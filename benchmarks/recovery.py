"""Key recovery from known messages at 28×28 places (under a second a trial), by SNR and number of messages."""

import torch

from repobe.attacks.cryptanalysis import recovery
from repobe.phy.channel import complex_normal
from repobe.phy.channels import AWGN, normalise_power
from repobe.runs.spec import Audit


def main() -> None:
    """Prints success rate and milliseconds a trial on white features."""
    torch.set_num_threads(1)
    known = normalise_power(complex_normal((200, 1568), torch.zeros(1), torch.Generator().manual_seed(0)))
    audit = Audit(trials=50, snr_db=(-10, 0, 7, 23), known_messages=(1, 10))
    rows = recovery(known, 28, AWGN(), audit, "benchmark")
    print(f"white features, 28×28 places, AWGN, {audit.trials} trials a line, 1 thread")
    settings = dict.fromkeys((r["schedule"], r["known_messages"], r["snr_db"]) for r in rows)
    for setting in settings:
        value = {
            r["quantity"]: r["value"] for r in rows if (r["schedule"], r["known_messages"], r["snr_db"]) == setting
        }
        schedule, messages, snr_db = setting
        print(
            f"{schedule:12} {messages:3} known {snr_db:4} dB   key {value['key_recovered']:.2f}"
            f"   places {value['places_recovered']:.2f}   {1000 * value['recovery_seconds']:7.2f} ms"
        )


if __name__ == "__main__":
    main()
