import gc
from dataclasses import replace
from types import FunctionType, ModuleType
from typing import get_args

import pytest
import torch
from conftest import uncached
from torch.utils.flop_counter import FlopCounterMode

from repobe.attacks import inversion as attackers
from repobe.attacks.decoders import Attention, Convolutional, Decoder, FullyConnected, unordered
from repobe.attacks.inversion import (
    Knowledge,
    Tap,
    opened,
    train_decoder,
    with_own_keys,
    with_pairs,
    with_stolen_encoder,
)
from repobe.cipher.keys import Key, PerMessageKeys
from repobe.cipher.obfuscation import shuffle
from repobe.images.datasets import load
from repobe.images.resizing import SCORED, Resized, images
from repobe.phy.mapping import symbols
from repobe.runs.result_cache import ResultCache
from repobe.runs.spec import Attacker, Audit, Inversion
from repobe.stages import invert as eavesdropping
from repobe.stages.invert import WITH_ENCODER, Situation, classified, inversion
from repobe.systems.system import System
from repobe.training.evaluation_classifier import degrade, network, train
from repobe.training.loop import build
from repobe.training.method import Method

EVERY = get_args(Attacker)


@pytest.fixture
def hasty(monkeypatch):
    """Attackers that train for two updates: for tests of what is run and not of what it learns."""
    monkeypatch.setattr(attackers, "DENSE", (1e-3, 2))
    monkeypatch.setattr(attackers, "CONVOLVED", (1e-3, 2))


def run_of(specs, label, **hyper):
    spec = replace(specs[label], inversion=Inversion(EVERY, (23,), epochs=1, images=100))
    return replace(spec, hyper=spec.hyper | hyper)


def rows_of(spec, digits, cached=uncached):
    trained = build(spec, digits).eval()
    return inversion(trained, spec, digits, network(1, 10).eval(), cached)


@pytest.mark.parametrize("decoder", [Convolutional, FullyConnected, Attention, unordered])
@pytest.mark.parametrize(
    ("k", "grid"), [(8, (2, 2)), (128, (8, 8)), (1568, (28, 28)), (32, (1, 1)), (500, (1, 1)), (130, (1, 1))]
)
@pytest.mark.parametrize("colours", [1, 3])
def test_every_decoder_paints_an_image_from_any_systems_symbols(decoder, k, grid, colours):
    image = Decoder(decoder, torch.rand(colours, 32, 32), k, grid)(torch.randn(2, k, dtype=torch.complex64))
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


@pytest.mark.parametrize("size", [4, 28])
def test_the_unordered_decoder_does_not_see_a_shuffle_and_the_others_do(size):
    """Through self-attention where there are few places, through learned points where there are the paper's 784."""
    k = 2 * size**2
    message = torch.randn(2, k, dtype=torch.complex64)
    shuffled = shuffle(message, Key.random(size, size, torch.Generator().manual_seed(1)))
    for decoder, same in ((unordered, True), (Attention, False), (FullyConnected, False), (Convolutional, False)):
        network_of = decoder(1, k, (size, size)).eval()
        assert torch.allclose(network_of(message), network_of(shuffled), atol=1e-5) == same


@pytest.mark.parametrize("decoder", [Convolutional, FullyConnected, Attention, unordered])
def test_an_attackers_cost_grows_no_faster_than_the_places_it_reads(decoder):
    """12 times as many at the paper's 28×28 as at 8×8; attention between all of them would cost 150 times as much."""

    def cost(size: int) -> int:
        network_of = decoder(1, 2 * size**2, (size, size))
        with FlopCounterMode(display=False) as counter:
            network_of(torch.randn(2, 2 * size**2, dtype=torch.complex64))
        return counter.get_total_flops()

    assert cost(28) < 28**2 / 8**2 * cost(8)


