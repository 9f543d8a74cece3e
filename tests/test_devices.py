"""Nothing crashes or stalls on a GPU, shown without one: on a device that refuses what CUDA refuses (see fake_device).

Its arithmetic is the CPU's, so that every result there must be the CPU's, bit for bit.
"""

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import uncached
from fake_device import NAME, Waits, WrongDevice, fake_device, no_waiting
from test_methods import VARIANTS

from repobe.attacks import inversion as attackers
from repobe.attacks.evasion import KINDS
from repobe.attacks.noisy import NoisyClassifier
from repobe.images.datasets import augment, load, shuffled
from repobe.images.resizing import Resized, images
from repobe.runs import devices
from repobe.runs.config import load as config_of
from repobe.runs.grid import grid
from repobe.runs.result_cache import ResultCache
from repobe.runs.spec import Attack, Audit, Evaluation, Inversion
from repobe.stages.audit import audit
from repobe.stages.crafting import Victim, crafted
from repobe.stages.evaluate import evasion
from repobe.stages.invert import inversion
from repobe.training import evaluation_classifier, resuming
from repobe.training.loop import build, train

ROOT = Path(__file__).parents[1]
SIZE, N0 = 16, 0.05
PAPER = Attack("pgd", 6, steps=2)
ATTACKERS = ("keyless", "keyless_adaptive", "ciphertext_only", "same_key", "known_plaintext", "fresh_key", "with_key")
STEPS = {"steps": 1}  # of PGD while training
CASES = {name: (*variant, "classification") for name, variant in VARIANTS.items()} | {
    "adversarial_training": ("adversarial_training", STEPS, "classification"),
    "trades": ("trades", STEPS, "classification"),
    "repobe, Eq. 16": ("repobe", {"adversarial": True, **STEPS}, "classification"),
    "repobe, a key a message": ("repobe", {"key_schedule": "per_message"}, "classification"),
    "repobe, pictures": ("repobe", {}, "reconstruction"),
    "escst, pictures": ("escst", {}, "reconstruction"),
    "ibal, pictures": ("ibal", {}, "reconstruction"),
    "jpeg2000, pictures": ("jpeg2000", {"symbols": 1568}, "reconstruction"),
    "jpeg2000, tuned": ("jpeg2000", {"symbols": 1568, "fine_tune": True}, "classification"),
    "necst, pictures": ("necst", {}, "reconstruction"),
}
# What a step must copy to the device: keys that the host derives for each message.
COPIES = {"escst": 1, "escst, pictures": 1, "repobe, a key a message": 4}


def spec_of(specs, case, **departures):
    method, hyper, task = CASES[case]
    spec = replace(specs["undefended"], label=method, method=method, hyper=hyper, task=task, channel="rayleigh")
    spec = replace(spec, **departures)
    return replace(
        spec,
        snr_db=(23,),
        training=replace(spec.training, epochs=2, batch_size=32),
        evaluation=Evaluation(draws=2, attacks={"paper": PAPER}),
        inversion=Inversion(attackers=ATTACKERS, snr_db=(23,), epochs=1, images=100),
        audit=Audit(trials=1, snr_db=(23,), known_messages=(1,)),
    )


def data_on(device, file):
    """64 images to learn from, 20 to select by, 12 to test on."""
    data = load(file, device).limit(64)
    short = {"validation": 20, "test": 12}
    return replace(data, **{name: tuple(part[:n] for part in getattr(data, name)) for name, n in short.items()})


