import numpy as np
import pandas as pd
import pytest
from conftest import evasion

from repobe.tables import results, summaries


def test_a_summary_has_one_row_a_key():
    summary = summaries.summarise(
        evasion({"seed": 0, "value": 0.9, "n": 100}, {"seed": 1, "value": 0.8, "n": 80}), "evasion"
    )
    assert len(summary) == 1
    assert summary.loc[0, "mean"] == pytest.approx(0.85)
    assert summary.loc[0, "sd"] == pytest.approx(0.05 * 2**0.5)  # of a sample of two
    assert (summary.loc[0, "seeds"], summary.loc[0, "n"]) == (2, 80)  # the least: their tests share these images


@pytest.mark.parametrize(
    ("frame", "fault"),
    [
        (evasion({}, {}), "appears twice"),
        (evasion({"value": 1.2}), r"outside \[0, 1\]"),
        (evasion({"value": float("inf")}), "line 2: the value is infinite"),
        (evasion({}, {"seed": 1, "value": float("nan")}), "line 3: value is empty"),
        (evasion({"channel": None}), "line 2: channel is empty"),
        (evasion({"n": None}), "line 2: n is empty"),
        (evasion({"metric": "ssim"}), "images_sd is missing"),
        (evasion({}).assign(colour=1), "columns missing or unknown: colour"),
        (evasion({}).drop(columns="n"), "columns missing or unknown: n"),
    ],
)
def test_a_faulty_table_is_refused_by_name(frame, fault, tmp_path):
    with pytest.raises(ValueError, match=f"evasion.csv.*{fault}"):
        results.check(frame, "evasion", tmp_path / "evasion.csv")


def test_a_single_ssim_is_summarised_with_the_interval_of_its_images():
    # sd 0.2 over 400 images: t(0.975, 399) = 1.9659, half-width 1.9659·0.2/20 = 0.01966.
    (row,) = summaries.summarise(
        evasion({"metric": "ssim", "value": 0.5, "images_sd": 0.2, "n": 400}), "evasion"
    ).to_dict("records")
    assert (row["low"], row["high"]) == pytest.approx((0.5 - 0.01966, 0.5 + 0.01966), abs=1e-5)


def test_a_mean_over_keys_has_students_interval_over_the_keys_and_wilsons_over_their_images():
    # 0.17 over 20 keys, sd 0.1: t(0.975, 19) = 2.0930, half-width 2.0930·0.1/√20 = 0.04680. Wilson's of 0.17 and the
    # 500 images that all keys share is 0.13962 to 0.20541; the squares of the distances add.
    key = {"method": "repobe", "dataset": "mnist", "image_size": 32, "channel": "awgn", "snr_train_db": "mixed"}
    key |= {"grid": "4x4", "schedule": None, "known_messages": None, "snr_db": 23.0, "seed": 0, "n": 20}
    wrong = key | {"quantity": "wrong_key_accuracy", "value": 0.17, "keys_sd": 0.1}
    found = key | {"quantity": "key_recovered", "value": 0.85, "keys_sd": np.nan}
    over, counted = summaries.summarise(pd.DataFrame([wrong, found]), "audit").to_dict("records")
    assert (over["low"], over["high"]) == pytest.approx((0.17 - 0.05580, 0.17 + 0.05869), abs=1e-5)
    # A key is found or not: Wilson's interval of 17 of 20 is 0.6396 to 0.9476.
    assert (counted["low"], counted["high"]) == pytest.approx((0.6396, 0.9476), abs=1e-4)
    # Where the whole test split has 360 images, as that of the digits, Wilson's is wider: 0.13473 to 0.21224.
    (digits,) = summaries.summarise(pd.DataFrame([wrong]), "audit", {"mnist": 360}).to_dict("records")
    assert (digits["low"], digits["high"]) == pytest.approx((0.17 - 0.05860, 0.17 + 0.06304), abs=1e-5)
    (older,) = summaries.summarise(pd.DataFrame([wrong | {"keys_sd": np.nan}]), "audit").to_dict("records")
    assert np.isnan(older["low"])
    # Student's interval of 0.99 over two keys, 12.706·0.1/√2 on either side, ends at 0 and at 1.
    few = wrong | {"value": 0.99, "n": 2}
    (wide,) = summaries.summarise(pd.DataFrame([few]), "audit").to_dict("records")
    assert (wide["low"], wide["high"]) == pytest.approx((0.99 - 0.8985, 1), abs=1e-3)
