"""Folded batch norm and the stem's gradient: the same functions, in double precision to 1e-9."""

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d

from repobe.phy.channels import AWGN
from repobe.systems.folding import folded
from repobe.systems.stem import Stem, image_gradient
from repobe.systems.system import SemanticSystem


def with_statistics(module: nn.Module) -> nn.Module:
    """In evaluation mode, every batch norm with statistics and weights of its own, as after a training."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.normal_(norm.running_mean)
            nn.init.uniform_(norm.running_var, 0.5, 2)
            nn.init.uniform_(norm.weight, 0.5, 2)
            nn.init.normal_(norm.bias)
    return module.double().eval()


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("reconstruct", [False, True])
def test_a_folded_system_gives_the_outputs_and_gradients_of_the_system(size, reconstruct):
    system = with_statistics(SemanticSystem(3, 10, size, AWGN(), reconstruct))
    found = []
    for one in (system, folded(system)):
        image = torch.rand(2, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        image.requires_grad_()
        output = one.receive(one.transmit(image))
        (gradient,) = torch.autograd.grad(output.square().sum(), image)
        found.append((output, gradient))
    (output, gradient), (output_folded, gradient_folded) = found
    torch.testing.assert_close(output_folded, output, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(gradient_folded, gradient, rtol=1e-9, atol=1e-9)


def test_folding_leaves_no_batch_norm_and_the_system_itself_untouched():
    system = SemanticSystem(1, 10, 32, AWGN()).train()
    before = {name: value.clone() for name, value in system.state_dict().items()}
    twin = folded(system)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in twin.modules())
    assert not any(p.requires_grad for p in twin.parameters())
    assert not twin.training
    assert system.training
    assert all(p.requires_grad for p in system.parameters())
    assert all(torch.equal(value, before[name]) for name, value in system.state_dict().items())


@pytest.mark.parametrize("colours", [1, 3])
def test_the_stems_gradient_of_the_image_is_autograds(colours):
    x = torch.rand(2, colours, 16, 16, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(8, colours, 7, 7, dtype=torch.float64)
    y = conv2d(x, weight, stride=2, padding=3)
    gradient = torch.randn_like(y)
    (expected,) = torch.autograd.grad(y, x, gradient)
    torch.testing.assert_close(image_gradient(gradient, weight), expected, rtol=1e-11, atol=1e-11)


def test_the_stem_is_differentiated_like_any_convolution():
    stem = Stem(3, 8).double()
    stem.bias = nn.Parameter(torch.randn(8, dtype=torch.float64))
    x = torch.rand(1, 3, 16, 16, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x, w, b: torch.func.functional_call(stem, {"weight": w, "bias": b}, (x,)), (x, stem.weight, stem.bias)
    )
