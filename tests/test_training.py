import dataclasses

import pandas as pd
import pytest
import torch

from repobe.images.datasets import batches
from repobe.images.resizing import images
from repobe.training import loop as training
from repobe.training import resuming
from repobe.training.loop import build, restore, train


def test_the_adversarial_run_resumes_its_tau_and_prototypes(specs, digits, tmp_path):
    teacher = build(specs["undefended"], digits).eval()
    spec = specs["repobe_adversarial"]
    student = build(spec, digits)
    student.optimise()
    student.prepare(teacher, images(digits.train[0], 16), digits.train[1], 0.1)
    assert student.prototypes.abs().sum() > 0
    student.update(images(digits.train[0][:64], 16), digits.train[1][:64], 0.1)
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


def test_validation_leaves_batch_norm_alone_and_scores_by_its_running_statistics(specs, digits):
    """Else the validation images would move the statistics that the weights are stored with."""
    student = build(specs["undefended"], digits)
    before = {name: value.clone() for name, value in student.system.state_dict().items()}
    scores = [training.validate(student.train(mode), specs["undefended"], digits) for mode in (True, False)]
    assert scores[0] == scores[1]
    assert all(torch.equal(before[name], value) for name, value in student.system.state_dict().items())


def test_a_method_is_prepared_at_the_least_noise_that_it_is_trained_with(specs, digits, tmp_path, monkeypatch):
    """Eq. 19's prototypes are the teacher's logits at the highest SNR of 7 and 23 dB."""
    from baselines.undefended import Method

    class Seen(Exception):
        pass

    def noting(self, teacher, image, label, n0):
        raise Seen(n0)

    monkeypatch.setattr(Method, "prepare", noting)
    with pytest.raises(Seen) as seen:
        train(specs["undefended"], digits, tmp_path)
    assert seen.value.args[0] == pytest.approx(10**-2.3)


def test_a_loss_that_is_not_a_number_stops_with_one_line_and_keeps_the_epochs_before(
    specs, digits, tmp_path, monkeypatch
):
    from baselines.undefended import Method

    update, calls = Method.update, []

    def broken(self, *batch):
        calls.append(batch)
        return {"loss": torch.tensor(float("nan"))} if len(calls) > 2 else update(self, *batch)

    monkeypatch.setattr(Method, "update", broken)
    with pytest.raises(ValueError, match=r"the term 'loss' is nan by epoch 2; lower training.learning_rate") as error:
        train(specs["undefended"], digits, tmp_path)
    assert "\n" not in str(error.value)
    assert len(torch.load(tmp_path / "resume.pt", weights_only=True)["history"]) == 1


