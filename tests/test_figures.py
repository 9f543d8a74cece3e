"""Figures: the same bytes twice, a style for whatever is run, and numbers beside every drawing."""

import os
import pkgutil
import re
import runpy
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from conftest import ASCII
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D

from figures import __main__ as drawing
from figures import (
    fig3a,
    fig3b,
    fig3c,
    fig3d,
    fig3e,
    fig4c,
    fig4d,
    fig_ablations,
    fig_cost,
    fig_eps,
    fig_leakage,
    fig_other_settings,
    fig_specification,
)  # fmt: skip
from repobe.phy.channels import AWGN
from repobe.report import attacker_above_receiver, canvas, curves, galleries, headings, saving, styles
from repobe.report.headings import NOTHING
from repobe.runs.files import arrays
from repobe.systems import layer_table as layers
from repobe.systems.system import SemanticSystem
from repobe.tables.results import write
from repobe.verdicts import paper

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted(path.stem for path in (ROOT / "figures").glob("fig*.py"))
RUN = {"image_size": 16, "channel": "awgn", "snr_train_db": "mixed"}


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """Small tables with a method that no style knows; no pictures."""
    folder = tmp_path_factory.mktemp("results")
    (folder / "summary").mkdir()
    bounds = {"sd": None, "low": 0.8, "high": 0.95, "seeds": 1, "n": 100}
    evasion = [
        {"method": method, "dataset": "digits", **RUN, "snr_test_db": snr, "attack": attack, "eps": eps}
        | {"split": "test", "metric": metric, "mean": 0.9 - eps, **bounds, "draws_sd": 0.01, "symbols_k": 8}
        for method in ("undefended", "repobe", "brand_new")
        for snr in (7, 23)
        for attack, eps, metric in [
            ("none", 0.0, "natural_accuracy"),
            ("paper", 0.016, "adversarial_accuracy"),
            ("strong", 0.032, "adversarial_accuracy"),
            *(("ensemble", eps, "adversarial_accuracy") for eps in (0.0, 0.016)),
            ("worst", 0.032, "adversarial_accuracy"),
        ]
    ]
    inversion = [
        {"method": method, "dataset": "digits", **RUN, "snr_tap_db": 23, "attacker": attacker, "knowledge": "encoder"}
        | {"metric": metric, "mean": 0.5, **bounds, "symbols_k": 8}
        for method in ("undefended", "brand_new")
        for attacker in ("mean_image", "keyless", "same_key", "same_key_attention", "a_new_attacker")
        for metric in ("ssim", "attacker_accuracy")
    ]
    audit = [
        {"method": method, "dataset": dataset, **RUN, "quantity": "key_recovered", "grid": "2x2", "schedule": schedule}
        | {"known_messages": known, "snr_db": snr, "mean": 0.9, **bounds}
        for method, dataset in [("random_features", "none"), ("brand_new", "digits")]
        for schedule in ("fixed", "per_message")
        for known in (1, 5)
        for snr in (-10, 7)
    ]
    cost = [
        {"method": method, "dataset": "digits", **RUN, "device": "cpu", "threads": 1, "parameters": 10, "symbols_k": 8}
        | {"flops": 100.0, "train_seconds": seconds, "images_per_second": 5.0, "peak_memory_mb": 3.0, "seeds": 1}
        for method, seconds in [("undefended", 1.0), ("brand_new", 50.0)]
    ]
    for name, rows in [("evasion", evasion), ("inversion", inversion), ("audit", audit), ("cost", cost)]:
        write(pd.DataFrame(rows), folder / "summary" / f"{name}.csv")
    write(pd.DataFrame(layers.layers(16)), folder / "summary" / "layer_table.csv")
    decision = {"id": "D1", "change": "one", "dataset": "digits", "channel": "awgn", "quantity": "natural_accuracy"}
    decision |= {"variant": 0.9, "reference": 0.8, "difference": 0.1, "low": 0.0, "high": 0.2, "seeds": 1, "n": 9}
    write(pd.DataFrame([decision]), folder / "decisions.csv")
    read = {"claim": "c08", "dataset": "digits", "outcome": "stand-in", "lead": 0.01, "low": -0.01, "high": 0.03}
    read |= {"lowest": -0.01, "size": 16, "not_run": 2}
    write(pd.DataFrame([read | {"reading": f"r{number:02d}"} for number in range(3)]), folder / "readings.csv")
    np.savez_compressed(folder / "summary" / "reconstructions.npz")
    return folder