def test_known_messages_of_any_power_open_every_other_message_under_the_same_key(monkeypatch):
    generator = torch.Generator().manual_seed(2)
    message = symbols(torch.randn(5, 4, 8, 8, generator=generator))
    on_air = shuffle(message, Key.random(8, 8, generator))
    nothing = Knowledge(torch.zeros(5, 1, 32, 32), message, (8, 8), lambda x: x)
    fade = torch.tensor([0.05, 3.0])[:, None]  # under block fading messages reach the attacker with powers of their own
    knowing = replace(nothing, known_heard=fade * on_air[:2] + 0.002 * torch.randn(2, 128, generator=generator))
    recover, seen = attackers.recover, []
    monkeypatch.setattr(attackers, "recover", lambda *sides: seen.extend(sides) or recover(*sides))
    assert torch.equal(opened(Tap(on_air, knowing)), message)
    for side in seen:  # unit power, half of it in each real dimension
        torch.testing.assert_close(side.square().mean(dim=(1, 2, 3)), torch.tensor([0.5, 0.5]))
    assert torch.equal(opened(Tap(on_air, nothing)), on_air)


def test_messages_alike_on_average_open_one_another_under_one_key_and_not_under_keys_of_their_own():
    generator = torch.Generator().manual_seed(5)
    common = torch.randn(1, 4, 8, 8, generator=generator)
    own, sent = (symbols(common + torch.randn(300, 4, 8, 8, generator=generator)) for _ in range(2))
    knowing = Knowledge(torch.zeros(300, 1, 32, 32), own, (8, 8), lambda x: x, by_moments=True)
    assert torch.equal(opened(Tap(shuffle(sent, Key.random(8, 8, generator)), knowing)), sent)
    fresh = shuffle(sent, PerMessageKeys(bytes(32), 8, 8).sending(0, 300))
    assert (opened(Tap(fresh, knowing)) == sent).all(dim=1).sum() <= 1


def test_an_attacker_compares_what_it_hears_with_its_own_messages_as_they_would_be_heard(monkeypatch):
    """Its own noise belongs to the moments. Here the channel adds 1, and nothing else."""
    own, heard = (torch.randn(20, 4 * 4 * 2, dtype=torch.complex64) for _ in range(2))
    met = []
    monkeypatch.setattr(attackers, "moments", lambda side: met.append(side) or side)
    monkeypatch.setattr(attackers, "recover_from_moments", lambda mine, theirs: Key.random(4, 4, torch.Generator()))
    opened(Tap(heard, Knowledge(torch.zeros(20, 1, 32, 32), own, (4, 4), lambda x: x + 1, by_moments=True)))
    torch.testing.assert_close(met[0], attackers.maps(own + 1, (4, 4)))
    torch.testing.assert_close(met[1], attackers.maps(heard, (4, 4)))


def test_a_leaked_key_opens_messages_each_by_its_own():
    message = symbols(torch.randn(5, 4, 4, 4, generator=torch.Generator().manual_seed(2)))
    key = PerMessageKeys(bytes(32), 4, 4).sending(0, 5)
    known = Knowledge(torch.zeros(5, 1, 32, 32), message, (4, 4), lambda x: x, key=key)
    assert torch.equal(opened(Tap(shuffle(message, key), known)), message)


@pytest.fixture(scope="module")
def classes(digits_file):
    """600 pairs of a digit and its class's message, of 3×3 places, in the clear and each under a key of its own."""
    pixels, label = load(digits_file).limit(600).train
    generator = torch.Generator().manual_seed(4)
    clear = symbols(torch.randn(10, 4, 3, 3, generator=generator))[label]
    shuffled = shuffle(clear, PerMessageKeys(bytes(32), 3, 3).sending(0, 600))
    return images(pixels, SCORED), clear, shuffled


