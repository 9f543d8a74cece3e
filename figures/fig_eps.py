"""Accuracy under each image's most harmful attack over the radius eps, for runs that were attacked at several radii.

Eps 0 is the clean image. All points of a run use the same images, those that all attacks share. The figure says "worst
attack" if AutoAttack and Square ran at every radius (`worst` in the tables), else "ensemble of attacks".
"""

from matplotlib.ticker import FuncFormatter, NullLocator, SymmetricalLogLocator

from repobe.report.canvas import interval_line, panels, theme
from repobe.report.headings import channel_title, image_count, panel_title, settings_in_order
from repobe.report.saving import arguments, save, save_empty, summary
from repobe.report.styles import methods_in_order, style

TITLE = "Accuracy over the attack's radius"
GROUP = ["dataset", "channel", "method"]


def draw() -> None:
    """Writes fig_eps."""
    results, out = arguments()
    table = summary(results, "evasion")
    curves = table[table["attack"].isin(["worst", "ensemble"])]
    curves = curves[curves["snr_test_db"] == curves.groupby(GROUP)["snr_test_db"].transform("max")]
    # The paper's single radius is a point, not a curve.
    curves = curves[curves.groupby(GROUP)["eps"].transform("nunique") > 1].sort_values([*GROUP, "eps"])
    if curves.empty:
        return save_empty(out / "fig_eps", curves, TITLE)
    theme()
    shown = settings_in_order(zip(curves["dataset"], curves["channel"], strict=True))
    attacked = curves[curves["eps"] > 0]
    which = "worst attack" if (attacked["attack"] == "worst").all() else "ensemble of attacks"
    figure, grid = panels(len(shown), 2, (3.6, 2.9), "eps (1/255)", f"Accuracy under the\n{which}")
    handles, told = {}, []
    for axes, (dataset, channel) in zip(grid, shown, strict=True):
        mine = curves[(curves["dataset"] == dataset) & (curves["channel"] == channel)]
        methods = methods_in_order(mine["method"])
        for place, method in enumerate(methods):
            rows, look = mine[mine["method"] == method], style(method)
            aside = 1.025 ** (place - (len(methods) - 1) / 2)
            handles[look.label] = interval_line(axes, 255 * rows["eps"] * aside, rows, look, look.label)
            ends = ", ".join(f"{rows['mean'].iloc[i]:.2f} at {rows['eps'].iloc[i]:g}" for i in (0, -1))
            told.append(f"{look.label}, {panel_title(dataset, channel)}: {ends}")
        air = f"{channel_title(channel)}, {mine['snr_test_db'].max():g} dB, {image_count(mine)} images"
        axes.set_title(f"{panel_title(dataset)}\n{air}", fontsize=9)
        axes.grid(axis="y", alpha=0.35)
    octaves(grid[0])
    grid[0].set(ylim=(-0.02, 1.02))
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    save(figure, out / "fig_eps", curves, TITLE, f"{TITLE}, under the {which}. {'; '.join(told)}.")


def octaves(axes) -> None:
    """A base-2 logarithmic axis from 1/255 on (linear below), so that small and very large radii fit.

    Ticks are powers of two and not the radii, because some radii lie too close, such as 4/255 and the paper's 0.016.
    """
    axes.set_xscale("symlog", base=2, linthresh=1)
    axes.xaxis.set_major_locator(SymmetricalLogLocator(base=2, linthresh=1))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter("{:g}".format))


if __name__ == "__main__":
    draw()
