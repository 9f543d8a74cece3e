"""What the rows of the raw tables hold: each table's key and values, and of what kind they are. Imports nothing."""

RUN = ["method", "dataset", "image_size", "channel", "snr_train_db"]
# The key of each table: what makes a row the measurement that it is.
KEYS = {
    "evasion": [*RUN, "snr_test_db", "attack", "eps", "seed", "split", "metric"],
    "inversion": [*RUN, "snr_tap_db", "attacker", "knowledge", "seed", "metric"],
    "audit": [*RUN, "quantity", "grid", "schedule", "known_messages", "snr_db", "seed"],
    "cost": [*RUN, "seed"],
}
# What may be empty: of the audit, what concerns no message has none; of one draw or a proportion there is no sd.
OPTIONAL = {"schedule", "known_messages", "snr_db", "images_sd", "draws_sd", "keys_sd", "code"}
# n: the images, or of the audit the keys, that value is a mean of.
# code: what made the row, see repobe.runs.code; empty of rows that are older than this column.
# images_sd: the standard deviation over the n images; empty for a proportion, whose value and n say it.
# keys_sd: the same over the n keys; empty of rows that are older than this column.
VALUES = {
    "evasion": ["value", "images_sd", "draws_sd", "n", "draws", "symbols_k", "code"],
    "inversion": ["value", "images_sd", "n", "symbols_k", "code"],
    "audit": ["value", "keys_sd", "n", "code"],
    "cost": [
        "parameters",
        "symbols_k",
        "flops",
        "train_seconds",
        "images_per_second",
        "peak_memory_mb",
        "device",
        "threads",
        "precision",
        "code",
    ],
}


def is_proportion(name: str) -> bool:
    """Whether a metric or quantity counts successes among n: its value lies in [0, 1], its interval is Wilson's."""
    return name.endswith("accuracy") or name == "key_recovered"


def is_over_keys(name: str) -> bool:
    """Whether a quantity of the audit is a mean over keys of fractions or seconds: its interval is Student's."""
    return name in ("wrong_key_accuracy", "places_recovered", "recovery_seconds")


# The attackers of inversion.csv, from what knows least to the receiver; a decoder's name may follow: same_key_conv.
ATTACKERS = (
    "mean_image",
    "keyless",
    "keyless_adaptive",
    "fresh_key",
    "same_key",
    "known_plaintext",
    "with_key",
    "legitimate",
)


def family(attacker: str) -> str | None:
    """The one of ATTACKERS that a row of inversion.csv belongs to; None for an attacker that is not among them."""
    return max((name for name in ATTACKERS if f"{attacker}_".startswith(f"{name}_")), key=len, default=None)