@pytest.mark.parametrize("decoder", [Convolutional, FullyConnected, Attention, unordered])
def test_each_decoder_sees_more_than_the_mean_image_where_messages_tell_the_class(decoder, classes):
    """The unordered one under fresh keys too. What is left of an image's variance once its class is known: 0.59."""
    image, clear, shuffled = classes
    sent = shuffled if decoder is unordered else clear
    known = Knowledge(image, sent, (3, 3), lambda x: x + 0.05 * torch.randn_like(x))
    _, error = train_decoder(known, decoder, 3, torch.Generator().manual_seed(5))
    floor = (image[540:] - image[:540].mean(dim=0)).square().mean().item()
    assert error < 0.75 * floor


def test_an_untrained_decoder_shows_the_mean_image_give_or_take_what_its_network_says():
    mean = torch.rand(3, 32, 32)
    decoder = Decoder(lambda *_: lambda symbols: torch.zeros(len(symbols), 3, 32, 32), mean, 18, (3, 3))
    assert (decoder(torch.zeros(2, 18, dtype=torch.complex64)) - mean).abs().max() < 0.0101


def test_a_decoder_starts_at_the_mean_of_what_it_learns_from_and_knows_nothing_of_what_it_keeps_back(monkeypatch):
    """The held-back tenth is white, the rest black."""
    image, started = torch.zeros(20, 1, 32, 32), []
    image[18:] = 1

    class Recorded(Decoder):
        def __init__(self, network, mean, *rest):
            started.append(mean)
            super().__init__(network, mean, *rest)

    monkeypatch.setattr(attackers, "Decoder", Recorded)
    known = Knowledge(image, torch.ones(20, 1, dtype=torch.complex64), (1, 1), lambda x: x)
    train_decoder(known, FullyConnected, 1, torch.Generator().manual_seed(0))
    assert started[0].eq(0).all()


def test_a_decoder_learns_pairs_and_says_how_well_on_those_it_kept_back():
    """Images of one grey each, sent as they are: far better than their mean, on its own count and on new ones."""
    generator = torch.Generator().manual_seed(3)
    grey = torch.rand(400, 1, generator=generator)
    image, sent = grey[:, :, None, None].expand(-1, 1, 32, 32), torch.complex(grey, 1 - grey)
    known = Knowledge(image, sent, (1, 1), lambda x: x)
    reconstruct, error = train_decoder(known, FullyConnected, 3, generator)
    new = torch.rand(50, 1, generator=generator)
    mse = (reconstruct(torch.complex(new, 1 - new)) - new[:, :, None, None]).square().mean().item()
    assert error < 0.005  # their variance is 1/12
    assert mse < 0.005


def test_of_an_attackers_decoders_the_best_on_pairs_held_back_counts(monkeypatch):
    image, sent = torch.zeros(20, 1, 32, 32), torch.zeros(20, 2, dtype=torch.complex64)
    errors = {"a": 0.3, "b": 0.1, "c": 0.2}

    def trained(known, network, epochs, generator):
        return (lambda heard: torch.full((len(heard),), errors[network])), errors[network]

    monkeypatch.setattr(attackers, "train_decoder", trained)
    networks = {"x": "a", "y": "b", "z": "c"}
    found = with_pairs("same_key", networks, Tap(sent[:3], Knowledge(image, sent, (1, 1), None)), 1, None)
    assert {name: value[0].item() for name, value in found.items()} == pytest.approx(
        {"same_key_x": 0.3, "same_key_y": 0.1, "same_key_z": 0.2, "same_key": 0.1}
    )


@pytest.mark.parametrize(
    ("label", "attackers"),
    [
        ("repobe", set(EVERY) - {"fresh_key"}),
        ("undefended", {"keyless", "keyless_adaptive", "same_key"}),
        ("repobe_reconstruction", set(EVERY) - {"fresh_key"} | {"legitimate"}),
    ],
)
def test_each_attacker_has_its_rows_beside_the_floor(label, attackers, specs, digits, hasty):
    rows, pictures = rows_of(run_of(specs, label), digits)
    named = {row["attacker"] for row in rows if row["metric"] == "psnr_db"}
    kinds = {name for name in named if "_conv" not in name and name.split("_")[-1] not in ("fc", "attention", "set")}
    assert kinds == attackers | {"mean_image"}
    assert set(pictures) == named - {"mean_image"} | {"original", "label"}
    assert {row["n"] for row in rows} == {360}
    keys = {(row["attacker"], row["metric"]) for row in rows}
    assert len(keys) == len(rows)


