import dataclasses

import pytest
import torch

from repobe import training
from repobe.training import build, restore, train


def test_the_adversarial_run_resumes_its_tau_and_prototypes(specs, digits, tmp_path):
    teacher = build(specs["undefended"], digits).eval()
    spec = specs["repobe_adversarial"]
    student = build(spec, digits)
    student.optimise()
    student.prepare(teacher, training.images(digits.train[0], 16), digits.train[1], 0.1)
    assert student.prototypes.abs().sum() > 0
    student.update(training.images(digits.train[0][:64], 16), digits.train[1][:64], 0.1)
    assert student.counted == 64
    other = build(spec, digits)
    other.load_state_dict(student.state_dict())
    assert torch.equal(other.distance, student.distance)
    assert torch.equal(other.prototypes, student.prototypes)


def test_a_checkpoint_is_chosen_on_validation_never_on_test(specs, digits, tmp_path, monkeypatch):
    scores = iter([0.2, 0.9, 0.1])
    weights = []

    def validate(student, spec, data):
        weights.append({k: v.clone() for k, v in student.system.state_dict().items()})
        return next(scores)

    monkeypatch.setattr(training, "validate", validate)
    without_test = dataclasses.replace(digits, test=(torch.empty(0), torch.empty(0)))
    train(specs["undefended"], without_test, tmp_path)
    kept = restore(specs["undefended"], digits, tmp_path).system.state_dict()
    assert all(torch.equal(kept[name], weights[1][name]) for name in kept)


def test_a_loss_that_is_not_a_number_stops_with_one_line_and_keeps_the_epochs_before(
    specs, digits, tmp_path, monkeypatch
):
    from baselines.undefended import Method

    update, calls = Method.update, []

    def broken(self, *batch):
        calls.append(batch)
        return {"loss": torch.tensor(float("nan"))} if len(calls) > 2 else update(self, *batch)

    monkeypatch.setattr(Method, "update", broken)
    with pytest.raises(ValueError, match=r"the term 'loss' is nan in epoch 2; lower training.learning_rate") as error:
        train(specs["undefended"], digits, tmp_path)
    assert "\n" not in str(error.value)
    assert len(torch.load(tmp_path / "resume.pt", weights_only=True)["history"]) == 1


def test_a_checkpoint_cut_in_half_is_named_with_the_mend(specs, digits, tmp_path):
    short = dataclasses.replace(
        specs["undefended"], training=dataclasses.replace(specs["undefended"].training, epochs=1)
    )
    train(short, digits, tmp_path)
    for name, read in (
        ("model.safetensors", lambda: restore(short, digits, tmp_path)),
        ("resume.pt", lambda: train(short, digits, tmp_path)),
    ):
        path = tmp_path / name
        if name == "resume.pt":
            torch.save({"spec": "x" * 10_000}, path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(ValueError, match=rf"{name} is damaged .*delete it") as error:
            read()
        assert "\n" not in str(error.value)


def test_another_specs_resume_file_is_not_continued(specs, digits, tmp_path):
    student = build(specs["repobe"], digits)
    training._save_resume(
        tmp_path / "resume.pt", student, [{"epoch": 1}], {"score": 0, "weights": None}, specs["repobe"]
    )
    history: list = []
    training._load_resume(tmp_path / "resume.pt", student, history, {}, specs["undefended"])
    assert history == []


def test_no_file_of_a_run_holds_its_key(specs, digits, tmp_path, monkeypatch):
    spec = dataclasses.replace(specs["repobe"], image_size=64)
    spec = dataclasses.replace(spec, training=dataclasses.replace(spec.training, epochs=1))
    monkeypatch.setattr(type(tmp_path), "unlink", lambda self, missing_ok=False: None)  # resume.pt stays to be read
    train(spec, digits.limit(64), tmp_path)
    key = build(spec, digits).keys.sending(0, 1)
    spellings = [str(tensor.tolist()) for tensor in (key.rows, key.columns, key.permutation)]
    spellings = [text.encode() for text in spellings] + [
        tensor.to(kind).numpy().tobytes()
        for tensor in (key.rows, key.columns, key.permutation, key.inverse)
        for kind in (torch.uint8, torch.int32, torch.int64, torch.float32)
    ]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["cost.csv", "history.csv", "model.safetensors", "resume.pt", "train.progress.json"]
    for name in names:
        assert not any(spelling in (tmp_path / name).read_bytes() for spelling in spellings)
