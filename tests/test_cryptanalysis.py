from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from repobe.attacks import cryptanalysis
from repobe.attacks.cryptanalysis import (
    chosen_messages_bound,
    cipher_audit,
    ciphertext_only,
    distinct_ciphers,
    moments,
    over_keys,
    recover,
    recover_from_moments,
    recovery,
    roundtrip_errors,
)
from repobe.cipher.keys import Key
from repobe.cipher.keyspace import log2_keys_effective, log2_keys_printed
from repobe.cipher.obfuscation import decrypt, encrypt, shuffle
from repobe.images.resizing import images
from repobe.phy.channel import complex_normal
from repobe.phy.channels import AWGN, BlindRayleigh, Rayleigh, normalise_power
from repobe.runs.spec import Audit
from repobe.stages.audit import another, audit, found_keys
from repobe.training.loop import build


def test_the_offsets_add_nothing_to_the_key_space_of_squares():
    # n!², not the n!²·n² of Eq. 12.
    assert [distinct_ciphers(n, n) for n in (2, 3, 4)] == [(4, 16), (36, 324), (576, 9216)]
    assert [2 ** log2_keys_effective(n) for n in (2, 3, 4)] == pytest.approx([4, 36, 576])
    assert distinct_ciphers(2, 3) == (24, 72)
    assert distinct_ciphers(3, 4) == (432, 1728)


def test_the_printed_key_space_is_equation_12_worked_by_hand():
    assert 2 ** log2_keys_printed(2, 3) == pytest.approx(2 * 6 * 2 * 3)
    assert log2_keys_printed(28, 28) == pytest.approx(205.5, abs=0.01)
    assert log2_keys_effective(28) == pytest.approx(195.9, abs=0.02)


def test_the_offsets_are_absorbed_by_the_permutations():
    """(K_r, K_c, r, c) and (K_r rolled by r, K_c + r + c, 0, 0) are one cipher where H = W."""
    key = Key.random(7, 7, torch.Generator().manual_seed(1))
    r, c = int(key.r), int(key.c)
    plain = Key(key.rows.roll(-r), (key.columns + r + c) % 7, 0, 0)
    assert torch.equal(plain.permutation, key.permutation)


def test_the_bound_of_jolfaei_is_the_logarithm_rounded_up():
    # 256 levels tell 256 places apart with one message and 257 with two.
    assert [chosen_messages_bound(n, 256) for n in (256, 257, 784, 65536)] == [1, 2, 2, 2]


def test_decryption_is_exact_over_random_keys():
    assert roundtrip_errors(5, 4, 20, torch.Generator().manual_seed(0)) == 0


@pytest.mark.parametrize("broken", ["DECRYPTION", "decrypt"])
def test_a_decryption_that_inverts_nothing_is_counted_by_the_eight_steps_and_by_the_permutation(broken, monkeypatch):
    """c12 rests on both: 20 keys of 4×5×4 values, nearly all of which the shuffle moves."""
    wrong = {"DECRYPTION": (), "decrypt": lambda moved, key: moved}
    monkeypatch.setattr(cryptanalysis, broken, wrong[broken])
    assert 20 * 80 / 2 < roundtrip_errors(5, 4, 20, torch.Generator().manual_seed(0)) <= 20 * 80


@pytest.mark.parametrize("size", [4, 8, 28])
def test_one_known_noiseless_message_gives_the_whole_key_away(size):
    generator = torch.Generator().manual_seed(2)
    for _ in range(5):
        key, plain = Key.random(size, size, generator), torch.randn(1, 4, size, size, generator=generator)
        heard = encrypt(plain.flatten(2).mT, key).mT.unflatten(2, (size, size))
        assert torch.equal(recover(plain, heard).permutation, key.permutation)


def test_rows_and_columns_that_improve_one_another_find_most_keys_under_more_noise_than_message(monkeypatch):
    """Noise of 1.69 times the message's power: one round finds half of the 8×8 keys, the alternation nine of ten."""

    def found(rounds: int) -> int:
        monkeypatch.setattr(cryptanalysis, "ROUNDS", rounds)
        generator, count = torch.Generator().manual_seed(0), 0
        for _ in range(20):
            key, plain = Key.random(8, 8, generator), torch.randn(1, 4, 8, 8, generator=generator)
            heard = encrypt(plain.flatten(2).mT, key).mT.unflatten(2, (8, 8))
            heard = heard + 1.3 * torch.randn(heard.shape, generator=generator)
            count += torch.equal(recover(plain, heard).permutation, key.permutation)
        return count

    assert found(cryptanalysis.ROUNDS) >= 16
    assert found(1) <= 14


