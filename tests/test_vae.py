import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from baselines.vae import kl_to_standard_normal
from repobe.phy.channels import AWGN
from repobe.training.method import Problem, load


def vae(size=32, reconstruct=False, **hyper):
    return load("vae", Problem(1, 10, size, AWGN(), reconstruct, 20, 0.05, 5e-4, 0), hyper)


def test_the_kl_is_torch_distributions():
    mu, log_var = torch.randn(5, 64), torch.randn(5, 64)
    code = Independent(Normal(mu, log_var.exp().sqrt()), 1)
    prior = Independent(Normal(torch.zeros(5, 64), torch.ones(5, 64)), 1)
    torch.testing.assert_close(kl_to_standard_normal(mu, log_var), kl_divergence(code, prior))


@pytest.mark.parametrize(("size", "symbols", "k"), [(32, 0, 32), (64, 0, 128), (224, 0, 1568), (32, 128, 128)])
def test_it_has_as_many_symbols_as_repobe_or_as_the_config_says(size, symbols, k):
    system = vae(size, symbols=symbols).eval().system
    assert system.k == k
    assert system.transmit(torch.rand(2, 1, 28, 28)).shape == (2, k)


def test_what_is_sent_is_the_mean_the_same_each_time():
    system = vae().eval().system
    image = torch.rand(3, 1, 32, 32)
    sent = system.transmit(image, generator=torch.Generator().manual_seed(1))
    assert torch.equal(sent, system.transmit(image, generator=torch.Generator().manual_seed(2)))
    mu, _ = system.encode(image)
    scale = mu.square().mean(dim=1, keepdim=True).sqrt() * 2**0.5  # E|x|² = 1 over pairs of numbers
    torch.testing.assert_close(torch.view_as_real(sent).flatten(1), mu / scale)


@pytest.mark.parametrize("reconstruct", [False, True])
def test_the_loss_is_its_equation_for_either_task(reconstruct):
    """Every term from the networks alone: the code's draw is the first of torch's stream, the air's the next."""
    student = vae(reconstruct=reconstruct, beta=0.01).eval()
    student.optimise()
    student.optimisers[0].param_groups[0]["lr"] = 0.0
    student.system.encoder[-1].weight.data *= 100  # as drawn, μ and log σ² are next to nothing
    image, label = torch.rand(8, 1, 32, 32), torch.arange(8)
    torch.manual_seed(1)
    terms = student.update(image, label, 0.1)

    torch.manual_seed(1)
    system = student.system
    mu, log_var = system.encoder(image).chunk(2, dim=1)
    z = mu + log_var.exp().sqrt() * torch.randn(8, 64)
    sent = z / z.square().mean(dim=1, keepdim=True).sqrt() * 0.5**0.5
    heard = sent + 0.05**0.5 * torch.randn(8, 32, 2).flatten(1)  # n0/2 in each real dimension
    cross_entropy = -system.class_decoder(heard).log_softmax(dim=1)[range(8), label].mean()
    mse = (system.image_decoder(heard) - image).square().mean()
    kl = kl_divergence(Normal(mu, log_var.exp().sqrt()), Normal(0.0, 1.0)).sum(dim=1).mean()
    torch.testing.assert_close(terms["loss"], cross_entropy + mse + 0.01 * kl)
    for name, value in (("cross_entropy", cross_entropy), ("mse", mse), ("kl", kl)):
        torch.testing.assert_close(terms[name], value.detach())


def test_a_negative_number_of_symbols_is_refused():
    with pytest.raises(ValueError, match=r"hyper.symbols: -3 is negative"):
        vae(symbols=-3)


def test_the_rate_decays_by_a_cosine_from_1e_3_to_1e_4():
    student = vae()
    student.optimise()
    seen = [student.schedulers[0].get_last_lr()[0]]
    for _ in range(20):  # as many updates as the problem has; half way is the mean of both ends
        student.optimisers[0].step()
        student.schedulers[0].step()
        seen.append(student.schedulers[0].get_last_lr()[0])
    assert (seen[0], seen[10], seen[-1]) == pytest.approx((1e-3, 0.55e-3, 1e-4), abs=1e-9)