def taps_of(situation, monkeypatch) -> dict[str, Tap]:
    """By attacker, the Tap that a Situation hands to each of those it runs."""
    taps = {}
    monkeypatch.setattr(eavesdropping, "with_stolen_encoder", lambda found, *_: taps.update(found) or {})
    monkeypatch.setattr(
        eavesdropping,
        "with_pairs",
        lambda name, networks, tap, *_: taps.update({name: tap}) or {name: torch.zeros(1)},
    )
    for attack in situation.attacks().values():
        attack()
    return taps


def test_with_the_leaked_key_the_attacker_hears_what_was_sent(specs, digits, monkeypatch):
    spec = run_of(specs, "repobe")
    trained = build(spec, digits).eval()
    situation = Situation(trained, spec, digits, 60)  # hardly any noise
    taps = taps_of(situation, monkeypatch)
    sent = eavesdropping.stolen(trained, situation.test, situation.n0)
    off = {name: (opened(taps[name]) - sent).abs().mean() for name in WITH_ENCODER}
    assert off["with_key"] < 0.005
    assert off["known_plaintext"] < 0.005
    assert off["ciphertext_only"] < 0.005
    assert off["keyless"] > 20 * off["with_key"]


def reachable(root: object):
    """Every object that can be reached from one, but for what all of a program shares: modules, classes, globals."""
    seen, todo = {}, [root]
    while todo:
        one = todo.pop()
        if id(one) not in seen:
            seen[id(one)] = one
            ends = isinstance(one, (ModuleType, type))
            inside = [*(one.__closure__ or ()), one.__defaults__] if isinstance(one, FunctionType) else None
            todo += [] if ends else gc.get_referents(one) if inside is None else inside
    return seen.values()


@pytest.mark.parametrize("schedule", ["fixed", "per_message"])
def test_no_attacker_can_reach_a_system_nor_a_key_that_its_knowledge_does_not_name(
    schedule, specs, digits, monkeypatch
):
    spec = run_of(specs, "repobe", key_schedule=schedule)
    trained = build(spec, digits).eval()
    taps = taps_of(Situation(trained, spec, digits, 23), monkeypatch)
    secrets = {one._secret for one in reachable(trained.keys) if isinstance(one, PerMessageKeys)}
    assert set(taps) == set(EVERY) - {"fresh_key" if schedule == "fixed" else "same_key"}
    for name, tap in taps.items():
        found = list(reachable(tap))
        assert any(one is tap.knowledge.sent for one in found)
        assert not [one for one in found if isinstance(one, (System, Method, type(digits)))]
        keys = [one for one in found if isinstance(one, (Key, PerMessageKeys))]
        if name == "keyless_adaptive":  # keys that it has drawn for itself, none of them in force
            (own,) = keys
            assert isinstance(own, PerMessageKeys)
            assert own._secret not in secrets
            continue
        assert [id(key) for key in keys] == ([id(tap.knowledge.key)] if name == "with_key" else [])
        assert (tap.knowledge.known_heard is not None) == (name == "known_plaintext")
        assert tap.knowledge.by_moments == (name == "ciphertext_only")


