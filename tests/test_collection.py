"""Several folders side by side: who leads for a dataset, and which verdict a claim has."""

import pandas as pd
import pytest

from repobe.report.leaderboard import leaked, received
from repobe.verdicts import collection


def verdicts(*rows: tuple[str, str, str, int | None]) -> pd.DataFrame:
    """(id, set, verdict, image size) as rows of claims.csv."""
    return pd.DataFrame(
        [
            {"id": id_, "set": name, "verdict": verdict, "scale": f"{size}×{size}, k = 32; the paper" if size else None}
            for id_, name, verdict, size in rows
        ]
    ).assign(competent="yes")


def chosen(*rows: tuple[str, str, str, int | None]) -> dict:
    (row,) = collection.judged(verdicts(*rows)).to_dict("records")
    return row


def test_a_decided_verdict_counts_before_an_open_one_whichever_it_is():
    """Also where the open one is of a larger size, and where the decided one is against the paper."""
    for decided in ("reproduced, at 32×32", "not reproduced, at 32×32"):
        row = chosen(("c01", "large", "inconclusive: not trained", 224), ("c01", "small", decided, 32))
        assert (row["set"], row["verdict"]) == ("small", decided)
        assert row["elsewhere"] == "inconclusive: not trained in large"


def test_of_two_decided_verdicts_the_one_of_the_larger_images_counts():
    row = chosen(("c01", "small", "reproduced, at 32×32", 32), ("c01", "large", "not reproduced, at 64×64", 64))
    assert row["set"] == "large"
    assert row["elsewhere"] == "reproduced, at 32×32 in small"


def test_of_two_open_verdicts_the_one_of_competent_networks_counts_whatever_its_size():
    """A network that hardly learned at the paper's size tells less of the claim."""
    open_ = "inconclusive: not trained"
    rows = verdicts(("c07", "large", open_, 224), ("c07", "small", open_, 32)).assign(competent=["no", "yes"])
    assert collection.judged(rows)["set"].tolist() == ["small"]
    assert collection.judged(rows.assign(competent="unknown"))["set"].tolist() == ["large"]


def test_a_verdict_on_all_datasets_of_a_claim_counts_before_one_on_a_part_of_them():
    part, small = "reproduced, on MNIST alone", "not reproduced, at 64×64"
    row = chosen(("c07", "large", part, 224), ("c07", "small", small, 64))
    assert (row["verdict"], row["elsewhere"]) == (small, f"{part} in large")
    assert chosen(("c07", "large", "inconclusive", 224), ("c07", "small", part, 32))["verdict"] == part


def test_of_equal_ones_the_first_folder_counts_and_what_has_not_run_is_not_listed():
    row = chosen(("c11", "a", "reproduced", None), ("c11", "b", "reproduced", None), ("c11", "c", "not run", None))
    assert (row["set"], row["elsewhere"]) == ("a", "reproduced in b")
    assert pd.isna(chosen(("c01", "a", "not run", None), ("c01", "b", "not run", None))["elsewhere"])


def test_folders_of_which_no_claim_has_a_size_stand_side_by_side():
    """As after the demo: an empty column of a CSV is read as numbers."""
    rows = verdicts(("c11", "a", "reproduced", None), ("c01", "a", "not run", None)).astype({"scale": float})
    assert collection.judged(rows)["verdict"].tolist() == ["not run", "reproduced"]


def test_the_first_folder_leads_for_a_dataset_and_a_stand_in_only_without_the_papers():
    cost = pd.DataFrame({"dataset": ["digits", "mnist", "mnist", "digits_rgb"], "set": ["a", "b", "c", "a"]})
    assert collection.leaders(cost) == {"digits": "", "mnist": "b", "digits_rgb": "a"}


def test_readings_of_a_claim_come_from_one_folder_the_one_with_most_that_pass_the_gates_then_with_most():
    gated = "open: not trained"
    rows = [("c08", "r00", "mnist", gated, "a"), ("c08", "r00", "mnist", "open", "b"),
            ("c08", "r00", "mnist", gated, "c"), ("c08", "r01", "mnist", gated, "c"),
            ("c01", "r00", "mnist", gated, "a"), ("c01", "r00", "mnist", gated, "c"),
            ("c01", "r01", "mnist", gated, "c")]  # fmt: skip
    columns = ["claim", "reading", "dataset", "outcome", "set"]
    found = collection.most_judged(pd.DataFrame(rows, columns=columns))
    assert list(found.itertuples(index=False, name=None)) == [rows[1], rows[5], rows[6]]


def test_folders_of_one_name_are_refused(tmp_path):
    with pytest.raises(ValueError, match="same name"):
        collection.collect(tmp_path, [tmp_path / "one" / "x", tmp_path / "two" / "x"])


def test_a_folder_is_not_written_over_by_a_page_that_it_is_on(tmp_path):
    with pytest.raises(ValueError, match=r"x is one of the folders; name another one to write to"):
        collection.collect(tmp_path / "y" / ".." / "x", [tmp_path / "x", tmp_path / "y"])


def test_the_leaderboard_takes_the_attack_that_counts_each_images_worst_at_the_papers_radius():
    rows = pd.DataFrame(
        [
            ("none", 0.0, "natural_accuracy", 0.99, 10000), ("paper", 0.016, "adversarial_accuracy", 0.9, 500),
            ("ensemble", 0.0157, "adversarial_accuracy", 0.8, 200), ("strong", 0.016, "adversarial_accuracy", 0.7, 50),
            ("worst", 0.1, "adversarial_accuracy", 0.0, 50), ("paper_common", 0.016, "adversarial_accuracy", 0.5, 50),
        ],
        columns=["attack", "eps", "metric", "mean", "n"],
    )  # fmt: skip
    found = received(rows)
    assert (found["natural"], found["attacked"], found["attack"], found["attacked_n"]) == (0.99, 0.8, "ensemble", 200)
    assert received(rows[rows["attack"] != "ensemble"])["attack"] == "strong"


def test_leakage_is_of_the_best_attacker_and_neither_receiver_nor_mean_image_is_one():
    rows = pd.DataFrame({"attacker": ["original", "legitimate", "mean_image", "keyless", "same_key_conv"],
                         "metric": "attacker_accuracy", "mean": [1.0, 0.95, 0.1, 0.3, 0.8]})  # fmt: skip
    rows["snr_tap_db"] = 23
    assert leaked(rows) == {"leak": 0.8, "attacker": "same_key", "floor_accuracy": 0.1}
    # Of two SNRs of the tap the higher counts; of models that are trained for one SNR each, their mean.
    several = pd.concat([rows, rows.assign(mean=0.9, snr_tap_db=7), rows.assign(mean=rows["mean"] / 2)])
    found = leaked(several)
    assert (found["leak"], found["floor_accuracy"]) == (pytest.approx(0.6), pytest.approx(0.075))
    assert found["attacker"] == "same_key"
    assert leaked(rows[:3])["leak"] is None
