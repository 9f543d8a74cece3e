import hashlib
import hmac
import math

import numpy as np
import pytest
import torch

from baselines.escst import BitKeys, Bits
from repobe.phy.channels import AWGN
from repobe.runs.seeds import secret
from repobe.training.method import Problem, load

SECRET = bytes(range(32))


def escst(reconstruct=False):
    return load("escst", Problem(1, 10, 32, AWGN(), reconstruct, 20, 0.05, 5e-4, 0), {})


def test_both_ends_derive_the_same_bits_and_no_two_messages_or_sessions_share_them():
    keys = BitKeys(SECRET)
    sent = keys.sending(0, 4).values
    assert sent.shape == (4, 128)
    assert set(sent.unique().tolist()) == {-1, 1}
    assert torch.equal(BitKeys(SECRET).receiving(2, 2).values, sent[2:])
    rows = torch.cat([sent, keys.session("a").sending(0, 2).values, keys.session("b", 7).sending(0, 2).values])
    assert len(rows.unique(dim=0)) == 8
    assert torch.equal(keys.session("a", "b").sending(0, 1).values, keys.session("a", "b").receiving(0, 1).values)


def test_the_bits_are_rfc_5869s():
    """HKDF by hand: T(1) = HMAC(HMAC(32 zero bytes, secret), info ‖ 0x01), its first 16 bytes."""
    pseudorandom = hmac.new(bytes(32), SECRET, hashlib.sha256).digest()
    block = hmac.new(pseudorandom, b"escst (('a',),) 5\x01", hashlib.sha256).digest()[:16]
    expected = [2 * (byte >> bit & 1) - 1 for byte in block for bit in range(7, -1, -1)]
    assert BitKeys(SECRET).session("a").sending(5, 1).values[0].tolist() == expected


def test_bits_are_fair():
    bits = BitKeys(SECRET).sending(0, 2000).values
    # 256,000 fair bits: the mean's standard error is 0.002; 2000 of each place: 0.022.
    assert bits.mean().abs() < 4 * 0.002
    assert bits.mean(dim=0).abs().max() < 4.5 * 0.0224


def test_no_text_form_shows_a_key():
    keys = BitKeys(SECRET)
    assert repr(keys.sending(0, 2)) == "Bits()"
    assert str(SECRET) not in repr(keys)
    assert "\\x01" not in repr(vars(escst()).get("system"))


def test_keys_slice_with_their_messages_as_evaluation_does():
    key = BitKeys(SECRET).sending(0, 6)
    assert torch.equal((key and key[slice(2, 4)]).values, key.values[2:4])


def test_the_key_changes_what_is_sent_and_what_is_read_and_plain_is_neither():
    system = escst().eval().system
    image = torch.rand(2, 1, 32, 32)
    one, other = BitKeys(SECRET).sending(0, 2), BitKeys(SECRET).sending(2, 2)
    sent = [system.transmit(image, key) for key in (one, other, None)]
    read = [system.receive(sent[0], key) for key in (one, other, None)]
    for outputs in (sent, read):
        for a, b in ((0, 1), (0, 2), (1, 2)):
            assert not torch.allclose(outputs[a], outputs[b])
    torch.testing.assert_close(system.transmit(image, Bits(torch.zeros(2, 128))), sent[2])


def test_each_message_is_encrypted_by_its_own_key():
    system = escst().eval().system
    image = torch.rand(1, 1, 32, 32).expand(3, -1, -1, -1)
    key = BitKeys(SECRET).sending(0, 3)
    together = system.transmit(image, key)
    alone = torch.cat([system.transmit(image[n : n + 1], key[n : n + 1]) for n in range(3)])
    torch.testing.assert_close(together, alone)
    assert not torch.allclose(together[0], together[1])


@pytest.mark.parametrize("reconstruct", [False, True])
def test_the_loss_is_its_equation(reconstruct, monkeypatch):
    """Every term from the networks alone, over an air without noise."""
    monkeypatch.setattr(AWGN, "__call__", lambda self, x, n0, generator=None: x)
    student = escst(reconstruct).eval()
    student.optimise()
    for optimiser in student.optimisers:
        optimiser.param_groups[0]["lr"] = 0.0
    image, label = torch.rand(10, 1, 32, 32), torch.arange(10)
    student.prepare(None, image, label, 0.1)
    ignorance = image.var(dim=0, unbiased=False).mean() if reconstruct else torch.tensor(math.log(10))
    terms = student.update(image, label, 0.1)

    def lost(output):
        if reconstruct:
            return (output - image).square().mean()
        return -output.log_softmax(dim=1)[range(10), label].mean()

    system = student.system
    keyed = BitKeys(secret("key", 0)).sending(0, 10).values[:, :64].unflatten(1, (4, 4, 4))  # a bit to each feature

    def mixed(mixer, x, bits):
        return mixer.mix(torch.cat([x, bits, x * bits], dim=1))

    def at_unit_power(x):
        return x / x.square().mean(dim=(1, 2, 3), keepdim=True).sqrt() * 0.5**0.5

    semantic = system.encoder(image)
    heard = {name: at_unit_power(mixed(system.encryptor, semantic, bits)) for name, bits in
             (("encrypted", keyed), ("plain", torch.zeros_like(keyed)))}  # fmt: skip
    expected = {
        "encrypted": lost(system.decoder(mixed(system.decryptor, heard["encrypted"], keyed))),
        "plain": lost(system.decoder(mixed(system.decryptor, heard["plain"], torch.zeros_like(keyed)))),
        "eve": lost(student.eve(heard["encrypted"])),
    }
    for name, value in expected.items():
        torch.testing.assert_close(terms[name], value.detach(), rtol=1e-4, atol=1e-5)
    total = expected["encrypted"] + expected["plain"] + (expected["eve"] - ignorance).abs()
    torch.testing.assert_close(terms["loss"], total.detach(), rtol=1e-4, atol=1e-5)


def test_training_uses_no_key_twice_and_a_continued_one_goes_on(monkeypatch):
    student, seen = escst(), []
    sending = BitKeys.sending

    def noting(self, first, count):
        seen.append((first, count))
        return sending(self, first, count)

    monkeypatch.setattr(BitKeys, "sending", noting)
    student.optimise()
    for _ in range(2):
        student.update(torch.rand(8, 1, 32, 32), torch.arange(8), 0.1)
    other = escst()
    other.load_state_dict(student.state_dict())
    other.optimise()
    other.update(torch.rand(8, 1, 32, 32), torch.arange(8), 0.1)
    assert seen == [(0, 8), (8, 8), (16, 8)]


def test_no_weights_hold_the_secret():
    student = escst()
    key = secret("key", 0)
    for value in student.system.state_dict().values():
        assert key not in np.ascontiguousarray(value.numpy()).tobytes()
    assert key.hex() not in repr(student)
