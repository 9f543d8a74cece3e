"""Every fading channel against theory: its draws, what it can carry, and how often bits flip on it.

Expected values come from scipy's distributions, published formulas and quadratures of densities; the code itself uses
distribution functions.
"""

import dataclasses
import importlib.util
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from conftest import CONFIG
from scipy import stats
from scipy.integrate import quad
from scipy.special import comb, expn

from repobe.phy import channels
from repobe.phy.bpsk import bits_to_symbols, symbols_to_bits
from repobe.phy.channels import AWGN, BY_NAME, FastRayleigh, Nakagami, Rayleigh, Rician, named, noise_power
from repobe.phy.links import Coded, Ideal
from repobe.runs import names
from repobe.runs.config import check
from repobe.runs.grid import grid

DRAWS = 200_000
# (channel, scipy's distribution of |h| with E|h|² = 1, variance of |h|²)
FADING = [
    (Rayleigh(), stats.rayleigh(scale=0.5**0.5), 1.0),
    (Rician(0.0), stats.rayleigh(scale=0.5**0.5), 1.0),
    (Rician(1.0), stats.rice(2**0.5, scale=0.5), 3 / 4),
    (Rician(8.0), stats.rice(4.0, scale=18**-0.5), 17 / 81),  # (1 + 2K)/(1 + K)²
    (Nakagami(0.5), stats.nakagami(0.5), 2.0),  # 1/m
    (Nakagami(1.0), stats.rayleigh(scale=0.5**0.5), 1.0),
    (Nakagami(2.0), stats.nakagami(2.0), 1 / 2),
    (Nakagami(3.5), stats.nakagami(3.5), 2 / 7),
]
every_fading = pytest.mark.parametrize(("channel", "magnitude", "variance"), FADING, ids=lambda x: str(x)[:20])
GRID = [-5, 7, 15, 23]


def drawn(channel) -> torch.Tensor:
    x = torch.zeros(DRAWS, 3, dtype=torch.complex64)
    h, _ = channel.draw(x, torch.Generator().manual_seed(1))
    assert h.shape == (DRAWS, 1)  # one for each image
    return h.flatten()


@every_fading
def test_the_mean_power_is_one_and_the_magnitude_has_its_distribution(channel, magnitude, variance):
    h = drawn(channel)
    power = h.abs().double().square()
    assert power.mean().item() == pytest.approx(1, abs=4 * (variance / DRAWS) ** 0.5)
    assert power.var().item() == pytest.approx(variance, rel=0.03)
    assert stats.kstest(h.abs().double().numpy(), magnitude.cdf).pvalue > 1e-3


def test_a_nakagami_gain_has_a_uniform_phase_and_a_rician_one_a_direct_path():
    phase = drawn(Nakagami(2.0)).angle().double().numpy()
    assert stats.kstest(phase, stats.uniform(-math.pi, 2 * math.pi).cdf).pvalue > 1e-3
    h = drawn(Rician(8.0)).to(torch.complex128)
    # √(K/(K+1)) and variance 1/18 in each dimension: a standard error of 5e-4.
    assert (h.mean() - (8 / 9) ** 0.5).abs() < 4 * 0.75e-3
    for part in (h.real, h.imag):
        assert part.var().item() == pytest.approx(1 / 18, rel=0.02)


@every_fading
def test_the_distribution_of_the_power_and_its_quantiles_are_scipys(channel, magnitude, variance):
    g = np.geomspace(1e-4, 10, 60)
    np.testing.assert_allclose(channel.power_distribution(g), magnitude.cdf(np.sqrt(g)), rtol=1e-9, atol=1e-13)
    p = np.linspace(0.001, 0.999, 60)
    np.testing.assert_allclose(channel.power_quantile(p), magnitude.ppf(p) ** 2, rtol=1e-7)