def test_an_attacker_is_named_by_the_schedule_that_its_pairs_were_sent_under(specs, digits, monkeypatch):
    def knowledge(spec):
        situation = Situation(build(spec, digits).eval(), spec, digits, 23)
        return {name: situation.known_to(name) for name in taps_of(situation, monkeypatch)}

    spec = run_of(specs, "repobe")
    counted = replace(spec, audit=Audit(2, (23,), (3, 5)))
    encoder = {"keyless": "encoder", "keyless_adaptive": "encoder and keys of its own", "with_key": "encoder and key"}
    encoder["ciphertext_only"] = "encoder and 360 overheard messages"
    fixed = {"known_plaintext": "encoder and 3 known messages", "same_key": "pairs under the key"}
    assert knowledge(counted) == encoder | fixed
    one = {"known_plaintext": "encoder and 1 known message", "fresh_key": "pairs under unknown keys"}
    assert knowledge(run_of(specs, "repobe", key_schedule="per_message")) == encoder | one
    escst = replace(spec, method="escst", label="escst", hyper={})  # bits of its own for each message, and no shuffle
    assert knowledge(escst) == {"keyless": "encoder", "fresh_key": "pairs under unknown keys"}
    assert knowledge(run_of(specs, "undefended")) == {"same_key": "pairs"}


@pytest.mark.parametrize(
    ("method", "label", "hyper", "same"),
    [("escst", "escst", {}, "fresh_key"), ("undefended", "undefended", {}, "same_key")],
)
def test_where_no_shuffle_is_the_key_the_adaptive_attackers_own_pairs_are_those_observed(
    method, label, hyper, same, specs, digits, hasty
):
    spec = replace(run_of(specs, "undefended"), method=method, label=label, hyper=hyper)
    value = {row["attacker"]: row["value"] for row in rows_of(spec, digits)[0] if row["metric"] == "mse"}
    assert value["keyless_adaptive"] == value[same]


def test_pairs_that_are_observed_under_fresh_keys_are_the_runs_own(specs, digits, monkeypatch):
    spec = run_of(specs, "repobe", key_schedule="per_message")
    trained = build(spec, digits).eval()
    situation = Situation(trained, spec, digits, 60)
    tap = taps_of(situation, monkeypatch)["fresh_key"]
    assert (tap.heard - situation.symbols).abs().mean() < 0.005


def test_a_row_without_an_attacker_says_what_it_knows_images_or_the_key(specs, digits):
    situation = Situation(build(spec := run_of(specs, "repobe"), digits).eval(), spec, digits, 23)
    known = {name: situation.known_to(name) for name in ("original", "mean_image", "legitimate")}
    assert known == {"original": "images", "mean_image": "images", "legitimate": "key"}


def test_the_link_keeps_its_snr_at_any_snr_of_the_eavesdropper(specs, digits, monkeypatch):
    """The transmitter is told 23 dB, the highest of the run's, and the receiver hears at it; the tap at 7 or 23."""
    spec = replace(run_of(specs, "repobe_reconstruction"), snr_db=(7, 23))
    trained = build(spec, digits).eval()
    told, seen = [], {}
    transmit = trained.system.transmit
    monkeypatch.setattr(
        trained.system, "transmit", lambda image, key, n0, own: told.append(n0) or transmit(image, key, n0, own)
    )
    for snr_db in (7, 23):
        situation = Situation(trained, spec, digits, snr_db)
        tap = taps_of(situation, monkeypatch)["same_key"]
        noise = (tap.heard - situation.symbols).abs().square().mean().item()
        assert noise == pytest.approx(10 ** (-snr_db / 10), rel=0.05)
        seen[snr_db] = situation.without_attacker()["legitimate"]
    assert set(told) == {10**-2.3}
    assert (seen[7] - seen[23]).square().mean() < 1e-3 * seen[23].var()


