import numpy as np
import pytest
import torch

from repobe.cipher.keys import FixedKey, Key, PerMessageKeys
from repobe.cipher.obfuscation import DECRYPTION, ENCRYPTION, decrypt, encrypt, shuffle, step_by_step
from repobe.phy.channels import AWGN, FastRayleigh
from repobe.phy.mapping import features, symbols
from repobe.systems.system import SemanticSystem


def loops(feature, key):
    """Eqs. 4-7 as printed, a loop over places for each: the independent form."""
    rows, columns, r, c = key.rows.tolist(), key.columns.tolist(), int(key.r), int(key.c)
    _, height, width = feature.shape
    f1, f2, f3, f_en = (np.empty_like(feature) for _ in range(4))
    for i in range(height):
        f1[:, i, :] = feature[:, rows[i], :]
    for i in range(height):
        for j in range(width):
            f2[:, i, j] = f1[:, i, (j + i + c) % width]
    for j in range(width):
        f3[:, :, j] = f2[:, :, columns[j]]
    for i in range(height):
        for j in range(width):
            f_en[:, i, j] = f3[:, (i + j + r) % height, j]
    return f1, f2, f3, f_en


def loops_back(feature, key):
    """Eqs. 8-11 as printed, Eq. 11 read with K_r[i]."""
    rows, columns, r, c = key.rows.tolist(), key.columns.tolist(), int(key.r), int(key.c)
    _, height, width = feature.shape
    f1, f2, f3, f_de = (np.empty_like(feature) for _ in range(4))
    for i in range(height):
        for j in range(width):
            f1[:, i, j] = feature[:, (i - j - r) % height, j]
    for j in range(width):
        f2[:, :, columns[j]] = f1[:, :, j]
    for i in range(height):
        for j in range(width):
            f3[:, i, j] = f2[:, i, (j - i - c) % width]
    for i in range(height):
        f_de[:, rows[i], :] = f3[:, i, :]
    return f1, f2, f3, f_de


SHAPES = [(1, 1), (2, 3), (5, 4), (8, 8), (28, 28)]


@pytest.mark.parametrize("shape", SHAPES)
def test_each_of_the_eight_steps_is_its_equation(shape):
    generator = torch.Generator().manual_seed(1)
    key, feature = Key.random(*shape, generator), torch.randn(4, *shape, generator=generator)
    for steps, oracle in ((ENCRYPTION, loops), (DECRYPTION, loops_back)):
        moved = feature
        for step, expected in zip(steps, oracle(feature.numpy(), key), strict=True):
            moved = step(moved, key)
            np.testing.assert_array_equal(moved.numpy(), expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_one_precomputed_permutation_equals_the_four_literal_steps_of_eqs_4_to_7(shape):
    generator = torch.Generator().manual_seed(1)
    height, width = shape
    for _ in range(5):
        key = Key.random(*shape, generator)
        feature = torch.randn(4, *shape, generator=generator)
        mine = encrypt(feature.flatten(1).T[None], key)[0].T.unflatten(1, shape)
        np.testing.assert_array_equal(mine.numpy(), loops(feature.numpy(), key)[-1])
        assert torch.equal(step_by_step(mine, key, DECRYPTION), feature)
        # The closed form: F_en[i, j] = F[K_r[i'], (K_c[j] + i' + c) mod W] with i' = (i + j + r) mod H.
        i, j = np.indices(shape)
        moved = (i + j + int(key.r)) % height
        closed = key.rows.numpy()[moved] * width + (key.columns.numpy()[j] + moved + int(key.c)) % width
        np.testing.assert_array_equal(key.permutation.numpy(), closed.ravel())


def test_each_inverse_step_undoes_its_own_step():
    """Eq. 11 undoes Eq. 4, Eq. 10 undoes Eq. 5, Eq. 9 undoes Eq. 6, Eq. 8 undoes Eq. 7."""
    generator = torch.Generator().manual_seed(5)
    key, feature = Key.random(3, 5, generator), torch.randn(2, 3, 5, generator=generator)
    for step, inverse in zip(ENCRYPTION, reversed(DECRYPTION), strict=True):
        assert torch.equal(inverse(step(feature, key), key), feature)


@pytest.mark.parametrize("shape", [(2, 3), (8, 8), (28, 28)])
def test_decrypt_inverts_encrypt_for_every_key_bit_for_bit(shape):
    generator = torch.Generator().manual_seed(2)
    wide = torch.randn(3, shape[0] * shape[1], 4, generator=generator)
    for _ in range(50):
        key = Key.random(*shape, generator)
        for message in (wide, wide[:, :, :3], wide.double(), torch.view_as_complex(wide.unflatten(2, (2, 2)))):
            assert torch.equal(decrypt(encrypt(message, key), key), message)
            assert torch.equal(encrypt(message, key), message[:, key.permutation])


def test_a_worked_shuffle():
    # H = W = 2, K_r = (1, 0), K_c = (0, 1), r = c = 0 on [[a, b], [c, d]]:
    # Eq. 4: [[c, d], [a, b]]; Eq. 5 shifts row 1 by one: [[c, d], [b, a]]; Eq. 6: the same;
    # Eq. 7 shifts column 1 by one: [[c, a], [b, d]].
    key = Key((1, 0), (0, 1), 0, 0)
    assert encrypt(torch.tensor([1, 2, 3, 4]).reshape(1, 4, 1), key).flatten().tolist() == [3, 1, 2, 4]


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
    maps = torch.randn(3, 4, 2, 2) * 5
    z = symbols(maps)
    assert z.shape == (3, 8)
    # Place (1, 0) is the third: its symbols are the fifth and the sixth, channels 0 + 1i and 2 + 3i.
    place = maps[0, :, 1, 0]
    expected = torch.stack([torch.complex(place[0], place[1]), torch.complex(place[2], place[3])])
    torch.testing.assert_close(z[0, 4:6] / z[0, 4].abs(), expected / expected[0].abs())
    power = maps.square().sum(dim=(1, 2, 3), keepdim=True) / 8
    torch.testing.assert_close(features(z, (2, 2)), maps / power.sqrt())
    torch.testing.assert_close(z.abs().square().mean(dim=1), torch.ones(3))


@pytest.mark.parametrize(
    ("rows", "columns", "r", "c"),
    [
        ((0, 0), (0, 1), 0, 0),
        ((0, 1), (1, 2), 0, 0),
        ((0, 1), (0, 1), 2, 0),
        ((), (0,), 0, 0),
        ((0.9, 1.7), (0, 1), 0, 0),
        ((0, 1), (0, float("nan")), 0, 0),
        ((0, 1), (0, 1), 0.5, 0),
    ],
)
def test_what_is_no_key_is_refused(rows, columns, r, c):
    with pytest.raises(ValueError, match="key: "):
        Key(rows, columns, r, c)


def test_a_key_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"2×2 = 4 places, m\], not \(1, 9, 1\)"):
        encrypt(torch.zeros(1, 9, 1), Key((0, 1), (0, 1), 0, 0))


