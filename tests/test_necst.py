"""NECST and NECST-DP on the real System, channel and training loop."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from baselines.necst_dp import flip_probability, gaussian, randomised_response
from repobe.images.resizing import images
from repobe.phy.bpsk import bits_to_symbols, symbols_to_bits
from repobe.phy.channels import AWGN, BY_NAME, BlindRayleigh, FastRayleigh, Rayleigh, noise_power
from repobe.systems.bitcode import dense
from repobe.training import method
from repobe.training.loop import build
from repobe.training.method import Problem

UPDATES = 30
BOTH = pytest.mark.parametrize("name", ["necst", "necst_dp"])


def method_of(name, colours=1, size=32, reconstruct=False, channel=None, **hyper):
    return method.load(name, Problem(colours, 10, size, channel or AWGN(), reconstruct, UPDATES, 0.05, 5e-4, 0), hyper)


@BOTH
@pytest.mark.parametrize("reconstruct", [False, True])
@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize(("colours", "k"), [(1, 100), (3, 500)])
def test_bits_of_unit_power_become_logits_or_an_image_and_gradients_reach_the_picture(
    name, reconstruct, size, colours, k
):
    system = method_of(name, colours, size, reconstruct).eval().system
    image = torch.rand(3, colours, size, size, requires_grad=True)
    symbols = system.transmit(image)
    assert symbols.shape == (3, system.k) == (3, k)
    assert set(symbols.real.unique().tolist()) == {-1.0, 1.0} and not symbols.imag.any()
    output = system.deliver(symbols, noise_power(7))
    assert output.shape == ((3, colours, size, size) if reconstruct else (3, 10))
    assert not reconstruct or 0 <= output.min() <= output.max() <= 1
    output.square().sum().backward()
    assert (image.grad.abs().amax(dim=(1, 2, 3)) > 0).all()


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_gradients_reach_the_image_through_every_channel(name):
    system = method_of("necst", channel=BY_NAME[name]()).eval().system
    image = torch.rand(2, 1, 32, 32, requires_grad=True)
    cross_entropy(system(image, noise_power(7)), torch.tensor([1, 2])).backward()
    assert (image.grad.abs().amax(dim=(1, 2, 3)) > 0).all()


def test_necst_sends_the_more_likely_bits_and_draws_nothing():
    system = method_of("necst").eval().system
    image = torch.rand(4, 1, 32, 32)
    sent = system.transmit(image)
    assert torch.equal(sent, system.transmit(image))
    assert torch.equal(sent.real > 0, system.logits(image) > 0)


@pytest.mark.parametrize(("colours", "reconstruct"), [(1, False), (1, True), (3, False), (3, True)])
def test_a_config_may_choose_how_many_bits_necst_sends(colours, reconstruct):
    system = method_of("necst", colours, reconstruct=reconstruct, bits=32).eval().system
    image = torch.rand(2, colours, 32, 32)
    sent = system.transmit(image)
    assert sent.shape == (2, system.k) == (2, 32)
    assert system.receive(sent).shape == (image.shape if reconstruct else (2, 10))


def test_trained_on_blocks_a_messages_bits_fade_together():
    """Over block fading each message has a rate of its own in training, a new one each time; elsewhere one rate."""
    image, n0 = torch.rand(50, 1, 32, 32), noise_power(7)
    flips, block = (method_of("necst", channel=Rayleigh(), training_channel=kind) for kind in ("flips", "block"))
    assert flips.rate(n0, image) == pytest.approx(0.0435, abs=5e-4)
    rates = block.rate(n0, image)
    assert rates.shape == (50, 1)
    assert len(rates.unique()) == 50
    assert not torch.equal(rates, block.rate(n0, image))
    for channel in (AWGN(), FastRayleigh()):
        flips, block = (method_of("necst", channel=channel, training_channel=kind) for kind in ("flips", "block"))
        assert block.rate(n0, image).flatten().tolist() == pytest.approx([flips.rate(n0, image)] * 50)


def test_a_message_in_a_deep_fade_teaches_its_encoder_nothing():
    """Where every second bit flips no bit of the message depends on what was sent, and neither does the loss."""
    student = method_of("necst", channel=Rayleigh(), training_channel="block")
    image, label = torch.rand(4, 1, 32, 32), torch.arange(4)
    loss = student.system.loss(image, label, torch.tensor([[0.5]] * 4), 5, False)
    (gradient,) = torch.autograd.grad(loss, student.system.encoder[-1].weight)
    assert gradient.abs().max() < 1e-6
    loss = student.system.loss(image, label, torch.tensor([[0.5]] * 3 + [[0.01]]), 5, False)
    (gradient,) = torch.autograd.grad(loss, student.system.encoder[-1].weight)
    assert gradient.abs().max() > 1e-4


def test_necsts_bits_flip_on_the_air_as_often_as_theory_says():
    """0.0435 at 7 dB over fast Rayleigh: 2e6 bits, a standard deviation of 1.5e-4."""
    system = method_of("necst", channel=FastRayleigh()).eval().system
    with torch.no_grad():
        sent = system.transmit(torch.rand(200, 1, 32, 32)).repeat(100, 1)
        heard = symbols_to_bits(system.channel(sent, noise_power(7)))
    assert (bits_to_symbols(heard) != sent).double().mean().item() == pytest.approx(0.0435, abs=6e-4)


@pytest.mark.parametrize(("budget", "probability"), [(0.05, 0.4875), (0.9, 0.2891)])
def test_randomised_response_flips_with_its_probability_and_keeps_the_ratio_e_to_the_budget(budget, probability):
    rho = flip_probability(budget)
    assert rho == pytest.approx(probability, abs=5e-5)
    assert (1 - rho) / rho == pytest.approx(math.exp(budget))
    bits = torch.tensor([0.0, 1.0]).repeat(500_000)[None]
    flips = (randomised_response(budget, bits_to_symbols(bits)) != bits_to_symbols(bits)).double()
    # 500,000 of each bit: a standard deviation of at most 7.1e-4, the same for zeros and ones.
    assert flips[:, 0::2].mean().item() == pytest.approx(probability, abs=2.9e-3)
    assert flips[:, 1::2].mean().item() == pytest.approx(probability, abs=2.9e-3)


@pytest.mark.parametrize("channel", [AWGN, FastRayleigh])
def test_the_gaussian_mechanisms_bits_flip_between_the_two_ends_as_often_as_training_reckons(channel):
    student = method_of("necst_dp", channel=channel(), mechanism="gaussian", budget=0.9).eval()
    system, n0 = student.system, noise_power(11)
    with torch.no_grad():
        image = torch.rand(200, 1, 32, 32).repeat(20, 1, 1, 1)
        heard = symbols_to_bits(system.channel(system.transmit(image), n0))
        sent = (system.logits(image) > 0).float()
    # 400,000 bits: a standard deviation of at most 5e-4.
    assert (heard != sent).double().mean().item() == pytest.approx(student.rate(n0), abs=2e-3)
    assert 0.05 < student.rate(n0) < 0.2


def test_flips_are_drawn_in_transmit_by_the_generator_it_is_given():
    system = method_of("necst_dp").eval().system
    image = torch.rand(2, 1, 32, 32)
    one, same, other = (system.transmit(image, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_gradient_of_a_flipped_bit_is_turned_around():
    x = torch.tensor([[1.0, -1.0] * 50], requires_grad=True)
    sent = randomised_response(0.5, torch.complex(x, torch.zeros_like(x)))
    sent.real.sum().backward()
    moved = sent.real.detach() != x.detach()
    assert 0 < moved.sum() < 100
    assert torch.equal(x.grad, torch.where(moved, -1.0, 1.0))


def test_budgets_are_in_order_and_training_knows_the_whole_flip_probability():
    """Measured from the transmitter's bits to the receiver's: the cascade of mechanism and air."""
    n0 = noise_power(7)
    rates = []
    for budget in (0.05, 0.1, 0.3, 0.5, 0.9):
        student = method_of("necst_dp", channel=FastRayleigh(), budget=budget)
        rates.append(student.rate(n0))
        bits = (torch.rand(2000, 100) < 0.5).float()
        heard = symbols_to_bits(student.problem.channel(student.system.protect(bits_to_symbols(bits), None), n0))
        # 200,000 bits: a standard deviation of at most 1.12e-3.
        assert (heard != bits).double().mean().item() == pytest.approx(rates[-1], abs=4.5e-3)
    assert rates == sorted(rates, reverse=True)


def test_the_gaussian_mechanism_has_unit_power_and_its_smallest_budget_disturbs_least():
    symbols = bits_to_symbols((torch.rand(4, 5000) < 0.5).float())
    sent = gaussian(0.9, symbols)
    torch.testing.assert_close(sent.abs().square().mean(dim=1), torch.ones(4))
    # E[sent·x] = 1/√(1 + 0.81) for x = ±1; over 20,000 symbols its standard deviation is 0.9/√2/1.345/141.
    assert (sent.real * symbols.real).mean().item() == pytest.approx(1.81**-0.5, abs=4 * 0.0034)
    least, most = (method_of("necst_dp", mechanism="gaussian", budget=b).rate(noise_power(23)) for b in (0.05, 0.9))
    # At 23 dB: Q(√(2/(0.0025 + 0.005))) is below 1e-50, Q(√(2/(0.81 + 0.009))) = Q(1.5626) = 0.0591.
    assert least < 1e-50
    assert most == pytest.approx(0.0591, abs=1e-4)


@BOTH
@pytest.mark.parametrize("reconstruct", [False, True])
@pytest.mark.parametrize("colours", [1, 3])
def test_the_loss_falls(name, reconstruct, colours):
    """On two classes, bright above and bright below: the loss ends below that of a code that cannot tell them apart."""
    student = method_of(name, colours, reconstruct=reconstruct)
    student.optimise()
    label = torch.arange(8) % 2
    image = torch.where((torch.arange(32) < 16)[:, None] == (label[:, None, None, None] == 1), 1.0, 0.0)
    image = image.expand(8, colours, 32, 32)
    losses = [student.update(image, label, 0.01)["loss"].item() for _ in range(UPDATES)]
    pixels = colours * student.system.native**2
    assert sum(losses[-5:]) / 5 < 0.8 * (pixels / 4 if reconstruct else math.log(2))


def test_where_half_the_bits_flip_the_encoder_learns_nothing():
    """The collapsed Bernoulli of rate 1/2 is a coin whatever the encoder says: no gradient but the decoder's."""
    student = method_of("necst", channel=BlindRayleigh())
    student.system.loss(torch.rand(8, 1, 32, 32), torch.arange(8), 0.5, 5, False).backward()
    assert max(p.grad.abs().max() for p in student.system.encoder.parameters()) < 1e-6
    assert max(p.grad.abs().max() for p in student.system.decoder.parameters()) > 1e-3