def trained_steps(spec, data, waits: bool) -> tuple[dict, int]:
    """(what a method's update and score give, by name; how often the update copied to the device).

    The second of two updates counts, because the optimiser's state and a fixed key come to the device with the first.
    """
    student, teacher = build(spec, data), build(replace(spec, method="undefended", hyper={}), data)
    pixels, label = (part[:8] for part in data.train)
    image, n0 = images(pixels, SIZE), torch.full((8,), N0, device=data.device)
    student.optimise()
    student.train()
    student.prepare(teacher, Resized(data.train[0], SIZE), data.train[1], N0)
    torch.manual_seed(1)
    generator = torch.Generator(data.device).manual_seed(1)
    student.update(image, label, N0)
    with nullcontext({}) if waits else no_waiting() as copies:
        told = student.update(image, label, N0)
        copied = sum(copies.values())
        told["score"] = student.eval().score(image, label, n0, generator)
    assert all(value.device.type == data.device.type for value in told.values())
    return {name: value.cpu() for name, value in told.items()}, copied


@pytest.mark.parametrize("case", CASES)
def test_every_methods_update_and_score_wait_for_nothing_and_give_the_cpus_numbers(case, specs, digits_file):
    spec = spec_of(specs, case)
    expected, _ = trained_steps(spec, data_on("cpu", digits_file), True)
    with fake_device() as device:
        told, copied = trained_steps(spec, data_on(device, digits_file), case.startswith("jpeg2000"))
    same(told, expected)
    assert copied == COPIES.get(case, 0)


def same(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for name, value in found.items():
        assert torch.equal(value, expected[name]), name


def victim_of(specs, data, **hyper) -> Victim:
    """RepObE and its surrogate, untrained, before the test images."""
    spec = spec_of(specs, "repobe", hyper=hyper)
    surrogate = build(replace(spec, method="undefended", label="undefended", hyper={}), data).eval()
    return Victim(build(spec, data).eval(), spec, Resized(data.test[0], SIZE), data.test[1], {"undefended": surrogate})


ATTACKS = {
    "pgd": {"steps": 2},
    "keyless": {"steps": 2},
    "transfer": {"steps": 1, "eot": 2, "surrogate": "undefended"},
    "eot_pgd": {"steps": 1, "eot": 2},
    "autoattack_rand": {"steps": 2, "eot": 2},
    "autoattack_standard": {"steps": 2},
    "square": {"steps": 4, "eot": 2},
}
SCHEDULES = [(kind, "fixed") for kind in KINDS] + [("pgd", "per_message"), ("square", "per_message")]


@pytest.mark.parametrize(("kind", "schedule"), SCHEDULES)
def test_every_attack_finds_what_it_finds_on_a_cpu(kind, schedule, specs, digits_file):
    def found(where) -> torch.Tensor:
        victim = victim_of(specs, data_on(where, digits_file), key_schedule=schedule)
        attack = Attack(kind, 3, **ATTACKS[kind])
        return torch.cat(list(crafted(victim, "test", attack, 0.05, 7.0))).cpu()

    expected = found("cpu")
    with fake_device() as device:
        assert torch.equal(found(device), expected)


@pytest.mark.parametrize("schedule", ["fixed", "per_message"])
def test_no_query_of_an_attack_waits_for_the_device(schedule, specs, digits_file):
    with fake_device() as device:
        victim = victim_of(specs, data_on(device, digits_file), key_schedule=schedule)
        image = victim.image[:3].requires_grad_()
        air, keys = torch.Generator(device).manual_seed(1), victim.trained.keys.session("test")
        model = NoisyClassifier(victim.trained.system, N0, keys, air)
        frozen = model.frozen(image.detach(), 2)
        for asked in (model.over(2), frozen):
            asked(image)  # a fixed key comes to the device with the first query
            with no_waiting() as copies:
                torch.autograd.grad(asked(image).sum(), image)
            # A key for each message is derived on the host, but not where all draws are frozen.
            assert sum(copies.values()) == (4 if schedule == "per_message" and asked is model else 0)


@pytest.mark.parametrize("schedule", ["fixed", "per_message"])
def test_every_eavesdropper_rebuilds_what_it_rebuilds_on_a_cpu(schedule, specs, digits_file, monkeypatch):
    for name in ("DENSE", "CONVOLVED"):
        monkeypatch.setattr(attackers, name, (1e-3, 1))

    def rows(where) -> list[dict]:
        data = data_on(where, digits_file)
        trained, spec = build_of(specs, data, "repobe_reconstruction", schedule)
        torch.manual_seed(0)
        classifier = evaluation_classifier.network(data.colours, data.classes).to(data.device).eval()
        return inversion(trained, spec, data, classifier, uncached)[0]

    expected = rows("cpu")
    with fake_device() as device:
        found = rows(device)
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, rel=1e-3)  # a CPU has a kernel of its own for attention


