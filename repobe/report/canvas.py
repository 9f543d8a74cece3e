"""Drawing code that all figures share: the theme, a grid of panels, means with their 95 % intervals."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from repobe.report.styles import Style


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


def interval_line(axes, x, rows: pd.DataFrame, look: Style, label: str | None = None, line: str = "-"):
    """Draws means joined by a line, each with its 95 % interval as a bar, and returns the legend handle."""
    spread = np.abs(rows[["low", "high"]].to_numpy(float).T - rows["mean"].to_numpy(float))
    return axes.errorbar(
        x,
        rows["mean"],
        yerr=np.nan_to_num(spread) if np.isfinite(spread).any() else None,
        color=look.colour,
        marker=look.marker,
        linestyle=line,
        linewidth=1.4,
        elinewidth=0.9,
        markersize=8 if look.marker == "*" else 5,
        capsize=2,
        label=label,
    )


def mark_empty(axes) -> None:
    """Says inside an empty frame that nothing has run."""
    axes.text(0.5, 0.5, "nothing of this figure has run", ha="center", va="center", transform=axes.transAxes)
    axes.set(xticks=[], yticks=[])
