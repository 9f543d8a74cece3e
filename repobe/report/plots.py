"""One style a method, in the paper's order; each figure also as the numbers it shows.

A figure is written by `save`: PDF, SVG and PNG of stable bytes, its title and a sentence for who cannot see it inside
the SVG and the PDF, and its numbers as CSV.
"""

import hashlib
import sys
from pathlib import Path
from typing import NamedTuple

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.lines import Line2D

from repobe.tables.results import pictures_of, read
from repobe.verdicts.comparison import LABELS, PAPER


class Style(NamedTuple):
    """How a method is called, coloured and marked."""

    label: str
    colour: str
    marker: str | tuple  # as matplotlib has it: (4, 1) is a star of four points


# Okabe and Ito's palette and two more, told apart without colour vision; markers tell the same in print. In the paper's
# order, a colour each: figures of all methods show Fig. 3's rivals and Fig. 4's side by side.
BLUE, SKY, ORANGE, GREEN, PINK, OLIVE, RED, GREY, INDIGO, BROWN = (
    "#0072B2", "#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#8C8C00", "#D55E00", "#555555", "#332288", "#7A4A00",
)  # fmt: skip
STYLE = {
    "necst": Style("NECST", BLUE, "s"),
    # One family, darker with the budget: a larger one perturbs less.
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
    "repobe_adversarial": Style("RepObE, Eq. 16", RED, "*"),
}
# What the paper calls them: it says no code of JPEG2000, and its ESCST is not ours.
PAPERS = {"jpeg2000": "JPEG2000", "escst": "ESCST"}
# For what is no method. 6 colours and 13 markers in step: 78 pairs, of which the first 13 differ by marker alone.
COLOURS, MARKERS = [BLUE, ORANGE, GREEN, PINK, OLIVE, GREY], "osD^v<>PXph8d"
# The paper's dataset of a panel, and what may stand in for it where the real one has not run.
STANDS_IN = {"mnist": "digits", "cifar10": "digits_rgb"}
TITLES = {
    "mnist": "MNIST",
    "cifar10": "CIFAR-10",
    "digits": "digits (stand-in for MNIST)",
    "digits_rgb": "digits_rgb (stand-in for CIFAR-10)",
}
AIR = {"awgn": "AWGN", "rayleigh": "Rayleigh fading"}
PRINTED = PAPER / "numbers.csv"
NOTHING = "Nothing of this figure has run."


def style(method: str) -> Style:
    """A method's style; of `<rival>_reconstruction` the rival's; of any other label one that its name alone chooses."""
    method = LABELS.get(method, method)
    known = STYLE.get(method) or STYLE.get(method.removesuffix("_reconstruction"))
    if known:
        return known
    drawn = hashlib.sha256(method.encode()).digest()
    return Style(method.replace("_", " "), COLOURS[drawn[0] % len(COLOURS)], MARKERS[drawn[1] % len(MARKERS)])


def nth_style(number: int, label: str) -> Style:
    """The style of the number-th of several things that are no methods."""
    return Style(label, COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)])


def in_order(methods) -> list[str]:
    """Each method once, in the paper's order, those that it does not know behind by name."""
    known = {name: place for place, name in enumerate(STYLE)}

    def place(method: str) -> tuple:
        reconstructs = method not in known and method.endswith("_reconstruction")
        return reconstructs, known.get(method.removesuffix("_reconstruction"), len(known)), method

    return sorted(set(methods), key=place)


def title_of(dataset: str, channel: str | None = None) -> str:
    """The heading of a panel."""
    name = TITLES.get(dataset, dataset)
    return name if channel is None else f"{name}, {air_of(channel)}"


def air_of(channel: str) -> str:
    """How a channel is called."""
    return AIR.get(channel, channel.replace("_", " "))


def in_order_of_data(datasets) -> list[str]:
    """Each dataset once, the paper's before their stand-ins before others."""
    known = list(TITLES)
    return sorted(set(datasets), key=lambda name: (known.index(name) if name in known else len(known), name))


def preferred_channel(frame: pd.DataFrame) -> str:
    """AWGN where anything ran over it, else the first by name."""
    return "awgn" if (frame["channel"] == "awgn").any() else min(frame["channel"])