def test_what_is_not_square_is_refused():
    with pytest.raises(ValueError, match=r"recover needs two tensors \[p, a, n, n\], not \(1, 4, 2, 3\)"):
        recover(torch.zeros(1, 4, 2, 3), torch.zeros(1, 4, 2, 3))


def test_a_known_message_gives_the_fixed_key_away_and_no_per_message_key():
    known = normalise_power(complex_normal((60, 128), torch.zeros(1), torch.Generator().manual_seed(3)))
    for channel in (AWGN(), Rayleigh()):
        rows = recovery(known, 8, channel, Audit(trials=20, snr_db=(15,), known_messages=(1, 3)), "test")
        rate = {(r["schedule"], r["known_messages"]): r["value"] for r in rows if r["quantity"] == "key_recovered"}
        assert rate["fixed", 3] >= 0.95
        assert rate["per_message", 1] == rate["per_message", 3] == 0
        places = [r["value"] for r in rows if r["quantity"] == "places_recovered" and r["schedule"] == "per_message"]
        assert max(places) < 0.1  # by chance one place in 64


def alike(count: int, size: int, generator: torch.Generator) -> torch.Tensor:
    """Complex[count, 2·size²]: a common message, and in each message four times its power that is the message's own."""
    common, own = (complex_normal((n, 2 * size**2), torch.zeros(1), generator) for n in (1, count))
    return normalise_power(common + 2 * own)


@pytest.mark.parametrize(
    ("channel", "snr_db"), [(AWGN(), 15), (AWGN(), 0), (Rayleigh(), 15), (BlindRayleigh(), 23)]
)  # over BlindRayleigh each message has a phase of its own, so the mean vanishes and the variance tells
def test_overheard_messages_give_the_fixed_key_away_without_a_known_one_and_no_per_message_key(channel, snr_db):
    own, sent = alike(600, 8, torch.Generator().manual_seed(6)).split([100, 500])
    rows = ciphertext_only(own, sent, 8, channel, Audit(trials=10, snr_db=(snr_db,), known_messages=(1,)), "test")
    places = {(r["schedule"], r["known_messages"]): r["value"] for r in rows}
    assert set(places) == {(schedule, n) for schedule in ("fixed", "per_message") for n in (1, 10, 100, 500)}
    assert places["fixed", 500] > 0.95
    assert places["fixed", 1] < places["fixed", 500] - 0.1
    assert max(value for (schedule, _), value in places.items() if schedule == "per_message") < 0.1  # by chance 1/64


def test_messages_that_have_nothing_in_common_keep_the_key():
    generator = torch.Generator().manual_seed(7)
    own, sent = normalise_power(complex_normal((200, 128), torch.zeros(1), generator)).split(100)
    rows = ciphertext_only(own, sent, 8, AWGN(), Audit(trials=20, snr_db=(23,), known_messages=(1,)), "test")
    assert max(row["value"] for row in rows) < 0.1


@pytest.mark.parametrize("blank", [0, 1])
def test_of_the_mean_and_the_variance_one_that_says_nothing_does_not_hide_the_other(blank):
    generator = torch.Generator().manual_seed(8)
    own, key = torch.randn(2, 4, 8, 8, generator=generator), Key.random(8, 8, generator)
    heard = encrypt(own.flatten(2).mT, key).mT.unflatten(2, (8, 8))
    own[blank], heard[blank] = (1e-2 * torch.randn(2, 4, 8, 8, generator=generator)).unbind()
    assert torch.equal(recover_from_moments(own, heard).permutation, key.permutation)


def test_moments_are_the_mean_and_the_variance_at_each_place():
    maps = torch.tensor([[[[1.0, 2.0]]], [[[3.0, 2.0]]]])
    assert moments(maps).tolist() == [[[[2.0, 2.0]]], [[[1.0, 0.0]]]]


