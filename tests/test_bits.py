"""Bits on the air against theory, and VIMCO against exact enumeration."""

import itertools
import math

import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from repobe.phy.bpsk import bits_to_symbols, flipped, message_error_rates, symbols_to_bits
from repobe.phy.channels import AWGN, BlindRayleigh, FastRayleigh, Rayleigh, noise_power
from repobe.systems.vimco import log_probability, vimco

GRID = [7, 11, 15, 19, 23]


def measured(channel, n0, images, bits=100, spread=0.0, repeats=1):
    """The share of bits that arrive flipped."""
    from baselines.necst_dp import gaussian

    wrong = 0.0
    for _ in range(repeats):
        sent = (torch.rand(images, bits) < 0.5).float()
        symbols = bits_to_symbols(sent)
        symbols = gaussian(spread**0.5, symbols) if spread else symbols
        wrong += (symbols_to_bits(channel(symbols, n0)) != sent).double().mean().item() / repeats
    return wrong


def test_the_error_rates_are_the_textbooks():
    """BPSK over AWGN at 7 dB: 7.7e-4; coherent Rayleigh at γ = 5.01, 12.6, 31.6, 79.4, 199.5; blind, a coin."""
    assert AWGN().bit_error_rate(noise_power(7)) == pytest.approx(7.7e-4, abs=5e-6)
    for channel in (Rayleigh(), FastRayleigh()):
        rates = [channel.bit_error_rate(noise_power(snr_db)) for snr_db in GRID]
        assert rates == pytest.approx([0.04347, 0.01875, 0.00772, 0.00312, 0.00125], abs=6e-6)
    assert BlindRayleigh().bit_error_rate(0.1) == 0.5


@pytest.mark.parametrize("snr_db", GRID)
@pytest.mark.parametrize("spread", [0.0, 0.0025, 0.81])
def test_the_error_rates_are_the_gaussian_tail_averaged_over_fading(snr_db, spread):
    """By another library's tail function and quadrature; g is |h|², and what the sender added is amplified with it."""
    n0 = noise_power(snr_db)

    def tail(g):
        return norm.sf(math.sqrt(2 * g / (g * spread + n0 * (1 + spread))))

    assert AWGN().bit_error_rate(n0, spread) == pytest.approx(tail(1), rel=1e-9)
    edges = [0, 0.005, 0.05, 0.5, 5, 60]
    faded = sum(quad(lambda g: math.exp(-g) * tail(g), *pair)[0] for pair in itertools.pairwise(edges))
    for channel in (Rayleigh(), FastRayleigh()):
        assert channel.bit_error_rate(n0, spread) == pytest.approx(faded, rel=1e-6)


@pytest.mark.parametrize(
    ("channel", "snr_db", "images", "repeats", "deviation"),
    [
        # Independent bits: the standard deviation of the share is √(p/N) for N bits.
        (AWGN(), 7, 5000, 4, lambda p: (p / 2e6) ** 0.5),
        (FastRayleigh(), 7, 5000, 4, lambda p: (p / 2e6) ** 0.5),
        (FastRayleigh(), 23, 5000, 4, lambda p: (p / 2e6) ** 0.5),
        # One fade an image: the variance of an image's share is at most E[rate²] + p/100 <= p/2 + p/100.
        (Rayleigh(), 7, 10_000, 4, lambda p: (0.51 * p / 4e4) ** 0.5),
        (Rayleigh(), 15, 10_000, 4, lambda p: (0.51 * p / 4e4) ** 0.5),
    ],
    ids=["awgn", "fast 7 dB", "fast 23 dB", "block 7 dB", "block 15 dB"],
)
def test_a_bit_flips_as_often_as_theory_says(channel, snr_db, images, repeats, deviation):
    n0 = noise_power(snr_db)
    theory = norm.sf(math.sqrt(2 / n0)) if isinstance(channel, AWGN) else (1 - math.sqrt(1 / (1 + n0))) / 2
    assert measured(channel, n0, images, repeats=repeats) == pytest.approx(theory, abs=4 * deviation(theory))


def test_blind_to_the_phase_of_its_channel_a_receiver_guesses():
    # An image's share lies in [0, 1] with mean 1/2, its standard deviation at most 1/2.
    assert measured(BlindRayleigh(), 0.005, 10_000) == pytest.approx(0.5, abs=4 * 0.5 / 100)


