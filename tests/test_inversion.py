from dataclasses import replace

import pytest
import torch

from repobe.data import load
from repobe.decoders import Attention, Convolutional, FullyConnected, unordered
from repobe.eavesdropping import Situation, inversion, judged
from repobe.inversion import Knowledge, Tap, open_by_known_messages, same_key, train_decoder
from repobe.judge import degrade, network, prepare, train
from repobe.obfuscation import Key
from repobe.spec import Inversion
from repobe.system import shuffle, symbols
from repobe.training import build

EVERY = ("keyless", "same_key", "known_plaintext", "fresh_key", "with_key")


def at_once(_, compute):
    return compute()


def run_of(specs, label, **hyper):
    spec = replace(specs[label], inversion=Inversion(EVERY, (23,), epochs=1, images=100))
    return replace(spec, hyper=spec.hyper | hyper)


def rows_of(spec, digits, keep=at_once):
    trained = build(spec, digits).eval()
    return inversion(trained, spec, digits, network(1, 10).eval(), keep)


@pytest.mark.parametrize("decoder", [Convolutional, FullyConnected, Attention, unordered])
@pytest.mark.parametrize(("k", "grid"), [(8, (2, 2)), (128, (8, 8)), (32, (1, 1)), (500, (1, 1)), (130, (1, 1))])
@pytest.mark.parametrize("colours", [1, 3])
def test_every_decoder_paints_an_image_from_any_systems_symbols(decoder, k, grid, colours):
    image = decoder(colours, k, grid)(torch.randn(2, k, dtype=torch.complex64))
    assert image.shape == (2, colours, 32, 32)
    assert 0 <= image.min() <= image.max() <= 1


@pytest.mark.parametrize(
    ("k", "grid", "tokens"), [(128, (8, 8), 64), (32, (1, 1), 32), (500, (1, 1), 63), (130, (1, 1), 44)]
)
def test_attention_reads_places_or_at_most_64_tokens_of_which_every_symbol_counts(k, grid, tokens):
    decoder = Attention(1, k, grid)
    assert len(decoder.place) == tokens
    symbols = torch.randn(1, k, dtype=torch.complex64, requires_grad=True)
    decoder(symbols).square().sum().backward()
    assert (symbols.grad != 0).all()


def test_the_unordered_decoder_does_not_see_a_shuffle_and_the_others_do():
    message = torch.randn(2, 32, dtype=torch.complex64)
    shuffled = shuffle(message, Key.random(4, 4, torch.Generator().manual_seed(1)))
    for decoder, same in ((unordered, True), (Attention, False), (FullyConnected, False), (Convolutional, False)):
        network_of = decoder(1, 32, (4, 4)).eval()
        assert torch.allclose(network_of(message), network_of(shuffled), atol=1e-5) == same


def test_a_known_message_opens_every_other_message_under_the_same_key():
    generator = torch.Generator().manual_seed(2)
    message = symbols(torch.randn(5, 4, 8, 8, generator=generator))
    key = Key.random(8, 8, generator)
    on_air = shuffle(message, key)
    assert torch.equal(open_by_known_messages(message[:1], on_air[:1], on_air, (8, 8)), message)


def test_a_decoder_learns_pairs_and_says_how_well_on_those_it_kept_back():
    """Images of one grey each, sent as they are: far better than their mean, on its own count and on new ones."""
    generator = torch.Generator().manual_seed(3)
    grey = torch.rand(400, 1, generator=generator)
    image, sent = grey[:, :, None, None].expand(-1, 1, 32, 32), torch.complex(grey, 1 - grey)
    known = Knowledge(image, sent, (1, 1), lambda x: x)
    reconstruct, error = train_decoder(known, FullyConnected, 20, generator)
    new = torch.rand(50, 1, generator=generator)
    mse = (reconstruct(torch.complex(new, 1 - new)) - new[:, :, None, None]).square().mean().item()
    assert error < 0.005  # their variance is 1/12
    assert mse < 0.005
    found = same_key("same_key", Tap(sent[:10], known), 3, generator)
    assert sorted(found) == ["same_key", "same_key_attention", "same_key_conv", "same_key_fc"]
    assert any(torch.equal(found["same_key"], found[name]) for name in found if name != "same_key")


