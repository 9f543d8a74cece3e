"""One style, one colour and one marker a method, in the paper's order; each figure also as the numbers it shows."""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from repobe.results import pictures_of, read

# Okabe and Ito's palette: told apart without colour vision; markers tell the same in print.
STYLE = {
    "necst": ("NECST", "#0072B2", "s"),
    "necst_dp": ("NECST-DP", "#56B4E9", "v"),
    "ibal": ("IBAL", "#E69F00", "^"),
    "escst": ("ESCST (our reconstruction)", "#009E73", "D"),
    "vae": ("VAE", "#CC79A7", "P"),
    "jpeg2000": ("JPEG2000", "#8C8C00", "X"),
    "adversarial_training": ("AT", "#0072B2", "s"),
    "trades": ("TRADES", "#E69F00", "^"),
    "undefended": ("Undefended", "#555555", "o"),
    "repobe": ("RepObE", "#D55E00", "*"),
    "repobe_adversarial": ("RepObE, adversarial training", "#D55E00", "*"),
    "repobe_reconstruction": ("RepObE", "#D55E00", "*"),
}
# The paper's dataset of a panel, and what may stand in for it where the real one has not run.
STANDS_IN = {"mnist": "digits", "cifar10": "digits_rgb"}
TITLES = {
    "mnist": "MNIST",
    "cifar10": "CIFAR-10",
    "digits": "digits (stand-in for MNIST)",
    "digits_rgb": "digits_rgb (stand-in for CIFAR-10)",
}
AIR = {"awgn": "AWGN", "rayleigh": "Rayleigh fading"}
PRINTED = Path(__file__).parent.parent / "workflow" / "paper" / "numbers.csv"


def lines(name: str, dataset: str, channel: str, methods: list[str], quantities: list[str]) -> None:
    """A figure of accuracy over SNR from the command line's RESULTS and FIGURES_DIR.

    quantities: natural_accuracy (solid) and adversarial_accuracy (dashed). Bars are 95 % intervals, hollow markers
    the paper's printed points, where the dataset is the paper's.
    """
    results, out = _arguments()
    table = read(results / "summary" / "evasion.csv")
    shown = _present(dataset, set(table["dataset"]))
    table = table[(table["dataset"] == shown) & (table["channel"] == channel) & table["attack"].isin(["none", "paper"])]
    sns.set_theme(context="paper", style="ticks", font_scale=1.1)
    figure, axes = plt.subplots(figsize=(5.2, 3.9), layout="constrained")
    drawn, absent = [], []
    for method in methods:
        label, colour, marker = STYLE[method]
        mine = table[table["method"] == method]
        if mine.empty:
            absent.append(label)
        for quantity in quantities:
            rows = mine[mine["metric"] == quantity].sort_values("snr_test_db")
            if rows.empty:
                continue
            adversarial = quantity == "adversarial_accuracy"
            name_of = f"{label}: {'adversarial' if adversarial else 'natural'}" if len(quantities) > 1 else label
            spread = np.abs(rows[["low", "high"]].to_numpy().T - rows["mean"].to_numpy())
            axes.errorbar(
                rows["snr_test_db"],
                rows["mean"],
                yerr=spread if np.isfinite(spread).all() else None,
                color=colour,
                marker=marker,
                linestyle="--" if adversarial else "-",
                linewidth=1.4,
                markersize=7 if marker == "*" else 5,
                capsize=2.5,
                label=name_of,
            )
            drawn.append(rows)
    if shown == dataset and drawn:
        printed = pd.read_csv(PRINTED, dtype={"snr_db": str}).replace({"method": {"at": "adversarial_training"}})
        printed = printed[(printed["figure"] == name.removeprefix("fig")) & (printed["relation"] == "equals")]
        for row in printed[printed["quantity"].isin(quantities)].to_dict("records"):
            _, colour, marker = STYLE[row["method"]]
            style = {"marker": marker, "markersize": 10, "markerfacecolor": "none", "color": colour}
            axes.plot(float(row["snr_db"]), row["value"], linestyle="none", **style)
        if len(printed):
            axes.plot([], [], "o", color="black", markerfacecolor="none", label="printed in the paper")
    axes.set_xlabel("SNR (dB)")
    axes.set_ylabel("Accuracy")
    axes.set_title(f"{TITLES[shown]}, {AIR[channel]}")
    if drawn:
        axes.set_xticks(sorted(set(pd.concat(drawn)["snr_test_db"])))
        axes.grid(axis="y", alpha=0.35)
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
        sns.despine(figure)
    else:
        _nothing(axes)
    if absent:
        axes.annotate(
            "Not run: " + ", ".join(absent),
            (0.02, 0.02),
            xycoords="axes fraction",
            fontsize=7,
            color="#444444",
        )
        low, high = axes.get_ylim()
        axes.set_ylim(low - 0.12 * (high - low), high)
    empty = table.iloc[:0]
    _save(figure, out / name, pd.concat(drawn) if drawn else empty)


