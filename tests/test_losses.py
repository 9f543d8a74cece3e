import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from repobe.training.losses import contrastive, kl_divergence, prototype_weights, prototypes, trades


def test_contrastive_loss_is_equation_13_worked_by_hand():
    # Two orthogonal pairs, temperature 0.5: -log(e² / (e² + e⁰)) for each.
    z = torch.eye(2)
    assert contrastive(3 * z, z, 0.5).item() == pytest.approx(-math.log(math.e**2 / (math.e**2 + 1)))


def test_the_contrastive_loss_looks_for_each_adversarial_embedding_among_the_natural_ones():
    # Both adversarial embeddings lie on the first natural one, temperature 0.5: similarities 2 and 0 in both rows, the
    # twin is the first and then the second. The other way round every row would be level, and the loss ln 2 = 0.6931.
    z_adv, z_nat = torch.tensor([[1.0, 0], [1, 0]]), torch.eye(2)
    share = math.e**2 / (math.e**2 + 1)
    assert contrastive(z_adv, z_nat, 0.5).item() == pytest.approx(-(math.log(share) + math.log(1 - share)) / 2)


def test_kl_divergence_is_equation_17_and_agrees_with_torch():
    p, q = torch.randn(6, 10), torch.randn(6, 10)
    oracle = torch.distributions.kl_divergence(
        torch.distributions.Categorical(logits=p), torch.distributions.Categorical(logits=q)
    )
    torch.testing.assert_close(kl_divergence(p, q), oracle)
    torch.testing.assert_close(kl_divergence(p, p), torch.zeros(6))


def test_a_prototype_is_the_mean_logit_of_its_class():
    logits = torch.tensor([[1.0, 0.0], [3.0, 2.0], [0.0, 5.0]])
    torch.testing.assert_close(prototypes(logits, torch.tensor([0, 0, 1]), 2), torch.tensor([[2.0, 1.0], [0.0, 5.0]]))


def test_a_class_without_images_has_no_prototype():
    with pytest.raises(ValueError, match=r"classes \[1\] have no training image"):
        prototypes(torch.zeros(2, 3), torch.tensor([0, 2]), 3)


def test_prototype_weights_average_to_1_and_grow_with_distance():
    weight = prototype_weights(torch.randn(64, 10), torch.randn(64, 10), 5.0)
    assert weight.mean().item() == pytest.approx(1, abs=1e-5)
    # Distances² 1 and 4 with tau 1: w = 1 − e⁻¹ and 1 − e⁻⁴, normalised by their mean.
    two = prototype_weights(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.zeros(2, 2), 1.0)
    near, far = 1 - math.exp(-1), 1 - math.exp(-4)
    torch.testing.assert_close(two, torch.tensor([near, far]) * 2 / (near + far))


def test_weights_of_images_on_their_prototypes_are_not_nan():
    assert torch.isfinite(prototype_weights(torch.zeros(3, 2), torch.zeros(3, 2), 1.0)).all()


def test_trades_with_beta_0_is_cross_entropy():
    nat, adv, label = torch.randn(8, 10), torch.randn(8, 10), torch.arange(8)
    assert trades(nat, adv, label, 0.0) == cross_entropy(nat, label)