@every_fading
@pytest.mark.parametrize("snr_db", GRID)
def test_capacity_and_error_rate_are_the_means_over_the_density(channel, magnitude, variance, snr_db):
    """E log₂(1 + |h|²/n0) and E Q(√(2|h|²/n0)), by quadrature of scipy's density of |h|."""
    n0 = noise_power(snr_db)

    def mean(f):
        edges = [0, n0**0.5, 3 * n0**0.5, *np.linspace(0.3, 7, 12)]
        pieces = [quad(lambda a: magnitude.pdf(a) * f(a * a), *pair) for pair in pairwise(sorted(edges))]
        return sum(value for value, _ in pieces)

    assert channel.ergodic_capacity(n0) == pytest.approx(mean(lambda g: math.log2(1 + g / n0)), rel=1e-6)
    assert channel.bit_error_rate(n0) == pytest.approx(mean(lambda g: stats.norm.sf(math.sqrt(2 * g / n0))), rel=1e-6)
    with_noise = mean(lambda g: stats.norm.sf(math.sqrt(2 * g / (0.09 * g + 1.09 * n0))))
    assert channel.bit_error_rate(n0, 0.09) == pytest.approx(with_noise, rel=1e-6)


@pytest.mark.parametrize("m", [1, 2, 3, 7])
@pytest.mark.parametrize("snr_db", GRID)
def test_nakagamis_error_rate_and_capacity_are_the_published_sums(m, snr_db):
    """[(1−μ)/2]^m Σ C(m−1+k, k) [(1+μ)/2]^k with μ = √(γ/(m+γ)) (Proakis, Sec. 14.4, of m branches of γ/m each);
    log₂e · e^{m n0} Σ E_k(m n0) for k = 1 … m (Alouini and Goldsmith 1999, Eq. 23).
    """
    n0 = noise_power(snr_db)
    mu = math.sqrt(1 / (1 + m * n0))
    rate = ((1 - mu) / 2) ** m * sum(comb(m - 1 + k, k) * ((1 + mu) / 2) ** k for k in range(m))
    assert Nakagami(float(m)).bit_error_rate(n0) == pytest.approx(rate, rel=1e-6)
    capacity = math.exp(m * n0) * sum(expn(k, m * n0) for k in range(1, m + 1)) / math.log(2)
    assert Nakagami(float(m)).ergodic_capacity(n0) == pytest.approx(capacity, rel=1e-9)


@pytest.mark.parametrize("k", [0.0, 1.0, 8.0, 100.0])
@pytest.mark.parametrize("snr_db", GRID)
def test_rices_error_rate_is_the_integral_of_its_moment_generating_function(k, snr_db):
    """1/π ∫₀^{π/2} M(−γ/sin²θ) dθ, M(s) = (1+K)/(1+K−s) e^{Ks/(1+K−s)} (Simon and Alouini, 2nd ed., Sec. 8.2)."""
    n0 = noise_power(snr_db)

    def integrand(theta):
        s = 1 / (n0 * math.sin(theta) ** 2)
        return (1 + k) / (1 + k + s) * math.exp(-k * s / (1 + k + s))

    rate = quad(integrand, 1e-9, math.pi / 2, epsabs=0, epsrel=1e-10, limit=200)[0] / math.pi
    assert Rician(k).bit_error_rate(n0) == pytest.approx(rate, rel=1e-6)


@pytest.mark.parametrize("snr_db", GRID)
def test_the_extremes_are_rayleigh_fading_and_awgn(snr_db):
    n0 = noise_power(snr_db)
    for channel in (Rician(0.0), Nakagami(1.0)):
        assert channel.bit_error_rate(n0) == pytest.approx(Rayleigh().bit_error_rate(n0), rel=1e-6)
        assert channel.ergodic_capacity(n0) == pytest.approx(FastRayleigh().ergodic_capacity(n0), rel=1e-6)
        for outage in (0.0, 0.1):
            assert channel.outage_rate(n0, outage) == pytest.approx(Rayleigh().outage_rate(n0, outage), rel=1e-5)
    for channel in (Rician(1e4), Nakagami(1e4)):
        assert channel.ergodic_capacity(n0) == pytest.approx(AWGN().ergodic_capacity(n0), rel=1e-3)
        assert channel.outage_rate(n0, 0.01) == pytest.approx(AWGN().ergodic_capacity(n0), rel=0.05)


