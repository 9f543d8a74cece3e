"""Every count of benchmarks.stage_flop against torch's own count of the real stage, at S = 16 and few images."""

from dataclasses import replace

import pytest
import torch
from conftest import CONFIG, uncached

from benchmarks.passes import KINDS, Link, Passes, crafting
from benchmarks.pieces import flop
from benchmarks.stage_flop import Counted, Shape, classifier, shape
from repobe.attacks import cryptanalysis
from repobe.attacks import inversion as attackers
from repobe.cipher.keys import Key
from repobe.runs.grid import grid
from repobe.runs.spec import ATTACK_KINDS, UNREAD, Attack, Evaluation, Inversion, Spec, Training
from repobe.stages import audit
from repobe.stages import crafting as stage_crafting
from repobe.stages.crafting import Victim
from repobe.stages.evaluate import attacked, evasion
from repobe.stages.invert import inversion
from repobe.training import evaluation_classifier, loop
from repobe.training.loop import build

SMALL = Shape("digits", 10, (1, 32, 32), train=40, validation=6, test=6)
ALWAYS = 3  # the class that a stubborn system reads in every image


def some_key(own: torch.Tensor, heard: torch.Tensor) -> Key:
    """In place of a search, which is not counted."""
    return Key.random(*own.shape[2:], torch.Generator())


def run_of(label: str = "repobe", **departures) -> Spec:
    methods = {
        "undefended": {},
        "repobe": {},
        "per_message": {"method": "repobe", "hyper": {"key_schedule": "per_message"}},
        "repobe_adversarial": {"method": "repobe", "hyper": {"adversarial": True}, "after": "undefended"},
        "trades": {},
        "escst": {},
        "necst": {},
        "necst_dp": {},
        "ibal": {},
        "vae": {},
        "jpeg2000": {"hyper": {"symbols": 512}},
        "reconstruction": {"method": "repobe", "task": "reconstruction"},
        "escst_reconstruction": {"method": "escst", "task": "reconstruction"},
    }
    runs = grid(CONFIG | {"methods": methods, "channels": ["awgn"], "seeds": [0], "only": "*"})
    return replace(next(spec for spec in runs if spec.label == label), train_images=None, **departures)


def sample(spec: Spec, small: Shape = SMALL):
    """Random images in the numbers of a Shape, classes evenly."""

    def split(images: int) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.randint(256, (images, *small.image), dtype=torch.uint8), torch.arange(images) % small.classes

    data = small.sample()
    test = split(small.test)
    return replace(
        data,
        train=split(small.train),
        validation=split(small.validation),
        test=test,
        test_number=torch.arange(len(test[1])),
    )


def counts(spec: Spec, *others: Spec) -> Counted:
    return Counted([spec, *others], {spec.dataset: SMALL})


def stubborn(spec: Spec):
    """(untrained run that reads ALWAYS in every image, data with that label alone): no image falls under attack."""
    data = sample(spec)
    data = replace(data, test=(data.test[0], torch.full_like(data.test[1], ALWAYS)))
    trained = build(spec, data).eval().requires_grad_(False)
    receive, bias = trained.system.receive, 1000 * torch.eye(10)[ALWAYS]
    torch.nn.Module.__setattr__(trained.system, "receive", lambda *heard: receive(*heard) + bias)
    return trained, data


LABELS = ["repobe", "per_message", "escst", "necst_dp", "jpeg2000"]
FORTY = "autoattack_standard"  # forty times as many passes as the others, so one system is enough for every day
EACH = [
    pytest.param(kind, label, marks=[pytest.mark.slow] if kind == FORTY and label != "per_message" else [])
    for kind in ATTACK_KINDS
    for label in LABELS
]