@pytest.fixture(scope="module")
def drawn(results, tmp_path_factory) -> list[Path]:
    """The folders of all figures, drawn by two processes, whose sets and dicts of strings are in another order each.

    The second has a user's settings, all at once: a notebook's backend, a matplotlibrc, no home, an ASCII locale.
    """
    settings = tmp_path_factory.mktemp("settings") / "matplotlibrc"
    settings.write_text(
        "text.usetex: True\nfont.family: serif\nfont.sans-serif: Arial\nsavefig.dpi: 30\nsavefig.bbox: tight\n"
        "axes.grid: True\nlines.linewidth: 7\naxes.prop_cycle: cycler('color', ['red'])\npath.sketch: 1, 100, 2\n"
    )
    odd = {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "MATPLOTLIBRC": str(settings), **ASCII}
    odd |= {"HOME": "/nonexistent", "PYTHONHASHSEED": "1"}
    plain = os.environ | {"PYTHONHASHSEED": "0"}
    without = {name: value for name, value in os.environ.items() if name != "MPLCONFIGDIR"}
    folders = [tmp_path_factory.mktemp("drawn") for _ in range(2)]
    for folder, env in zip(folders, (plain, without | odd), strict=True):
        subprocess.run([sys.executable, "-m", "figures", str(results), str(folder)], cwd=ROOT, env=env, check=True)
    return folders


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_figure_is_the_same_to_the_byte_with_a_users_settings_and_says_what_it_shows(script, drawn):
    for kind in ("pdf", "svg", "png", "csv"):
        one, two = ((folder / f"{script}.{kind}").read_bytes() for folder in drawn)
        assert one == two, kind
    drawing = (drawn[0] / f"{script}.svg").read_text()
    assert "<dc:title>" in drawing
    assert "<dc:description>" in drawing


def test_the_curve_over_eps_is_of_each_images_most_harmful_attack_alone(drawn):
    """The lowest of several attacks' means would be the luckiest, and of attacks on other images besides."""
    curve = pd.read_csv(drawn[0] / "fig_eps.csv")
    assert set(curve["attack"]) == {"worst", "ensemble"}
    assert set(curve["snr_test_db"]) == {23}
    assert len(curve) == 9  # three methods at three radii
    assert "100 images" in (drawn[0] / "fig_eps.svg").read_text()


def test_a_figure_that_cannot_be_drawn_is_named_and_the_others_are_drawn(results, tmp_path, monkeypatch, capsys):
    spoilt = tmp_path / "results"
    shutil.copytree(results, spoilt)
    (spoilt / "summary" / "layer_table.csv").write_text("not,the,columns\n1,2,3\n")
    three = ("fig4b", "fig_key_recovery", "fig_system")
    few = [module for module in pkgutil.iter_modules([str(ROOT / "figures")]) if module.name in three]
    monkeypatch.setattr(drawing.pkgutil, "iter_modules", lambda _: few)
    monkeypatch.setattr(sys, "argv", ["figures", str(spoilt), str(tmp_path / "out")])
    assert drawing.main() == 1
    assert capsys.readouterr().err.splitlines()[-1] == "repobe: KeyError, see above (not drawn: fig_system)"
    assert {path.stem for path in (tmp_path / "out").glob("*.pdf")} == {"fig4b", "fig_key_recovery"}


@pytest.mark.parametrize(("script", "module"), [("__main__", "figures"), ("fig3a", "figures.fig3a")])
def test_the_usage_of_figures_is_a_command_that_can_be_typed(script, module, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(ROOT / "figures" / f"{script}.py")])
    with pytest.raises(SystemExit) as ended:
        saving.arguments()
    assert ended.value.code == f"usage: python -m {module} RESULTS FIGURES_DIR"


def test_the_panels_show_the_papers_methods_in_its_order():
    """Sec. 4: Figs. 3a-b NECST, NECST-DP by budget, IBAL, ESCST; 3c VAE, JPEG2000; 4c-d AT, TRADES; RepObE last."""
    private = [f"necst_dp_{budget}" for budget in ("005", "01", "03", "05", "09")]
    assert fig3a.METHODS == fig3b.METHODS == ["necst", *private, "ibal", "escst", "repobe"]
    assert fig3c.METHODS == ["vae", "vae_128", "jpeg2000", "jpeg2000_ldpc", "repobe"]
    for columns in (fig3d.COLUMNS, fig3e.COLUMNS):
        attacked = [f"{name}_reconstruction" for name in ("ibal", "necst", "necst_dp_09", "repobe")]
        assert [method for method, _ in columns.values()] == [*attacked, "repobe_reconstruction"]
        assert [seen_by for _, seen_by in columns.values()] == ["keyless"] * 4 + ["legitimate"]
    assert fig4c.METHODS == fig4d.METHODS == ["adversarial_training", "trades", "repobe_adversarial"]
    for script in (fig3a, fig3c, fig4c):
        assert styles.methods_in_order(reversed(script.METHODS)) == script.METHODS