def test_a_key_does_not_print_its_values():
    assert repr(Key((1, 0), (0, 1), 1, 0)) == "Key()"


def test_the_gradient_of_a_shuffle_is_the_shuffle_back():
    key = Key.random(2, 3, torch.Generator().manual_seed(6))
    keys = PerMessageKeys(bytes(32), 2, 3).sending(0, 4)
    x = torch.randn(4, 6, 2, dtype=torch.float64, requires_grad=True)
    for move in (encrypt, decrypt):
        for which in (key, keys):
            assert torch.autograd.gradcheck(lambda x, which=which, move=move: move(x, which), x)


@pytest.mark.parametrize("shape", [(2, 2), (3, 5), (28, 28)])
def test_every_message_has_a_key_of_its_own_and_is_decrypted_by_it(shape):
    keys = PerMessageKeys(bytes(range(32)), *shape)
    message = torch.randn(50, shape[0] * shape[1], 4)
    sent = keys.sending(0, 50)
    on_air = encrypt(message, sent)
    for index in (0, 7, 49):
        one = keys.receiving(index, 1)
        alone = Key(one.rows[0], one.columns[0], one.r[0], one.c[0])
        assert torch.equal(on_air[index], encrypt(message[index : index + 1], alone)[0])
    assert torch.equal(decrypt(on_air, keys.receiving(0, 50)), message)
    assert torch.equal(decrypt(on_air[10:20], sent[10:20]), message[10:20])
    if shape == (28, 28):
        assert len(sent.permutation.unique(dim=0)) == 50
        assert not torch.equal(
            keys.session("a").receiving(0, 1).permutation, keys.session("b").receiving(0, 1).permutation
        )


def test_both_ends_derive_the_same_keys_and_another_secret_gives_others():
    alice, bob = PerMessageKeys(bytes(32), 8, 8), PerMessageKeys(bytes(32), 8, 8)
    eve = PerMessageKeys(bytes(31) + b"1", 8, 8)
    assert torch.equal(alice.sending(5, 3).permutation, bob.receiving(5, 3).permutation)
    assert not torch.equal(bob.receiving(5, 3).permutation, eve.receiving(5, 3).permutation)
    assert FixedKey(None).sending(0, 3) is None
    fixed = FixedKey.derive(bytes(32), 8, 8)
    assert fixed.sending(0, 1) is fixed.session("other").receiving(9, 4)


@pytest.mark.parametrize(("height", "width", "count"), [(2, 2, 16), (3, 2, 72)])
def test_every_key_that_eq_12_counts_is_drawn_and_derived(height, width, count):
    """2!·2!·2·2 = 16 and 3!·2!·3·2 = 72 tuples (K_r, K_c, r, c): 2,000 draws miss one with a chance below 1e-10."""
    generator = torch.Generator().manual_seed(5)
    drawn = [Key.random(height, width, generator) for _ in range(2000)]
    derived = PerMessageKeys(bytes(range(32)), height, width).receiving(0, 2000)
    tuples = {(*key.rows.tolist(), *key.columns.tolist(), int(key.r), int(key.c)) for key in drawn}
    assert len(tuples) == count
    each = torch.cat([derived.rows, derived.columns, derived.r[:, None], derived.c[:, None]], dim=1)
    assert set(map(tuple, each.tolist())) == tuples


