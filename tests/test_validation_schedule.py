"""A training looks at validation ten times or more; where it does so changes no weight, nor where it was killed."""

import dataclasses

import pandas as pd
import pytest
import torch

from repobe.training import loop, resuming, validation_schedule
from repobe.training.loop import restore, train
from repobe.training.validation_schedule import part, validations_per_epoch


@pytest.mark.parametrize(
    ("epochs", "batches", "expected"),
    [(3, 430, 4), (1, 430, 10), (10, 430, 1), (100, 430, 1), (1, 39, 1), (1, 100, 3), (1, 1, 1)],
)
def test_ten_validations_in_a_training_and_thirty_batches_between_two(epochs, batches, expected):
    assert validations_per_epoch(epochs, batches) == expected
    assert (
        expected == 1
        or epochs * expected >= validation_schedule.MIN_VALIDATIONS
        or batches // expected >= validation_schedule.MIN_BATCHES
    )


@pytest.mark.parametrize(("count", "parts"), [(430, 4), (7, 3), (5, 5)])
def test_the_parts_of_an_epoch_are_the_epoch(count, parts):
    order = list(torch.arange(count).split(1))
    cut = [part(order, number, parts) for number in range(parts)]
    assert torch.cat([index for batches in cut for index in batches]).tolist() == [*range(count)]
    assert max(map(len, cut)) - min(map(len, cut)) <= 1


@pytest.fixture
def spec(specs):
    """Three epochs of four batches."""
    return dataclasses.replace(
        specs["undefended"], training=dataclasses.replace(specs["undefended"].training, batch_size=32)
    )


def weights(spec, digits, run):
    return restore(spec, digits, run).system.state_dict()


def test_looking_more_often_trains_the_same_weights(spec, digits, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "validate", lambda *_: 0.5)  # so that the last weights are kept
    found = {}
    for batches in (30, 1):
        monkeypatch.setattr(validation_schedule, "MIN_BATCHES", batches)
        run = tmp_path / str(batches)
        run.mkdir()
        train(spec, digits, run)
        found[batches] = weights(spec, digits, run), pd.read_csv(run / "history.csv")
    (seldom, three), (often, twelve) = found[30], found[1]
    assert all(torch.equal(seldom[name], often[name]) for name in seldom)
    assert three["epoch"].tolist() == [1, 2, 3]
    assert twelve["epoch"].tolist() == [count / 4 for count in range(1, 13)]
    # An epoch's loss is the mean of its parts', which are of as many images.
    assert twelve["loss"].to_numpy().reshape(3, 4).mean(axis=1) == pytest.approx(three["loss"].to_numpy())
    assert pd.read_csv(tmp_path / "1" / "cost.csv").loc[0, "images_per_second"] > 0


def test_a_training_killed_within_an_epoch_goes_on_within_it(spec, digits, tmp_path, monkeypatch):
    """Killed three times: after its first look, at the end of the first epoch, and in the middle of the second."""
    monkeypatch.setattr(validation_schedule, "MIN_BATCHES", 1)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir(), cut.mkdir()
    train(spec, digits, whole)
    save = resuming.save

    def killed(path, student, state, origin):
        save(path, student, state, origin)
        if len(state.history) in (1, 4, 6):
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(resuming, "save", killed)
        for looked in (1, 4, 6):
            with pytest.raises(KeyboardInterrupt):
                train(spec, digits, cut)
            assert len(torch.load(cut / "resume.pt", weights_only=True)["history"]) == looked
    train(spec, digits, cut)
    assert (cut / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    history = [pd.read_csv(run / "history.csv").drop(columns="seconds") for run in (whole, cut)]
    pd.testing.assert_frame_equal(*history)
