import pytest
import torch
import torchattacks
from torch import nn
from torch.nn.functional import cross_entropy

from repobe.evaluation import attacked, evasion, worst
from repobe.evasion import KINDS, FrozenClassifier, NoisyClassifier, pgd
from repobe.metrics import correct
from repobe.obfuscation import FixedKey
from repobe.partial import Partial
from repobe.spec import Attack
from repobe.training import build


@pytest.fixture
def classifier():
    return nn.Sequential(nn.Conv2d(1, 8, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 49, 10)).eval()


def test_our_pgd_is_bit_equal_to_torchattacks_at_one_seed(classifier):
    image, label = torch.rand(16, 1, 16, 16), torch.randint(10, (16,))
    torch.manual_seed(7)
    theirs = torchattacks.PGD(classifier, eps=0.03, alpha=0.01, steps=5, random_start=True)(image, label)
    torch.manual_seed(7)
    start = (image + torch.empty_like(image).uniform_(-0.03, 0.03)).clamp(0, 1)
    ours = pgd(lambda x: cross_entropy(classifier(x), label), image, start, 0.03, 0.01, 5)
    assert torch.equal(ours, theirs)


def test_a_zero_radius_attack_is_the_identity(classifier):
    image, label = torch.rand(4, 1, 16, 16), torch.arange(4)
    assert torch.equal(pgd(lambda x: cross_entropy(classifier(x), label), image, image + 1, 0.0, 0.1, 3), image)


def test_no_adversarial_image_leaves_the_ball_or_the_unit_interval(classifier):
    image, label = torch.rand(32, 1, 16, 16).round(), torch.randint(10, (32,))  # every pixel at a border
    attack = Attack("pgd", 32, steps=5, eot=2)
    far = pgd(lambda x: cross_entropy(classifier(x), label), image, image, 0.1, 0.07, 9)
    assert (far - image).abs().max() <= 0.1 + 1e-6
    for adversarial in (
        far,
        *(KINDS[kind](classifier, image, label, 0.016, attack) for kind in ("pgd", "eot_pgd", "square")),
    ):
        assert adversarial.min() >= 0
        assert adversarial.max() <= 1
    assert (adversarial - image).abs().max() <= 0.016 + 1e-6


def test_pgd_raises_the_loss(classifier):
    image, label = torch.rand(32, 1, 16, 16), torch.randint(10, (32,))

    def loss(x):
        return cross_entropy(classifier(x), label)

    assert loss(pgd(loss, image, image, 0.1, 0.03, 5)) > loss(image)


def adversarial(specs, digits, kind="pgd", label="repobe", eps=0.016, surrogates=None, **settings):
    """Outcomes of one attack on an untrained system."""
    method = build(specs[label], digits).eval()
    image, truth = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(4)), torch.arange(6)
    attack = Attack(kind, 6, eps=(eps,), **settings)
    return attacked(method, specs[label], "test", attack, eps, 7.0, image, truth, surrogates or {})


SLOW = {"autoattack_standard": pytest.mark.slow}  # 5000 queries of Square


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=SLOW.get(kind, ())) for kind in sorted(KINDS)])
def test_an_attack_leaves_no_trace_in_the_random_stream_and_repeats(kind, specs, digits):
    settings = {"surrogate": "undefended"} if kind == "transfer" else {}
    surrogates = {"undefended": build(specs["undefended"], digits).eval()}
    torch.manual_seed(0)
    build(specs["repobe"], digits)  # draws weights, as the attack's own victim does
    before = torch.get_rng_state()
    first = adversarial(specs, digits, kind, surrogates=surrogates, steps=2, eot=2, **settings)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    again = adversarial(specs, digits, kind, surrogates=surrogates, steps=2, eot=2, **settings)
    assert all(torch.equal(first[name], again[name]) for name in ("scored", "selected"))
    assert first["scored"].shape == (2, 6)


def test_a_radius_of_zero_leaves_the_clean_images(classifier):
    image, label = torch.rand(4, 1, 16, 16), torch.arange(4)
    assert torch.equal(KINDS["pgd"](classifier, image, label, 0.0, Attack("pgd", 4)), image)


def test_the_attacked_model_meets_fresh_noise_at_every_call(specs, digits):
    method = build(specs["repobe"], digits).eval()
    model = NoisyClassifier(method.system, 0.2, method.keys, torch.Generator().manual_seed(0))
    image = torch.rand(2, 1, 16, 16)
    assert not torch.equal(model(image), model(image))