def test_a_dataset_and_a_channel_of_ones_own_have_curves_of_accuracy_over_snr(results, tmp_path, monkeypatch):
    """Rows of digits over AWGN stay with the paper's figures; the same rows under other names get panels."""
    (tmp_path / "summary").mkdir()
    digits = pd.read_csv(results / "summary" / "evasion.csv")
    own = [digits.assign(dataset="cells"), digits.assign(channel="weibull"), digits.assign(dataset="mnist")]
    variant = digits.assign(dataset="cells", method="adversarial_eq15")  # of a decision
    write(pd.concat([digits, *own, variant]), tmp_path / "summary" / "evasion.csv")
    monkeypatch.setattr(sys, "argv", ["fig_other_settings", str(tmp_path), str(tmp_path)])
    fig_other_settings.draw()
    plotted = pd.read_csv(tmp_path / "fig_other_settings.csv")
    assert set(zip(plotted["dataset"], plotted["channel"], strict=True)) == {("cells", "awgn"), ("digits", "weibull")}
    assert set(plotted["method"]) == {"undefended", "repobe", "brand_new"}
    assert set(plotted["snr_test_db"]) == {7, 23}
    assert set(plotted["attack"]) == {"none", "paper"}
    shown = (tmp_path / "fig_other_settings.svg").read_text()
    assert "cells, AWGN, brand new: natural 0.9000 at 7 dB to 0.9000 at 23 dB" in shown


def test_costs_are_labelled_in_short_on_a_linear_axis_and_on_a_logarithmic_one():
    """Whole numbers and a letter: matplotlib would set 1e7 beside the axis, over its name."""
    known = {0: "0", 300: "300", 1e4: "10k", 3e6: "3M", 2.5e9: "2.5G", 2e12: "2T"}
    assert {number: fig_cost.short(number) for number in known} == known
    for least, most in [(9e6, 2e7), (1e6, 3e7)]:
        _, axes = plt.subplots()
        fig_cost.scale(axes, pd.Series([least, most]))
        assert axes.get_xscale() == ("log" if most > 3 * least else "linear")
        assert axes.xaxis.get_major_formatter()(1e7) == "10M"
        plt.close()


def test_panels_wrap_into_rows_and_name_their_axis_wherever_nothing_is_below():
    """27 at 4 a row are six rows and three more; the last of the sixth has nothing below it."""
    figure, grid = canvas.panels(27, 4, (1.9, 1.9), "SNR (dB)", "Keys found")
    figure.canvas.draw()
    assert len(grid) == len(figure.axes) == 27
    assert [place for place, axes in enumerate(grid) if axes.get_xlabel()] == [23, 24, 25, 26]
    assert [place for place, axes in enumerate(grid) if axes.get_ylabel()] == [0, 4, 8, 12, 16, 20, 24]
    assert len(canvas.panels(3, 4, (1.9, 1.9), "", "")[0].axes) == 3
    plt.close("all")


def test_no_figure_shows_a_training_of_half_the_epochs(tmp_path):
    (tmp_path / "summary").mkdir()
    rows = [{"method": method, "dataset": "mnist", "mean": 0.9} for method in ("repobe", "repobe_half", "half_repobe")]
    write(pd.DataFrame(rows), tmp_path / "summary" / "evasion.csv")
    assert saving.summary(tmp_path, "evasion")["method"].tolist() == ["repobe", "half_repobe"]


def test_a_title_that_is_wider_than_its_panel_is_broken_and_another_stays_as_it_is():
    figure, grid = canvas.panels(2, 2, (1.9, 1.9), "", "")
    long, short = "RepObE, images\ndigits (stand-in for MNIST), 3×3 places, fixed key", "RepObE\nMNIST"
    for axes, title in zip(grid, (long, short), strict=True):
        axes.set_title(title, fontsize=7.5)
    canvas.break_titles(figure)
    broken, whole = (axes.get_title() for axes in grid)
    assert whole == short
    assert broken.splitlines()[0] == "RepObE, images"
    assert broken.replace("\n", " ") == long.replace("\n", " ")
    figure.canvas.draw()
    assert all(axes.title.get_window_extent().width <= axes.get_window_extent().width for axes in grid)
    plt.close("all")