def gallery(name: str, dataset: str, classes: tuple[int, int], columns: dict[str, tuple[str, str]]) -> None:
    """Pictures as in Figs. 3d and 3e: two images; a column each {title: (method, attacker or `legitimate`)}.

    What has not run is an empty frame that says so.
    """
    results, out = _arguments()
    table = read(results / "summary" / "inversion.csv")
    pictures = pictures_of(results / "summary" / "reconstructions.npz")
    shown = _present(dataset, set(table["dataset"]))
    columns = {"Original": (next(iter(columns.values()))[0], "original")} | columns
    sns.set_theme(context="paper", style="white")
    figure, axes = plt.subplots(2, len(columns), figsize=(1.45 * len(columns), 3.7), layout="constrained")
    for column, (title, (method, attacker)) in enumerate(columns.items()):
        methods = [method] if attacker != "original" else [m for m in STYLE]
        heads = [h for m in methods if (h := _head(pictures, shown, m)) is not None]
        for row, wanted in enumerate(classes):
            axis = axes[row, column]
            axis.set(xticks=[], yticks=[])
            if row == 0:
                axis.set_title(title, fontsize=8)
            if not heads or f"{heads[0]}/{attacker}" not in pictures:
                axis.text(0.5, 0.5, "not run", ha="center", va="center", fontsize=8, transform=axis.transAxes)
                continue
            index = int(np.flatnonzero(pictures[f"{heads[0]}/label"] == wanted)[0])
            picture = pictures[f"{heads[0]}/{attacker}"][index].transpose(1, 2, 0)
            axis.imshow(picture.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            rows = table[(table["dataset"] == shown) & (table["method"] == method) & (table["attacker"] == attacker)]
            ssim = rows[(rows["channel"] == heads[0].split("/")[1]) & (rows["metric"] == "ssim")]["mean"]
            if row == 1 and len(ssim):
                axis.set_xlabel(f"SSIM {ssim.iloc[-1]:.2f}\n(all test images)", fontsize=7)
    figure.suptitle(f"{TITLES[shown]}: what attackers and the legitimate user see", fontsize=9)
    kept = [method for method, _ in columns.values()]
    _save(figure, out / name, table[(table["dataset"] == shown) & table["method"].isin(kept)])


def _head(pictures: dict, dataset: str, method: str) -> str | None:
    """The run whose pictures are shown: <dataset>/<channel>/<method>/seed<k>, AWGN and the first seed before others."""
    heads = sorted({name.rsplit("/", 1)[0] for name in pictures if name.startswith(f"{dataset}/")})
    return next((head for head in heads if head.split("/")[2] == method), None)


def _arguments() -> tuple[Path, Path]:
    if len(sys.argv) != 3:
        sys.exit(f"usage: python -m figures.{Path(sys.argv[0]).stem} RESULTS FIGURES_DIR")
    out = Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    return Path(sys.argv[1]), out


def _present(dataset: str, datasets: set[str]) -> str:
    """The paper's dataset where it has run, else its stand-in where that has, else the paper's."""
    stand_in = STANDS_IN[dataset]
    return stand_in if dataset not in datasets and stand_in in datasets else dataset


def _nothing(axes) -> None:
    axes.text(0.5, 0.5, "nothing of this figure has run", ha="center", va="center", transform=axes.transAxes)
    axes.set(xticks=[], yticks=[])


def _save(figure, stem: Path, numbers: pd.DataFrame) -> None:
    """PDF, SVG and PNG of stable bytes (no dates, a fixed salt), and the plotted numbers as CSV."""
    with plt.rc_context({"svg.hashsalt": "repobe", "svg.fonttype": "path", "pdf.fonttype": 42}):
        figure.savefig(stem.with_suffix(".pdf"), metadata={"CreationDate": None})
        figure.savefig(stem.with_suffix(".svg"), metadata={"Date": None})
        figure.savefig(stem.with_suffix(".png"), dpi=200)
    plt.close(figure)
    numbers.to_csv(stem.with_suffix(".csv"), index=False)
