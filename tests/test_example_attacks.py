"""The attacks of examples/attacks: the paper's attack as it may also be read (D11, D37)."""

import pytest
import torch
import torchattacks
from torch import nn
from torch.nn.functional import cross_entropy

from baselines.jpeg2000 import resize_matrix
from examples.attacks import eq14, native, unstarted
from repobe.attacks.evasion import of_kind
from repobe.runs.config import load
from repobe.runs.plugins import ROOT
from repobe.runs.spec import Attack
from repobe.training.losses import kl_divergence

EPS = 0.05
PAPERS = Attack("pgd", 16)
FILES = [f"examples/attacks/{name}.py" for name in ("eq14", "native", "unstarted")]


class Quiet(nn.Module):
    """A classifier of grey S×S images whose air has no noise, so that every draw is the same."""

    def __init__(self, size: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        side = (size - 3) // 2 + 1
        self.layers = nn.Sequential(nn.Conv2d(1, 8, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8 * side**2, 10))

    def over(self, draws: int) -> "Quiet":
        return self

    def forward(self, image):
        return self.layers(image)


@pytest.fixture
def situation():
    """(a classifier, images of 56×56 whose pixels no attack brings to a border, labels)."""
    torch.manual_seed(1)
    return Quiet(56).eval(), 0.4 + 0.2 * torch.rand(16, 1, 56, 56), torch.randint(10, (16,))


def test_without_a_random_start_the_attack_is_torchattacks(situation):
    model, image, label = situation
    theirs = torchattacks.PGD(model, eps=EPS, alpha=EPS / 5, steps=5, random_start=False)(image, label)
    (ours,) = unstarted.attack(model, image, label, EPS, PAPERS)
    assert torch.equal(ours, theirs)


def test_eq_14_moves_the_logits_further_from_the_clean_ones_than_cross_entropy_does(situation):
    model, image, label = situation
    (ours,), (other,) = (one.attack(model, image, label, EPS, PAPERS) for one in (eq14, unstarted))
    clean = model(image)
    assert (kl_divergence(clean, model(ours)) > kl_divergence(clean, model(other))).float().mean() > 0.9
    assert cross_entropy(model(ours), label) < cross_entropy(model(other), label)


def test_the_change_of_native_pixels_is_an_enlarged_one_and_weaker_than_one_of_all_pixels(situation):
    """Enlarging has a left inverse, so the change of 28×28 pixels can be found from that of 56×56."""
    model, image, label = situation
    (ours,) = native.attack(model, image, label, EPS, PAPERS)
    enlarge = resize_matrix(28, 56)
    shrink = torch.linalg.pinv(enlarge)
    change = (ours - image).double()
    small = shrink @ change @ shrink.T
    assert torch.allclose(enlarge @ small @ enlarge.T, change, atol=1e-6)
    assert small.abs().max() == pytest.approx(EPS, abs=1e-6)
    assert change.abs().max() <= EPS + 1e-6
    everywhere = torchattacks.PGD(model, eps=EPS, alpha=EPS / 5, steps=5)(image, label)
    losses = [cross_entropy(model(x), label).item() for x in (image, ours, everywhere)]
    assert losses == sorted(losses)


def test_where_nothing_was_enlarged_the_native_pixels_are_all_pixels():
    torch.manual_seed(2)
    model, image, label = Quiet(28).eval(), 0.4 + 0.2 * torch.rand(8, 1, 28, 28), torch.randint(10, (8,))
    torch.manual_seed(3)
    (ours,) = native.attack(model, image, label, EPS, PAPERS)
    torch.manual_seed(3)
    start = 2 * EPS * (torch.rand(8, 1, 28, 28) - 0.5)
    x = image + start
    for _ in range(5):  # Madry et al. 2018, by hand
        x.requires_grad_()
        (gradient,) = torch.autograd.grad(cross_entropy(model(x), label, reduction="sum"), x)
        x = (image + (x.detach() + EPS / 5 * gradient.sign() - image).clamp(-EPS, EPS)).detach()
    assert torch.allclose(ours, x, atol=1e-6)


@pytest.mark.parametrize("file", FILES)
def test_the_suite_runs_each_by_its_path_and_attack_readings_does(file, situation):
    (candidate,) = of_kind(file)(*situation, EPS, Attack(file, 16))
    assert (candidate - situation[1]).abs().max() <= EPS + 1e-6
    attacks = load(ROOT / "config" / "attack_readings.yaml")["evaluation"]["attacks"]
    assert file in {one["kind"] for one in attacks.values()}