def theme() -> None:
    """One look for every figure, told to matplotlib before it draws."""
    sns.set_theme(context="paper", style="ticks", font_scale=1.1)
    plt.rcParams.update({"svg.hashsalt": "repobe", "svg.fonttype": "path", "pdf.fonttype": 42, "axes.axisbelow": True})


def panels(count: int, most: int, size: tuple[float, float], xlabel: str, ylabel: str) -> tuple:
    """(figure, its panels): `most` a row, of `size` inches each, all on the same axes, named at the edges."""
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
        elif place + columns >= count:  # nothing below, be it for a last row that is not full
            axes.set_xlabel(xlabel)
            axes.tick_params(labelbottom=True)
    for row in grid:
        row[0].set_ylabel(ylabel)
    return figure, list(grid.flat[:count])


def image_count(rows: pd.DataFrame) -> str:
    """How many images a table's means are over: 2,000, or 200/500 where that differs."""
    return "/".join(f"{n:,}" for n in sorted(set(rows["n"])))


class Curve(NamedTuple):
    """A line of a figure over SNR, or the points that the paper prints of one."""

    look: Style
    label: str
    dashed: bool
    rows: pd.DataFrame


def lines(name: str, dataset: str, channel: str, methods: list[str], quantities: list[str]) -> None:
    """A figure of accuracy over SNR from the command line's RESULTS and FIGURES_DIR.

    quantities: natural_accuracy (solid) and adversarial_accuracy (dashed). Bars are 95 % intervals, set apart sideways
    so that each can be seen; hollow markers are the paper's printed points, where the dataset is the paper's. What lies
    too close to be told is enlarged in a panel above.
    """
    results, out = arguments()
    table = read(results / "summary" / "evasion.csv")
    shown = present(dataset, set(table["dataset"]))
    table = table[(table["dataset"] == shown) & (table["channel"] == channel) & table["attack"].isin(["none", "paper"])]
    curves = _curves(table.assign(source="measured"), methods, quantities)
    measured, absent = [one for one in curves if len(one.rows)], [one.label for one in curves if one.rows.empty]
    printed = []
    if shown == dataset and measured:
        printed = [one for one in _curves(_printed(name), methods, quantities, paper=True) if len(one.rows)]
    band = enlarged([one.rows for one in measured], [one.rows for one in printed])
    theme()
    figure, grid = plt.subplots(
        1 + bool(band), figsize=(5.2, 6.4 if band else 4.2), layout="constrained", sharex=True, squeeze=False
    )
    words = quantities[0].replace("_", " ").capitalize() if len(quantities) == 1 else "Accuracy"
    for axes in grid[:, 0]:
        handles = _draw_curves(axes, measured, printed)
        axes.set_ylabel(words)
        axes.grid(axis="y", alpha=0.35)
    grid[0, 0].set_title(title_of(shown, channel))
    grid[-1, 0].set_xlabel("SNR (dB)")
    numbers = pd.concat([one.rows for one in measured + printed] or [table.iloc[:0].assign(source=[])])
    alt = f"{words} over SNR, {title_of(shown, channel)}. "
    if measured:
        grid[-1, 0].set_xticks(sorted(set(numbers["snr_test_db"])))
        # What has not run has no marker: a hollow or a pale one would pass for the paper's.
        handles += [Line2D([], [], linestyle="none", label=f"{label} (not run)") for label in absent]
        figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=8, handlelength=2.8)
        sns.despine(figure)
        alt += "; ".join(f"{one.label} {_ends(one.rows)}" for one in measured + printed) + "."
    else:
        nothing(grid[0, 0])
        alt += NOTHING
    if band:
        grid[0, 0].set(ylim=band, ylabel=f"{words},\nthe shaded band")
        grid[1, 0].axhspan(*band, color="#EEEEEE", zorder=0)
        alt += f" Above, {band[0]:.3f} to {band[1]:.3f} is enlarged."
    if measured and absent:
        alt += f" Not run: {', '.join(absent)}."
    save(figure, out / name, numbers, f"Fig. {name.removeprefix('fig')}", alt)


