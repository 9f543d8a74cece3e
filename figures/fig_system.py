"""The system's block diagram, drawn from the layer table of `python -m repobe layer_table`."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from repobe.report.canvas import theme
from repobe.report.saving import arguments, save, save_empty
from repobe.report.styles import BLUE, GREEN, GREY, ORANGE, RED
from repobe.tables.results import read

TITLE = "The system, layer by layer"
ROWS = {"encoder": 0, "air": 1, "class decoder": 2, "image decoder": 3}
HEADINGS = {"air": "on the air", "class decoder": "class decoder", "image decoder": "or image decoder"}
COLOURS = {
    "convolution": BLUE,
    "transposed convolution": BLUE,
    "residual block": GREEN,
    "residual block, SE": ORANGE,
    "squeeze and excitation": ORANGE,
    "signal": RED,
}
WIDE, STEP, DEEP = 0.86, 1.0, 1.55


def draw() -> None:
    """Writes fig_system."""
    results, out = arguments()
    table = read(results / "summary" / "layer_table.csv")
    if table.empty:
        return save_empty(out / "fig_system", table, TITLE)
    theme()
    most = max((table["part"] == part).sum() for part in ROWS)
    figure, axes = plt.subplots(figsize=(11, 6.4), layout="constrained")
    axes.set(xlim=(-1.35, most), ylim=(-DEEP * 3 - 0.75, 0.85))
    axes.axis("off")
    for part, row in ROWS.items():
        layers = table[table["part"] == part].to_dict("records")
        y, parameters = -DEEP * row, sum(layer["parameters"] for layer in layers)
        heading = HEADINGS.get(part, part)
        if parameters:
            heading += f"\n{parameters:,.0f}\nparameters"
        axes.text(-0.62, y, heading, ha="right", va="center", fontsize=8, weight="bold")
        for place, layer in enumerate(layers):
            _box(axes, place * STEP, y, layer)
            if place:
                _arrow(axes, (place * STEP - STEP + WIDE / 2, y), (place * STEP - WIDE / 2, y))
    image = table[table["part"] == "image"].iloc[0]
    axes.text(0, 0.62, f"image {_shape(image)}", ha="center", va="center", fontsize=7.5)
    _arrow(axes, (0, 0.53), (0, 0.34))
    ends = {part: (sum(table["part"] == part) - 1) * STEP for part in ROWS}
    _bend(axes, ends["encoder"], 0, 0, -DEEP)
    _bend(axes, ends["air"], -DEEP, 0, -2 * DEEP)
    _bend(axes, ends["air"], -DEEP, 0, -3 * DEEP)
    air = [layer["layer"] for layer in table[table["part"] == "air"].to_dict("records")]
    beside = {"shuffle": "key", "channel": "noise n0, fading h;\nwhat an eavesdropper hears", "unshuffle": "key"}
    for name, words in beside.items():
        x = air.index(name) * STEP
        axes.text(x, -DEEP + 0.66, words, ha="center", va="bottom", fontsize=6.5, color=GREY)
        _arrow(axes, (x, -DEEP + 0.62), (x, -DEEP + 0.34), dotted=True)
    kinds = ", ".join(f"{len(table[table['part'] == part])} layers in the {part}" for part in ROWS if part != "air")
    alt = (
        f"Block diagram for an image of {_shape(image)}: {kinds}. The encoder's features are scaled to unit power, "
        "shuffled by the key, sent over the channel, unshuffled by the key, and read by a class or an image decoder. "
        "Every layer with its shape stands in the table beside the figure."
    )
    save(figure, out / "fig_system", table, TITLE, alt)


def _box(axes, x: float, y: float, layer: dict) -> None:
    colour = COLOURS.get(layer["kind"], GREY)
    box = FancyBboxPatch(
        (x - WIDE / 2, y - 0.3), WIDE, 0.6, "round,pad=0,rounding_size=0.06", facecolor=colour + "22", edgecolor=colour
    )
    axes.add_patch(box)
    name = layer["layer"] if layer["kind"] == "signal" else layer["kind"]
    words = name.replace(" and ", " &\n").replace("transposed ", "transp.\n").replace(" block", "\nblock")
    words = words.replace("global average ", "global\naverage ").replace("max ", "max\n")
    if pd.notna(layer["size"]):
        words += f"\n{layer['size']:g}×{layer['size']:g}" + (f" /{layer['stride']:g}" if layer["stride"] > 1 else "")
    axes.text(x, y, words, ha="center", va="center", fontsize=6, linespacing=1.15)
    axes.text(x, y - 0.36, _shape(layer), ha="center", va="top", fontsize=6, color="#333333")


def _shape(layer) -> str:
    if layer["layer"] == "channel":
        return f"k = {layer['channels']:g} symbols"
    if layer["height"] == 1:
        return f"{layer['channels']:g}"
    return f"{layer['channels']:g}×{layer['height']:g}×{layer['width']:g}"


def _arrow(axes, start, end, dotted: bool = False) -> None:
    line = {"linestyle": ":" if dotted else "-", "color": GREY, "linewidth": 0.9}
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=6, shrinkA=0, shrinkB=0, **line))


def _bend(axes, x: float, y: float, to_x: float, to_y: float) -> None:
    """An arrow from the last box of a row, below the row, to the left side of the first box of a lower row."""
    low, left = y - 0.62, to_x - WIDE / 2 - 0.1
    right = x + WIDE / 2
    axes.plot([right, right + 0.07, right + 0.07, left, left], [y, y, low, low, to_y], color=GREY, linewidth=0.9)
    _arrow(axes, (left, to_y), (to_x - WIDE / 2, to_y))


if __name__ == "__main__":
    draw()
