"""The specification curve of c01, c02 and c08: how far each claim exceeds its margin, under every reading.

As in multiverse analyses (Simonsohn et al. 2020), the upper panel shows the least favourable comparison under each
reading with its 95 % interval, sorted from the least to the most favourable reading. The lower panel marks the reading.
"""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.lines import Line2D

from repobe.report.canvas import theme
from repobe.report.headings import datasets_in_order, panel_title
from repobe.report.saving import arguments, save, save_empty
from repobe.report.styles import BLUE, GREY, RED
from repobe.tables.results import read
from repobe.verdicts import paper
from repobe.verdicts.readings import AS_DECIDED, PASSED_GATES

TITLE = "Claims under every reading"
CLAIMS = {  # each claim in a few words
    "c01": "c01: 2 points more than every rival under model inversion",
    "c02": "c02: 3 points more than AT and TRADES under attack",
    "c08": "c08: at most 1 point lost, at least 5 gained under attack",
}
SIDES = {"ahead": BLUE, "around 0": GREY, "behind": RED}  # where the whole interval lies
PALE = 0.35  # hollow would look like the paper's printed points
NARROWEST = 9  # readings: the least width of a panel


def draw() -> None:
    """Writes fig_specification."""
    results, out = arguments()
    table = read(results / "readings.csv")
    table = table[table["claim"].isin(CLAIMS)]
    if table.empty:
        return save_empty(out / "fig_specification", table, TITLE)
    curves = [
        curve(table, claim, dataset)
        for claim in CLAIMS
        for dataset in datasets_in_order(table.loc[table["claim"] == claim, "dataset"])
    ]
    names = {one["id"]: one["reading"] for one in paper.readings()}
    shown = [reading for reading in names if any(reading in set(rows["reading"]) for rows in curves)]
    widths = [max(len(rows), NARROWEST) for rows in curves]
    theme()
    figure, grid = plt.subplots(
        2,
        len(curves),
        figsize=(max(3.2 + sum(0.6 + 0.17 * width for width in widths), 7.5), 4.0 + 0.22 * len(shown)),
        layout="constrained",
        squeeze=False,
        sharex="col",
        gridspec_kw={"height_ratios": [2.6, 0.22 * len(shown)], "width_ratios": widths},
    )
    for rows, axes, below in zip(curves, *grid, strict=True):
        _draw_leads(axes, rows)
        axes.set_title(f"{CLAIMS[rows['claim'].iloc[0]]}\n{_where(rows)}", fontsize=8.5)
        _mark_readings(below, rows, shown)
    grid[0][0].set_ylabel("Lead over what is claimed\n(points; 0.01 of SSIM)", fontsize=9)
    grid[1][0].set_yticks(range(len(shown)), [names[reading] for reading in shown], fontsize=7.5)
    for below in grid[1][1:]:
        below.set_yticks(range(len(shown)), [])
    handles = [_dot(BLUE, "every interval lies ahead"), _dot(GREY, "one holds 0"), _dot(RED, "one lies behind")]
    handles += [_dot("black", "judged"), _dot("black", "not judged: a gate failed, or a stand-in", alpha=PALE)]
    handles += [Line2D([], [], linestyle="none", marker="*", markersize=9, color="black", label="as decided")]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    drawn = pd.concat(curves)
    save(figure, out / "fig_specification", drawn, TITLE, f"{TITLE}. {_in_words(drawn, names)}")


def curve(table: pd.DataFrame, claim: str, dataset: str) -> pd.DataFrame:
    """A claim's rows of readings.csv on one dataset, sorted by lead, with the columns `side` and `judged`."""
    mine = table[(table["claim"] == claim) & (table["dataset"] == dataset)]
    mine = mine.sort_values(["lead", "reading"], ignore_index=True)
    # Tables of an older suite have the upper end of the least favourable comparison alone.
    high = mine.get("lowest_high", mine["high"]).fillna(mine["high"])
    side = [sides(*ends) for ends in zip(mine["lowest"], high, strict=True)]
    return mine.assign(side=pd.Series(side, dtype=str), judged=mine["outcome"].isin(PASSED_GATES))


def sides(low: float, high: float) -> str:
    """On which side of the margin intervals lie: all ahead (low: the lowest lower end), or one behind (high: upper)."""
    return "ahead" if low > 0 else "behind" if high < 0 else "around 0"


def _where(rows: pd.DataFrame) -> str:
    """The dataset, the image size, the folder where there are several, and how many of the claim's runs are missing."""
    first = rows.iloc[0]
    sizes = " and ".join(f"{size:g}×{size:g}" for size in sorted(set(rows["size"])))
    told = [panel_title(first["dataset"]).replace(" (", "\n("), f"{sizes}, {first['set']}" if "set" in rows else sizes]
    missing = rows.loc[rows["reading"] == AS_DECIDED, "not_run"].max()
    return "\n".join(told + ([f"{missing:g} runs missing"] if missing > 0 else []))


def _draw_leads(axes, rows: pd.DataFrame) -> None:
    axes.axhline(0, color="black", linewidth=0.8)
    for place, row in rows.iterrows():
        colour = SIDES[row["side"]]
        axes.vlines(
            place, 100 * row["low"], 100 * row["high"], color=colour, linewidth=1.3, alpha=1 if row["judged"] else PALE
        )
        star = row["reading"] == AS_DECIDED
        axes.plot(
            place,
            100 * row["lead"],
            marker="*" if star else "o",
            markersize=11 if star else 5.5,
            color=colour,
            alpha=1 if row["judged"] else PALE,
        )
    axes.grid(axis="y", alpha=0.35)
    axes.margins(y=0.08)
    axes.tick_params(bottom=False, labelsize=8)
    axes.spines[["top", "right", "bottom"]].set_visible(False)


def _mark_readings(axes, rows: pd.DataFrame, shown: list[str]) -> None:
    """Marks the reading of each point of the curve; the row of a reading that has not run is pale."""
    for place, reading in enumerate(shown):
        ran = reading in set(rows["reading"])
        axes.axhline(place, color="#E5E5E5" if ran else "#F6F6F6", linewidth=0.8, zorder=0)
    for place, row in rows.iterrows():
        height = shown.index(row["reading"])
        axes.vlines(place, -0.8, height, color="#E5E5E5", linewidth=0.8, zorder=0)
        star = row["reading"] == AS_DECIDED
        axes.plot(place, height, "*" if star else "o", markersize=9 if star else 4.5, color=SIDES[row["side"]])
    axes.set(xlim=(-0.7, len(rows) - 0.3), ylim=(len(shown) - 0.4, -0.8), xticks=[])
    axes.tick_params(left=False)
    axes.spines[:].set_visible(False)


def _dot(colour: str, label: str, alpha: float = 1) -> Line2D:
    return Line2D([], [], linestyle="none", marker="o", color=colour, alpha=alpha, markersize=5.5, label=label)


def _in_words(rows: pd.DataFrame, names: dict[str, str]) -> str:
    return " ".join(
        f"{claim} on {mine['dataset'].iloc[0]}: "
        + "; ".join(
            f"{names[row['reading']]} {100 * row['lead']:+.1f} [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}]"
            for row in mine.to_dict("records")
        )
        + "."
        for (claim, _), mine in rows.groupby(["claim", "dataset"], sort=False)
    )


if __name__ == "__main__":
    draw()
