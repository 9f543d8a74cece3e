"""Accuracy over SNR (Figs. 3a-c and 4): one curve per method and quantity, beside the paper's printed points."""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.lines import Line2D

from repobe.report.canvas import interval_line, mark_empty, theme
from repobe.report.headings import NOTHING, dataset_shown, sized_title
from repobe.report.saving import arguments, save, summary
from repobe.report.styles import PAPER_NAMES, Style, style, user_methods
from repobe.verdicts import paper


class Curve(NamedTuple):
    """A measured curve over SNR, or the paper's printed points of one; `rows` is empty if nothing has run."""

    look: Style
    label: str
    dashed: bool
    rows: pd.DataFrame

    def in_words(self) -> str:
        """Its first and its last point, for readers who cannot see it."""
        first, last = self.rows.iloc[0], self.rows.iloc[-1]
        span = f"{self.label} {first['mean']:.4f} at {first['snr_test_db']:g} dB"
        return span if len(self.rows) == 1 else f"{span} to {last['mean']:.4f} at {last['snr_test_db']:g} dB"


def accuracy_over_snr(
    name: str, dataset: str, channel: str, methods: list[str], quantities: list[str], beside: Sequence[str] = ()
) -> None:
    """Draws one figure from the RESULTS and FIGURES_DIR of the command line.

    methods: those that the paper's figure shows; methods of the user's own that ran there are added. quantities:
    natural_accuracy (solid) and adversarial_accuracy (dashed). beside: methods that the paper's figure does not show;
    their adversarial accuracy is added where they ran. Bars are 95 % intervals; curves are moved
    apart sideways so that each bar shows. Hollow markers are the paper's printed points; they appear only where the
    dataset is the paper's. A second panel above enlarges curves that lie too close together.
    """
    results, out = arguments()
    table = summary(results, "evasion")
    shown = dataset_shown(dataset, set(table["dataset"]))
    table = table[(table["dataset"] == shown) & (table["channel"] == channel) & table["attack"].isin(["none", "paper"])]
    methods = [*methods, *user_methods(table[table["metric"].isin(quantities)]["method"])]
    table = table.assign(source="measured")
    added = [one for one in curves_of(table, list(beside), quantities) if one.dashed and len(one.rows)]
    curves = with_seeds(with_channel_uses(curves_of(table, methods, quantities) + added))
    measured, absent = [one for one in curves if len(one.rows)], [one.label for one in curves if one.rows.empty]
    printed = []
    if shown == dataset and measured:
        printed = [one for one in curves_of(points_printed(name), methods, quantities, printed=True) if len(one.rows)]
    numbers = pd.concat([one.rows for one in measured + printed] or [table.iloc[:0].assign(source=[])])
    band = enlarged([one.rows for one in measured], [one.rows for one in printed])
    title = sized_title(shown, channel, (size for one in measured for size in one.rows["image_size"]))
    words = quantities[0].replace("_", " ").capitalize() if len(quantities) == 1 else "Accuracy"
    figure = _drawn(measured, printed, absent, band, (title, words), sorted(set(numbers["snr_test_db"])))
    alt = f"{words} over SNR, {title}. {_in_words(measured, printed, absent, band)}"
    save(figure, out / name, numbers, f"Fig. {name.removeprefix('fig')}", alt)


def curves_of(table: pd.DataFrame, methods: list[str], quantities: list[str], printed: bool = False) -> list[Curve]:
    """A curve for each method and quantity, without rows where the table has none.

    printed: the table holds the paper's printed points, which carry the paper's names.
    """
    found = []
    for method in methods:
        called = PAPER_NAMES.get(method, style(method).label) if printed else style(method).label
        for quantity in quantities:
            rows = table[(table["method"] == method) & (table["metric"] == quantity)].sort_values("snr_test_db")
            several = len(quantities) > 1
            label = called + (f": {quantity.removesuffix('_accuracy')}" if several else "") + " (paper)" * printed
            found.append(Curve(style(method), label, several and quantity == "adversarial_accuracy", rows))
    return found


def with_channel_uses(curves: list[Curve]) -> list[Curve]:
    """The same curves. If they differ in k, each label states its k, because their accuracies do not compare."""
    uses = [f"{one.rows['symbols_k'].iloc[0]:g}" if len(one.rows) else None for one in curves]
    if len(set(uses) - {None}) < 2:
        return curves
    said = [
        f"{one.label.partition(', k = ')[0]}, k = {k}" if k else one.label for one, k in zip(curves, uses, strict=True)
    ]
    return [one._replace(label=label) for one, label in zip(curves, said, strict=True)]


