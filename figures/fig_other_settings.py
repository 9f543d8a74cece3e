"""Accuracy over SNR on every dataset and channel that no figure of the paper shows, such as those of a user's own.

Solid: without an attack. Dashed: under the paper's attack. Variants of the decisions and readings are in fig_ablations.
"""

import pandas as pd

from repobe.report.canvas import panels, theme
from repobe.report.curves import curves_of, draw_curves
from repobe.report.headings import panel_title, settings_in_order, sized_title
from repobe.report.saving import arguments, save, save_empty, summary
from repobe.report.styles import STYLE, methods_in_order
from repobe.verdicts import paper

TITLE = "Accuracy over SNR where the paper has no figure"
THE_PAPERS = {
    (dataset, channel) for names in paper.STAND_INS.items() for dataset in names for channel in ("awgn", "rayleigh")
}
QUANTITIES = ["natural_accuracy", "adversarial_accuracy"]


def draw() -> None:
    """Writes fig_other_settings: a panel for each dataset and channel, a curve for each method and quantity."""
    results, out = arguments()
    table = summary(results, "evasion")
    table = table[table["attack"].isin(["none", "paper"]) & ~table["method"].isin(paper.variants() - set(STYLE))]
    settings = set(zip(table["dataset"], table["channel"], strict=True)) - THE_PAPERS
    # As in the paper's figures, a stand-in is not drawn where its dataset has run.
    settings -= {(paper.STAND_INS[dataset], channel) for dataset, channel in settings if dataset in paper.STAND_INS}
    shown = settings_in_order(settings)
    if not shown:
        return save_empty(out / "fig_other_settings", table, TITLE)
    theme()
    figure, grid = panels(len(shown), 2, (3.6, 2.9), "SNR (dB)", "Accuracy")
    handles, told, drawn = {}, [], []
    for axes, (dataset, channel) in zip(grid, shown, strict=True):
        here = table[(table["dataset"] == dataset) & (table["channel"] == channel)]
        curves = [one for one in curves_of(here, methods_in_order(here["method"]), QUANTITIES) if len(one.rows)]
        handles |= {handle.get_label(): handle for handle in draw_curves(axes, curves)}
        told += [f"{panel_title(dataset, channel)}, {curve.in_words()}" for curve in curves]
        drawn += [curve.rows for curve in curves]
        axes.set_title(sized_title(dataset, channel, here["image_size"]), fontsize=9)
        axes.set_xticks(sorted(set(here["snr_test_db"])))
        axes.grid(axis="y", alpha=0.35)
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    save(figure, out / "fig_other_settings", pd.concat(drawn), TITLE, f"{TITLE}. {'; '.join(told)}.")


if __name__ == "__main__":
    draw()
