"""Drawing code that all figures share: the theme, a grid of panels, means with their 95 % intervals."""

import json
import textwrap

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from repobe.report.styles import Style

VALUES = "values "  # an artist's gid begins with it, followed by the text of each of its markers as JSON


def theme() -> None:
    """Sets matplotlib's look, the same for every figure and on every machine; call it before drawing.

    It starts from matplotlib's defaults, not from the user's matplotlibrc, and takes the font that comes with
    matplotlib: seaborn would take Arial where it is installed.
    """
    matplotlib.rcdefaults()
    sns.set_theme(context="paper", style="ticks", font_scale=1.1)
    plt.rcParams.update(
        {
            "font.sans-serif": ["DejaVu Sans"],
            "svg.hashsalt": "repobe",
            "svg.fonttype": "path",
            "pdf.fonttype": 42,
            "axes.axisbelow": True,
        }
    )


def panels(count: int, most: int, size: tuple[float, float], xlabel: str, ylabel: str) -> tuple:
    """(figure, its panels): up to `most` panels in a row, each of `size` inches.

    All panels share their axes; only the outer edges have labels.
    """
    columns = min(count, most)
    rows = -(-count // columns)
    figure, grid = plt.subplots(
        rows,
        columns,
        figsize=(0.8 + size[0] * columns, 0.8 + size[1] * rows),
        layout="constrained",
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for place, axes in enumerate(grid.flat):
        if place >= count:
            axes.remove()
        elif place + columns >= count:  # no panel below it, maybe because the last row is not full
            axes.set_xlabel(xlabel)
            axes.tick_params(labelbottom=True)
    for row in grid:
        row[0].set_ylabel(ylabel)
    return figure, list(grid.flat[:count])


def break_titles(figure) -> None:
    """Breaks each panel's title into lines where it is wider than its panel, so that no two titles touch."""
    figure.draw_without_rendering()  # lays the panels out
    for axes in figure.axes:
        wide, room = axes.title.get_window_extent().width, axes.get_window_extent().width
        if wide > room:
            lines = axes.get_title().split("\n")
            letters = max(1, int(max(map(len, lines)) * room / wide))
            axes.title.set_text("\n".join(part for line in lines for part in textwrap.wrap(line, letters)))


def interval_line(axes, x, rows: pd.DataFrame, look: Style, label: str | None = None, line: str = "-"):
    """Draws means joined by a line, each with its 95 % interval as a bar, and returns the legend handle."""
    spread = np.abs(rows[["low", "high"]].to_numpy(float).T - rows["mean"].to_numpy(float))
    drawn = axes.errorbar(
        x,
        rows["mean"],
        yerr=np.nan_to_num(spread) if np.isfinite(spread).any() else None,
        color=look.colour,
        marker=look.marker,
        linestyle=line,
        linewidth=1.4,
        elinewidth=0.9,
        markersize=8 if look.marker == "*" else 7 if isinstance(look.marker, tuple) else 5,  # stars look small
        capsize=2,
        label=label,
    )
    shown = rows[rows["mean"].notna()]
    say_values(drawn[0], [value_text(label or look.label, row) for row in shown.to_dict("records")])
    return drawn


def say_values(markers, texts: list[str]) -> None:
    """Gives each marker of a line its text: `save` makes titles of them in the SVG, which the page shows on hover."""
    markers.set_gid(VALUES + json.dumps(texts))


def value_text(label: str, row: dict) -> str:
    """RepObE, 7 dB: 0.9939 (0.9925 to 0.9950), n = 10,000, 3 seeds; without an interval or n where a row has none."""
    place = next((f", {row[name]:g} dB" for name in ("snr_test_db", "snr_db") if name in row), "")
    text = f"{label}{place}: {row['mean']:.4f}"
    if pd.notna(row.get("low")):
        text += f" ({row['low']:.4f} to {row['high']:.4f})"
    if pd.notna(row.get("n")):
        text += f", n = {row['n']:,.0f}, {row['seeds']:g} seed{'s' if row['seeds'] > 1 else ''}"
    return text


def mark_empty(axes) -> None:
    """Says inside an empty frame that nothing has run."""
    axes.text(0.5, 0.5, "nothing of this figure has run", ha="center", va="center", transform=axes.transAxes)
    axes.set(xticks=[], yticks=[])