def test_training_tells_the_encoder_of_the_air_it_is_in(monkeypatch):
    told = []
    monkeypatch.setattr(
        "repobe.systems.bitcode.log_probability", lambda bits, logits, rate: told.append(rate) or logits.sum(-1)
    )
    for name in ("necst", "necst_dp"):
        student = method_of(name, channel=FastRayleigh())
        student.optimise()
        student.update(torch.rand(4, 1, 32, 32), torch.arange(4), noise_power(7))
    # NECST: 0.0435. NECST-DP of 0.9: 0.2891·0.9565 + 0.7109·0.0435.
    assert told == pytest.approx([0.0435, 0.3074], abs=1e-4)


@BOTH
def test_the_rate_decays_by_a_cosine_or_stays_as_published(name):
    # Half way down a cosine to zero is half of 1e-3; the published rate is the one that ends where it began.
    for last, rates in ((0.0, (1e-3, 0.5e-3, 0.0)), (1e-3, (1e-3, 1e-3, 1e-3))):
        student = method_of(name, last_learning_rate=last)
        student.optimise()
        seen = [student.schedulers[0].get_last_lr()[0]]
        for _ in range(UPDATES):
            student.update(torch.rand(2, 1, 32, 32), torch.arange(2), 0.01)
            seen.append(student.schedulers[0].get_last_lr()[0])
        assert (seen[0], seen[UPDATES // 2], seen[-1]) == pytest.approx(rates, abs=1e-9)


def test_the_encoders_weights_alone_decay():
    student = method_of("necst", 3)
    student.optimise()
    decayed, free = student.optimisers[0].param_groups
    names = {id(p): name for name, p in student.system.named_parameters()}
    assert decayed["weight_decay"] == 1e-4 and free["weight_decay"] == 0
    assert len(decayed["params"]) + len(free["params"]) == len(names)
    assert all(names[id(p)].startswith("encoder.") and p.dim() > 1 for p in decayed["params"])
    assert sum(p.dim() > 1 for p in student.system.encoder.parameters()) == len(decayed["params"])


def test_necst_learns_the_digits_that_it_is_shown(specs, digits):
    """128 digits by heart in a few seconds: bits that VIMCO alone has taught carry the class."""
    student = build(replace(specs["undefended"], method="necst"), digits)
    student.optimise()
    image, label = images(digits.train[0], 16), digits.train[1]
    for _ in range(150):
        student.update(image, label, noise_power(7))
    with torch.no_grad():
        output = student.eval().system(image, noise_power(7))
    assert (output.argmax(dim=1) == label).float().mean() > 0.9


@pytest.mark.parametrize(
    ("name", "hyper", "message"),
    [
        ("necst", {"samples": 1}, "hyper.samples: 1 is too few"),
        ("necst_dp", {"samples": 1}, "hyper.samples: 1 is too few"),
        ("necst", {"bits": -1}, "hyper.bits: -1 is negative"),
        ("necst", {"training_channel": "air"}, "'air' is unknown; it is flips or block"),
        ("necst_dp", {"budget": -0.1}, "hyper.budget: -0.1 is negative"),
        ("necst_dp", {"mechanism": "laplace"}, "'laplace' is unknown; it is one of randomised_response, gaussian"),
    ],
)
def test_a_wrong_hyperparameter_is_named(name, hyper, message):
    with pytest.raises(ValueError, match=message):
        method_of(name, **hyper)


def test_the_leaky_relu_has_the_slope_of_the_released_code():
    """TensorFlow's default: a fifth of what is negative."""
    layer = dense(1, 1)
    layer[0].weight.data.fill_(1)
    assert layer(torch.tensor([[-1.0], [2.0]])).flatten().tolist() == pytest.approx([-0.2, 2])
