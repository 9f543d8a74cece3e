"""Known messages give the key away: the fraction of keys found, over the eavesdropper's SNR."""

import matplotlib.pyplot as plt

from repobe.plots import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    RED,
    Style,
    arguments,
    empty,
    in_order,
    in_order_of_data,
    interval_line,
    preferred_channel,
    save,
    style,
    theme,
)
from repobe.results import read

TITLE = "Key recovery"
LOOKS = [(BLUE, "o"), (ORANGE, "^"), (GREEN, "s"), (PINK, "D"), (RED, "v"), (GREY, "P")]
SCHEDULES = {"fixed": "one fixed key", "per_message": "a key for each message"}


def draw() -> None:
    """Writes fig_key_recovery: a row a key schedule, a column white features, then one a trained encoder."""
    results, out = arguments()
    table = read(results / "summary" / "audit.csv")
    table = table[table["quantity"] == "key_recovered"]
    if table.empty:
        return empty(out / "fig_key_recovery", table, TITLE)
    trained = table[table["dataset"] != "none"]
    if len(trained):
        table = table[(table["dataset"] == "none") | (table["channel"] == preferred_channel(trained))]
    columns = [("white", "none")] + [
        (method, dataset) for dataset in in_order_of_data(trained["dataset"]) for method in in_order(trained["method"])
    ]
    columns = [(m, d) for m, d in columns if ((table["method"] == m) & (table["dataset"] == d)).any()]
    theme()
    figure, grid = plt.subplots(
        len(SCHEDULES),
        len(columns),
        figsize=(1.3 + 1.75 * len(columns), 4.6),
        layout="constrained",
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    known = sorted(set(table["known_messages"]))
    handles, told = {}, []
    for (schedule, words), row in zip(SCHEDULES.items(), grid, strict=True):
        for axes, (method, dataset) in zip(row, columns, strict=True):
            mine = table[(table["method"] == method) & (table["dataset"] == dataset) & (table["schedule"] == schedule)]
            for number, count in enumerate(known):
                rows = mine[mine["known_messages"] == count].sort_values("snr_db")
                if rows.empty:
                    continue
                label = f"{count:g} known message{'s' if count > 1 else ''}"
                aside = 0.35 * (number - (len(known) - 1) / 2)
                interval_line(axes, rows["snr_db"] + aside, rows, Style(label, *LOOKS[number % len(LOOKS)]), label)
                ends = ", ".join(f"{r['mean']:.2f} at {r['snr_db']:g} dB" for r in rows.to_dict("records"))
                told.append(f"{_name(method, dataset, mine)}, {words}, {label}: {ends}".replace("\n", " "))
            handles |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
            axes.grid(axis="y", alpha=0.35)
            if schedule == "fixed":
                axes.set_title(_name(method, dataset, mine), fontsize=7.5)
        row[0].set_ylabel(f"Keys found,\n{words}")
    for axes in grid[-1]:
        axes.set_xlabel("SNR (dB)")
    grid[0][0].set(ylim=(-0.04, 1.04))
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    save(figure, out / "fig_key_recovery", table, TITLE, f"Fraction of keys found over SNR. {'; '.join(told)}.")


def _name(method: str, dataset: str, rows) -> str:
    grid = f"{rows['grid'].iloc[0]} places" if len(rows) else ""
    if dataset == "none":
        return f"White features\n{grid}"
    task = ", images" if method.endswith("_reconstruction") else ""
    return f"{style(method).label}{task}\n{dataset}, {grid}"


if __name__ == "__main__":
    draw()
