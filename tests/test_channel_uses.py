"""Accuracy over channel uses: which rows are compared, and that rows of one k stand together."""

import pandas as pd
from conftest import evasion

from figures.fig_channel_uses import spaced
from repobe.report.channel_uses import over_channel_uses
from repobe.report.curves import curves_of, with_channel_uses, with_seeds
from repobe.report.sections import channel_uses


def summary() -> pd.DataFrame:
    """Two families at two k each over one channel, a method of no family, and rows that are no natural accuracy."""
    settings = [("repobe", 32), ("repobe_k128", 128), ("necst_k32", 32), ("necst", 500), ("escst", 32)]
    rows = [
        {"method": method, "symbols_k": k, "snr_test_db": float(snr), "value": k / 1000 + snr / 100}
        for method, k in settings
        for snr in (23, 7)
    ]
    rows += [rows[0] | {"attack": "paper", "metric": "adversarial_accuracy", "eps": 0.016}]
    rows += [rows[0] | {"snr_train_db": "23"}]
    return evasion(*rows).rename(columns={"value": "mean"}).assign(seeds=1, low=0.0, high=1.0)


def test_natural_accuracies_of_the_families_are_compared_ordered_by_k():
    rows = over_channel_uses(summary())
    first = rows[rows["snr_test_db"] == 7]
    assert list(zip(first["family"], first["symbols_k"], strict=True)) == [
        ("necst", 32), ("necst", 500), ("repobe", 32), ("repobe", 128),
    ]  # fmt: skip
    assert len(rows) == 8
    assert set(rows["metric"]) == {"natural_accuracy"}


def test_the_pages_table_has_a_row_for_each_k_and_a_column_for_each_snr():
    content = channel_uses(summary())
    assert content["headings"][-2:] == ["7 dB", "23 dB"]
    rows = [[cell["text"] for cell in row] for row in content["rows"]]
    assert [(row[2], row[4], row[-2], row[-1]) for row in rows] == [
        ("NECST, k = 32", "32", "0.1020", "0.2620"),
        ("NECST", "500", "0.5700", "0.7300"),
        ("RepObE", "32", "0.1020", "0.2620"),
        ("RepObE, k = 128", "128", "0.1980", "0.3580"),
    ]


def test_labels_of_the_axis_do_not_cover_each_other():
    assert spaced([512, 32, 500, 128, 1568, 32]) == [32, 128, 500, 1568]


def test_a_legend_says_each_k_where_curves_differ_in_it_and_once():
    rows = evasion({"method": "jpeg2000", "symbols_k": 1568}, {"method": "vae_128"}, {"method": "repobe"})
    table = rows.rename(columns={"value": "mean"})
    curves = curves_of(table, ["jpeg2000", "vae_128", "repobe", "vae"], ["natural_accuracy"])
    assert [one.label for one in with_channel_uses(curves)] == [
        "JPEG2000, ideal code, k = 1568", "VAE, k = 128", "RepObE, k = 128", "VAE",
    ]  # fmt: skip
    same = curves[1:]
    assert with_channel_uses(same) == same


def test_a_legend_names_the_curves_of_several_seeds_where_others_have_one():
    rows = evasion({"method": "jpeg2000"}, {"method": "repobe"}).rename(columns={"value": "mean"})
    curves = curves_of(rows.assign(seeds=[1, 3]), ["jpeg2000", "repobe", "vae"], ["natural_accuracy"])
    assert [one.label for one in with_seeds(curves)] == ["JPEG2000, ideal code", "RepObE, 3 seeds", "VAE"]
    assert with_seeds(curves[1:]) == curves[1:]


def test_a_users_own_method_is_compared_too_and_its_uses_are_one_family():
    table = summary()
    own = [table[table["method"] == name].assign(method=new) for name, new in
           [("repobe", "brand_new"), ("repobe_k128", "brand_new_k128")]]  # fmt: skip
    first = over_channel_uses(pd.concat([table, *own], ignore_index=True)).query("snr_test_db == 7")
    assert list(zip(first["family"], first["symbols_k"], strict=True))[-2:] == [("brand_new", 32), ("brand_new", 128)]
