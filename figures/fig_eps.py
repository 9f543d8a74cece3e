"""Accuracy under the worst attack of each radius eps, where a run was attacked at several; eps 0 is the clean image."""

import matplotlib.pyplot as plt

from repobe.plots import (
    air_of,
    arguments,
    empty,
    in_order,
    in_order_of_data,
    interval_line,
    save,
    style,
    theme,
    title_of,
)
from repobe.results import read

TITLE = "Accuracy over the attack's radius"
GROUP = ["dataset", "channel", "method"]


def draw() -> None:
    """Writes fig_eps."""
    results, out = arguments()
    table = read(results / "summary" / "evasion.csv")
    table = table[table["metric"].isin(["natural_accuracy", "adversarial_accuracy"])]
    table = table[table["snr_test_db"] == table.groupby(GROUP)["snr_test_db"].transform("max")]
    worst = table.loc[table.groupby([*GROUP, "eps"])["mean"].idxmin()]
    # Natural accuracy and the paper's one radius are two points and no curve.
    worst = worst[worst.groupby(GROUP)["eps"].transform("nunique") > 2].sort_values([*GROUP, "eps"])
    if worst.empty:
        return empty(out / "fig_eps", worst, TITLE)
    theme()
    panels = [(d, c) for d in in_order_of_data(worst["dataset"]) for c in sorted(set(worst["channel"]))]
    panels = [(d, c) for d, c in panels if ((worst["dataset"] == d) & (worst["channel"] == c)).any()]
    figure, grid = plt.subplots(
        1, len(panels), figsize=(1 + 3.4 * len(panels), 3.6), layout="constrained", sharey=True, squeeze=False
    )
    handles, told = {}, []
    for axes, (dataset, channel) in zip(grid[0], panels, strict=True):
        mine = worst[(worst["dataset"] == dataset) & (worst["channel"] == channel)]
        for place, method in enumerate(in_order(mine["method"])):
            rows, look = mine[mine["method"] == method], style(method)
            # Adversarially trained or not: RepObE's two systems share colour and marker.
            line = "-" if method != "repobe" else ":"
            interval_line(axes, 255 * rows["eps"] * 1.025**place, rows, look, look.label, line)
            ends = f"{rows['mean'].iloc[0]:.2f} clean, {rows['mean'].iloc[-1]:.2f} at {rows['eps'].iloc[-1]:g}"
            told.append(f"{look.label}, {title_of(dataset, channel)}: {ends}")
        handles |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
        axes.set_title(f"{title_of(dataset)}\n{air_of(channel)}, {mine['snr_test_db'].max():g} dB", fontsize=9)
        axes.set_xlabel("eps (1/255)")
        # Doublings as equal steps from 1/255 on, so that the radius of the whole image fits beside the small ones.
        axes.set_xscale("symlog", base=2, linthresh=1)
        ticks = sorted(set((255 * mine["eps"]).round(1)))
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.grid(axis="y", alpha=0.35)
    grid[0][0].set(ylabel="Accuracy under the worst attack", ylim=(-0.02, 1.02))
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    save(figure, out / "fig_eps", worst, TITLE, f"{TITLE}. {'; '.join(told)}.")


if __name__ == "__main__":
    draw()