@pytest.mark.parametrize("radii", [(0, 2, 4, 4.08, 8, 16, 31.9, 63.8, 255), (4.08, 25.5), (0, 0.5, 1, 2)])
def test_any_radii_on_the_axis_can_be_read(radii):
    """In the smallest of its panels no number touches its neighbour, and there are two or more to read by."""
    figure, grid = canvas.panels(2, 2, (3.6, 2.9), "eps (1/255)", "Accuracy")
    grid[0].plot(radii, np.zeros(len(radii)))
    fig_eps.octaves(grid[0])
    figure.canvas.draw()
    low, high = grid[0].get_xlim()
    ticks = [tick for tick in grid[0].xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    boxes = [tick.label1.get_window_extent() for tick in ticks]
    assert len(boxes) >= 2
    assert all(left.x1 + 2 < right.x0 for left, right in pairwise(boxes))
    plt.close("all")


def test_two_radii_are_drawn_and_one_is_a_point_of_another_figure(results, tmp_path, monkeypatch):
    """The attacks at full strength are run at the paper's 0.016 and at 0.1, and at no radius 0."""
    (tmp_path / "summary").mkdir()
    table = pd.read_csv(results / "summary" / "evasion.csv")
    at_two = (table["method"] == "repobe") & table["eps"].isin([0.016, 0.032])
    at_one = (table["method"] == "undefended") & (table["eps"] == 0.016)
    table[at_two | at_one].to_csv(tmp_path / "summary" / "evasion.csv", index=False)
    monkeypatch.setattr(sys, "argv", ["fig_eps", str(tmp_path), str(tmp_path)])
    fig_eps.draw()
    curve = pd.read_csv(tmp_path / "fig_eps.csv")
    assert [*zip(curve["method"], curve["eps"], strict=True)] == [("repobe", 0.016), ("repobe", 0.032)]


def test_the_legend_says_which_curve_is_the_papers_and_gives_no_marker_to_what_has_not_run(
    results, tmp_path, monkeypatch
):
    """Fig. 4b prints adversarial accuracy alone, of both; the mark of what has not run would pass for one of those."""
    (tmp_path / "summary").mkdir()
    table = pd.read_csv(results / "summary" / "evasion.csv")
    mnist = table[table["method"] == "undefended"].assign(dataset="mnist", channel="rayleigh")
    mnist.to_csv(tmp_path / "summary" / "evasion.csv", index=False)
    figures = []
    monkeypatch.setattr(plt, "close", figures.append)
    monkeypatch.setattr(sys, "argv", ["fig4b", str(tmp_path), str(tmp_path)])
    quantities = ["natural_accuracy", "adversarial_accuracy"]
    curves.accuracy_over_snr("fig4b", "mnist", "rayleigh", ["undefended", "repobe_adversarial"], quantities)
    (legend,) = figures[0].legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == [
        "Undefended: natural",
        "Undefended: adversarial",
        "Undefended: adversarial (paper)",
        "RepObE, Eq. 16: adversarial (paper)",
        "RepObE, Eq. 16: natural (not run)",
        "RepObE, Eq. 16: adversarial (not run)",
    ]
    marks = [handle for handle in legend.legend_handles if isinstance(handle, Line2D)]
    assert [handle.get_marker() for handle in marks[-2:]] == ["None", "None"]
    assert [handle.get_markerfacecolor() for handle in marks[-4:-2]] == ["none", "none"]


def test_a_rival_that_ran_where_the_papers_figure_has_none_is_shown_under_attack_alone(results, tmp_path, monkeypatch):
    shutil.copytree(results, tmp_path / "results")
    table = tmp_path / "results" / "summary" / "evasion.csv"
    rows = pd.read_csv(table)
    write(pd.concat([rows, rows[rows["method"] == "repobe"].assign(method="trades")]), table)
    monkeypatch.setattr(sys, "argv", ["fig4a", str(tmp_path / "results"), str(tmp_path)])
    runpy.run_module("figures.fig4a", run_name="__main__")
    drawn = pd.read_csv(tmp_path / "fig4a.csv")
    assert set(drawn[drawn["method"] == "trades"]["metric"]) == {"adversarial_accuracy"}
    assert set(drawn[drawn["method"] == "undefended"]["metric"]) == {"natural_accuracy", "adversarial_accuracy"}
    told = (tmp_path / "fig4a.svg").read_text()
    assert "TRADES: adversarial" in told
    assert "AT: adversarial" not in told  # it did not run, and the paper's figure has none that could be missed


def test_all_decoders_of_an_attacker_share_one_entry_of_the_legend():
    same = {fig_leakage.look(f"same_key_{decoder}") for decoder in ("attention", "conv", "fc")}
    assert [one.label for one in same] == ["same key, each decoder"]
    assert fig_leakage.look("same_key").label == "same key"
    assert fig_leakage.look("a_new_attacker").label == "a new attacker"
    assert fig_leakage.look("keyless_adaptive_set") != fig_leakage.look("keyless_conv")


def test_keyless_is_seen_where_the_same_key_attacker_hears_the_same(results, tmp_path, monkeypatch):
    """A system without a key has one attacker of two names: the upper marker is the smaller one."""
    figures = []
    monkeypatch.setattr(plt, "close", figures.append)
    monkeypatch.setattr(sys, "argv", ["fig_leakage", str(results), str(tmp_path)])
    fig_leakage.draw()
    axes = figures[0].axes[0]
    marks = {to_rgb(one.get_color()): one for one in axes.lines if one.get_alpha() == 1}
    keyless, same_key = (marks[to_rgb(colour)] for colour in (styles.ORANGE, styles.SKY))
    assert keyless.get_zorder() > same_key.get_zorder()
    assert keyless.get_markersize() ** 2 < same_key.get_markersize() ** 2 / 2  # areas
    assert axes.get_xlabel() == "SSIM of the rebuilt images"


def test_each_dataset_is_drawn_on_its_own_channel_where_they_differ():
    rows = [("mnist", "awgn"), ("mnist", "rayleigh"), ("cifar10", "rayleigh"), ("cifar10", "rayleigh_fast")]
    frame = pd.DataFrame(rows, columns=["dataset", "channel"])
    shown = headings.on_one_channel(frame)
    assert [*shown.itertuples(index=False, name=None)] == [("mnist", "awgn"), ("cifar10", "rayleigh")]
    assert headings.shared({"mnist": "AWGN, 23 dB", "cifar10": "AWGN, 23 dB"}) == "AWGN, 23 dB"
    apart = headings.shared({"mnist": "AWGN, 23 dB", "cifar10": "Rayleigh fading, 15 dB"})
    assert apart == "MNIST: AWGN, 23 dB; CIFAR-10: Rayleigh fading, 15 dB"


def test_a_figure_is_replaced_and_a_link_to_the_older_one_keeps_it(tmp_path):
    """MLflow's artifacts are links to figures."""
    for number in (1, 2):
        saving.save_empty(tmp_path / "fig", pd.DataFrame({"a": [number]}), f"number {number}")
        for kind in ("pdf", "svg", "png", "csv"):
            if number == 1:
                (tmp_path / f"link.{kind}").hardlink_to(tmp_path / f"fig.{kind}")
    for kind in ("pdf", "svg"):
        assert (tmp_path / f"link.{kind}").read_bytes() != (tmp_path / f"fig.{kind}").read_bytes()
    assert not [*tmp_path.glob("*.part")]


def test_a_gallery_says_over_how_many_images_its_ssim_is(results, tmp_path, monkeypatch):
    """2,000 of MNIST's 10,000 are attacked, not all."""
    (tmp_path / "summary").mkdir()
    table = pd.read_csv(results / "summary" / "inversion.csv")
    table.assign(n=2000).to_csv(tmp_path / "summary" / "inversion.csv", index=False)
    head = "digits/awgn/undefended/seed0"
    pictures = {f"{head}/{seen_by}": np.zeros((2, 1, 16, 16), np.uint8) for seen_by in ("keyless", "original")}
    np.savez(tmp_path / "summary" / "reconstructions.npz", **pictures, **{f"{head}/label": np.array([3, 4])})
    monkeypatch.setattr(sys, "argv", ["fig3d", str(tmp_path), str(tmp_path)])
    galleries.gallery("fig3d", "mnist", (3, 4), {"Attacker": ("undefended", "keyless")})
    assert "SSIM over 2,000 test images" in (tmp_path / "fig3d.svg").read_text()


def test_a_gallery_says_what_the_mean_image_reaches_without_any_message():
    rows = [
        {"attacker": "mean_image", "metric": "ssim", "mean": 0.336},
        {"attacker": "keyless", "metric": "ssim", "mean": 0.9},
    ]
    table = pd.DataFrame(rows)
    assert galleries._floor(table) == ", of the mean image 0.34"
    assert galleries._floor(table[table["attacker"] == "keyless"]) == ""


def test_a_gallery_says_which_attackers_rebuild_better_than_the_legitimate_user():
    """NECST at 0.91 beats the receiver at 0.90; RepObE at 0.20 and one that ties do not."""
    seen = {"Keyless attacker:\nNECST": 0.91, "Tie": 0.90, "RepObE": 0.20, "Not run": None, "Legitimate user": 0.90}
    columns = {title: ("any", "legitimate" if title == "Legitimate user" else "keyless") for title in seen}

    def drawn(*titles: str) -> list[galleries.Column]:
        rows = {title: pd.DataFrame({"mean": [seen[title]] if seen[title] else []}) for title in titles}
        original = galleries.Column("Original", None, None, pd.DataFrame({"mean": []}))
        return [original, *(galleries.Column(title, None, None, rows[title]) for title in titles)]

    said = galleries._beaten(drawn(*seen), columns)
    assert "the SSIM of Keyless attacker: NECST (0.91) exceeds the legitimate user's (0.90)" in said
    assert galleries._beaten(drawn("Tie", "RepObE", "Legitimate user"), columns) == ""
    assert galleries._beaten(drawn("Tie", "RepObE", "Not run"), columns) == ""  # the user has not run


def test_the_layer_table_is_the_papers_network_at_224():
    """Sec. 3.1: features 4×28×28, so k = 1568 complex symbols; parameters are the system's own."""
    rows = pd.DataFrame(layers.layers(224), columns=layers.COLUMNS)
    last = rows[rows["part"] == "encoder"].iloc[-1]
    assert (last["channels"], last["height"], last["width"]) == (4, 28, 28)
    assert rows[rows["layer"] == "channel"]["channels"].item() == 1568
    image = rows[rows["part"] == "image decoder"].iloc[-1]
    assert (image["channels"], image["height"], image["width"]) == (3, 224, 224)
    system = SemanticSystem(3, 10, 224, AWGN())
    walked = rows[rows["part"].isin(["encoder", "class decoder"])]["parameters"].sum()
    assert walked == sum(p.numel() for p in system.parameters())


def test_the_layer_table_names_the_kind_of_a_layer_that_is_the_suite_s_own():
    """The linear head and the sigmoid are subclasses that stay in float32; the only normalisation is that of pixels."""
    rows = pd.DataFrame(layers.layers(16))
    last = [rows[rows["part"] == part]["kind"].iloc[-1] for part in ("class decoder", "image decoder")]
    assert last == ["linear", "sigmoid"]
    assert list(rows[rows["kind"] == "normalisation"]["layer"]) == ["ScaleToSymmetric"]


def test_the_specification_curve_runs_from_the_least_to_the_most_favourable_reading_on_one_dataset():
    rows = [
        {"claim": "c08", "dataset": dataset, "reading": reading, "lead": lead, "low": lead - 0.02, "high": lead + 0.02}
        | {"outcome": outcome, "lowest": lead - (0.06 if reading == "r03" else 0.02)}  # another interval of r03
        for dataset, reading, lead, outcome in [
            ("mnist", "r00", 0.01, "open"), ("mnist", "r01", -0.03, "fails"),
            ("mnist", "r02", 0.05, "open: not trained"), ("mnist", "r03", 0.055, "open"),
            ("mnist", "r04", 0.06, "open: only a rebuilt rival is against it"),
            ("digits", "r00", 0.5, "stand-in"),
        ]
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    curve = fig_specification.curve(table, "c08", "mnist")
    assert list(curve["reading"]) == ["r01", "r00", "r02", "r03", "r04"]
    assert list(curve["side"]) == ["behind", "around 0", "ahead", "around 0", "ahead"]
    assert list(curve["judged"]) == [True, True, False, True, True]
    # Another interval of r00 lies behind; r02's row is of an older suite, which did not write that column.
    table["lowest_high"] = table["high"]
    table.loc[table["reading"] == "r00", "lowest_high"] = -0.01
    table.loc[table["reading"] == "r02", "lowest_high"] = None
    curve = fig_specification.curve(table, "c08", "mnist")
    assert list(curve["side"]) == ["behind", "behind", "ahead", "around 0", "ahead"]
    assert set(fig_specification.CLAIMS) <= {claim["id"] for claim in paper.claims()}


def test_each_marker_of_a_curve_says_its_value_and_the_drawing_keeps_no_other_trace(drawn):
    """Fig. 4a: two methods and two quantities, natural at 0.9 and attacked at 0.9 − 0.016, at 7 and 23 dB."""
    drawing = (drawn[0] / "fig4a.svg").read_text()
    titles = re.findall(r"<use[^>]*><title>(.*?)</title></use>", drawing)
    assert "Undefended: natural, 7 dB: 0.9000 (0.8000 to 0.9500), n = 100, 1 seed" in titles
    assert "Undefended: adversarial, 23 dB: 0.8840 (0.8000 to 0.9500), n = 100, 1 seed" in titles
    assert canvas.VALUES not in drawing


def test_training_times_are_compared_on_one_device_and_each_method_has_one_row():
    """Three methods were trained on a CPU and one on a GPU; one of the three has a row of either device."""
    run = {"dataset": "mnist", "channel": "awgn", "image_size": 32, "snr_train_db": "mixed", "images_per_second": 9.0}
    rows = [("repobe", "cpu", 900.0), ("necst", "H200", 20.0), ("necst", "cpu", 800.0), ("ibal", "H200", 30.0)]
    rows += [("undefended", "cpu", 700.0)]
    cost = pd.DataFrame([run | {"method": m, "device": d, "train_seconds": t, "k": 32} for m, d, t in rows])
    found = saving.on_one_device(cost).set_index("method")
    assert found["train_seconds"].dropna().to_dict() == {"repobe": 900, "necst": 800, "undefended": 700}
    assert [*found.index] == ["repobe", "necst", "ibal", "undefended"]
    assert found.loc["ibal", ["device", "k"]].tolist() == ["H200", 32]  # what no device changes stays


def test_a_method_that_another_device_trained_has_its_other_costs_drawn(results, tmp_path, monkeypatch):
    shutil.copytree(results, tmp_path / "results")
    table = pd.read_csv(results / "summary" / "cost.csv", dtype={"snr_train_db": str})
    table.loc[table["method"] == "brand_new", "device"] = "the GPU"
    write(table, tmp_path / "results" / "summary" / "cost.csv")
    monkeypatch.setattr(sys, "argv", ["fig_cost", str(tmp_path / "results"), str(tmp_path)])
    fig_cost.draw()
    drawn = pd.read_csv(tmp_path / "fig_cost.csv").set_index("method")
    assert drawn["train_seconds"].isna().to_dict() == {"undefended": False, "brand_new": True}
    svg = (tmp_path / "fig_cost.svg").read_text()
    assert "trained on another device" in svg
    assert "on a CPU" in svg


@pytest.mark.parametrize("script", ["fig3a", "fig4a", "fig_cost", "fig_eps", "fig_key_recovery", "fig_leakage"])
def test_a_method_that_the_suite_does_not_know_is_in_every_figure_that_compares_methods_where_it_ran(script, drawn):
    assert "brand_new" in set(pd.read_csv(drawn[0] / f"{script}.csv")["method"])
    assert "brand new" in (drawn[0] / f"{script}.svg").read_text()


def test_a_system_of_ones_own_that_sends_images_is_a_column_of_the_gallery(results, tmp_path, monkeypatch):
    shutil.copytree(results, tmp_path / "results")
    table = pd.read_csv(results / "summary" / "inversion.csv")
    own = table[table["method"] == "brand_new"].assign(method="brand_new_reconstruction")
    write(pd.concat([table, own]), tmp_path / "results" / "summary" / "inversion.csv")
    images, run = np.zeros((2, 1, 16, 16), np.uint8), "digits/awgn/brand_new_reconstruction/seed0"
    found = {f"{run}/{name}": images for name in ("original", "keyless")} | {f"{run}/label": np.array([3, 4])}
    arrays(tmp_path / "results" / "summary" / "reconstructions.npz", found)
    monkeypatch.setattr(sys, "argv", ["fig3d", str(tmp_path / "results"), str(tmp_path)])
    galleries.gallery("fig3d", "mnist", (3, 4), fig3d.COLUMNS)
    assert "brand_new_reconstruction" in set(pd.read_csv(tmp_path / "fig3d.csv")["method"])
    assert "brand new" in (tmp_path / "fig3d.svg").read_text()


def test_a_gallery_of_which_nothing_ran_is_an_empty_figure(drawn):
    for name in ("fig3d", "fig3e"):
        assert NOTHING in (drawn[0] / f"{name}.svg").read_text()


def test_hollow_markers_are_the_papers_alone():
    """A reader takes a hollow marker for a printed point, so no measured one is hollow or white."""
    for script in [*(ROOT / "figures").glob("fig*.py"), ROOT / "repobe" / "report" / "canvas.py"]:
        assert not re.search(r"""facecolors?=["'](none|white)""", script.read_text(), re.IGNORECASE), script.name


def test_methods_of_one_cost_and_one_accuracy_stand_side_by_side():
    """Six methods at k = 32 and 0.99: their markers, a twentieth of the axis wide, do not touch."""
    costs = pd.Series([32.0] * 6 + [1568.0])
    accuracies = pd.Series([0.99, 0.991, 0.992, 0.99, 0.993, 0.99, 0.2])
    places = np.log(fig_cost.apart(costs, accuracies, costs))
    span = np.log(1568 / 32)
    assert min(np.diff(np.sort(places[:6]))) > 0.05 * span
    assert np.mean(places[:6]) == pytest.approx(np.log(32))
    assert places[6] == pytest.approx(np.log(1568))


def test_a_spread_between_draws_is_told_beside_the_differences_and_not_drawn_as_one(results, tmp_path, monkeypatch):
    table = pd.read_csv(results / "decisions.csv")
    spread = table.assign(id="D4", change="another draw", variant=None, low=None, high=None, difference=0.0123)
    pd.concat([table, spread]).to_csv(tmp_path / "decisions.csv", index=False)
    monkeypatch.setattr(sys, "argv", ["fig_ablations", str(tmp_path), str(tmp_path)])
    fig_ablations.draw()
    assert list(pd.read_csv(tmp_path / "fig_ablations.csv")["id"]) == ["D1"]
    assert (
        "D4, another draw. It is, in points, natural accuracy 1.23 to 1.23"
        in (tmp_path / "fig_ablations.svg").read_text()
    )


def test_an_enlarged_panel_shows_no_bar_without_its_point():
    rows = pd.DataFrame({"mean": [0.5, 0.98], "low": [0.4, 0.97], "high": [0.99, 0.99]})
    curve = curves.Curve(styles.style("necst"), "NECST", False, rows)
    (inside,) = curves._inside([curve], (0.9, 1.0))
    assert list(inside.rows["mean"].isna()) == [True, False]


def test_an_attacker_that_beats_the_receiver_gets_a_sentence_and_one_below_it_none():
    row = {"dataset": "mnist", "channel": "awgn", "method": "repobe_reconstruction", "snr_tap_db": 23, "metric": "ssim"}
    rows = [row | {"attacker": name, "mean": mean} for name, mean in
            [("legitimate", 0.79), ("with_key", 0.86), ("keyless", 0.1), ("mean_image", 0.9)]]  # fmt: skip
    said = attacker_above_receiver.sentence(pd.DataFrame(rows))
    assert "with key on RepObE, images (MNIST, AWGN): SSIM 0.860, receiver 0.790" in said
    assert "keyless" not in said
    assert attacker_above_receiver.sentence(pd.DataFrame(rows[:1] + rows[2:])) == ""


def test_a_quantity_of_a_single_decision_is_told_and_leaves_no_almost_empty_panel(results, tmp_path, monkeypatch):
    (row, *_) = pd.read_csv(results / "decisions.csv").assign(quantity="natural_accuracy").to_dict("records")
    other = row | {"id": "D2", "change": "another"}
    keys = row | {"id": "D6", "change": "a key for each message", "quantity": "key_recovered"}
    rows = [row, other, keys | {"difference": -0.9, "channel": "awgn"}, keys | {"difference": -0.8, "channel": "air"}]
    pd.DataFrame(rows).to_csv(tmp_path / "decisions.csv", index=False)
    monkeypatch.setattr(sys, "argv", ["fig_ablations", str(tmp_path), str(tmp_path)])
    fig_ablations.draw()
    drawing = (tmp_path / "fig_ablations.svg").read_text()
    assert "Key recovered is of one decision alone: D6, a key for each message, -90.0 to -80.0 points." in drawing
    assert 'id="axes_1"' in drawing
    assert 'id="axes_2"' not in drawing


def test_a_decision_has_a_lane_for_each_of_its_own_settings_and_none_for_those_of_others():
    columns = ["id", "change", "dataset", "channel"]
    rows = [("D1", "a", "mnist", "awgn"), ("D1", "a", "mnist", "rayleigh"), ("D2", "b", "cifar10", "awgn")]
    settings = [("mnist", "rayleigh"), ("mnist", "awgn"), ("cifar10", "awgn")]
    found = fig_ablations.lanes_of(pd.DataFrame(rows, columns=columns), settings)
    assert found == {
        ("D1", "a"): [("mnist", "rayleigh"), ("mnist", "awgn")],
        ("D2", "b"): [("cifar10", "awgn")],
    }
