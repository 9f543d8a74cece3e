"""Words of the page for names of the tables: as the figures spell them (RepObE, Eq. 16 and not repobe_adversarial)."""

import re
from collections.abc import Callable, Iterable

from repobe.report.headings import channel_title, panel_title
from repobe.report.styles import style
from repobe.runs.grid import HALF

QUANTITIES = {
    "natural_accuracy": "accuracy",
    "adversarial_accuracy": "accuracy under attack",
    "clean_accuracy": "accuracy on the clean image",
    "attacker_accuracy": "accuracy on the attacker's images",
    "ciphertext_only_accuracy": "accuracy with the key that an eavesdropper finds",
    "ssim": "SSIM of the attacker's images",
    "psnr_db": "PSNR (dB)",
    "mse": "MSE",
}
ATTACKS = {
    "none": "none",
    "paper": "PGD-5, the paper's",
    "paper_common": "PGD-5, on the images that all attacks share",
    "worst": "worst of all",
    "ensemble": "worst of those run",
    "strong": "EOT-PGD",
    "curve": "EOT-PGD, several radii",
    "autoattack_rand": "AutoAttack, rand",
    "autoattack_standard": "AutoAttack, standard",
    "square": "Square",
    "keyless": "PGD on a copy without the key",
    "transfer": "transfer from the undefended system",
}


def method(name: str) -> str:
    """A method's label in the figures; a system that sends images, or had half the training (D32), says so."""
    if name.endswith(HALF):
        return f"{method(name.removesuffix(HALF))}, half the training"
    sends_images = name.endswith("_reconstruction")
    return style(name).label + (", images" if sends_images else "")


def _spelled_by(words: dict[str, str]) -> Callable[[str], str]:
    return lambda name: words.get(name, name.replace("_", " "))


# Columns of the tables whose values are names, and how each is spelled.
SPELLED = {
    "method": method,
    "rival": method,
    "dataset": panel_title,
    "channel": channel_title,
    "quantity": _spelled_by(QUANTITIES),
    "metric": _spelled_by(QUANTITIES | {"ssim": "SSIM"}),
    "attack": _spelled_by(ATTACKS),
    "attacker": _spelled_by({}),
}


def spelled(text: str, methods: Iterable[str]) -> str:
    """A sentence of the tables with the labels of methods in place of their names."""
    names = "|".join(sorted(map(re.escape, methods), key=len, reverse=True))
    return re.sub(rf"\b({names})\b", lambda found: method(found[1]), text) if names else text


def joined(words: Iterable[str]) -> str:
    """a, b and c."""
    *first, last = list(words)
    return f"{', '.join(first)} and {last}" if first else last


def capital(text: str) -> str:
    """The text with its first letter in upper case; the rest keeps its own."""
    return text[:1].upper() + text[1:]


def scaled(value: float) -> tuple[float, str]:
    """2,741,642 as 2.741642 and M; a number below 1,000 as it is, without a letter."""
    for unit, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return value / unit, letter
    return value, ""
