import math
from dataclasses import replace

import pytest
import torch
from scipy.integrate import quad
from torch.nn.functional import interpolate

from baselines.ibal import DEFAULT_N0, GainedRows, kl_to_log_uniform
from repobe.phy.channels import AWGN
from repobe.phy.mapping import features
from repobe.training import loop as training
from repobe.training.method import Problem, load


def ibal(updates=1200, reconstruct=False, **hyper):
    return load("ibal", Problem(1, 10, 32, AWGN(), reconstruct, updates, 0.05, 5e-4, 0), hyper)


def integrated(alpha: float) -> float:
    """KL of N(1, α) to the log-uniform, up to the additive constant: −½ log α + E log|1 + √α ε|."""
    root = alpha**0.5

    def integrand(e):
        return math.exp(-e * e / 2) / math.sqrt(2 * math.pi) * math.log(abs(1 + root * e))

    pole = max(-1 / root, -12)
    return -0.5 * math.log(alpha) + quad(integrand, -12, pole, limit=200)[0] + quad(integrand, pole, 12, limit=200)[0]


def test_the_kl_is_the_integral_up_to_its_constant():
    """Molchanov et al. 2017, Fig. 1: the approximation lies on the integral for every α.

    The constant makes the KL vanish as α grows: −E log|ε| = (Euler's γ + ln 2)/2.
    """
    constant = (0.5772156649 + math.log(2)) / 2
    alpha = [math.exp(x) for x in range(-10, 7)]
    expected = torch.tensor([integrated(a) + constant for a in alpha])
    assert (kl_to_log_uniform(torch.tensor(alpha)) - expected).abs().max() < 0.01


def test_the_kl_has_a_gradient_everywhere_it_is_used():
    """α = n0/2 / (z² + 1e-4), from the largest z at 23 dB to z = 0 at 7 dB."""
    alpha = torch.tensor([0.5 * 10**-2.3 / 32, 0.5 * 10**-0.7 / 1e-4], requires_grad=True)
    (gradient,) = torch.autograd.grad(kl_to_log_uniform(alpha).sum(), alpha)
    assert gradient.isfinite().all()
    assert (gradient < 0).all()  # more noise, less information


def test_the_anneal_is_silent_for_five_epochs_and_rises_over_ten():
    student = ibal(updates=1200)  # ten updates are one of the schedules' 120 epochs
    values = []
    for updated in (0, 50, 75, 100, 150, 1199):
        student.updated = updated
        values.append(student.anneal().item())
    assert values == pytest.approx([0, 0, 0.25, 0.5, 1, 1])


def test_the_rate_is_halved_after_sixty_epochs():
    student = ibal(updates=4)
    student.optimise()
    rates = []
    for _ in range(4):
        rates.append([group["lr"] for optimiser in student.optimisers for group in optimiser.param_groups])
        student.update(torch.rand(4, 1, 32, 32), torch.arange(4), 0.1)
    assert rates == [[1e-3, 1e-3], [1e-3, 1e-3], [5e-4, 5e-4], [5e-4, 5e-4]]


def silent(monkeypatch):
    """An air without noise, so that a term can be written out anew; the receiver is still told of n0."""
    monkeypatch.setattr(AWGN, "__call__", lambda self, x, n0, generator=None: x)


@pytest.mark.parametrize("reconstruct", [False, True])
def test_the_loss_is_its_equation(reconstruct, monkeypatch):
    """Every term from the networks alone: the adversary after its own step, the system before its."""
    silent(monkeypatch)
    student = ibal(reconstruct=reconstruct).eval()
    student.optimise()
    student.optimisers[1].param_groups[0]["lr"] = student.optimisers[0].param_groups[0]["lr"] = 0.0
    student.updated = 100  # the anneal is 0.5
    image, label = torch.rand(8, 1, 32, 32), torch.arange(8)
    terms = student.update(image, label, 0.02)  # σ = 0.1 in each real dimension

    system, (x, y) = student.system, (image[4:], label[4:])
    small = interpolate(x, (28, 28), mode="bilinear", antialias=True)
    numbers = system.encoder(small)
    z = numbers / numbers.square().mean(dim=1, keepdim=True).sqrt() * 0.5**0.5
    if reconstruct:
        picture = 1 / (1 + (-system.decoder(torch.view_as_complex(z.unflatten(1, (32, 2))))).exp())
        task = (picture - x).square().mean()
    else:
        task = -system.decoder(z, 0.02).log_softmax(dim=1)[range(4), y].mean()
    alpha = 0.01 / (z.square() + 1e-4)
    sigmoid = 1 / (1 + (-(1.8732 + 1.48695 * alpha.log())).exp())
    kl = (0.63576 - 0.63576 * sigmoid + 0.5 * (1 + 1 / alpha).log()).sum(dim=1).mean()
    guess = z @ student.adversary.weight.T + student.adversary.bias
    adversary = (guess - small.flatten(1)).square().mean()
    torch.testing.assert_close(terms["loss"], task + 1e-3 * 0.5 * kl - adversary / 1.1)
    for name, value in (("task", task), ("kl", kl), ("adversary", adversary)):
        torch.testing.assert_close(terms[name], value.detach())
    assert student.updated == 101


