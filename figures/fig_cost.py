"""Accuracy against cost: channel uses, operations and training time, at the highest SNR."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from repobe.report.canvas import theme
from repobe.report.headings import channel_title, datasets_in_order, preferred_channel
from repobe.report.saving import arguments, save, save_empty
from repobe.report.styles import methods_in_order, style
from repobe.tables.results import read

TITLE = "Cost against accuracy"
RUN = ["method", "dataset", "image_size", "channel", "snr_train_db"]
COSTS = {
    "symbols_k": "Channel uses an image (k)",
    "flops": "FLOPs of a forward pass",
    "train_seconds": "Training (s)",
}


def draw() -> None:
    """Writes fig_cost."""
    results, out = arguments()
    accuracy = read(results / "summary" / "evasion.csv")
    accuracy = accuracy[accuracy["metric"] == "natural_accuracy"].drop(columns="symbols_k")
    accuracy = accuracy[accuracy["snr_test_db"] == accuracy.groupby(RUN)["snr_test_db"].transform("max")]
    cost = read(results / "summary" / "cost.csv").drop(columns="seeds")
    table = pd.merge(accuracy[[*RUN, "snr_test_db", "mean", "low", "high", "seeds", "n"]], cost, on=RUN)
    if table.empty:
        return save_empty(out / "fig_cost", table, TITLE)
    table = table[table["channel"] == preferred_channel(table)]
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
    handles, told = {}, []
    for dataset, row in zip(datasets, grid, strict=True):
        mine = table[table["dataset"] == dataset]
        for axes, column in zip(row, COSTS, strict=True):
            for method in methods_in_order(mine["method"]):
                rows, look = mine[mine["method"] == method], style(method)
                # RepObE's two systems share colour and marker; the adversarially trained one is hollow.
                face = "none" if method == "repobe_adversarial" else look.colour
                axes.vlines(rows[column], rows["low"], rows["high"], color=look.colour, linewidth=1)
                handles[look.label] = axes.scatter(
                    rows[column], rows["mean"], 70, marker=look.marker, edgecolors=look.colour, facecolors=face
                )
                if column == "symbols_k":
                    r = rows.iloc[0]
                    told.append(
                        f"{look.label} on {dataset}: accuracy {r['mean']:.3f}, k {r['symbols_k']:g}, "
                        f"{r['flops']:.2g} FLOPs, {r['train_seconds']:.0f} s"
                    )
            axes.grid(alpha=0.3)
        row[0].set_ylabel(f"{dataset}\nnatural accuracy")
    for axes, (column, label) in zip(grid[-1], COSTS.items(), strict=True):
        axes.set_xlabel(label)
        scale(axes, table[column])
    figure.suptitle(f"{channel_title(mine['channel'].iloc[0])}, {mine['snr_test_db'].max():g} dB", fontsize=10)
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    save(figure, out / "fig_cost", table, TITLE, f"{TITLE}. {'; '.join(told)}.")


def scale(axes, costs: pd.Series) -> None:
    """Logarithmic if the costs differ more than threefold, else linear from 0."""
    least, most = costs.min(), costs.max()
    if most > 3 * least:
        axes.set(xscale="log", xlim=(least / 1.5, 1.5 * most))
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set(xlim=(0, 1.3 * most))
    axes.xaxis.set_major_formatter(FuncFormatter(short))  # last, because setting a scale resets the formatter


def short(number: float, position: int | None = None) -> str:
    """300, 10k, 3M."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:g}{letter}"
    return f"{number:g}"


if __name__ == "__main__":
    draw()
