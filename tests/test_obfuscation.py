import numpy as np
import pytest
import torch

from repobe.channels import AWGN, FastRayleigh
from repobe.cryptanalysis import distinct_ciphers, log2_keys_effective, log2_keys_printed
from repobe.obfuscation import Key, decrypt, encrypt
from repobe.system import SemanticSystem, shuffle, symbols


def literal(feature, key):
    """Eqs. 4-7 as printed, a loop for each."""
    _, height, width = feature.shape
    f1, f2, f3, f_en = (np.empty_like(feature) for _ in range(4))
    for i in range(height):
        f1[:, i, :] = feature[:, key.rows[i], :]
    for i in range(height):
        for j in range(width):
            f2[:, i, j] = f1[:, i, (j + i + key.c) % width]
    for j in range(width):
        f3[:, :, j] = f2[:, :, key.columns[j]]
    for i in range(height):
        for j in range(width):
            f_en[:, i, j] = f3[:, (i + j + key.r) % height, j]
    return f_en


def literal_inverse(feature, key):
    """Eqs. 8-11 as printed, Eq. 11 read with K_r[i]."""
    _, height, width = feature.shape
    f1, f2, f3, f_de = (np.empty_like(feature) for _ in range(4))
    for i in range(height):
        for j in range(width):
            f1[:, i, j] = feature[:, (i - j - key.r) % height, j]
    for j in range(width):
        f2[:, :, key.columns[j]] = f1[:, :, j]
    for i in range(height):
        for j in range(width):
            f3[:, i, j] = f2[:, i, (j - i - key.c) % width]
    for i in range(height):
        f_de[:, key.rows[i], :] = f3[:, i, :]
    return f_de


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (5, 4), (8, 8), (28, 28)])
def test_one_precomputed_permutation_equals_the_four_literal_steps_of_eqs_4_to_7(shape):
    generator = torch.Generator().manual_seed(1)
    for _ in range(5):
        key = Key.random(*shape, generator)
        feature = torch.randn(4, *shape, generator=generator)
        mine = encrypt(feature.flatten(1), key).unflatten(1, shape).numpy()
        np.testing.assert_array_equal(mine, literal(feature.numpy(), key))
        np.testing.assert_array_equal(literal_inverse(mine, key), feature.numpy())


@pytest.mark.parametrize("shape", [(2, 3), (8, 8), (28, 28)])
def test_decrypt_inverts_encrypt_for_every_key_bit_for_bit(shape):
    generator = torch.Generator().manual_seed(2)
    message = torch.randn(3, shape[0] * shape[1], generator=generator)
    for _ in range(50):
        key = Key.random(*shape, generator)
        assert torch.equal(decrypt(encrypt(message, key), key), message)


def test_a_worked_shuffle():
    # H = W = 2, K_r = (1, 0), K_c = (0, 1), r = c = 0 on [[a, b], [c, d]]:
    # Eq. 4: [[c, d], [a, b]]; Eq. 5 shifts row 1 by one: [[c, d], [b, a]]; Eq. 6: the same;
    # Eq. 7 shifts column 1 by one: [[c, a], [b, d]].
    key = Key((1, 0), (0, 1), 0, 0)
    assert encrypt(torch.tensor([1, 2, 3, 4]), key).tolist() == [3, 1, 2, 4]


@pytest.mark.parametrize("channel", [AWGN(), FastRayleigh()])
def test_with_the_key_encryption_changes_neither_accuracy_nor_robustness(channel):
    """The same model and the same noise at each place give the same logits: a permutation commutes with the channel."""
    system = SemanticSystem(1, 10, 32, channel).eval()
    image, key = torch.rand(4, 1, 32, 32), Key.random(4, 4, torch.Generator().manual_seed(3))
    plain = system.transmit(image)
    secret = system.transmit(image, key)
    assert torch.equal(secret, shuffle(plain, key))
    h, noise = channel.draw(plain)
    moved = (None if h is None else shuffle(h, key), shuffle(noise, key))
    logits = system.receive(channel.apply(plain, 0.1, (h, noise)))
    assert torch.equal(system.receive(channel.apply(secret, 0.1, moved), key), logits)


def test_symbols_have_unit_power_and_a_place_each():
    z = symbols(torch.randn(3, 4, 2, 2) * 5)
    assert z.shape == (3, 8)
    torch.testing.assert_close(z.abs().square().mean(dim=1), torch.ones(3))


@pytest.mark.parametrize(
    ("rows", "columns", "r", "c"),
    [((0, 0), (0, 1), 0, 0), ((0, 1), (1, 2), 0, 0), ((0, 1), (0, 1), 2, 0), ((), (0,), 0, 0)],
)
def test_what_is_no_key_is_refused(rows, columns, r, c):
    with pytest.raises(ValueError, match="key: "):
        Key(rows, columns, r, c)


def test_a_key_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"2×2 = 4 positions, the message has 9"):
        encrypt(torch.zeros(9), Key((0, 1), (0, 1), 0, 0))


def test_a_key_does_not_print_its_values():
    assert repr(Key((1, 0), (0, 1), 1, 0)) == "Key()"


def test_the_offsets_add_nothing_to_the_key_space_of_squares():
    assert [distinct_ciphers(n, n) for n in (2, 3, 4)] == [4, 36, 576]  # n!², not n!²·n²
    assert [2 ** log2_keys_effective(n) for n in (2, 3, 4)] == pytest.approx([4, 36, 576])
    assert distinct_ciphers(2, 3) == 24
    assert log2_keys_printed(28, 28) == pytest.approx(205.5, abs=0.01)
    assert log2_keys_effective(28) == pytest.approx(195.9, abs=0.02)