@pytest.mark.parametrize("schedule", ["fixed", "per_message"])
def test_the_adaptive_attacker_shuffles_its_own_messages_and_hears_the_runs_real_ones(
    schedule, specs, digits, monkeypatch
):
    spec = run_of(specs, "repobe", key_schedule=schedule)
    trained = build(spec, digits).eval()
    situation = Situation(trained, spec, digits, 60)  # hardly any noise
    tap = taps_of(situation, monkeypatch)["keyless_adaptive"]
    assert (tap.heard - situation.symbols).abs().mean() < 0.005
    plain = eavesdropping.stolen(trained, Resized(digits.train[0][:100], 16), 1e-6)
    torch.testing.assert_close(tap.knowledge.sent, plain)
    # Place 0 of each message, found again among the four places of what training hears: now here, now there.
    once, again = (tap.knowledge.air(plain).unflatten(1, (4, 2)) for _ in range(2))
    nearest = [(looked - plain.unflatten(1, (4, 2))[:, :1]).abs().sum(dim=2).argmin(dim=1) for looked in (once, again)]
    assert len(nearest[0].unique()) > 1
    assert not torch.equal(*nearest)
    sizes = (looked.abs().sum(dim=2).sort(dim=1).values for looked in (once, plain.unflatten(1, (4, 2))))
    torch.testing.assert_close(*sizes, atol=0.02, rtol=0)


def test_who_shuffles_its_own_messages_reads_what_no_key_hides_and_the_papers_attacker_does_not(classes):
    """Ten messages, one a class, under one key that neither attacker has; the error of the mean image is the floor."""
    image, clear, _ = classes
    heard = shuffle(clear, Key.random(3, 3, torch.Generator().manual_seed(8)))
    known = Knowledge(image, clear, (3, 3), lambda x: x + 0.05 * torch.randn_like(x))
    adaptive = with_own_keys(known, bytes(32))
    seen = with_pairs("keyless_adaptive", {"set": unordered}, Tap(heard, adaptive), 3, torch.Generator().manual_seed(5))
    paper = with_stolen_encoder({"keyless": Tap(heard, known)}, 3, torch.Generator().manual_seed(5))
    floor = (image - image.mean(dim=0)).square().mean()
    assert (seen["keyless_adaptive"] - image).square().mean() < 0.8 * floor
    assert (paper["keyless"] - image).square().mean() > floor


def test_a_table_says_how_many_test_images_it_judges(specs, digits, monkeypatch, hasty):
    monkeypatch.setattr(eavesdropping, "OVERHEARD", 90)
    rows, pictures = rows_of(run_of(specs, "repobe_reconstruction"), digits)
    assert {row["n"] for row in rows} == {90}
    assert len(pictures["keyless"]) == len(pictures["label"])


def test_a_killed_inversion_repeats_no_finished_attacker(specs, digits, tmp_path, hasty, monkeypatch):
    """Killed as same_key is under way; the next job does that one alone, and its rows are an unkilled job's."""
    spec, source = run_of(specs, "repobe"), tmp_path / "source"
    spec = replace(spec, inversion=replace(spec.inversion, attackers=("keyless", "keyless_adaptive", "same_key")))
    source.write_text("spec, model and classifier")
    expected = rows_of(spec, digits)[0]
    finished = []
    cache = ResultCache(tmp_path / "partial", source, told=lambda name, kept: finished.append(name))
    once = with_pairs

    def killed(name, *rest):
        if name == "same_key":
            raise KeyboardInterrupt
        return once(name, *rest)

    monkeypatch.setattr(eavesdropping, "with_pairs", killed)
    with pytest.raises(KeyboardInterrupt):
        rows_of(spec, digits, cache)
    assert finished == ["plain 23 dB", "encoder 23 dB", "keyless_adaptive 23 dB"]
    run = []
    monkeypatch.setattr(eavesdropping, "with_pairs", lambda name, *rest: run.append(name) or once(name, *rest))
    monkeypatch.setattr(eavesdropping, "with_stolen_encoder", lambda *_: run.append("encoder"))
    assert rows_of(spec, digits, cache)[0] == expected
    assert run == ["same_key"]