def with_seeds(curves: list[Curve]) -> list[Curve]:
    """The same curves. If only some have several seeds, labels say so, because bars of one seed lack their spread."""
    seeds = [int(one.rows["seeds"].min()) if len(one.rows) else 0 for one in curves]
    if len(set(seeds) - {0}) < 2:
        return curves
    told = [f"{one.label}, {count} seeds" if count > 1 else one.label for one, count in zip(curves, seeds, strict=True)]
    return [one._replace(label=label) for one, label in zip(curves, told, strict=True)]


def points_printed(name: str) -> pd.DataFrame:
    """The points that the paper prints for a figure, in the columns of a summary."""
    printed = paper.numbers()
    printed = printed[(printed["figure"] == name.removeprefix("fig")) & (printed["relation"] == "equals")]
    renamed = printed.rename(columns={"quantity": "metric", "snr_db": "snr_test_db", "value": "mean"})
    renamed = renamed.astype({"snr_test_db": float}).assign(source="printed")
    return renamed[["method", "dataset", "channel", "snr_test_db", "metric", "mean", "source"]]


def offsets(count: int) -> list[float]:
    """How far each of several curves is moved sideways, in dB.

    Neighbours lie at most a quarter of a dB apart, and no curve lies further than that from its SNR.
    """
    step = min(0.25, 0.5 / max(1, count - 1))
    return [step * (place - (count - 1) / 2) for place in range(count)]


def enlarged(measured: list[pd.DataFrame], printed: list[pd.DataFrame]) -> tuple[float, float] | None:
    """The band (low, high) of accuracy to enlarge, because the whole range would press its curves into one line.

    The band holds the curves, with their bars, whose mean is at most a twentieth of the range below the best. None if
    fewer than two measured curves are that close, or if the band needs a quarter of the range or more.
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


def _drawn(
    measured: list[Curve],
    printed: list[Curve],
    absent: list[str],
    band: tuple[float, float] | None,
    words: tuple[str, str],
    snrs: list[float],
):
    """The matplotlib figure; words: the title and the name of the vertical axis."""
    title, ylabel = words
    theme()
    figure, grid = plt.subplots(
        1 + bool(band), figsize=(5.2, 6.4 if band else 4.2), layout="constrained", sharex=True, squeeze=False
    )
    for axes in grid[:, 0]:
        # The enlarged panel leaves out a bar whose point lies outside: it would seem to have no point.
        shown = _inside(measured, band) if band and axes is grid[0, 0] else measured
        handles = draw_curves(axes, shown, printed)
        axes.set_ylabel(ylabel)
        axes.grid(axis="y", alpha=0.35)
    top, bottom = grid[0, 0], grid[-1, 0]
    top.set_title(title)
    bottom.set_xlabel("SNR (dB)")
    if measured:
        bottom.set_xticks(snrs)
        # A method that has not run gets no marker: a hollow or a pale one would look like the paper's.
        handles += [Line2D([], [], linestyle="none", label=f"{label} (not run)") for label in absent]
        figure.legend(
            handles=handles,
            loc="outside lower center",
            ncols=2,
            frameon=False,
            fontsize=7.5,
            handlelength=2.5,
            columnspacing=1,
        )
        sns.despine(figure)
    else:
        mark_empty(top)
    if band:
        top.set(ylim=band, ylabel=f"{ylabel},\nthe shaded band")
        bottom.axhspan(*band, color="#EEEEEE", zorder=0)
    return figure


def _inside(curves: list[Curve], band: tuple[float, float]) -> list[Curve]:
    """The curves without their points outside a band; each keeps its place, so it is moved aside as below."""
    return [
        one._replace(rows=one.rows.assign(mean=one.rows["mean"].where(one.rows["mean"].between(*band))))
        for one in curves
    ]


def draw_curves(axes, measured: list[Curve], printed: Sequence[Curve] = ()) -> list:
    """Draws all curves, the measured ones moved aside by their offsets, and returns their legend handles."""
    handles = []
    for curve, offset in zip(measured, offsets(len(measured)), strict=True):
        line = "--" if curve.dashed else "-"
        x = curve.rows["snr_test_db"] + offset
        handles.append(interval_line(axes, x, curve.rows, curve.look, curve.label, line))
    for look, label, _, rows in printed:
        hollow = {"marker": look.marker, "markersize": 10, "markerfacecolor": "none", "color": look.colour}
        handles += axes.plot(rows["snr_test_db"], rows["mean"], linestyle="none", label=label, **hollow)
    return handles


def _in_words(measured: list[Curve], printed: list[Curve], absent: list[str], band: tuple[float, float] | None) -> str:
    """What the figure shows, for readers who cannot see it."""
    if not measured:
        return NOTHING
    told = "; ".join(one.in_words() for one in measured + printed) + "."
    if band:
        told += f" Above, {band[0]:.3f} to {band[1]:.3f} is enlarged."
    if absent:
        told += f" Not run: {', '.join(absent)}."
    return told
