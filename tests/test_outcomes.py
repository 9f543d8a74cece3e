from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from repobe.runs.files import table
from repobe.stages.evaluate import evasion, evasion_steps
from repobe.tables import outcomes
from repobe.tables.results import read
from repobe.training.loop import build


def counts(*correct: int, draws: int = 5) -> dict:
    return {(7.0, "none"): (np.array(correct, np.uint8), draws)}


def test_what_is_written_is_read_and_the_same_rows_are_the_same_bytes(specs, tmp_path):
    for name in ("one", "two"):
        outcomes.write(outcomes.rows(specs["repobe"], counts(5, 0, 3), np.arange(3)), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    rows = outcomes.read(tmp_path / "one")
    assert list(rows["correct"]) == [5, 0, 3]
    assert list(rows["image"]) == [0, 1, 2]
    assert set(rows["method"]) == {"repobe"}


def test_a_row_says_which_image_of_the_dataset_it_is_of(specs, tmp_path):
    # The images stand in the order 7, 2, 9, of which an attack has the first two.
    each = counts(5, 0, 3) | {(7.0, "paper"): (np.array([1, 4], np.uint8), 5)}
    outcomes.write(outcomes.rows(specs["repobe"], each, np.array([7, 2, 9])), tmp_path / "one")
    rows = outcomes.read(tmp_path / "one")
    natural, attacked = rows[rows["attack"] == "none"], rows[rows["attack"] == "paper"]
    assert dict(zip(natural["image"], natural["correct"], strict=True)) == {7: 5, 2: 0, 9: 3}
    assert dict(zip(attacked["image"], attacked["correct"], strict=True)) == {7: 1, 2: 4}


def test_a_run_without_a_classifier_has_an_empty_file(specs, tmp_path):
    outcomes.write(outcomes.rows(specs["repobe_reconstruction"], {}, np.arange(0)), tmp_path / "none.parquet")
    assert outcomes.read(tmp_path / "none.parquet").empty


def test_runs_are_gathered_and_found_again_by_method_channel_and_snr(specs, tmp_path):
    paths = []
    for label, correct in (("repobe", (5, 0, 3)), ("undefended", (4, 4, 5)), ("repobe_reconstruction", ())):
        paths.append(tmp_path / label)
        outcomes.write(outcomes.rows(specs[label], counts(*correct) if correct else {}, np.arange(3)), paths[-1])
    outcomes.gather(paths, tmp_path / "all")
    rows = outcomes.read(tmp_path / "all")
    found = outcomes.fractions(rows, "digits", "awgn", "undefended", "natural_accuracy")
    assert list(found[7.0, 0]) == pytest.approx([0.8, 0.8, 1.0])
    assert outcomes.fractions(rows, "digits", "awgn", "undefended", "adversarial_accuracy").empty
    means = outcomes.accuracies(rows).set_index("method")["value"]
    assert means.to_dict() == pytest.approx({"repobe": 8 / 15, "undefended": 13 / 15})


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda rows: rows.set_column(9, "correct", pa.array([9, 9, 9], pa.uint8())), "more correct draws than draws"),
        (lambda rows: pa.concat_tables([rows, rows]), "the same image appears twice"),
        (
            lambda rows: pa.concat_tables([rows, rows.set_column(9, "correct", pa.array([1, 1, 1], pa.uint8()))]),
            "the same image appears twice",  # with other outcomes
        ),
    ],
)
def test_faulty_outcomes_are_refused_by_name(spoil, fault, specs, tmp_path):
    path = tmp_path / "outcomes.parquet"
    outcomes.write(spoil(outcomes.rows(specs["repobe"], counts(5, 0, 3), np.arange(3))), path)
    with pytest.raises(ValueError, match=f"outcomes.parquet: {fault}"):
        outcomes.read(path)


def test_a_grid_may_have_more_methods_than_a_byte_counts(specs, tmp_path):
    paths = [tmp_path / f"{number}.parquet" for number in range(130)]
    for number, path in enumerate(paths):
        spec = replace(specs["repobe"], label=f"repobe_{number}")
        outcomes.write(outcomes.rows(spec, counts(1), np.arange(1)), path)
    outcomes.gather(paths, tmp_path / "all.parquet")
    assert outcomes.read(tmp_path / "all.parquet")["method"].nunique() == 130


def test_a_file_that_is_cut_or_missing_is_one_line(specs, tmp_path):
    path = tmp_path / "outcomes.parquet"
    with pytest.raises(ValueError, match="does not exist"):
        outcomes.read(path)
    outcomes.write(outcomes.rows(specs["repobe"], counts(5, 0, 3), np.arange(3)), path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="is damaged"):
        outcomes.read(path)


def test_ten_thousand_images_at_five_snrs_take_less_than_a_byte_a_row(specs, tmp_path):
    random = np.random.default_rng(0)
    right, number = random.random(10_000) < 0.99, random.permutation(10_000)
    each = {(float(snr), "none"): (5 * right.astype(np.uint8), 5) for snr in (7, 11, 15, 19, 23)}
    outcomes.write(outcomes.rows(specs["repobe"], each, number), tmp_path / "big")
    assert (tmp_path / "big").stat().st_size < 50_000


def test_an_evaluation_counts_each_image_of_each_setting_and_tells_each_step(specs, digits, tmp_path):
    spec = specs["repobe"]
    told = []

    def cached(name, compute, **settings):
        told.append(name)
        return compute()

    rows, found = evasion(build(spec, digits).eval(), spec, digits, {}, cached)
    assert told == ["natural 7 dB", "paper 0.016 7 dB", "natural 23 dB", "paper 0.016 23 dB"]
    assert evasion_steps(spec) == len(told)
    table(tmp_path / "evasion.csv", [row | {"code": ""} for row in rows])
    written = (
        read(tmp_path / "evasion.csv", "evasion").set_index(["snr_test_db", "attack"]).drop("ensemble", level="attack")
    )
    assert {key: len(correct) for key, (correct, _) in found.items()} == written["n"].to_dict()
    for key, (correct, draws) in found.items():
        assert correct.mean() / draws == pytest.approx(written.loc[key, "value"])