def test_an_eavesdroppers_snr_that_differs_in_the_eighth_digit_is_measured_again(specs, digits, tmp_path, hasty):
    """The files of both have the same name, which has six digits."""
    spec, source, told = run_of(specs, "repobe"), tmp_path / "source", []
    source.write_text("spec, model and classifier")
    for snr_db in (23.0, 23.000001, 23.000001):
        asked = replace(spec.inversion, attackers=("keyless",), snr_db=(snr_db,))
        cache = ResultCache(tmp_path / "partial", source, told=lambda *what: told.append(what))
        rows_of(replace(spec, inversion=asked), digits, cache)
    parts = ("plain 23 dB", "encoder 23 dB")
    assert told == [(part, kept) for kept in (False, False, True) for part in parts]


def test_the_mean_image_is_measured_again_when_attackers_have_other_images(specs, digits, tmp_path, hasty):
    spec, source = run_of(specs, "undefended"), tmp_path / "source"
    spec = replace(spec, inversion=replace(spec.inversion, attackers=()))
    source.write_text("spec, model and classifier")
    more = replace(spec, inversion=replace(spec.inversion, images=200))

    def floor(rows):
        return [row["value"] for row in rows[0] if row["attacker"] == "mean_image"]

    assert floor(rows_of(spec, digits, ResultCache(tmp_path / "partial", source))) != floor(rows_of(more, digits))
    assert floor(rows_of(more, digits, ResultCache(tmp_path / "partial", source))) == floor(rows_of(more, digits))


def test_everything_is_measured_again_when_the_links_own_snr_changes(specs, digits, tmp_path, hasty):
    """A training does not depend on the SNRs of the evaluation, but the link has the highest of them."""
    spec, source = run_of(specs, "repobe"), tmp_path / "source"
    spec = replace(spec, inversion=replace(spec.inversion, attackers=("keyless", "same_key")))
    source.write_text("spec, model and classifier")
    told = []
    cache = ResultCache(tmp_path / "partial", source, told=lambda name, kept: told.append(kept))
    for snrs in (spec.snr_db, (*spec.snr_db, 0.0), (*spec.snr_db, 30.0)):
        rows_of(replace(spec, snr_db=snrs), digits, cache)
    assert told == [False] * 3 + [True] * 3 + [False] * 3


@pytest.mark.slow
@pytest.mark.parametrize("file", ["colour_file", "digits_file"])
def test_the_judge_reads_clean_pictures_and_pale_ones_on_a_tinted_ground_and_knows_nothing_of_wrong_labels(
    file, request
):
    """Clean accuracy is that of a classifier of clean pictures: 0.98 in grey and 0.92 in colour, to two points."""
    digits = load(request.getfixturevalue(file))
    pixels, label = digits.test
    clean = images(pixels, SCORED)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    tint = torch.tensor([0.08, 0.02, 0.05])[: digits.colours, None, None]
    pale = (0.6 * clean + tint + 0.05 * noise).clamp(0, 1)
    classifier = train(digits, epochs=7)
    read, read_pale = (classified(classifier, image, label).mean().item() for image in (clean, pale))
    assert read > (0.96 if digits.colours == 1 else 0.9)
    assert read_pale > read - 0.06  # a classifier of clean pictures alone: half of them in grey
    wrong = label[torch.randperm(len(label), generator=torch.Generator().manual_seed(1))]
    assert classified(classifier, clean, wrong).mean() < 0.17  # chance is 0.1, and its sd over 360 pictures 0.016


def test_half_of_the_judges_pictures_stay_as_they_are_and_none_leaves_the_range_of_pixels():
    torch.manual_seed(0)
    image = torch.rand(1000, 3, 8, 8)
    spoilt = degrade(image)
    assert 0 <= spoilt.min() <= spoilt.max() <= 1
    assert 0.45 < (spoilt == image).flatten(1).all(dim=1).float().mean() < 0.55


def test_a_spoilt_pictures_ground_has_a_tint_of_its_own():
    torch.manual_seed(0)
    black = degrade(torch.zeros(200, 3, 32, 32)).mean(dim=(2, 3))
    assert (black.max(dim=1).values - black.min(dim=1).values).max() > 0.05
