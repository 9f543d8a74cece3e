"""The look of a method in every figure: name, colour and marker, and its place in the paper's order."""

import hashlib
import re
from typing import NamedTuple

from repobe.verdicts import paper


class Style(NamedTuple):
    """The name, colour and marker of a method."""

    label: str
    colour: str
    marker: str | tuple  # matplotlib's notation: (4, 1) is a star of four points


# Okabe and Ito's palette and two more colours, which readers without colour vision can tell apart; markers do the same
# in print. Every method has its own colour, because some figures show the rivals of Fig. 3 and Fig. 4 side by side.
BLUE, SKY, ORANGE, GREEN, PINK, OLIVE, RED, GREY, INDIGO, BROWN = (
    "#0072B2", "#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#8C8C00", "#D55E00", "#555555", "#332288", "#7A4A00",
)  # fmt: skip
STYLE = {
    "necst": Style("NECST", BLUE, "s"),
    # One family, darker as the budget grows: a larger budget perturbs less.
    "necst_dp": Style("NECST-DP", SKY, "v"),
    "necst_dp_005": Style("NECST-DP0.05", "#A3D4F0", "v"),
    "necst_dp_01": Style("NECST-DP0.1", "#7FC3EB", "<"),
    "necst_dp_03": Style("NECST-DP0.3", SKY, ">"),
    "necst_dp_05": Style("NECST-DP0.5", "#3D96CB", "d"),
    "necst_dp_09": Style("NECST-DP0.9", "#2A6F9B", "p"),
    "ibal": Style("IBAL", ORANGE, "^"),
    "escst": Style("ESCST (our reconstruction)", GREEN, "D"),
    "vae": Style("VAE", PINK, "P"),
    "vae_128": Style("VAE, k = 128", "#8E4B6E", "h"),
    "jpeg2000": Style("JPEG2000, ideal code", OLIVE, "X"),
    "jpeg2000_ldpc": Style("JPEG2000, LDPC", "#4D4D00", (4, 1, 45)),
    "adversarial_training": Style("AT", INDIGO, (4, 1)),
    "trades": Style("TRADES", BROWN, (3, 1)),
    "undefended": Style("Undefended", GREY, "o"),
    "repobe": Style("RepObE", RED, "*"),
    "repobe_adversarial": Style("RepObE, Eq. 16", "#8A1C00", (6, 1)),
}
# The paper's own names for two of them: it names no channel code for JPEG2000, and our ESCST is a reconstruction.
PAPER_NAMES = {"jpeg2000": "JPEG2000", "escst": "ESCST"}
# For series that are not methods. 6 colours and 13 markers advance together: 78 pairs, the first 13 differ in marker.
COLOURS, MARKERS = [BLUE, ORANGE, GREEN, PINK, OLIVE, GREY], "osD^v<>PXph8d"


def family(method: str) -> str:
    """The method behind a label: `<method>` for `<method>_k512` (k = 512 channel uses), else the label itself."""
    return "vae" if method == "vae_128" else re.sub(r"_k\d+$", "", method)


def style(method: str) -> Style:
    """The style of a method; `<rival>_reconstruction` looks like the rival, and `<rival>_k512` says its k.

    An unknown method gets a style that depends only on its name, so it looks the same in every figure.
    """
    known = STYLE.get(method) or STYLE.get(method.removesuffix("_reconstruction"))
    if known:
        return known
    if family(method) != method:
        known = style(family(method))
        return known._replace(label=f"{known.label}, k = {method.rpartition('_k')[2]}")
    drawn = hashlib.sha256(method.encode()).digest()
    return Style(method.replace("_", " "), COLOURS[drawn[0] % len(COLOURS)], MARKERS[drawn[1] % len(MARKERS)])


def nth_style(number: int, label: str) -> Style:
    """The style of the number-th of several series that are not methods."""
    return Style(label, COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)])


def methods_in_order(methods) -> list[str]:
    """Each method once, in the paper's order; methods that the paper does not know come last, by name."""
    known = {name: place for place, name in enumerate(STYLE)}

    def place(method: str) -> tuple:
        reconstructs = method not in known and method.endswith("_reconstruction")
        name = method if method in known else family(method.removesuffix("_reconstruction"))
        uses = int(method.rpartition("_k")[2]) if family(method) != method and method not in known else 0
        return reconstructs, known.get(name, len(known)), uses, method

    return sorted(set(methods), key=place)


def user_methods(methods) -> list[str]:
    """The methods that neither the suite nor its decisions and readings know: figures show them beside the paper's."""
    base = {name: family(name.removesuffix("_reconstruction")) for name in methods}
    return [name for name in methods_in_order(base) if base[name] not in STYLE and name not in paper.variants()]
