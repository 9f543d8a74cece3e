"""The effect of each decision: the change in accuracy from reference to variant, with its interval."""

import textwrap

import matplotlib.pyplot as plt

from repobe.report.canvas import say_values, theme
from repobe.report.headings import NOTE, datasets_in_order, panel_title
from repobe.report.saving import arguments, save, save_empty
from repobe.report.styles import nth_style
from repobe.tables.results import read

TITLE = "What each decision weighs"
QUANTITIES = {
    "natural_accuracy": "Natural accuracy",
    "adversarial_accuracy": "Adversarial accuracy",
    "key_recovered": "Key recovered",
}


def draw() -> None:
    """Writes fig_ablations."""
    results, out = arguments()
    table = read(results / "decisions.csv")
    table = table[table["quantity"].isin(QUANTITIES)]
    spreads, table = table[table["variant"].isna()], table[table["variant"].notna()]
    if table.empty:
        return save_empty(out / "fig_ablations", table, TITLE)
    changes = list(dict.fromkeys(zip(table["id"], table["change"], strict=True)))
    settings = [
        (dataset, channel)
        for dataset in datasets_in_order(table["dataset"])
        for channel in sorted(set(table[table["dataset"] == dataset]["channel"]))
    ]
    shown = [quantity for quantity in QUANTITIES if (table["quantity"] == quantity).any()]
    theme()
    figure, grid = plt.subplots(
        1,
        len(shown),
        figsize=(3.2 + 2.3 * len(shown), 1.4 + max(0.42, 0.075 * len(settings)) * len(changes)),
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
            aside = 0.66 * (number - (len(settings) - 1) / 2) / len(settings)
            places = [changes.index(change) + aside for change in zip(rows["id"], rows["change"], strict=True)]
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
    names = [textwrap.fill(f"{id_}: {change}", 46) for id_, change in changes]
    grid[0][0].set(yticks=range(len(changes)), ylim=(len(changes) - 0.5, -0.5))
    grid[0][0].set_yticklabels(names, fontsize=7.5)
    for axes in grid[0]:
        axes.hlines([place + 0.5 for place in range(len(changes) - 1)], 0, 1, "#E5E5E5", linewidth=0.6,
                    transform=axes.get_yaxis_transform(), zorder=0)  # fmt: skip
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    save(figure, out / "fig_ablations", table, TITLE, f"{TITLE}. {'; '.join(told)}.{left_out(spreads)}")


def value(label: str, row: dict) -> str:
    """The text of a marker."""
    low, high = (f"{100 * row[name]:+.1f}" for name in ("low", "high"))
    return f"{row['id']}, {row['change']}; {label}: {100 * row['difference']:+.1f} points ({low} to {high})"


def left_out(spreads) -> str:
    """A note about rows without a variant: a standard deviation is no difference, so it is told and not drawn."""
    if spreads.empty:
        return ""
    said = [
        f"{QUANTITIES[quantity].lower()} {100 * rows['difference'].min():.2f} to {100 * rows['difference'].max():.2f}"
        for quantity, rows in spreads.groupby("quantity", sort=False)
    ]
    what = f"{spreads['id'].iloc[0]}, {spreads['change'].iloc[0]}"
    return f"{NOTE}not drawn, because it is no difference: {what}. It is, in points, {'; '.join(said)}."


if __name__ == "__main__":
    draw()