def test_a_checkpoint_cut_in_half_is_named_with_the_fix(specs, digits, tmp_path):
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
            torch.save({"origin": "x" * 10_000}, path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(ValueError, match=rf"{name} is damaged .*delete it") as error:
            read()
        assert "\n" not in str(error.value)


def test_another_trainings_epochs_are_not_continued_but_another_evaluations_are(specs, digits, tmp_path):
    spec, teacher, other = (
        specs["repobe_adversarial"],
        build(specs["undefended"], digits),
        build(specs["repobe"], digits),
    )
    teacher.optimise()
    origin = training._origin(spec, digits, teacher)
    resuming.save(tmp_path / "resume.pt", teacher, resuming.State([{"epoch": 1}]), origin)

    def continued(spec, data, taught_by) -> bool:
        student = build(specs["undefended"], digits)
        student.optimise()
        now = training._origin(spec, data, taught_by)
        return bool(resuming.load(tmp_path / "resume.pt", student, now).history)

    assert continued(spec, digits, teacher)
    evaluation = dataclasses.replace(spec.evaluation, draws=9)
    assert continued(dataclasses.replace(spec, evaluation=evaluation), digits, teacher)
    assert not continued(specs["repobe"], digits, teacher)
    assert not continued(spec, digits, other)
    assert not continued(spec, digits.limit(64), teacher)


def test_time_memory_and_devices_are_those_of_all_jobs_that_trained(specs, digits, tmp_path, monkeypatch):
    """A first job, which was stopped, took an hour and a gigabyte on a GPU; the second takes seconds on a CPU."""
    spec, save = specs["undefended"], resuming.save

    def stopped(path, student, state, origin):
        save(path, student, dataclasses.replace(state, seconds=3600.0, bytes=2**30, devices=["GPU"]), origin)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(resuming, "save", stopped)
        train(spec, digits, tmp_path)
    assert 3600 < train(spec, digits, tmp_path) < 3700
    (cost,) = pd.read_csv(tmp_path / "cost.csv").to_dict("records")
    assert cost["peak_memory_mb"] == pytest.approx(1024, rel=0.2)
    assert cost["device"] == "GPU and cpu"


@pytest.mark.parametrize(
    ("returned", "kind"), [(torch.zeros(()), "Tensor"), ({"loss": 0.5}, "dict"), (None, "NoneType")]
)
def test_an_update_that_returns_no_dict_of_tensors_is_named(returned, kind, specs, digits, tmp_path, monkeypatch):
    from baselines.undefended import Method

    monkeypatch.setattr(Method, "update", lambda *_: returned)
    line = f"^undefended: `update` returned a {kind}; return a dict of tensors by name$"
    with pytest.raises(ValueError, match=line):
        train(specs["undefended"], digits, tmp_path)


@pytest.fixture
def met(monkeypatch):
    """What `update` and `score` of the undefended meet in a training: lists of (images, noise powers)."""
    from baselines.undefended import Method

    seen = {"update": [], "score": []}
    for name, heard in seen.items():
        whole = getattr(Method, name)

        def noting(self, image, label, n0, *rest, whole=whole, heard=heard):
            heard.append((image, torch.as_tensor(n0)))
            return whole(self, image, label, n0, *rest)

        monkeypatch.setattr(Method, name, noting)
    return seen


def of_epochs(spec, epochs: int):
    return dataclasses.replace(spec, training=dataclasses.replace(spec.training, epochs=epochs, batch_size=8))


def test_training_and_selection_never_see_the_test_split(specs, digits, tmp_path):
    train(of_epochs(specs["undefended"], 1), dataclasses.replace(digits.limit(64), test=None), tmp_path)


def test_batches_draw_their_snr_from_all_and_validation_meets_each_alike(specs, digits, tmp_path, met):
    """16 batches at 7 or 23 dB: all at one of them once in 2^15 seeds."""
    train(of_epochs(specs["undefended"], 1), digits, tmp_path)
    powers = [n0.item() for _, n0 in met["update"]]
    assert len(powers) == 16
    assert {round(power, 6) for power in powers} == {round(10 ** (-snr / 10), 6) for snr in (7, 23)}
    validated = torch.cat([n0 for _, n0 in met["score"]])
    assert abs((validated > 0.1).sum() - (validated < 0.1).sum()) <= 1


@pytest.mark.parametrize("augmented", [False, True])
def test_images_of_some_datasets_are_moved_and_mirrored_in_training_alone(augmented, specs, digits, tmp_path, met):
    data = dataclasses.replace(digits.limit(64), augmented=augmented)
    train(of_epochs(specs["undefended"], 1), data, tmp_path)
    plain = {image.numpy().tobytes() for image in images(data.train[0], 16)}
    moved = [image.numpy().tobytes() not in plain for batch, _ in met["update"] for image in batch]
    assert any(moved) == augmented
    validation = {image.numpy().tobytes() for image in images(data.validation[0], 16)}
    assert all(image.numpy().tobytes() in validation for batch, _ in met["score"] for image in batch)


@pytest.mark.parametrize(("cycled", "at_peak", "at_end"), [(True, 0.85, 0.95), (False, 0.9, 0.9)])
def test_momentum_goes_against_the_rate_or_stays(cycled, at_peak, at_end, specs, digits):
    spec = of_epochs(specs["undefended"], 10)
    spec = dataclasses.replace(spec, training=dataclasses.replace(spec.training, cycle_momentum=cycled))
    student = build(spec, digits)
    student.optimise()
    rates, momenta = [], []
    for _ in range(student.problem.updates):
        student.optimisers[0].step()
        student.schedulers[0].step()
        rates.append(student.optimisers[0].param_groups[0]["lr"])
        momenta.append(student.optimisers[0].param_groups[0]["momentum"])
    assert momenta[rates.index(max(rates))] == pytest.approx(at_peak, abs=1e-3)
    assert momenta[-1] == pytest.approx(at_end, abs=1e-3)


def test_a_last_batch_of_one_image_joins_the_one_before_it():
    image, label = torch.arange(9.0)[:, None], torch.arange(9)
    assert [len(y) for _, y in batches(image, label, 4)] == [4, 5]
    assert sorted(torch.cat([y for _, y in batches(image, label, 4)]).tolist()) == [*range(9)]
    assert [len(y) for _, y in batches(image[:1], label[:1], 4)] == [1]


def test_no_file_of_a_run_holds_its_key(specs, digits, tmp_path):
    spec = dataclasses.replace(specs["repobe"], image_size=64)
    spec = dataclasses.replace(spec, training=dataclasses.replace(spec.training, epochs=1))
    train(spec, digits.limit(64), tmp_path)
    key = build(spec, digits).keys.sending(0, 1)
    spellings = [str(tensor.tolist()) for tensor in (key.rows, key.columns, key.permutation)]
    spellings = [text.encode() for text in spellings] + [
        tensor.to(kind).numpy().tobytes()
        for tensor in (key.rows, key.columns, key.permutation, key.inverse)
        for kind in (torch.uint8, torch.int32, torch.int64, torch.float32)
    ]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["cost.csv", "history.csv", "model.safetensors", "resume.pt"]
    for name in names:
        assert not any(spelling in (tmp_path / name).read_bytes() for spelling in spellings)