@pytest.mark.parametrize(
    ("label", "attackers"),
    [
        ("repobe", {"keyless", "same_key", "known_plaintext", "fresh_key", "with_key"}),
        ("undefended", {"keyless", "same_key"}),
        ("repobe_reconstruction", {"keyless", "same_key", "known_plaintext", "fresh_key", "with_key", "legitimate"}),
    ],
)
def test_each_attacker_has_its_rows_beside_the_floor(label, attackers, specs, digits):
    rows, pictures = rows_of(run_of(specs, label), digits)
    named = {row["attacker"] for row in rows if row["metric"] == "psnr_db"}
    kinds = {name for name in named if "_conv" not in name and name.split("_")[-1] not in ("fc", "attention", "set")}
    assert kinds == attackers | {"mean_image"}
    assert set(pictures) == named - {"mean_image"} | {"original", "label"}
    assert {row["n"] for row in rows} == {360}
    keys = {(row["attacker"], row["metric"]) for row in rows}
    assert len(keys) == len(rows)


def test_with_the_leaked_key_the_attacker_hears_what_was_sent_and_without_a_shuffle_it_always_does(specs, digits):
    trained = build(run_of(specs, "repobe"), digits).eval()
    situation = Situation(trained, run_of(specs, "repobe"), digits, 60)  # hardly any noise
    taps = {}

    def record(found, epochs, generator):
        taps.update(found)
        return {}

    from repobe import eavesdropping

    original, eavesdropping.with_stolen_encoder = eavesdropping.with_stolen_encoder, record
    try:
        situation.by_encoder(["keyless", "known_plaintext", "with_key"])
    finally:
        eavesdropping.with_stolen_encoder = original
    sent = eavesdropping.stolen(trained, situation.test, situation.n0)
    torch.testing.assert_close(taps["with_key"].heard, sent, atol=0.02, rtol=0)
    torch.testing.assert_close(taps["known_plaintext"].heard, sent, atol=0.02, rtol=0)
    off = {attacker: (tap.heard - sent).abs().mean() for attacker, tap in taps.items()}
    assert off["keyless"] > 20 * off["with_key"]


def test_no_attacker_is_given_the_system():
    for kind in (Tap, Knowledge):
        assert not {"system", "method", "key", "keys", "trained"} & set(kind.__dataclass_fields__)


def test_under_fresh_keys_no_two_messages_share_a_shuffle(specs, digits, monkeypatch):
    from repobe import eavesdropping

    seen = []
    monkeypatch.setattr(eavesdropping, "fresh_key", lambda name, tap, epochs, generator: seen.append(tap) or {})
    spec = run_of(specs, "repobe")
    trained = build(spec, digits).eval()
    Situation(trained, spec, digits, 60).by_fresh_pairs()
    plain = eavesdropping.stolen(trained, eavesdropping.prepared(digits.train[0][:100], 16), 1e-6)
    # Place 0 of each message, found again among the four places of the shuffled one: now here, now there.
    places = seen[0].knowledge.sent.unflatten(1, (4, 2))
    where = (places == plain.unflatten(1, (4, 2))[:, :1]).all(dim=2).int().argmax(dim=1)
    assert len(where.unique()) > 1
    assert torch.equal(*(x.unflatten(1, (4, 2)).abs().sort(dim=1).values for x in (seen[0].knowledge.sent, plain)))


def test_a_killed_inversion_repeats_no_finished_attacker(specs, digits):
    kept, computed = {}, []

    def keep(name, compute):
        if name not in kept:
            computed.append(name)
            kept[name] = compute()
        return kept[name]

    spec = run_of(specs, "repobe")
    first = rows_of(spec, digits, keep)[0]
    assert sorted(computed) == ["encoder 23 dB", "fresh_key 23 dB", "plain 23 dB", "same_key 23 dB"]
    assert rows_of(spec, digits, keep)[0] == first
    assert len(computed) == 4


def test_the_judge_reads_a_pale_noisy_picture_on_a_grey_ground_as_it_reads_a_clean_one(digits_file):
    digits = load(digits_file)
    pixels, label = digits.test
    clean = prepare(pixels)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    pale = (0.6 * clean + 0.05 + 0.05 * noise).clamp(0, 1)
    judge = train(digits, epochs=3)
    read, read_pale = (judged(judge, image, label).mean().item() for image in (clean, pale))
    assert read > 0.95
    assert read_pale > read - 0.05  # a judge of clean pictures alone: 0.45 of them


def test_half_of_the_judges_pictures_stay_as_they_are_and_none_leaves_the_range_of_pixels():
    torch.manual_seed(0)
    image = torch.rand(1000, 1, 8, 8)
    spoilt = degrade(image)
    assert 0 <= spoilt.min() <= spoilt.max() <= 1
    assert 0.45 < (spoilt == image).flatten(1).all(dim=1).float().mean() < 0.55