@pytest.mark.parametrize(("kind", "label"), EACH)
def test_an_attack_takes_the_passes_that_its_parameters_say(kind, label):
    """A fixed key, own keys, random transmitters and a digital system send an image a different number of times."""
    surrogate = "undefended" if kind == "transfer" else None
    steps, restarts = {"square": (7, 2), "autoattack_standard": (1, 1)}.get(kind, (2, 2))
    given = {"restarts": restarts, "eot": 3}
    read = {name: value for name, value in given.items() if name not in UNREAD.get(kind, ())}
    images = 1 if kind == FORTY else 2
    attack = Attack(kind, images, (0.5,), steps=steps, surrogate=surrogate, **read)
    spec = run_of(label, evaluation=Evaluation(2, {"mine": attack}), snr_db=(7,))
    other = run_of("undefended")
    trained, data = stubborn(spec)
    victim = Victim(
        trained, spec, stage_crafting.Resized(data.test[0], 16), data.test[1], {"undefended": stubborn(other)[0]}
    )
    real = flop(lambda: attacked(victim, "mine", attack, 0.5, 7, images))
    assert dict(counts(spec, other).attacks(spec)) == {"mine": pytest.approx(real, rel=1e-9)}


def test_restarts_of_autoattack_standard_repeat_every_attack_within_it():
    once, twice = (
        crafting(Link(False, False, False), Attack("autoattack_standard", 1, restarts=n), 10) for n in (1, 2)
    )
    # By hand, of 100 steps: APGD 101 steps; nine targets of APGD-T, 101 steps and a look each, and of FAB-T, 100 steps
    # and 103 looks each; Square 5,002 looks. A step is one pass forth and one back.
    assert twice.sent_back - once.sent_back == 101 + 9 * 101 + 9 * 100 == 1910
    assert twice.sent - once.sent == 1910 + 9 + 9 * 103 + 5002


def test_the_published_attacks_pass_a_system_with_one_key_so_often():
    """By hand; 20 more draws of each of several candidates pick the most harmful."""
    fixed = Link(own_keys=False, random=False, digital=False)
    assert crafting(fixed, Attack("pgd", 1), 10) == Passes(5, 5, 5, 5)
    assert crafting(fixed, Attack("eot_pgd", 1), 10) == Passes(50, 1000, 50, 1000)
    assert crafting(fixed, Attack("eot_pgd", 1), 10, rivals=1) == Passes(52, 1040, 50, 1000)
    assert crafting(fixed, Attack("autoattack_rand", 1), 10) == Passes(2 * 102 + 3, 2 * 102 * 20 + 60, 202, 4040)
    assert crafting(fixed, Attack("square", 1), 10) == Passes(1 + 5001 + 2, 5001 * 20 + 40)
    assert set(KINDS) == set(ATTACK_KINDS)


def test_an_attack_of_the_users_own_is_named():
    with pytest.raises(ValueError, match=r"^mine\.py: the passes of an attack of your own are not known"):
        crafting(Link(False, False, False), Attack("mine.py", 1), 10)


def test_a_strong_attack_also_takes_the_papers_images_in_whole_batches():
    """At S = 16 a batch of the paper's attack is 250 images: all six that there are, for a strong attack on two."""
    strong = Attack("eot_pgd", 2, (0.5,), steps=1, eot=2)
    paper = Attack("pgd", 1000, (0.5,))
    spec = run_of(evaluation=Evaluation(2, {"paper": paper, "strong": strong}), snr_db=(7,))
    trained, data = stubborn(spec)
    real = flop(lambda: evasion(trained, spec, data, {}, uncached))
    counted = counts(spec)
    assert counted.natural(spec) + sum(work for _, work in counted.attacks(spec)) == pytest.approx(real, rel=1e-9)


@pytest.mark.parametrize("label", ["repobe", "per_message", "necst_dp", "escst", "jpeg2000", "reconstruction", "ibal"])
def test_natural_images_are_encoded_once_for_all_draws_and_snrs_unless_each_is_sent_otherwise(label, monkeypatch):
    """Two batches: the first is sent at each SNR."""
    for module in ("repobe.stages.transmission", "benchmarks.stage_flop"):
        monkeypatch.setattr(f"{module}.BATCH", 4)
    spec = run_of(label, evaluation=Evaluation(3, {}))
    trained, data = build(spec, sample(spec)).eval(), sample(spec)
    real = flop(lambda: evasion(trained, spec, data, {}, uncached))
    assert counts(spec).natural(spec) == pytest.approx(real, rel=1e-9)