@pytest.mark.parametrize("channel", [AWGN(), FastRayleigh()])
def test_noise_that_the_sender_adds_flips_bits_at_the_rate_that_training_assumes(channel):
    n0 = noise_power(7)
    told = channel.bit_error_rate(n0, 0.81)
    # Unit power is made for each message, so for 2000 bits its scale varies by some 2 %, the rate by less than 0.1 %.
    assert measured(channel, n0, 500, bits=2000, spread=0.81) == pytest.approx(told, abs=4 * (told / 1e6) ** 0.5 + 1e-4)


def test_the_cascade_of_two_flips_worked_by_hand():
    # 0.1 then 0.2: flipped in the end by one of them alone, 0.1·0.8 + 0.9·0.2.
    assert flipped(0.1, 0.2) == pytest.approx(0.26)
    assert flipped(0.3, 0.5) == pytest.approx(0.5)
    assert flipped(0.3, 0.0) == 0.3


def test_bpsk_is_minus_one_and_one_and_keeps_a_gradient_both_ways():
    bits = torch.tensor([[0.0, 1.0]], requires_grad=True)
    symbols = bits_to_symbols(bits)
    assert torch.equal(symbols, torch.tensor([[-1 + 0j, 1 + 0j]]))
    heard = symbols_to_bits(symbols * 0.3 + 0.1)
    assert torch.equal(heard, torch.tensor([[0.0, 1.0]]))
    heard.sum().backward()
    torch.testing.assert_close(bits.grad, torch.tensor([[0.3, 0.3]]))


@pytest.mark.parametrize("rate", [0.0, 1e-89, 0.01, 0.4875])
def test_log_probability_is_the_collapsed_bernoullis(rate):
    bits = (torch.rand(3, 4, 5) < 0.5).double()
    logits = 3 * torch.randn(4, 5, dtype=torch.float64)
    s = torch.sigmoid(logits)
    expected = torch.distributions.Bernoulli(probs=s - 2 * s * rate + rate).log_prob(bits).sum(dim=-1)
    torch.testing.assert_close(log_probability(bits, logits, rate), expected)


def test_each_message_has_its_own_log_probability_under_its_own_error_rate():
    bits, logits = (torch.rand(5, 3, 20) < 0.5).float(), torch.randn(3, 20)
    rates = torch.tensor([[0.001], [0.2], [0.49]])
    each = [log_probability(bits[:, i], logits[i], rates[i].item()) for i in range(3)]
    torch.testing.assert_close(log_probability(bits, logits, rates), torch.stack(each, dim=1))


@pytest.mark.parametrize("channel", [Rayleigh, BlindRayleigh])
def test_a_messages_error_rate_is_how_often_its_bits_flip_on_the_air_under_its_own_fading(channel, monkeypatch):
    """40,000 bits of each of ten messages: a standard deviation of at most 0.0025."""
    air, n0 = channel(), noise_power(7)
    h = air.gain(torch.empty(10, 1, dtype=torch.complex64), None)
    monkeypatch.setattr(channel, "gain", lambda *_: h)
    bits = (torch.rand(10, 40_000) < 0.5).float()
    flips = (symbols_to_bits(air(bits_to_symbols(bits), n0)) != bits).double().mean(dim=1, keepdim=True)
    torch.testing.assert_close(message_error_rates(air, n0, 10).double(), flips, atol=0.01, rtol=0)


def test_messages_error_rates_average_to_the_channels():
    """0.0435 at 7 dB over Rayleigh fading; their standard deviation is below 0.12, of a mean of 40,000 below 6e-4."""
    assert message_error_rates(Rayleigh(), noise_power(7), 40_000).mean().item() == pytest.approx(0.0435, abs=0.0024)
    assert message_error_rates(BlindRayleigh(), 0.1, 40_000).mean().item() == pytest.approx(0.5, abs=0.01)
    for channel in (AWGN(), FastRayleigh()):  # no block fades there
        rates = message_error_rates(channel, 0.1, 3)
        assert rates.flatten().tolist() == pytest.approx([channel.bit_error_rate(0.1)] * 3)


def test_log_probability_of_saturated_bits_is_finite_and_so_is_its_gradient():
    logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
    for bits in (torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])):
        value = log_probability(bits, logits, 0.0)
        (gradient,) = torch.autograd.grad(value.sum(), logits)
        assert value.isfinite().all() and gradient.isfinite().all()


