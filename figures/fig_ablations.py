"""The effect of each decision: the change in accuracy from reference to variant, with its interval."""

import textwrap
from itertools import pairwise

import matplotlib.pyplot as plt
import pandas as pd

from repobe.report.canvas import say_values, theme
from repobe.report.headings import NOTE, panel_title, settings_in_order
from repobe.report.saving import arguments, save, save_empty
from repobe.report.styles import nth_style
from repobe.tables.results import read

TITLE = "The effect of each decision"
QUANTITIES = {
    "natural_accuracy": "Natural accuracy",
    "adversarial_accuracy": "Adversarial accuracy",
    "key_recovered": "Key recovered",
}
LANE = 0.11  # inches; each setting of a decision has its own lane
LABEL = 4  # lanes; a decision's name has up to three lines


def draw() -> None:
    """Writes fig_ablations."""
    results, out = arguments()
    table = read(results / "decisions.csv")
    table = table[table["quantity"].isin(QUANTITIES)]
    spreads, table = table[table["variant"].isna()], table[table["variant"].notna()]
    if table.empty:
        return save_empty(out / "fig_ablations", table, TITLE)
    settings = settings_in_order(zip(table["dataset"], table["channel"], strict=True))
    shown, alone = panels_and_notes(table)
    lanes = lanes_of(table[table["quantity"].isin(shown)], settings)
    heights = [max(len(one) + 1, LABEL) for one in lanes.values()]
    edges = [sum(heights[:number]) for number in range(len(heights) + 1)]
    tops = dict(zip(lanes, edges, strict=False))
    theme()
    figure, grid = plt.subplots(
        1,
        len(shown),
        figsize=(3.2 + 2.3 * len(shown), 1.4 + LANE * edges[-1]),
        layout="constrained",
        sharey=True,
        squeeze=False,
    )
    handles, told = {}, []
    for axes, quantity in zip(grid[0], shown, strict=True):
        axes.axvline(0, color="#777777", linewidth=0.8)
        for number, (dataset, channel) in enumerate(settings):
            rows = table[
                (table["dataset"] == dataset) & (table["channel"] == channel) & (table["quantity"] == quantity)
            ]
            if rows.empty:
                continue
            label, colour, marker = nth_style(number, panel_title(dataset, channel))
            places = [
                tops[change] + 1 + lanes[change].index((dataset, channel))
                for change in zip(rows["id"], rows["change"], strict=True)
            ]
            axes.hlines(places, 100 * rows["low"], 100 * rows["high"], color=colour, linewidth=1)
            (handles[label],) = axes.plot(
                100 * rows["difference"],
                places,
                linestyle="none",
                marker=marker,
                markersize=4.7,
                color=colour,
                zorder=3,
            )
            say_values(handles[label], [value(label, row) for row in rows.to_dict("records")])
            words = QUANTITIES[quantity].lower()
            told += [
                f"{r['id']}, {r['change']}, {label}: {100 * r['difference']:+.1f} points of {words}"
                for r in rows.to_dict("records")
            ]
        axes.set_title(QUANTITIES[quantity], fontsize=9)
        axes.set_xlabel("Difference (points)")
        axes.grid(axis="x", alpha=0.35)
        axes.margins(x=0.08)
    names = [textwrap.fill(f"{id_}: {change}", 46) for id_, change in lanes]
    grid[0][0].set(yticks=[(a + b) / 2 for a, b in pairwise(edges)], ylim=(edges[-1], 0))
    grid[0][0].set_yticklabels(names, fontsize=7.5)
    for axes in grid[0]:
        axes.hlines(edges[1:-1], 0, 1, "#E5E5E5", linewidth=0.6,
                    transform=axes.get_yaxis_transform(), zorder=0)  # fmt: skip
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    save(
        figure,
        out / "fig_ablations",
        table,
        TITLE,
        f"{TITLE}. {'; '.join(told)}.{left_out(spreads, table[table['quantity'].isin(alone)])}",
    )


def value(label: str, row: dict) -> str:
    """The text of a marker."""
    low, high = (f"{100 * row[name]:+.1f}" for name in ("low", "high"))
    return f"{row['id']}, {row['change']}; {label}: {100 * row['difference']:+.1f} points ({low} to {high})"


def panels_and_notes(table: pd.DataFrame) -> tuple[list[str], list[str]]:
    """The quantities that have a panel, and those that a note tells because a single decision was weighed by them."""
    weighed = table.groupby("quantity")["id"].nunique()
    present = [quantity for quantity in QUANTITIES if quantity in weighed]
    shown = [quantity for quantity in present if weighed[quantity] > 1] or present
    return shown, [quantity for quantity in present if quantity not in shown]


def lanes_of(table: pd.DataFrame, settings: list[tuple[str, str]]) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """For each decision and change, in the table's order: its (dataset, channel)s, in the order of `settings`."""
    found = {}
    for change, rows in table.groupby(["id", "change"], sort=False):
        there = set(zip(rows["dataset"], rows["channel"], strict=True))
        found[change] = [setting for setting in settings if setting in there]
    return found


def left_out(spreads: pd.DataFrame, alone: pd.DataFrame) -> str:
    """A note about what is not drawn: standard deviations, which are no differences, and quantities without a panel."""
    said = []
    for (id_, change), rows in spreads.groupby(["id", "change"], sort=False):
        ranges = [
            f"{QUANTITIES[quantity].lower()} {100 * one.min():.2f} to {100 * one.max():.2f}"
            for quantity, one in rows.groupby("quantity", sort=False)["difference"]
        ]
        said.append(f"not drawn, because it is no difference: {id_}, {change}. It is, in points, {'; '.join(ranges)}.")
    for (id_, change, quantity), rows in alone.groupby(["id", "change", "quantity"], sort=False):
        low, high = (f"{100 * end:+.1f}" for end in (rows["difference"].min(), rows["difference"].max()))
        said.append(f"{QUANTITIES[quantity]} is of one decision alone: {id_}, {change}, {low} to {high} points.")
    return NOTE + " ".join(said) if said else ""


if __name__ == "__main__":
    draw()