def build_of(specs, data, label: str, schedule: str):
    """(an untrained RepObE in evaluation mode, its spec)."""
    spec = spec_of(specs, "repobe", hyper={"key_schedule": schedule}, task=specs[label].task)
    return build(spec, data).eval(), spec


@pytest.mark.parametrize("schedule", ["fixed", pytest.param("per_message", marks=pytest.mark.slow)])
def test_the_audit_finds_what_it_finds_on_a_cpu(schedule, specs, digits_file, monkeypatch):
    monkeypatch.setattr("repobe.stages.audit.KEY_TRIALS", 2)

    def rows(where) -> list[dict]:
        data = data_on(where, digits_file)
        found = audit(*build_of(specs, data, "repobe", schedule), data)
        return [row for row in found if row["quantity"] != "recovery_seconds"]

    expected = rows("cpu")
    with fake_device() as device:
        assert rows(device) == expected


def test_the_evaluation_classifier_trains_without_waiting_to_the_weights_of_a_cpu(digits_file):
    expected = evaluation_classifier.train(data_on("cpu", digits_file), 1).state_dict()
    with fake_device() as device:
        data = data_on(device, digits_file)
        with no_waiting():
            found = evaluation_classifier.train(data, 1).state_dict()
        same({name: value.cpu() for name, value in found.items()}, expected)


def test_a_training_draws_its_batches_without_waiting(digits_file):
    with fake_device() as device:
        pixels = data_on(device, digits_file).train[0]
        with no_waiting() as copies:
            for index in shuffled(len(pixels), 32, device):
                images(augment(pixels[index]), SIZE)
        assert not copies


class Killed(Exception):
    pass


def test_an_evaluation_that_was_killed_on_a_device_goes_on_there(specs, digits_file, tmp_path):
    (tmp_path / "spec.yaml").write_text("")

    def rows(where, fatal: str | None = None) -> list[dict]:
        data = data_on(where, digits_file)
        trained, spec = build_of(specs, data, "repobe", "fixed")
        attacks = {"paper": PAPER, "second": replace(PAPER, steps=1)}  # whose ensemble joins both
        spec = replace(spec, evaluation=replace(spec.evaluation, attacks=attacks))

        def told(name: str, kept: bool) -> None:
            if fatal and name.startswith(fatal):
                raise Killed

        cache = ResultCache(tmp_path / "partial", tmp_path / "spec.yaml", told=told)
        return evasion(trained, spec, data, {}, cache)[0]

    with fake_device() as device:
        with pytest.raises(Killed):
            rows(device, "paper")
        resumed = rows(device)
    assert resumed == rows("cpu")