def _curves(table: pd.DataFrame, methods: list[str], quantities: list[str], paper: bool = False) -> list[Curve]:
    """A curve each method and quantity, some maybe of no rows; paper: of what it prints, called as it calls them."""
    found = []
    for method in methods:
        called = PAPERS.get(method, style(method).label) if paper else style(method).label
        for quantity in quantities:
            rows = table[(table["method"] == method) & (table["metric"] == quantity)].sort_values("snr_test_db")
            several = len(quantities) > 1
            label = called + (f": {quantity.removesuffix('_accuracy')}" if several else "") + " (paper)" * paper
            found.append(Curve(style(method), label, several and quantity == "adversarial_accuracy", rows))
    return found


def _printed(name: str) -> pd.DataFrame:
    """The points that the paper prints of a figure; they too are numbers of it."""
    printed = pd.read_csv(PRINTED, dtype={"snr_db": str}).replace({"method": LABELS})
    printed = printed[(printed["figure"] == name.removeprefix("fig")) & (printed["relation"] == "equals")]
    renamed = printed.rename(columns={"quantity": "metric", "snr_db": "snr_test_db", "value": "mean"})
    renamed = renamed.astype({"snr_test_db": float}).assign(source="printed")
    return renamed[["method", "dataset", "channel", "snr_test_db", "metric", "mean", "source"]]


def _draw_curves(axes, measured: list[Curve], printed: list[Curve]) -> list:
    """Draws them and returns what the legend shows of them."""
    handles = []
    for curve, aside in zip(measured, asides(len(measured)), strict=True):
        line = "--" if curve.dashed else "-"
        x = curve.rows["snr_test_db"] + aside
        handles.append(interval_line(axes, x, curve.rows, curve.look, curve.label, line))
    for look, label, _, rows in printed:
        hollow = {"marker": look.marker, "markersize": 10, "markerfacecolor": "none", "color": look.colour}
        handles += axes.plot(rows["snr_test_db"], rows["mean"], linestyle="none", label=label, **hollow)
    return handles


def asides(count: int) -> list[float]:
    """How far each of several curves is set aside, in dB: a quarter from the next and from its SNR at most."""
    step = min(0.25, 0.5 / max(1, count - 1))
    return [step * (place - (count - 1) / 2) for place in range(count)]


def enlarged(measured: list[pd.DataFrame], printed: list[pd.DataFrame]) -> tuple[float, float] | None:
    """The band of the curves that the whole range would press into one, two or more of them measured, bars and all.

    On average they lie within a twentieth of the range below the best; None where they need a quarter of it or more.
    """
    means = pd.concat([rows["mean"] for rows in measured + printed] or [pd.Series(dtype=float)])
    best, whole = means.max(), means.max() - means.min()

    def close(curves: list[pd.DataFrame]) -> list[pd.DataFrame]:
        return [rows for rows in curves if rows["mean"].mean() >= best - whole / 20]

    if len(close(measured)) < 2:
        return None
    reached = pd.concat(close(measured + printed))[["mean", "low", "high"]]
    low, high = float(reached.min(axis=None)), float(reached.max(axis=None))
    margin = (high - low) / 20
    return None if high - low >= whole / 4 else (low - margin, high + margin)


def interval_line(axes, x, rows: pd.DataFrame, look: Style, label: str | None = None, line: str = "-"):
    """Means joined by a line, a 95 % bar at each that has one; what a legend shows of it."""
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


def _ends(rows: pd.DataFrame) -> str:
    first, last = rows.iloc[0], rows.iloc[-1]
    span = f"{first['mean']:.4f} at {first['snr_test_db']:g} dB"
    return span if len(rows) == 1 else f"{span} to {last['mean']:.4f} at {last['snr_test_db']:g} dB"