def test_the_bound_of_a_message_is_the_sum_over_its_64_numbers():
    sent = torch.full((3, 32), (1 + 1j) / 2**0.5)  # every real number is ±√½: α = n0/2 / 0.5001
    expected = 64 * (integrated(0.05 / 0.5001) + (0.5772156649 + math.log(2)) / 2)
    assert ibal().kl(sent, 0.1).item() == pytest.approx(expected, abs=64 * 0.01)


def test_the_first_half_of_a_batch_trains_the_adversary_the_second_the_system():
    first, second, other = torch.rand(3, 4, 1, 32, 32)
    label = torch.arange(8)

    def after(*halves):
        torch.manual_seed(1)
        student = ibal()
        student.optimise()
        student.update(torch.cat(halves), label, 0.1)
        return student.adversary.weight.detach(), student.system.encoder[2].weight.detach()

    adversary, system = after(first, second)
    assert torch.equal(after(first, other)[0], adversary)
    assert not torch.equal(after(other, second)[0], adversary)
    assert not torch.equal(after(first, other)[1], system)


def test_the_64_numbers_reach_the_receiver_in_their_order_each_image_at_unit_power():
    system = ibal().system
    image = torch.rand(3, 1, 28, 28)
    sent = features(system.transmit(image), (1, 1)).flatten(1)
    numbers = system.encoder(image)
    torch.testing.assert_close(sent, numbers / numbers.square().mean(dim=1, keepdim=True).sqrt() * 0.5**0.5)


def test_the_receiver_knows_the_snr():
    system = ibal().system
    symbols = system.transmit(torch.rand(2, 1, 28, 28))
    by_float, by_image = system.receive(symbols, n0=0.01), system.receive(symbols, n0=torch.tensor([0.01, 0.2]))
    torch.testing.assert_close(by_float[0], by_image[0])
    assert not torch.allclose(by_float[1], by_image[1])
    torch.testing.assert_close(system.receive(symbols), system.receive(symbols, n0=DEFAULT_N0))
    assert pytest.approx(10**-1.5) == DEFAULT_N0


@pytest.mark.parametrize("channel", ["awgn", "rayleigh"])
def test_its_cost_is_the_count_of_its_linear_layers_by_hand(channel, specs, digits):
    """784-64 and 64-1024, 1-16, 1040-256, 256-10: a multiplication and an addition a weight; no adversary is sent."""
    spec = replace(specs["undefended"], label="ibal", method="ibal", channel=channel)
    taken = {"bytes": 0, "devices": ["cpu"]}
    cost = training._cost(spec, digits, training.build(spec, digits), [{"epoch": 1, "seconds": 2.0}], taken)
    layers = [(784, 64), (64, 1024), (1, 16), (1040, 256), (256, 10)]
    assert cost["flops"] == 2 * sum(n * m for n, m in layers)
    assert cost["parameters"] == sum(n * m + m for n, m in layers)
    assert (cost["symbols_k"], cost["images_per_second"]) == (32, len(digits.train[0]) / 2)


def test_a_last_batch_of_one_image_trains_both():
    student = ibal()
    student.optimise()
    assert student.update(torch.rand(1, 1, 32, 32), torch.tensor([3]), 0.1)["loss"].isfinite()


def test_rows_with_gains_have_length_n_down_to_one_for_any_weights():
    """By hand: rows (3, 4) and (0, 2) become 2·(0.6, 0.8) and 1·(0, 1); biases stay as they are."""
    layer = GainedRows(2, 2)
    layer.load_state_dict({"weight": torch.tensor([[3.0, 4.0], [0.0, 2.0]]), "bias": torch.tensor([0.5, -1.0])})
    torch.testing.assert_close(layer(torch.tensor([[1.0, 2.0]])), torch.tensor([[2 * 2.2 + 0.5, 2.0 - 1.0]]))


@pytest.mark.parametrize("colours", [1, 3])
def test_a_config_may_have_the_released_codes_gains(colours):
    problem = Problem(colours, 10, 32, AWGN(), False, 10, 0.05, 5e-4, 0)
    kinds = [
        [type(layer) for layer in load("ibal", problem, hyper).system.encoder if isinstance(layer, torch.nn.Linear)]
        for hyper in ({}, {"row_gains": True})
    ]
    assert kinds == [[torch.nn.Linear], [GainedRows]]
