import pytest
import torch

from repobe.phy.channel import complex_normal
from repobe.phy.channels import AWGN, BlindRayleigh, FastRayleigh, Rayleigh, noise_power, normalise_power


def test_power_is_one_for_each_image_at_any_input_power():
    z = complex_normal((5, 300), torch.zeros(1)) * torch.tensor([1e-3, 0.5, 1, 7, 1e3])[:, None]
    x = normalise_power(z)
    torch.testing.assert_close(x.abs().square().mean(dim=1), torch.ones(5))


def test_power_normalisation_is_equation_3_worked_by_hand():
    # k = 2, p = 1, z = (3, 4i): z*z = 25, so the factor is sqrt(2)/5.
    x = normalise_power(torch.tensor([[3 + 0j, 4j]]))
    torch.testing.assert_close(x, torch.tensor([[3 + 0j, 4j]]) * 2**0.5 / 5)


@pytest.mark.parametrize("snr_db", [-5, 7, 23])
def test_the_awgn_channel_delivers_the_snr_it_was_asked_for(snr_db):
    x = normalise_power(complex_normal((100, 2000), torch.zeros(1)))
    noise = AWGN()(x, noise_power(snr_db)) - x
    measured = -10 * noise.abs().square().mean().log10()
    assert measured == pytest.approx(snr_db, abs=0.05)
    # Half of it on each real dimension.
    assert noise.real.square().mean() / noise.imag.square().mean() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("channel", [Rayleigh(), FastRayleigh()])
def test_rayleigh_delivers_the_snr_on_average(channel):
    x = normalise_power(complex_normal((20_000, 16), torch.zeros(1)))
    h, noise = channel.draw(x)
    n0 = noise_power(7)
    snr = (h * x).abs().square().mean() / (n0 * noise.abs().square().mean())
    assert 10 * snr.log10() == pytest.approx(7, abs=0.1)


def test_block_fading_has_one_gain_an_image_and_fast_fading_one_a_symbol():
    x = normalise_power(complex_normal((3, 8), torch.zeros(1)))
    assert Rayleigh().draw(x)[0].shape == (3, 1)
    assert FastRayleigh().draw(x)[0].shape == (3, 8)


def test_equalisation_is_the_mmse_estimate_worked_by_hand():
    # h = 2i, x = 1, no noise, n0 = 1: y = 2i, h* y / (|h|² + n0) = 4/5.
    heard = Rayleigh().apply(torch.tensor([[1 + 0j]]), 1.0, (torch.tensor([[2j]]), torch.tensor([[0j]])))
    torch.testing.assert_close(heard, torch.tensor([[0.8 + 0j]]))


def test_without_channel_state_the_received_symbols_come_as_they_are():
    # h = 2i, x = 1, noise 1, n0 = 4: y = 2i + 2.
    heard = BlindRayleigh().apply(torch.tensor([[1 + 0j]]), 4.0, (torch.tensor([[2j]]), torch.tensor([[1 + 0j]])))
    torch.testing.assert_close(heard, torch.tensor([[2 + 2j]]))


def test_noise_power_may_differ_between_images():
    x = torch.zeros(2, 50_000, dtype=torch.complex64)
    heard = AWGN()(x, torch.tensor([1.0, 0.01]))
    torch.testing.assert_close(heard.abs().square().mean(dim=1), torch.tensor([1.0, 0.01]), rtol=0.03, atol=0)