def test_derived_keys_are_uniform():
    """Each of the 6 row orders of 3 rows, and each offset, a sixth and a third of 3000 messages: chi-squared."""
    from scipy.stats import chisquare

    keys = PerMessageKeys(b"0123456789abcdef0123456789abcdef", 3, 3).receiving(0, 3000)
    for values in (keys.rows @ torch.tensor([9, 3, 1]), keys.columns @ torch.tensor([9, 3, 1]), keys.r, keys.c):
        _, counts = values.unique(return_counts=True)
        assert len(counts) in (3, 6)
        assert chisquare(counts.numpy()).pvalue > 1e-3


def test_the_stream_is_rfc_8439s_chacha20_under_hkdf_sha256():
    """An independent derivation of message 7's key: HKDF by hmac (RFC 5869), ChaCha20 by its block function."""
    import hashlib
    import hmac
    import struct

    secret = bytes(range(32))
    pseudorandom = hmac.new(bytes(32), secret, hashlib.sha256).digest()
    key = hmac.new(pseudorandom, b"repobe messages" + b"\x01", hashlib.sha256).digest()

    def rotate(x, n):
        return ((x << n) | (x >> (32 - n))) & 0xFFFFFFFF

    def quarter(s, a, b, c, d):
        for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = (s[x] + s[y]) & 0xFFFFFFFF
            s[z] = rotate(s[z] ^ s[x], n)

    start = [*struct.unpack("<4I", b"expand 32-byte k"), *struct.unpack("<8I", key), 0]
    start += struct.unpack("<3I", (7).to_bytes(12, "big"))
    state = list(start)
    for _ in range(10):
        for a, b, c, d in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)):
            quarter(state, a, b, c, d)
        for a, b, c, d in ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(state, a, b, c, d)
    block = struct.pack("<16I", *((x + y) & 0xFFFFFFFF for x, y in zip(state, start, strict=True)))
    words = struct.unpack("<8Q", block)
    # 2×4 places: two row words, four column words, r and c.
    mine = PerMessageKeys(secret, 2, 4).receiving(7, 1)
    assert mine.rows[0].tolist() == sorted(range(2), key=lambda n: words[n])
    assert mine.columns[0].tolist() == sorted(range(4), key=lambda n: words[2 + n])
    assert (int(mine.r[0]), int(mine.c[0])) == (words[6] % 2, words[7] % 4)


def test_a_session_opened_again_continues_its_counter():
    keys = PerMessageKeys(bytes(32), 4, 4)
    keys.session("x", 7).sending(0, 2)
    with pytest.raises(ValueError, match="message counter 0 is used already, the next is 2"):
        keys.session("x", 7).sending(0, 1)
    sent = keys.session("x", 7).sending(2, 1)
    # Another session and the receiver of this one, in the same object or in another, are not in its way.
    keys.session("x", 7.0).sending(0, 1)
    for receiver in (keys, PerMessageKeys(bytes(32), 4, 4)):
        assert torch.equal(receiver.session("x", 7).receiving(2, 1).permutation, sent.permutation)


def test_keys_for_other_messages_are_refused():
    with pytest.raises(ValueError, match="keys are for 2 messages, not 3"):
        encrypt(torch.zeros(3, 16, 1), PerMessageKeys(bytes(32), 4, 4).sending(0, 2))
    with pytest.raises(ValueError, match="not for the same number of messages"):
        Key(torch.arange(3).expand(2, 3), torch.arange(3), 0, 0)


def test_a_key_does_not_fit_another_feature_map():
    with pytest.raises(ValueError, match="key is for 2×2 places, the message has 9 symbols"):
        shuffle(torch.zeros(1, 9, dtype=torch.complex64), Key((0, 1), (0, 1), 0, 0))


@pytest.mark.parametrize("shape", [(2, 2), (8, 2), (2, 8), (8, 4), (1, 32), (16, 1)])
def test_a_key_of_another_height_or_width_is_refused_at_both_ends(shape):
    """2×8, 8×2 and 16×1 have as many places as the 4×4 map; 8×4 and 1×32 as many as it has symbols."""
    system = SemanticSystem(1, 10, 32, AWGN()).eval()
    image, key = torch.rand(1, 1, 32, 32), Key.random(*shape, torch.Generator().manual_seed(7))
    sent = system.transmit(image)
    says = "key is for {}×{} places, the feature map has 4×4".format(*shape)
    for end in (
        lambda: system.transmit(image, key),
        lambda: system.receive(sent, key),
        lambda: system.places(sent, key),
        lambda: system.embed(image, 0.1, key),
    ):
        with pytest.raises(ValueError, match=says):
            end()


def test_nothing_prints_a_secret():
    secret = bytes(range(32))
    for shown in (repr(PerMessageKeys(secret, 4, 4)), repr(FixedKey.derive(secret, 4, 4)), str(vars(FixedKey(None)))):
        assert secret.hex() not in shown
        assert str(secret) not in shown
        assert "tensor" not in shown