def gallery(name: str, dataset: str, classes: tuple[int, int], columns: dict[str, tuple[str, str]]) -> None:
    """Pictures as in Figs. 3d and 3e: two images; a column each {title: (method, attacker or `legitimate`)}.

    What has not run is an empty frame that says so.
    """
    results, out = arguments()
    table = read(results / "summary" / "inversion.csv")
    pictures = pictures_of(results / "summary" / "reconstructions.npz")
    shown = present(dataset, set(table["dataset"]))
    columns = {"Original": (next(iter(columns.values()))[0], "original")} | columns
    theme()
    figure, axes = plt.subplots(2, len(columns), figsize=(1.3 * len(columns), 3.5), layout="constrained")
    told, numbers = [], []
    for column, (title, (method, attacker)) in enumerate(columns.items()):
        # The original is nobody's: of whichever run has it.
        heads = _heads(pictures, shown, None if attacker == "original" else method)
        seen = bool(heads) and f"{heads[0]}/{attacker}" in pictures
        ssim = None
        if seen:
            rows = table[(table["dataset"] == shown) & (table["method"] == method) & (table["attacker"] == attacker)]
            rows = rows[(rows["channel"] == heads[0].split("/")[1]) & (rows["metric"] == "ssim")]
            rows = rows[rows["snr_tap_db"] == rows["snr_tap_db"].max()]  # the pictures are of the highest
            numbers.append(rows)
            ssim = rows["mean"].iloc[0] if len(rows) else None
        for row, wanted in enumerate(classes):
            axis = axes[row, column]
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_color("#999999")
            if row == 0:
                axis.set_title(title, fontsize=8)
            if not seen:
                axis.text(0.5, 0.5, "not run", ha="center", va="center", fontsize=8, transform=axis.transAxes)
                axis.set_aspect("equal")
                continue
            index = int(np.flatnonzero(pictures[f"{heads[0]}/label"] == wanted)[0])
            picture = pictures[f"{heads[0]}/{attacker}"][index].transpose(1, 2, 0)
            axis.imshow(picture.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            if row == 1 and ssim is not None:
                axis.set_xlabel(f"SSIM {ssim:.2f}", fontsize=8)
        if attacker != "original":
            said = "not run" if not seen else "shown" if ssim is None else f"SSIM {ssim:.2f}"
            told.append(f"{title.replace(chr(10), ' ')}: {said}")
    kept = pd.concat(numbers) if numbers else table.iloc[:0]
    over = f"; SSIM over {image_count(kept)} test images" if len(kept) else ""
    figure.suptitle(title_of(shown) + over, fontsize=9)
    alt = (
        f"Two test images of {title_of(shown)} as attackers and the legitimate user see them{over}. {'; '.join(told)}."
    )
    save(figure, out / name, kept, f"Fig. {name.removeprefix('fig')}", alt)


def _heads(pictures: dict, dataset: str, method: str | None) -> list[str]:
    """Runs with pictures: <dataset>/<channel>/<method>/seed<k>, AWGN and the first seed before others."""
    heads = sorted({name.rsplit("/", 1)[0] for name in pictures if name.startswith(f"{dataset}/")})
    return [head for head in heads if method is None or head.split("/")[2] == method]


def arguments() -> tuple[Path, Path]:
    """(RESULTS, FIGURES_DIR) of the command line, the second made."""
    if len(sys.argv) != 3:
        sys.exit(f"usage: python -m figures.{Path(sys.argv[0]).stem} RESULTS FIGURES_DIR")
    out = Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    return Path(sys.argv[1]), out


def present(dataset: str, datasets: set[str]) -> str:
    """The paper's dataset where it has run, else its stand-in where that has, else the paper's."""
    stand_in = STANDS_IN[dataset]
    return stand_in if dataset not in datasets and stand_in in datasets else dataset


def nothing(axes) -> None:
    """An empty frame that says so."""
    axes.text(0.5, 0.5, "nothing of this figure has run", ha="center", va="center", transform=axes.transAxes)
    axes.set(xticks=[], yticks=[])


def empty(stem: Path, numbers: pd.DataFrame, title: str) -> None:
    """A whole figure of which nothing has run."""
    theme()
    figure, axes = plt.subplots(figsize=(5.2, 2.0), layout="constrained")
    nothing(axes)
    axes.set_title(title)
    save(figure, stem, numbers.iloc[:0], title, NOTHING)


def save(figure, stem: Path, numbers: pd.DataFrame, title: str, alt: str) -> None:
    """PDF, SVG and PNG of stable bytes (no dates, a fixed salt), and the plotted numbers as CSV.

    title and alt, what the figure shows in words, go into the SVG and the PDF; the report reads them there.
    """
    figure.savefig(stem.with_suffix(".pdf"), metadata={"CreationDate": None, "Title": title, "Subject": alt})
    figure.savefig(stem.with_suffix(".svg"), metadata={"Date": None, "Title": title, "Description": alt})
    figure.savefig(stem.with_suffix(".png"), dpi=200)
    plt.close(figure)
    numbers.to_csv(stem.with_suffix(".csv"), index=False)