def test_the_key_found_from_all_messages_opens_them_as_the_senders_does_and_that_from_one_does_not(monkeypatch):
    """What the receiver would read is replaced by the fraction of symbols that the key puts where they were."""
    own, plain = alike(600, 8, torch.Generator().manual_seed(9)).split([100, 500])
    trained = SimpleNamespace(system=SimpleNamespace(grid=(8, 8), channel=AWGN()))

    def opened(trained, symbols, key, *_):
        return (shuffle(symbols, key, decrypt) == plain).double().mean().item()

    monkeypatch.setattr("repobe.stages.audit._accuracy", opened)
    right, found = found_keys(trained, own, plain, None, 0.05)
    assert (right == 1).all()
    assert list(found) == [1, 10, 100, 500]
    assert (found[500] == 1).all()
    assert found[1].mean() < 0.9


@pytest.mark.slow
def test_one_known_message_gives_a_key_of_the_papers_own_size_away_on_features_of_an_encoder_that_has_trained(
    specs, digits
):
    """28×28 places, S = 224, after a few updates: smooth features, alike from place to place, unlike white ones."""
    spec = replace(specs["repobe"], image_size=224)
    student = build(replace(spec, training=replace(spec.training, epochs=5)), digits)
    student.optimise()
    for number in range(8):
        batch = slice(16 * number, 16 * number + 16)
        student.update(images(digits.train[0][batch], 224), digits.train[1][batch], 0.01)
    with torch.no_grad():
        known = student.eval().system.transmit(images(digits.test[0][:30], 224))
    rows = recovery(known, 28, AWGN(), Audit(trials=20, snr_db=(23,), known_messages=(1,)), "test")
    rate = {r["schedule"]: r["value"] for r in rows if r["quantity"] == "key_recovered"}
    assert rate["fixed"] >= 0.9
    assert rate["per_message"] == 0


def test_noise_hides_the_key_at_last():
    known = normalise_power(complex_normal((60, 1568), torch.zeros(1), torch.Generator().manual_seed(4)))
    rows = recovery(known, 28, AWGN(), Audit(trials=5, snr_db=(-20, 7), known_messages=(1,)), "test")
    rate = {(r["schedule"], r["snr_db"]): r["value"] for r in rows if r["quantity"] == "key_recovered"}
    assert rate["fixed", -20] == 0
    assert rate["fixed", 7] == 1


def test_the_audit_of_no_encoder_counts_every_grid_up_to_4_by_4():
    rows = cipher_audit(Audit(trials=1, snr_db=(23,), known_messages=(1,)), size=8)
    counted = {row["grid"]: (row["value"], row["n"]) for row in rows if row["quantity"] == "distinct_ciphers"}
    assert len(counted) == 16
    assert counted["4x4"] == (576, 9216)


@pytest.mark.parametrize("schedule", ["fixed", "per_message"])
def test_a_wrong_key_is_never_the_senders(schedule, specs, digits):
    """Four of the 16 keys of 2×2 places are the sender's cipher: 200 draws without one are no luck (0.75^200)."""
    keys = build(replace(specs["repobe"], hyper={"key_schedule": schedule}), digits).keys.sending(0, 5)
    generator = torch.Generator().manual_seed(5)
    for _ in range(200):
        wrong = another(keys, generator)
        assert wrong.messages == keys.messages
        assert (wrong.permutation != keys.permutation).any(dim=-1).all()


def test_the_wrong_keys_row_is_of_as_many_keys(specs, digits, monkeypatch):
    """What the receiver would read, untrained, is replaced by whether it has the sender's permutation."""
    spec = specs["repobe"]
    trained = build(spec, digits).eval()
    senders = trained.keys.sending(0, 1).permutation
    monkeypatch.setattr("repobe.stages.audit._accuracy", lambda _, sent, key, *__: key.permutation.equal(senders) + 0.0)
    made = audit(trained, spec, digits)
    rows = {row["quantity"]: row for row in made}
    wrong = rows["wrong_key_accuracy"]
    assert (wrong["n"], wrong["value"], wrong["keys_sd"]) == (20, 0, 0)
    found = [row for row in made if row["quantity"] == "ciphertext_only_accuracy"]
    assert [(row["known_messages"], row["n"]) for row in found] == [(1, 20), (10, 20), (100, 20)]
    assert rows["right_key_accuracy"]["n"] == 20
    assert rows["multiset_label_accuracy"]["n"] == len(digits.test[1])


def test_a_quantity_over_keys_is_their_mean_and_standard_deviation():
    found = over_keys(torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64))
    assert found == pytest.approx({"value": 0.2, "keys_sd": 0.1, "n": 3})
    assert over_keys(torch.tensor([0.5])) == {"value": 0.5, "keys_sd": None, "n": 1}