@pytest.mark.parametrize(
    "label",
    [
        pytest.param("trades", marks=pytest.mark.slow),
        *("undefended", "repobe_adversarial", "escst", "necst", "ibal", "vae", "jpeg2000", "reconstruction"),
    ],
)
def test_a_training_costs_its_updates_and_what_selects_and_finishes_it(label, tmp_path):
    """Forty images in batches of eight, two epochs. Eq. 13's dot products alone grow faster than the batch."""
    spec = run_of(label, training=Training(2, 8, 0.01))
    other, data = run_of("undefended"), sample(spec)
    teacher = build(other, data).eval() if spec.after else None
    counted = counts(spec, other)
    real = flop(lambda: loop.train(spec, data, tmp_path, teacher))
    tolerance = 1e-3 if label == "repobe_adversarial" else 1e-9
    assert counted.training(spec) + counted.selection(spec) == pytest.approx(real, rel=tolerance)


@pytest.mark.parametrize(
    "label",
    [
        *(
            pytest.param(label, marks=pytest.mark.slow)
            for label in ("repobe", "per_message", "escst", "escst_reconstruction")
        ),
        *("necst", "jpeg2000", "reconstruction"),
    ],
)
def test_an_inversion_costs_its_messages_its_decoders_and_what_is_read_of_their_images(label, monkeypatch):
    """Without known messages, whose key is recovered on the CPU by an assignment, which is not counted."""
    monkeypatch.setattr(torch.backends.mha, "get_fastpath_enabled", lambda: False)
    monkeypatch.setattr(attackers, "DENSE", (1e-3, 3))
    monkeypatch.setattr(attackers, "CONVOLVED", (1e-3, 5))
    monkeypatch.setattr(attackers, "recover_from_moments", some_key)
    wanted = ("keyless", "keyless_adaptive", "ciphertext_only", "same_key", "fresh_key", "with_key")
    spec = run_of(label, inversion=Inversion(wanted, (7, 23), 2))
    data = sample(spec)
    trained, reader = build(spec, data).eval(), evaluation_classifier.network(1, 10).eval()
    real = flop(lambda: inversion(trained, spec, data, reader, uncached))
    # The decoder of least error serves several attackers; the dearest is counted.
    assert counts(spec).inversion(spec) == pytest.approx(real, rel=0.02)
    assert counts(spec).inversion(spec) >= real * (1 - 1e-9)


@pytest.mark.parametrize("label", ["repobe", "per_message", "reconstruction"])
def test_an_audit_costs_its_messages_wrong_keys_and_the_network_that_reads_them(label, monkeypatch):
    for name in ("recovery", "ciphertext_only"):
        monkeypatch.setattr(cryptanalysis, name, lambda *_: [])
    monkeypatch.setattr(cryptanalysis, "recover_from_moments", some_key)
    spec = run_of(label)
    trained, data = build(spec, sample(spec)).eval(), sample(spec)
    real = flop(lambda: audit.audit(trained, spec, data))
    assert counts(spec).audit(spec) == pytest.approx(real, rel=1e-9)


def test_the_evaluation_classifier_is_counted_once_a_dataset():
    real = flop(lambda: evaluation_classifier.train(sample(run_of()), 7))
    assert classifier(SMALL) == pytest.approx(real, rel=1e-9)


def test_a_datasets_shape_is_that_of_its_file(digits_file, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "own.safetensors").write_bytes(digits_file.read_bytes())
    found = shape("own", "nowhere.npz", tmp_path)
    assert (found.image, found.classes) == ((1, 32, 32), 10)
    assert (found.train, found.validation, found.test) == (1257, 180, 360)
    assert shape("cifar10", None, tmp_path) == Shape("cifar10", 10, (3, 32, 32), 45_000, 5_000, 10_000)
    with pytest.raises(ValueError, match=r"^nowhere\.npz does not exist"):
        shape("mine", "nowhere.npz", tmp_path)


def test_a_run_that_nobody_inverts_leaves_the_attackers_of_the_next_in_the_count():
    inverted = run_of(inversion=Inversion(("keyless",), (23,), 1))
    alone = replace(inverted, seed=1, inversion=replace(inverted.inversion, attackers=()))
    both = counts(alone, inverted)
    assert both.inversion(alone) == 0
    assert both.inversion(inverted) == counts(inverted).inversion(inverted) > 0