@pytest.mark.parametrize("channel", [Rician(1.0), Rician(8.0), Nakagami(0.5), Nakagami(2.0)], ids=str)
@pytest.mark.parametrize("snr_db", [0, 7])
def test_a_bit_flips_on_the_air_as_often_as_theory_says(channel, snr_db):
    """50 bits of each of 40,000 images, one fade an image: an image's share p has E p² <= E p / 2."""
    n0 = noise_power(snr_db)
    sent = (torch.rand(40_000, 50) < 0.5).float()
    wrong = (symbols_to_bits(channel(bits_to_symbols(sent), n0)) != sent).double().mean().item()
    theory = channel.bit_error_rate(n0)
    assert wrong == pytest.approx(theory, abs=4 * (0.52 * theory / 40_000) ** 0.5)


@every_fading
@pytest.mark.parametrize("snr_db", [7, 23])
def test_the_outage_rate_is_lost_as_often_as_it_says_and_no_rate_delivers_more(channel, magnitude, variance, snr_db):
    n0 = noise_power(snr_db)
    capacity = torch.log2(1 + drawn(channel).abs().double().square() / n0)
    for outage in (0.01, 0.1, 0.5):
        lost = (capacity < channel.outage_rate(n0, outage)).double().mean().item()
        assert lost == pytest.approx(outage, abs=4 * (outage / DRAWS) ** 0.5)
    best = channel.outage_rate(n0, 0.0)
    rate = np.linspace(0.01, 15, 50_000)
    delivered = rate * magnitude.sf(np.sqrt((2**rate - 1) * n0))
    assert best * magnitude.sf(math.sqrt((2**best - 1) * n0)) == pytest.approx(delivered.max(), rel=1e-6)


@pytest.mark.parametrize("channel", [Rician(8.0), Nakagami(2.0)], ids=str)
@pytest.mark.parametrize("outage", [0, 0.1])
def test_an_ideal_links_messages_arrive_as_often_as_theory_says(channel, outage):
    link, n0 = Ideal(channel, 1568, outage), noise_power(11)
    arrives = link.arrives(torch.full((20_000,), n0, dtype=torch.float64), torch.Generator().manual_seed(0))
    lost = float(channel.power_distribution(np.array((2 ** link.rate(n0) - 1) * n0)))
    assert 1 - arrives.double().mean().item() == pytest.approx(lost, abs=4 * (lost / 20_000) ** 0.5)


def test_what_theory_needs_no_draws_for_is_the_same_for_fast_and_for_blind_fading():
    for n0 in (0.01, 0.2):
        assert named("rayleigh_fast").bit_error_rate(n0) == Rayleigh().bit_error_rate(n0)
        assert named("rayleigh_blind").outage_rate(n0, 0.1) == Rayleigh().outage_rate(n0, 0.1)
        assert named("rayleigh_blind").bit_error_rate(n0) == 0.5


def test_the_names_that_a_config_may_use_are_read_from_the_classes():
    assert list(names.channels()) == list(BY_NAME)
    for name, parameters in names.channels().items():
        kind = BY_NAME[name]
        fields = [field.name for field in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else []
        assert fields == parameters
        assert named(name).label == name


@pytest.mark.parametrize(("label", "channel"), [("rician_k10", Rician(10.0)), ("nakagami_m0.5", Nakagami(0.5))])
def test_a_parameter_follows_the_name(label, channel):
    assert named(label) == channel
    assert channel.label == label
    check(CONFIG | {"channels": ["awgn", label]})


@pytest.mark.parametrize(
    ("label", "line"),
    [
        ("rice", "channel 'rice' is unknown; did you mean rician? it is one of awgn, rayleigh, "),
        ("rayleigh_k2", "channel 'rayleigh_k2' is unknown; did you mean rayleigh? it is one of awgn, "),
        ("rician_m2", "channel 'rician_m2' is unknown; rician is written so, or with a number as in rician_k2.5"),
        ("rician_k2.0", "channel 'rician_k2.0' is unknown; rician is written so"),
        ("rician_k2_k3", "channel 'rician_k2_k3' is unknown; rician is written so"),
        ("nakagami_", "channel 'nakagami_' is unknown; nakagami is written so"),
    ],
)
def test_a_channel_that_does_not_exist_is_one_line_that_names_the_key(label, line):
    with pytest.raises(ValueError, match=r".") as raised:
        check(CONFIG | {"channels": ["awgn", label]})
    assert str(raised.value).startswith(f"channels.1: {line}")


def test_a_parameter_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"channel nakagami: m is 0.4; it must be 0.5 or more"):
        named("nakagami_m0.4")
    with pytest.raises(ValueError, match=r"channel rician: k is -1; K must be 0 or more"):
        Rician(-1.0)