def enumerated(logits, table, rate, samples, sign):
    """(the exact objective, VIMCO's estimate of each tuple of codes, the tuple's probability), every tuple."""
    codes = torch.tensor(list(itertools.product([0.0, 1.0], repeat=len(logits))), dtype=torch.float64)
    s = torch.sigmoid(logits)
    on = s * (1 - rate) + (1 - s) * rate
    probability = (on * codes + (1 - on) * (1 - codes)).prod(dim=1)
    objective, estimates = 0.0, []
    for chosen in itertools.product(range(len(codes)), repeat=samples):
        chosen = list(chosen)
        weight = probability[chosen].prod()
        objective = objective + weight * sign * torch.exp(sign * table[chosen]).mean().log()
        log_q = log_probability(codes[chosen], logits.expand(samples, -1), rate)
        estimates.append((weight.detach(), vimco(table[chosen][:, None], log_q[:, None], sign == 1).sum()))
    return objective, estimates


@pytest.mark.parametrize(("bits", "samples"), [(2, 2), (2, 3), (3, 2), (1, 5)])
@pytest.mark.parametrize("sign", [-1, 1], ids=["published", "released"])
def test_vimcos_gradient_is_exactly_unbiased(bits, samples, sign):
    """Its expectation over every tuple of codes is the gradient of the expected bound, for encoder and decoder."""
    logits = torch.randn(bits, dtype=torch.float64, requires_grad=True)
    table = (3 * torch.rand(2**bits, dtype=torch.float64)).requires_grad_()
    objective, estimates = enumerated(logits, table, 0.1, samples, sign)
    exact = torch.autograd.grad(objective, (logits, table))
    expected = torch.autograd.grad(sum(weight * estimate for weight, estimate in estimates), (logits, table))
    for one, other in zip(exact, expected, strict=True):
        assert one.abs().max() > 1e-3
        torch.testing.assert_close(one, other)
    value = sum(weight * estimate for weight, estimate in estimates)
    torch.testing.assert_close(value, objective)


def test_the_baseline_is_the_bound_with_the_geometric_mean_of_the_others():
    """Three samples of losses 1, 2, 4, written out: log f₁'s stand-in is −(2 + 4)/2, and so on."""
    loss = torch.tensor([[1.0], [2.0], [4.0]])
    log_q = torch.zeros(3, 1, requires_grad=True)
    bound = math.log((math.exp(-1) + math.exp(-2) + math.exp(-4)) / 3)
    stand_in = [-3.0, -2.5, -1.5]
    signal = []
    for k in range(3):
        f = [math.exp(-x) for x in (1, 2, 4)]
        f[k] = math.exp(stand_in[k])
        signal.append(bound - math.log(sum(f) / 3))
    value = vimco(loss, log_q)
    (gradient,) = torch.autograd.grad(value.sum(), log_q)
    assert value.item() == pytest.approx(-bound)
    assert gradient.flatten().tolist() == pytest.approx([-x for x in signal])  # of −L̂, which is minimised


def test_the_baseline_lowers_the_variance():
    logits = torch.randn(2, dtype=torch.float64, requires_grad=True)
    table = 10 + torch.rand(4, dtype=torch.float64)
    _, estimates = enumerated(logits, table, 0.1, 2, -1)
    codes = torch.tensor(list(itertools.product([0.0, 1.0], repeat=2)), dtype=torch.float64)
    plain, reduced = 0.0, 0.0
    for (weight, estimate), chosen in zip(estimates, itertools.product(range(4), repeat=2), strict=True):
        log_q = log_probability(codes[list(chosen)], logits.expand(2, -1), 0.1).sum()
        (score,) = torch.autograd.grad(-estimate.detach() * log_q, logits)  # the score function without a baseline
        (gradient,) = torch.autograd.grad(estimate, logits, retain_graph=True)
        plain, reduced = plain + weight * score.square().sum(), reduced + weight * gradient.square().sum()
    assert reduced < 0.1 * plain


def test_the_released_sign_favours_the_samples_that_fare_worst():
    """Losses 1 and 3: the decoder's weights are softmax(−loss) as published, softmax(+loss) as released."""
    loss = torch.tensor([[1.0], [3.0]], requires_grad=True)
    for released, weights in ((False, [1, math.exp(-2)]), (True, [math.exp(-2), 1])):
        value = vimco(loss, torch.zeros(2, 1), released)
        (gradient,) = torch.autograd.grad(value.sum(), loss)
        assert gradient.flatten().tolist() == pytest.approx([w / sum(weights) for w in weights])
        # Either bound is one of the mean loss, 2: below it as published, above it as released.
        assert (value.item() > 2) == released
