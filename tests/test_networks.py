import os
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn.functional import batch_norm, conv2d

from repobe.systems.networks import (
    ClassDecoder,
    ResidualBlock,
    SqueezeExcitation,
    bare_conv,
    encoder,
    image_decoder,
)


def test_a_residual_block_is_equation_1():
    """F' = ReLU(Rn(F) + F), Rn two 3×3 convolutions: against the same weights put together by hand."""
    block, x = ResidualBlock(3, 3).eval(), torch.randn(2, 3, 5, 5)
    first, norm1, _, second, norm2, _ = block.residual

    def norm(y, layer):
        return batch_norm(y, layer.running_mean, layer.running_var, layer.weight, layer.bias)

    inner = norm(conv2d(x, first.weight, padding=1), norm1).relu()
    expected = (norm(conv2d(inner, second.weight, padding=1), norm2) + x).relu()
    torch.testing.assert_close(block(x), expected)
    assert first.weight.shape == second.weight.shape == (3, 3, 3, 3)


def test_a_residual_block_that_changes_shape_projects_its_input():
    block = ResidualBlock(3, 5, stride=2)
    assert block(torch.randn(1, 3, 8, 8)).shape == (1, 5, 4, 4)
    assert block.shortcut[0].weight.shape == (5, 3, 1, 1)


def test_squeeze_and_excitation_is_equation_2_worked_by_hand():
    # GAP(F) = (1, −1); w1 = [[1, 0], [0, 1]], so ReLU gives (1, 0); w2 = [[1, 1], [0, 1]]: (1, 0).
    # σ(1) = 0.7311 and σ(0) = 0.5 weigh the two channels.
    block = SqueezeExcitation(2)
    with torch.no_grad():
        block.w1.weight.copy_(torch.eye(2))
        block.w2.weight.copy_(torch.tensor([[1.0, 1.0], [0.0, 1.0]]))
        for layer in (block.w1, block.w2):
            layer.bias.zero_()
    x = torch.tensor([[[[0.0, 2.0]], [[-3.0, 1.0]]]])
    expected = x * torch.tensor([0.731059, 0.5])[:, None, None]
    torch.testing.assert_close(block(x), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("channels", "units"), [(96, 6), (32, 2), (4, 2)])
def test_the_attention_squeezes_sixteen_channels_into_a_unit_and_has_two_at_least(channels, units):
    block = SqueezeExcitation(channels)
    assert (block.w1.out_features, block.w2.in_features) == (units, units)


def test_the_layers_are_those_of_section_3_1_at_224():
    """Sizes that the paper prints, in its order: 56×56×64, 28×28×96, 4, 32, 4; 14, 7, 4; 28, 56, 112, 224."""
    shapes = []

    def note(module, inputs, output):
        shapes.append(tuple(output.shape[1:]))

    def run(network, x, kinds):
        shapes.clear()
        hooks = [m.register_forward_hook(note) for m in network if isinstance(m, kinds)]
        out = network(x)
        for hook in hooks:
            hook.remove()
        return out

    kinds = (nn.MaxPool2d, ResidualBlock, nn.Sequential, nn.Conv2d)
    features = run(encoder(3).eval(), torch.rand(1, 3, 224, 224), kinds)
    assert shapes == [
        (64, 112, 112), (64, 56, 56), (64, 56, 56), (64, 56, 56), (96, 28, 28), (96, 28, 28), (4, 28, 28),
        (32, 28, 28), (4, 28, 28),
    ]  # fmt: skip
    run(ClassDecoder(10).eval().trunk, features, kinds)
    assert shapes == [(64, 14, 14), (64, 14, 14), (128, 7, 7), (128, 7, 7), (256, 4, 4), (256, 4, 4)]
    run(image_decoder(3).eval(), features, (ResidualBlock, nn.Sequential, nn.ConvTranspose2d))
    assert shapes == [
        (64, 28, 28), (64, 28, 28), (64, 56, 56), (32, 56, 56), (32, 56, 56), (32, 112, 112), (16, 112, 112),
        (16, 112, 112), (3, 224, 224),
    ]  # fmt: skip


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_the_number_of_attention_blocks_is_a_choice(blocks):
    assert sum(isinstance(m, SqueezeExcitation) for m in encoder(1, blocks).modules()) == blocks + 1


@pytest.mark.parametrize(("size", "stride"), [(1, 1), (1, 2), (4, 1), (4, 2)])
def test_a_convolution_of_one_pixel_is_the_library_s_in_value_and_gradient(size, stride):
    ours = bare_conv(3, 5, stride=stride)
    library = nn.Conv2d(3, 5, 3, stride, 1, bias=False)
    library.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, size, size)
    outputs = [layer(x) for layer in (ours, library)]
    torch.testing.assert_close(*outputs)
    for output in outputs:
        output.square().sum().backward()
    torch.testing.assert_close(ours.weight.grad, library.weight.grad)


def test_the_shortcut_s_gradient_is_right_on_processors_with_avx2_alone():
    """oneDNN's kernel for AVX2 made it twice as large as it is, or the process died: against sums in float64."""
    code = """
import torch
from repobe.systems.networks import FEATURES, bare_conv
for threads in (2, 1):
    torch.set_num_threads(threads)
    layer = bare_conv(FEATURES, 64, 1, 2).to(memory_format=torch.channels_last)
    x = torch.randn(8, FEATURES, 28, 28).to(memory_format=torch.channels_last)
    output = layer(x)
    gradient = torch.randn_like(output)
    output.backward(gradient)
    expected = torch.einsum("bohw,bihw->oi", gradient.double(), x[:, :, ::2, ::2].double())
    torch.testing.assert_close(layer.weight.grad[:, :, 0, 0].double(), expected, rtol=1e-4, atol=1e-3)
"""
    subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=60, env=os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    )


def test_a_shortcut_is_the_library_s_convolution_of_every_second_pixel():
    ours, library = bare_conv(8, 5, 1, 2), nn.Conv2d(8, 5, 1, 2, bias=False)
    library.load_state_dict(ours.state_dict())
    x = torch.randn(2, 8, 7, 7)
    torch.testing.assert_close(ours(x), library(x))
