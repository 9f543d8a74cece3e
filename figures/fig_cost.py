"""Accuracy against cost: channel uses, operations and training time, at the highest SNR.

Methods that would lie under one marker are moved apart sideways.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from repobe.report.canvas import say_values, theme, value_text
from repobe.report.display_names import scaled
from repobe.report.headings import channel_title, datasets_in_order, on_one_channel, panel_title, shared
from repobe.report.saving import arguments, on_one_device, save, save_empty, summary
from repobe.report.styles import methods_in_order, style
from repobe.tables.schema import CONFIGURATION

TITLE = "Cost against accuracy"
COSTS = {
    "symbols_k": "Channel uses an image (k)",
    "flops": "FLOPs of a forward pass",
    "train_seconds": "Training (s)",
}


def draw() -> None:
    """Writes fig_cost."""
    results, out = arguments()
    accuracy = summary(results, "evasion")
    accuracy = accuracy[accuracy["metric"] == "natural_accuracy"].drop(columns="symbols_k")
    accuracy = accuracy[accuracy["snr_test_db"] == accuracy.groupby(CONFIGURATION)["snr_test_db"].transform("max")]
    cost = summary(results, "cost").drop(columns="seeds")
    table = pd.merge(
        accuracy[[*CONFIGURATION, "snr_test_db", "mean", "low", "high", "seeds", "n"]], cost, on=CONFIGURATION
    )
    table = on_one_device(table)
    if table.empty:
        return save_empty(out / "fig_cost", table, TITLE)
    table = on_one_channel(table)
    datasets = datasets_in_order(table["dataset"])
    theme()
    figure, grid = plt.subplots(
        len(datasets),
        len(COSTS),
        figsize=(8.6, 0.8 + 2.5 * len(datasets)),
        layout="constrained",
        sharey="row",
        sharex="col",
        squeeze=False,
    )
    handles, told, settings = {}, [], {}
    for dataset, row in zip(datasets, grid, strict=True):
        mine = table[table["dataset"] == dataset]
        settings[dataset] = f"{channel_title(mine['channel'].iloc[0])}, {mine['snr_test_db'].max():g} dB"
        for axes, column in zip(row, COSTS, strict=True):
            known = mine[mine[column].notna()]  # a method that another device trained has no time
            places = apart(known[column], known["mean"], table[column])
            for method in methods_in_order(known["method"]):
                rows, look = known[known["method"] == method], style(method)
                x = places[rows.index]
                axes.vlines(x, rows["low"], rows["high"], color=look.colour, linewidth=1)
                (handles[look.label],) = axes.plot(
                    x, rows["mean"], linestyle="none", marker=look.marker, markersize=6.5, color=look.colour
                )
                texts = [value_text(look.label, row) for row in rows.to_dict("records")]
                say_values(handles[look.label], texts)
                if column == "symbols_k":
                    r = rows.iloc[0]
                    told.append(
                        f"{look.label} on {dataset}: accuracy {r['mean']:.3f}, k {r['symbols_k']:g}, "
                        f"{r['flops']:.2g} FLOPs, {seconds(r['train_seconds'])}"
                    )
            axes.grid(alpha=0.3)
        row[0].set_ylabel(f"{panel_title(dataset)}\nnatural accuracy")
        timed = mine.loc[mine["train_seconds"].notna(), "device"].unique()
        row[-1].set_title(f"on {', '.join(timed)}".replace("cpu", "a CPU"), fontsize=8)
    for axes, (column, label) in zip(grid[-1], COSTS.items(), strict=True):
        axes.set_xlabel(label)
        scale(axes, table[column])
    figure.suptitle(shared(settings), fontsize=10)
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    save(figure, out / "fig_cost", table, TITLE, f"{TITLE}. {'; '.join(told)}.")


def apart(costs: pd.Series, accuracies: pd.Series, every: pd.Series) -> pd.Series:
    """The costs at which methods are drawn: those that would lie under one marker are moved apart sideways.

    every: the costs of all panels of a column, which share their axis. A marker is about a twentieth of a panel wide.
    """
    logarithmic = is_logarithmic(every)
    x = np.log(costs) if logarithmic else costs.astype(float)
    ends = np.log([every.min(), every.max()]) if logarithmic else np.array([0.0, every.max()])
    width, height = 0.055 * max(np.ptp(ends), 1e-9), 0.06 * max(np.ptp(accuracies), 1e-9)
    moved = x.copy()
    todo = list(accuracies.sort_values(ascending=False).index)
    while todo:
        first = todo[0]
        near = [one for one in todo if abs(x[one] - x[first]) < width and accuracies[first] - accuracies[one] < height]
        for place, one in enumerate(near):
            moved[one] = np.mean([x[other] for other in near]) + width * (place - (len(near) - 1) / 2)
        todo = [one for one in todo if one not in near]
    return np.exp(moved) if logarithmic else moved


def is_logarithmic(costs: pd.Series) -> bool:
    """Whether the costs differ more than threefold."""
    return costs.max() > 3 * costs.min()


def scale(axes, costs: pd.Series) -> None:
    """Logarithmic if the costs differ more than threefold, else linear from 0."""
    least, most = costs.min(), costs.max()
    if is_logarithmic(costs):
        axes.set(xscale="log", xlim=(least / 2.5, 2.5 * most))
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 3) if most < 100 * least else (1,)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set(xlim=(0, 1.3 * most))
    axes.xaxis.set_major_formatter(FuncFormatter(short))  # last, because setting a scale resets the formatter


def seconds(number: float) -> str:
    """`300 s`; of a method that another device trained than most, that its time compares with none."""
    return "trained on another device" if np.isnan(number) else f"{number:.0f} s"


def short(number: float, position: int | None = None) -> str:
    """300, 10k, 3M."""
    value, letter = scaled(number)
    return f"{value:g}{letter}"


if __name__ == "__main__":
    draw()
