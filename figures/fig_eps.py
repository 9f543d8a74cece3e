"""Accuracy under each image's worst attack at each radius eps, where a run was attacked at several.

Eps 0 is the clean image. All of a run's points are over the same images, those that every attack has had (`worst`).
"""

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
    worst = table[table["attack"] == "worst"]
    worst = worst[worst["snr_test_db"] == worst.groupby(GROUP)["snr_test_db"].transform("max")]
    # The paper's one radius is a point and no curve.
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
            ends = ", ".join(f"{rows['mean'].iloc[i]:.2f} at {rows['eps'].iloc[i]:g}" for i in (0, -1))
            told.append(f"{look.label}, {title_of(dataset, channel)}: {ends}")
        handles |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
        sizes = "/".join(str(n) for n in sorted(set(mine["n"])))
        air = f"{air_of(channel)}, {mine['snr_test_db'].max():g} dB, {sizes} images"
        axes.set_title(f"{title_of(dataset)}\n{air}", fontsize=9)
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