def test_a_training_that_was_killed_on_a_device_goes_on_there_to_the_weights_of_a_cpu(
    specs, digits_file, tmp_path, monkeypatch
):
    spec = spec_of(specs, "repobe, a key a message")
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir(), cut.mkdir()
    train(spec, data_on("cpu", digits_file), whole)
    with fake_device() as device:
        data, save = data_on(device, digits_file), resuming.save

        def killed(*args) -> None:
            save(*args)
            raise Killed

        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(resuming, "save", killed)
            train(spec, data, cut)
        train(spec, data, cut)
    assert (cut / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_the_fake_device_refuses_what_a_gpu_refuses_and_says_what_would_wait():
    with fake_device() as device:
        here, there, mask = torch.ones(3), torch.ones(3, device=device), torch.ones(3, dtype=torch.bool, device=device)
        for refused in (
            lambda: here + there,
            lambda: here[there.long()],
            lambda: torch.cat([there, here]),
            lambda: torch.randn(3, device=device, generator=torch.Generator()),
            lambda: torch.randn(3, generator=torch.Generator(device)),
        ):
            with pytest.raises(WrongDevice):
                refused()
        with pytest.raises(TypeError, match="numpy"):
            there.numpy()
        for waits in (
            lambda: there.sum().item(),
            lambda: bool((there > 0).all()),
            lambda: there.cpu(),
            lambda: there.tolist(),
            lambda: there[mask],
            lambda: mask.nonzero(),
            lambda: here.copy_(there),
        ):
            waits()
            with no_waiting(), pytest.raises(Waits):
                waits()
        with no_waiting() as copies:
            doubled = there * 2 + torch.tensor(1.0)  # a number on the CPU goes along with the operation
            assert doubled.device.type == NAME
            assert not copies
            here.to(device)
            there[torch.tensor([0, 1])]
        assert copies == {(3,): 1, (2,): 1}


def test_auto_says_which_device_it_took_and_a_gpu_that_was_asked_for_is_never_a_cpu(capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.choose("auto", 1) == torch.device("cpu")
    assert capsys.readouterr().err == "repobe: --device auto takes cpu\n"
    assert devices.choose("cpu", 1) == torch.device("cpu")
    assert capsys.readouterr().err == ""
    with pytest.raises(ValueError, match=r"--device cuda:99: .*`device` in the config"):
        devices.choose("cuda:99", 1)


def test_the_second_gpu_is_asked_for_its_own_name_and_random_stream(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: f"GPU {device.index}")
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device=None: asked.append(("get", device)))
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device=None: asked.append(("set", device)))
    second = torch.device("cuda", 1)
    assert devices.called(second) == "GPU 1"
    with devices.forked_random(second):
        devices.random_state(second)
        devices.set_random_state(second, torch.zeros(1))
    assert asked == [("get", second), ("get", second), ("set", second), ("set", second)]


def test_a_gpus_float32_is_float32_and_provenance_says_so():
    devices.choose("cpu", 1)
    told = devices.arithmetic(torch.device("cuda"))
    assert json.loads(json.dumps(told)) | {"cudnn": None} == {
        "tf32": False, "cudnn": None, "cudnn_benchmark": False, "cudnn_deterministic": True,
    }  # fmt: skip
    assert devices.arithmetic(torch.device("cpu")) == {}


def test_only_these_modules_ask_cuda_for_anything():
    """Elsewhere a question could go to another GPU than the run's."""
    found = {
        str(path.relative_to(ROOT))
        for path in [*(ROOT / "repobe").rglob("*.py"), *(ROOT / "baselines").rglob("*.py")]
        if "torch.cuda" in path.read_text() or "fork_rng" in path.read_text()
    }
    assert found == {"repobe/runs/devices.py", "repobe/runs/memory.py", "repobe/systems/precision.py"}


def test_no_config_freezes_the_draws_of_a_system_that_is_asked_image_by_image(specs, digits):
    """FrozenClassifier asks such a system for one image at a time: 100,000 calls an image at full strength."""
    slow = {case for case in VARIANTS for system in [build(spec_of(specs, case), digits).system] if alone(system)}
    assert {VARIANTS[case][0] for case in slow} == {"necst_dp", "jpeg2000"}
    for path in sorted((ROOT / "config").glob("*.yaml")):
        for spec in grid(config_of(path)):
            if spec.method in ("necst_dp", "jpeg2000"):
                kinds = {attack.kind for attack in spec.evaluation.attacks.values()}
                assert not kinds & {"autoattack_standard", "square"}, (path.name, spec.path)


def alone(system) -> bool:
    return system.digital or system.random_transmitter