NEW = '''
@dataclass(frozen=True)
class Weibull(Fading):
    """Fast fading with |h| of Weibull's distribution: P(|h|² < g) = 1 − exp(−(g Γ(1 + 2/b))^{b/2})."""

    name = "weibull"
    block = False
    b: float = 3.0

    def gain(self, x, generator):
        uniform = torch.rand(x.shape, generator=generator, dtype=x.real.dtype, device=x.device).clamp_min(1e-7)
        return torch.complex(((-uniform.log()) ** (2 / self.b) / math.gamma(1 + 2 / self.b)).sqrt(), 0 * uniform)

    def power_distribution(self, g):
        return -np.expm1(-((g * math.gamma(1 + 2 / self.b)) ** (self.b / 2)))

    def power_quantile(self, p):
        return (-np.log1p(-p)) ** (2 / self.b) / math.gamma(1 + 2 / self.b)


'''


def test_a_new_channel_is_one_class_in_one_file(tmp_path, monkeypatch, specs, digits):
    """Nothing but the class: the config takes its name, NECST its error rate, JPEG2000's link its capacity."""
    from repobe.training import loop

    path = tmp_path / "channels.py"
    before, after = names.CHANNELS.read_text().split("BY_NAME:")
    path.write_text(f"{before}{NEW}BY_NAME:{after}")
    file = importlib.util.spec_from_file_location("new_channels", path)
    new = importlib.util.module_from_spec(file)
    file.loader.exec_module(new)
    monkeypatch.setattr(names, "CHANNELS", path)
    monkeypatch.setattr(loop, "channels", new)
    names.channels.cache_clear()
    try:
        check(CONFIG | {"channels": ["weibull_b2"]})
        assert {spec.channel for spec in grid(CONFIG | {"channels": ["weibull_b2"]})} == {"weibull_b2"}
        for b, n0 in ((2.0, 0.1), (4.0, 0.2)):
            channel = new.named(f"weibull_b{b:g}")
            sent = (torch.rand(200, 1000) < 0.5).float()
            wrong = (symbols_to_bits(channel(bits_to_symbols(sent), n0)) != sent).double().mean().item()
            assert wrong == pytest.approx(channel.bit_error_rate(n0), rel=0.05)
        assert new.named("weibull_b2").bit_error_rate(0.1) == pytest.approx(Rayleigh().bit_error_rate(0.1), rel=1e-6)
        spec = replace(specs["undefended"], channel="weibull_b4", label="x")
        for method, hyper in (("undefended", {}), ("necst", {}), ("jpeg2000", {"symbols": 1568})):
            student = loop.build(replace(spec, method=method, hyper=hyper), digits)
            student.optimise()
            image, label = loop.images(digits.train[0][:8], 16), digits.train[1][:8]
            assert all(term.isfinite() for term in student.update(image, label, 0.1).values())
        assert student.system.link.budget(0.1) == int(1568 * new.named("weibull_b4").ergodic_capacity(0.1) / 8)
        with pytest.raises(ValueError, match="no rows of weibull_b4; simulate it again"):
            Coded(new.named("weibull_b4"), 1568, empty_table())
    finally:
        names.channels.cache_clear()
    assert "weibull" not in channels.BY_NAME


def empty_table():
    import pandas as pd

    from repobe.phy import block_errors

    return pd.DataFrame(columns=block_errors.COLUMNS)
