import pytest
import torch
import torchattacks
from torch import nn
from torch.nn.functional import cross_entropy

from repobe.evaluation import attacked
from repobe.evasion import ATTACKS, NoisyClassifier, pgd
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
    for adversarial in (
        pgd(lambda x: cross_entropy(classifier(x), label), image, image, 0.1, 0.07, 9),
        ATTACKS["paper"][0](classifier, image, label),
    ):
        assert adversarial.min() >= 0
        assert adversarial.max() <= 1
    assert (adversarial - image).abs().max() <= 0.016 + 1e-6


def test_pgd_raises_the_loss(classifier):
    image, label = torch.rand(32, 1, 16, 16), torch.randint(10, (32,))

    def loss(x):
        return cross_entropy(classifier(x), label)

    assert loss(pgd(loss, image, image, 0.1, 0.03, 5)) > loss(image)


def test_an_attack_leaves_no_trace_in_the_random_stream_and_repeats(specs, digits):
    method = build(specs["repobe"], digits).eval()
    image, label = torch.rand(6, 1, 16, 16), torch.arange(6)
    before = torch.get_rng_state()
    first = attacked(method, specs["repobe"], "paper", 7.0, image, label)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(attacked(method, specs["repobe"], "paper", 7.0, image, label), first)
    assert first.shape == (2, 6)


def test_the_attacked_model_meets_fresh_noise_at_every_call(specs, digits):
    method = build(specs["repobe"], digits).eval()
    model = NoisyClassifier(method.system, 0.2, method.keys, torch.Generator().manual_seed(0))
    image = torch.rand(2, 1, 16, 16)
    assert not torch.equal(model(image), model(image))
