"""Key recovery from known messages: the fraction of keys found, over the eavesdropper's SNR."""

from repobe.report import display_names
from repobe.report.canvas import interval_line, panels, theme
from repobe.report.headings import channel_title, datasets_in_order, on_one_channel, panel_title, shared
from repobe.report.saving import arguments, save, save_empty, summary
from repobe.report.styles import methods_in_order, nth_style

TITLE = "Key recovery"
SCHEDULES = {"fixed": ("one fixed key", "-"), "per_message": ("a key for each message", ":")}


def draw() -> None:
    """Writes fig_key_recovery: a panel for random features, one per trained encoder; line styles show key schedules."""
    results, out = arguments()
    table = summary(results, "audit")
    table = table[table["quantity"] == "key_recovered"]
    if table.empty:
        return save_empty(out / "fig_key_recovery", table, TITLE)
    table = on_one_channel(table)
    trained = table[table["dataset"] != "none"]
    shown = [("random_features", "none")] + [
        (method, dataset)
        for dataset in datasets_in_order(trained["dataset"])
        for method in methods_in_order(trained["method"])
    ]
    shown = [(m, d) for m, d in shown if ((table["method"] == m) & (table["dataset"] == d)).any()]
    theme()
    figure, grid = panels(len(shown), 4, (1.9, 1.9), "SNR (dB)", "Keys found")
    known = sorted(set(table["known_messages"]))
    handles, told = {}, []
    for axes, (method, dataset) in zip(grid, shown, strict=True):
        mine = table[(table["method"] == method) & (table["dataset"] == dataset)]
        for (schedule, count, _), rows in mine.groupby(["schedule", "known_messages", "snr_train_db"]):
            words, line = SCHEDULES[schedule]
            label = f"{count:g} known message{'s' if count > 1 else ''}, {words}"
            aside = 0.35 * (known.index(count) - (len(known) - 1) / 2)
            rows = rows.sort_values("snr_db")
            look = nth_style(known.index(count), label)
            handles[label] = interval_line(axes, rows["snr_db"] + aside, rows, look, label, line)
            ends = ", ".join(f"{r['mean']:.2f} at {r['snr_db']:g} dB" for r in rows.to_dict("records"))
            told.append(f"{_name(method, dataset, mine)}, {label}: {ends}".replace("\n", " "))
        axes.grid(axis="y", alpha=0.35)
        axes.set_title(_name(method, dataset, mine), fontsize=7.5)
    grid[0].set(ylim=(-0.04, 1.04))
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    air = {
        dataset: channel_title(rows["channel"].iloc[0])
        for dataset, rows in (trained if len(trained) else table).groupby("dataset")
    }
    over = shared(air)
    figure.suptitle(over, fontsize=9)
    save(figure, out / "fig_key_recovery", table, TITLE, f"Fraction of keys found over SNR, {over}. {'; '.join(told)}.")


def _name(method: str, dataset: str, rows) -> str:
    grid = f"{rows['grid'].iloc[0].replace('x', '×')}\N{NO-BREAK SPACE}places"
    if dataset == "none":
        return f"Random features\n{grid}"
    return f"{display_names.method(method)}\n{panel_title(dataset)}, {grid}"


if __name__ == "__main__":
    draw()
