"""Accuracy over channel uses (k), at the lowest and at the highest SNR: all methods at equal channel uses.

A line joins the settings of one method that differ in k. RepObE's k is 2·(S/8)², so its settings differ in S too.
"""

import matplotlib.pyplot as plt
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from repobe.report.canvas import interval_line, theme
from repobe.report.channel_uses import over_channel_uses
from repobe.report.headings import panel_title, settings_in_order
from repobe.report.saving import arguments, save, save_empty, summary
from repobe.report.styles import methods_in_order, style

TITLE = "Accuracy over channel uses"


def draw() -> None:
    """Writes fig_channel_uses: one row per dataset and channel, one column per SNR."""
    results, out = arguments()
    table = over_channel_uses(summary(results, "evasion"))
    table = table[table["snr_test_db"].isin({table["snr_test_db"].min(), table["snr_test_db"].max()})]
    several = table[table.groupby(["dataset", "channel"])["symbols_k"].transform("nunique") > 1]
    shown = settings_in_order(zip(several["dataset"], several["channel"], strict=True))
    if not shown:
        return save_empty(out / "fig_channel_uses", table, TITLE)
    theme()
    snrs = sorted(set(table["snr_test_db"]))
    figure, grid = plt.subplots(
        len(shown),
        len(snrs),
        figsize=(1.0 + 3.3 * len(snrs), 1.0 + 2.6 * len(shown)),
        layout="constrained",
        sharex=True,
        sharey="row",
        squeeze=False,
    )
    handles, told, drawn = {}, [], []
    for row, (dataset, channel) in zip(grid, shown, strict=True):
        for axes, snr in zip(row, snrs, strict=True):
            here = table[(table["dataset"] == dataset) & (table["channel"] == channel) & (table["snr_test_db"] == snr)]
            drawn.append(here.index)
            for name in methods_in_order(here["family"]):
                rows, look = here[here["family"] == name].sort_values("symbols_k"), style(name)
                handles[look.label] = interval_line(axes, rows["symbols_k"], rows, look, look.label)
                each = ", ".join(f"{r['mean']:.3f} at k = {r['symbols_k']:g}" for r in rows.to_dict("records"))
                told.append(f"{look.label}, {panel_title(dataset, channel)}, {snr:g} dB: {each}")
            axes.set_title(f"{panel_title(dataset, channel)}, {snr:g} dB", fontsize=9)
            axes.grid(axis="y", alpha=0.35)
        row[0].set_ylabel("Natural accuracy")
    for axes in grid[-1]:
        axes.set(xscale="log", xlabel="Channel uses an image (k)")
        axes.xaxis.set_major_locator(FixedLocator(spaced(table["symbols_k"])))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter("{:g}".format))
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    numbers = table.loc[[index for part in drawn for index in part]]
    save(figure, out / "fig_channel_uses", numbers, TITLE, f"{TITLE}. {'; '.join(told)}.")


def spaced(uses) -> list[float]:
    """The tick values: each at least 1.5 times the one before, so that labels do not overlap on a logarithmic axis."""
    kept: list[float] = []
    for k in sorted(set(uses)):
        if not kept or k >= 1.5 * kept[-1]:
            kept.append(k)
    return kept


if __name__ == "__main__":
    draw()
