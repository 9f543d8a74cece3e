"""The columns of the raw tables: the key and the values of each table, and their kinds. Imports nothing."""

# What the seeds of a run share.
CONFIGURATION = ["method", "dataset", "image_size", "channel", "snr_train_db"]
# The key of each table: the columns that identify a row.
KEYS = {
    "evasion": [*CONFIGURATION, "snr_test_db", "attack", "eps", "seed", "split", "metric"],
    "inversion": [*CONFIGURATION, "snr_tap_db", "attacker", "knowledge", "seed", "metric"],
    "audit": [*CONFIGURATION, "quantity", "grid", "schedule", "known_messages", "snr_db", "seed"],
    "cost": [*CONFIGURATION, "seed"],
}
RAW_TABLES = tuple(KEYS)
# Columns that may be empty: an audit row may concern no message; one draw or a proportion has no sd.
OPTIONAL = {"schedule", "known_messages", "snr_db", "images_sd", "draws_sd", "keys_sd", "code"}
# Columns of words; all others hold numbers.
TEXT = {"method", "dataset", "channel", "snr_train_db", "attack", "split", "metric", "attacker", "knowledge"}
TEXT |= {"quantity", "grid", "schedule", "device", "precision", "code"}
COST_NUMBERS = ["parameters", "symbols_k", "flops", "train_seconds", "images_per_second", "peak_memory_mb"]
# n: sample size (images, trials or keys).
# code: digest of the code that made the row, see repobe.runs.code_digest; empty in rows older than this column.
# images_sd: standard deviation over the n images; empty for a proportion, where value and n determine it.
# keys_sd: standard deviation over the n keys; empty in rows older than this column.
VALUES = {
    "evasion": ["value", "images_sd", "draws_sd", "n", "draws", "symbols_k", "code"],
    "inversion": ["value", "images_sd", "n", "symbols_k", "code"],
    "audit": ["value", "keys_sd", "n", "code"],
    "cost": [*COST_NUMBERS, "device", "threads", "precision", "code"],
}
# Quantities of the audit that are means over keys, with Student's interval: of fractions, and of seconds.
READ = {"wrong_key_accuracy", "right_key_accuracy", "ciphertext_only_accuracy"}  # of test images that all keys share
AUDITED = 500  # those images, the first of the test split; the whole split where it is smaller
FRACTIONS = READ | {"ciphertext_only_places", "places_recovered"}
OVER_KEYS = FRACTIONS | {"recovery_seconds"}


def columns(table: str) -> list[str]:
    """All columns of a raw table, in order."""
    return KEYS[table] + VALUES[table]


def is_proportion(name: str) -> bool:
    """Whether a metric or quantity is a fraction of n successes: a value in [0, 1] with Wilson's interval."""
    return name.endswith("accuracy") or name == "key_recovered"


# The attackers of inversion.csv by increasing knowledge. A decoder's name may follow, as in same_key_conv.
ATTACKERS = (
    "mean_image",
    "keyless",
    "keyless_adaptive",
    "ciphertext_only",
    "fresh_key",
    "same_key",
    "known_plaintext",
    "with_key",
    "legitimate",
)

NO_ATTACKER = ["original", "mean_image", "legitimate"]  # rows of inversion.csv with which attackers are compared


def family(attacker: str) -> str | None:
    """The member of ATTACKERS that an attacker of inversion.csv belongs to; None if there is none."""
    return max((name for name in ATTACKERS if f"{attacker}_".startswith(f"{name}_")), key=len, default=None)
