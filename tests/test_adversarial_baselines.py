"""AT and TRADES: what each step descends, against its equation written out anew, a sample at a time."""

import pytest
import torch
from conftest import share_that_moved, spread
from torch.distributions import Categorical, kl_divergence
from torch.nn.functional import cross_entropy

from repobe.phy.channels import AWGN
from repobe.training.method import Problem, load

SILENT = 0.0


def student_of(name, **hyper):
    student = load(name, Problem(1, 10, 16, AWGN(), False, 20, 0.01, 0.0, 0), hyper)
    student.optimise()
    return student.eval()  # batch norm as it stands, so that one image's logits do not depend on its batch


@pytest.fixture
def batch():
    image = torch.rand(6, 1, 16, 16)
    return image, (image + 0.1 * torch.randn_like(image)).clamp(0, 1), torch.tensor([3, 1, 4, 1, 5, 9])


def madry(student, nat, adv, label):
    """E −log p_y(adv): Madry et al. 2018, Eq. 2.1."""
    q = student.system(adv, SILENT)
    return sum(-q[n].softmax(0)[label[n]].log() for n in range(6)) / 6


def zhang(student, nat, adv, label, beta=6.0):
    """E −log p_y(nat) + β Σ_c p_c (log p_c − log q_c): Zhang et al. 2019, Eq. 5."""
    p, q = student.system(nat, SILENT), student.system(adv, SILENT)
    natural = sum(-p[n].softmax(0)[label[n]].log() for n in range(6)) / 6
    return natural + beta * kl_divergence(Categorical(logits=p), Categorical(logits=q)).mean()


@pytest.mark.parametrize(
    ("name", "equation", "hyper"),
    [
        ("adversarial_training", madry, {}),
        ("trades", zhang, {}),
        ("trades", lambda *batch: zhang(*batch, beta=1.0), {"beta": 1.0}),
    ],
)
def test_a_step_descends_the_gradient_of_the_published_equation(name, equation, hyper, batch):
    student = student_of(name, **hyper)
    nat, _, label = batch
    adv = nat.flip(0)  # far from it, and read unlike it: between what is read alike there is no divergence
    spread(student, nat)
    weights = list(student.system.parameters())
    expected = torch.cat([g.flatten() for g in torch.autograd.grad(equation(student, nat, adv, label), weights)])
    student.craft = lambda *_: adv
    student.update(nat, label, SILENT)
    gradient = torch.cat([p.grad.flatten() for p in weights])  # as it was clipped: its direction
    torch.testing.assert_close(gradient / gradient.norm(), expected / expected.norm(), rtol=1e-3, atol=1e-5)


def test_the_gradient_of_trades_in_both_logits_is_the_one_worked_by_hand():
    """∂/∂q: β (softmax(q) − softmax(p)). ∂/∂p: softmax(p) − onehot(y) + β p_c (log p_c/q_c − KL)."""
    from repobe.training.losses import trades

    nat, adv = torch.randn(1, 10, requires_grad=True), torch.randn(1, 10, requires_grad=True)
    by_nat, by_adv = torch.autograd.grad(trades(nat, adv, torch.tensor([7]), 6.0), (nat, adv))
    p, q = nat.detach().softmax(1), adv.detach().softmax(1)
    ratio = (p / q).log()
    onehot = torch.eye(10)[[7]]
    torch.testing.assert_close(by_adv, 6 * (q - p))
    torch.testing.assert_close(by_nat, p - onehot + 6 * p * (ratio - (p * ratio).sum()))


@pytest.mark.parametrize("name", ["adversarial_training", "trades"])
def test_crafting_stays_in_the_ball_raises_its_loss_and_leaves_batch_norm_alone(name, batch):
    student = student_of(name, eps=0.05, step=0.0125, steps=10).train()  # the published recipe's ten steps of eps/4
    image, _, label = batch
    before = {k: v.clone() for k, v in student.system.state_dict().items()}
    adversarial = student.craft(image, label, SILENT)
    assert all(torch.equal(before[k], v) for k, v in student.system.state_dict().items())
    assert student.system.training
    assert 0.04 < (adversarial - image).abs().max() <= 0.05 + 1e-6
    assert 0 <= adversarial.min() <= adversarial.max() <= 1
    student.eval()
    random = (image + 0.05 * torch.randn_like(image).sign()).clamp(0, 1)
    p, q, r = (student.system(x, SILENT) for x in (image, adversarial, random))
    if name == "trades":
        crafted, by_chance = (kl_divergence(Categorical(logits=p), Categorical(logits=x)).mean() for x in (q, r))
    else:
        crafted, by_chance = (cross_entropy(x, label) for x in (q, r))
    assert crafted > by_chance


@pytest.mark.parametrize(("name", "ascended"), [("adversarial_training", "cross_entropy"), ("trades", "kl")])
def test_a_step_of_crafting_follows_the_gradient_of_the_published_inner_problem(name, ascended, batch):
    """Far from the image, where the three differ; TRADES takes D_KL(M(I) ‖ M(I + δ)), natural first."""
    hyper = {"eps": 0.5, "step": 0.02} | ({"start": 0.3} if name == "trades" else {})
    student, begun = student_of(name, steps=1, **hyper), student_of(name, steps=0, **hyper)
    image, _, label = batch
    spread(student, image)
    begun.system.load_state_dict(student.system.state_dict())
    start, moved = (s.craft(image, label, SILENT, torch.Generator().manual_seed(3)) for s in (begun, student))
    start.requires_grad_()
    p, q = student.system(image, SILENT).softmax(1).detach(), student.system(start, SILENT).softmax(1)
    same = share_that_moved(image, start, moved, p, q, label)
    assert same.pop(ascended) > 0.999
    assert max(same.values()) < 0.9


def test_at_starts_anywhere_in_the_ball_and_trades_beside_the_image(batch):
    image, _, label = batch
    inside = 0.25 + 0.5 * image  # no border of [0, 1] cuts the ball
    start = student_of("adversarial_training", eps=0.1, steps=0).craft(inside, label, SILENT) - inside
    assert start.abs().max() <= 0.1 + 1e-6
    # 1536 draws: the standard deviation of a uniform one on ±0.1 is 0.1/√3 = 0.0577, known to within 2 %.
    assert start.std().item() == pytest.approx(0.1 / 3**0.5, rel=0.06)
    start = student_of("trades", eps=0.1, steps=0).craft(inside, label, SILENT) - inside
    assert start.std().item() == pytest.approx(0.001, rel=0.06)


@pytest.mark.parametrize("name", ["adversarial_training", "trades"])
def test_selection_looks_at_adversarial_images(name, batch, monkeypatch):
    student = student_of(name)
    image, adversarial, label = batch
    student.craft = lambda *_: adversarial
    seen = []

    def noting(image, *_):
        seen.append(image)
        return torch.eye(10)[[3, 1, 4, 1, 0, 0]]

    monkeypatch.setattr(student.system, "forward", noting)
    score = student.score(image, label, torch.zeros(6), torch.Generator())
    assert torch.equal(score, torch.tensor([1.0, 1, 1, 1, 0, 0]))
    assert len(seen) == 1
    assert seen[0] is adversarial


def test_trades_sends_natural_and_adversarial_images_through_batch_norm_as_one_batch(batch):
    """Crafting leaves the statistics alone, so an update counts one batch in every layer."""
    student = student_of("trades").train()
    student.update(batch[0], batch[2], SILENT)
    counted = {name: int(n) for name, n in student.system.state_dict().items() if name.endswith("num_batches_tracked")}
    assert counted
    assert set(counted.values()) == {1}
