"""What attackers rebuild: SSIM, and an independent classifier's accuracy on it, by method and attacker."""

import matplotlib.pyplot as plt

from repobe.report import display_names
from repobe.report.attacker_above_receiver import sentence
from repobe.report.canvas import say_values, theme, value_text
from repobe.report.headings import NOTE, channel_title, datasets_in_order, on_one_channel, panel_title, shared
from repobe.report.saving import arguments, save, save_empty, summary
from repobe.report.styles import (
    BLUE,
    BROWN,
    GREEN,
    GREY,
    INDIGO,
    OLIVE,
    ORANGE,
    PINK,
    RED,
    SKY,
    Style,
    methods_in_order,
)
from repobe.tables.schema import family

TITLE = "Leakage"
METRICS = {"ssim": "SSIM of the rebuilt images", "attacker_accuracy": "Accuracy on the rebuilt images"}
# By increasing knowledge, as in ATTACKERS. A variant such as same_key_attention has its attacker's look.
LOOKS = {
    "mean_image": Style("the mean image (floor)", GREY, "|"),
    "keyless": Style("keyless, the paper's", ORANGE, "^"),
    "keyless_adaptive": Style("keyless, adaptive", INDIGO, "h"),
    "ciphertext_only": Style("overheard messages", BROWN, (4, 1, 45)),
    "fresh_key": Style("fresh key", PINK, "v"),
    "same_key": Style("same key", SKY, "s"),
    "known_plaintext": Style("known plaintext", BLUE, "D"),
    "with_key": Style("with the key", RED, "X"),
    "legitimate": Style("the receiver", GREEN, "o"),
}


def look(attacker: str) -> Style:
    """The look of an attacker; its variants look alike, because only their decoders differ."""
    kind = family(attacker)
    if kind is None:
        return Style(attacker.replace("_", " "), OLIVE, "P")
    known = LOOKS[kind]
    return known if attacker == kind else known._replace(label=f"{known.label}, each decoder")


def draw() -> None:
    """Writes fig_leakage."""
    results, out = arguments()
    table = summary(results, "inversion")
    table = table[table["metric"].isin(METRICS) & (table["attacker"] != "original")]
    if table.empty:
        return save_empty(out / "fig_leakage", table, TITLE)
    table = on_one_channel(table)
    table = table[table["snr_tap_db"] == table.groupby("dataset")["snr_tap_db"].transform("max")]
    datasets = datasets_in_order(table["dataset"])
    theme()
    most = max(table[table["dataset"] == dataset]["method"].nunique() for dataset in datasets)
    figure, grid = plt.subplots(
        len(datasets), 2, figsize=(8, len(datasets) * (0.9 + 0.36 * most)), layout="constrained", squeeze=False
    )
    handles, told, settings = {}, [], {}
    for dataset, row in zip(datasets, grid, strict=True):
        mine = table[table["dataset"] == dataset]
        settings[dataset] = f"{channel_title(mine['channel'].iloc[0])}, tapped at {mine['snr_tap_db'].iloc[0]:g} dB"
        methods = methods_in_order(mine["method"])
        for axes, (metric, label) in zip(row, METRICS.items(), strict=True):
            for attacker in sorted(set(mine["attacker"]), key=_place):
                name, colour, marker = look(attacker)
                rows = mine[(mine["attacker"] == attacker) & (mine["metric"] == metric)].set_index("method")
                rows = rows.loc[[method for method in methods if method in rows.index]]
                places = [methods.index(method) for method in rows.index]
                # Variants are pale; the full marker is the attacker, which is the best of its variants.
                alpha = 1 if attacker in LOOKS else 0.35
                axes.hlines(places, rows["low"], rows["high"], color=colour, linewidth=1, alpha=alpha)
                # Without a key, both keyless attackers equal same_key, so smaller markers are drawn above larger ones.
                size, above = {"|": (110, 3), "h": (27, 4), "^": (13, 5)}.get(marker, (40, 3))
                (handles[name],) = axes.plot(
                    rows["mean"],
                    places,
                    linestyle="none",
                    marker=marker,
                    markersize=size**0.5,
                    color=colour,
                    alpha=alpha,
                    zorder=above,
                )
                whole = attacker.replace("_", " ")
                records = rows.reset_index().to_dict("records")
                texts = [value_text(f"{display_names.method(row['method'])}, {whole}", row) for row in records]
                say_values(handles[name], texts)
                where = f"on {panel_title(dataset)}, {whole}: {metric}"
                told += [f"{display_names.method(str(m))} {where} {v:.2f}" for m, v in rows["mean"].items()]
            labels = [display_names.method(name) for name in methods]
            axes.set(yticks=range(len(methods)), yticklabels=labels, xlabel=label)
            axes.set(xlim=(-0.02, 1.02), ylim=(len(methods) - 0.5, -0.5), title=panel_title(dataset))
            axes.grid(axis="x", alpha=0.35)
            axes.label_outer()
    figure.suptitle(shared(settings))
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    better = sentence(table)
    note = f"{NOTE}{better[0].lower()}{better[1:]}" if better else ""
    save(figure, out / "fig_leakage", table, TITLE, f"What attackers rebuild of each method. {'; '.join(told)}.{note}")


def _place(attacker: str) -> tuple[int, str]:
    """Sort key: by increasing knowledge, the best of a family (the attacker itself) before its variants."""
    return [*LOOKS].index(family(attacker) or "with_key"), attacker


if __name__ == "__main__":
    draw()