@pytest.mark.parametrize("label", ["repobe", "undefended"])
def test_a_frozen_model_gives_an_image_the_same_logits_whatever_its_neighbours(label, specs, digits):
    method = build(specs[label], digits).eval()
    model = FrozenClassifier(method.system, 0.2, seed=3)
    image = torch.rand(4, 1, 16, 16)
    torch.testing.assert_close(model(image)[2:], model(image[2:]))


def test_without_the_key_a_copy_without_a_shuffle_has_the_same_gradient(specs, digits):
    """A permutation commutes with the channel: noiseless, keyless and key-aware white boxes are one."""
    method = build(specs["repobe"], digits).eval()
    image, label = torch.rand(3, 1, 16, 16, requires_grad=True), torch.arange(3)
    gradients = []
    for keys in (method.keys, FixedKey(None)):
        model = NoisyClassifier(method.system, 0.0, keys, torch.Generator())
        gradients.append(torch.autograd.grad(cross_entropy(model(image), label), image)[0])
    torch.testing.assert_close(*gradients)


def test_strong_never_leaves_a_deterministic_model_better_than_the_papers_attack(classifier):
    image, label = torch.rand(64, 1, 16, 16), torch.randint(10, (64,))
    label = classifier(image).argmax(dim=1)  # all right before the attack
    torch.manual_seed(1)
    weak = KINDS["pgd"](classifier, image, label, 0.03, Attack("pgd", 64))
    torch.manual_seed(1)
    strong = KINDS["eot_pgd"](classifier, image, label, 0.03, Attack("eot_pgd", 64, steps=10, restarts=2))
    survived_weak, survived = (correct(classifier(x), label) for x in (weak, strong))
    assert (survived <= survived_weak).all()


def test_an_unbounded_radius_reaches_chance(classifier):
    image, label = torch.rand(64, 1, 16, 16), torch.randint(10, (64,))
    strong = KINDS["eot_pgd"](classifier, image, label, 1.0, Attack("eot_pgd", 64, steps=20))
    assert correct(classifier(strong), label).mean() <= 0.1


def test_more_steps_never_help_the_defender(classifier):
    image = torch.rand(128, 1, 16, 16)
    label = classifier(image).argmax(dim=1)

    def loss(x):
        return cross_entropy(classifier(x), label)

    few, many = (pgd(loss, image, image, 0.02, 0.02 / 4, steps) for steps in (2, 20))
    assert correct(classifier(many), label).mean() <= correct(classifier(few), label).mean()


def test_the_worst_attack_is_picked_on_other_draws_than_it_is_scored_on():
    # Two attacks, three images, two draws. Image 0: the first is the worse on selection; image 1: the second; image 2
    # has had the first alone, so it is left out.
    first = {"selected": torch.tensor([[0.0, 1, 1], [0, 1, 1]]), "scored": torch.tensor([[1.0, 1, 0], [0, 1, 0]])}
    second = {"selected": torch.tensor([[1.0, 0], [1, 1]]), "scored": torch.tensor([[0.0, 0], [0, 1]])}
    assert worst([first, second]).tolist() == [[1, 0], [0, 1]]


def test_a_killed_evaluation_repeats_no_finished_attack(specs, digits, tmp_path, monkeypatch):
    from repobe import evaluation

    method, spec = build(specs["repobe"], digits).eval(), specs["repobe"]
    source = tmp_path / "spec.yaml"
    source.write_text(spec.dump())
    uninterrupted, _ = evasion(method, spec, digits, {}, lambda _, compute: compute())
    done, real = [], evaluation.attacked

    def killed(*args):
        if len(done) == 1:
            raise KeyboardInterrupt
        done.append(args[5])
        return real(*args)

    monkeypatch.setattr(evaluation, "attacked", killed)
    with pytest.raises(KeyboardInterrupt):
        evasion(method, spec, digits, {}, Partial(tmp_path / "partial", source))
    done.clear()
    monkeypatch.setattr(evaluation, "attacked", lambda *args: done.append(args[5]) or real(*args))
    rows, counts = evasion(method, spec, digits, {}, Partial(tmp_path / "partial", source))
    assert done == [23]  # not 7 dB again
    assert rows == uninterrupted
    assert set(counts) == {(snr, attack) for snr in (7, 23) for attack in ("none", "paper")}
    source.write_text("another spec")
    done.clear()
    evasion(method, spec, digits, {}, Partial(tmp_path / "partial", source))
    assert done == [7, 23]
