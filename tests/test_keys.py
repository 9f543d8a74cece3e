"""The one protocol of keys, over every method of the suite, and the closed form of the shuffle."""

from dataclasses import fields
from pathlib import Path

import pytest
import torch

from repobe.cipher.interface import Keys
from repobe.cipher.keys import FixedKey, Key, PerMessageKeys
from repobe.cipher.obfuscation import ENCRYPTION, step_by_step
from repobe.phy.channels import AWGN
from repobe.training.method import Problem, load

BASELINES = sorted(p.stem for p in Path(__file__).parents[1].joinpath("baselines").glob("[a-z]*.py"))
COUNTED = [("repobe", {"key_schedule": "per_message"}), ("escst", {})]  # a key for each message, by its counter
ONE_KEY = [("repobe", {"key_schedule": "fixed"})] + [
    (name, {"symbols": 1568} if name == "jpeg2000" else {}) for name in BASELINES if name != "escst"
]


def keys_of(method: str, hyper: dict) -> Keys:
    return load(method, Problem(1, 10, 32, AWGN(), False, 20, 0.05, 5e-4, 0), hyper).keys


def values(keys) -> torch.Tensor:
    return torch.cat([getattr(keys, part.name).reshape(keys.messages, -1).double() for part in fields(keys)], dim=1)


def named(case: tuple[str, dict]) -> str:
    return " ".join([case[0], *map(str, case[1].values())])


@pytest.fixture(params=COUNTED, ids=named)
def keys(request):
    return keys_of(*request.param)


@pytest.mark.parametrize("case", ONE_KEY, ids=named)
def test_every_method_fulfils_the_protocol_and_those_without_counters_have_one_key_for_all(case):
    keys = keys_of(*case)
    assert isinstance(keys, Keys)
    assert isinstance(keys, FixedKey)
    assert keys.sending(0, 3) is keys.sending(0, 3) is keys.session("other").receiving(7, 1)


def test_every_method_with_counters_fulfils_the_protocol_and_a_key_serves_one_message(keys):
    assert isinstance(keys, Keys)
    keys.sending(0, 10)
    keys.sending(10, 1)
    for first in (0, 9, 10):
        with pytest.raises(
            ValueError,
            match=f"message counter {first} is used already, the next is 11: a counter gives one key, and a key serves",
        ):
            keys.sending(first, 2)
    keys.sending(11, 1)  # what was refused moves nothing


def test_in_every_method_a_session_named_again_continues_its_own_counter(keys):
    keys.session("x", 7).sending(0, 2)
    with pytest.raises(ValueError, match="message counter 0 is used already, the next is 2"):
        keys.session("x", 7).sending(0, 1)
    for other in (keys, keys.session("x"), keys.session("x", 7.0), keys.session("x", 7).session("y")):
        other.sending(0, 1)
    keys.session("x", 7).sending(2, 1)


def test_in_every_method_counters_that_no_message_has_are_refused(keys):
    for end in (keys.sending, keys.receiving):
        for first, count, message in [
            (5, 0, "keys are for one message or more, not 0"),
            (-1, 1, r"message counters lie in \[0, 2\^63\), not -1 … -1"),
            (2**63, 1, r"message counters lie in \[0, 2\^63\)"),
        ]:
            with pytest.raises(ValueError, match=message):
                end(first, count)


@pytest.mark.parametrize("name", ["escst", "repobe"])
def test_a_secret_that_is_not_32_bytes_is_refused(name):
    keys = keys_of(name, {"key_schedule": "per_message"} if name == "repobe" else {})
    size = [] if name == "escst" else [4, 4]
    with pytest.raises(ValueError, match="the secret must have 32 bytes, not 31"):
        type(keys)(bytes(31), *size)
    with pytest.raises(ValueError, match="the secret must be bytes, not str"):
        type(keys)("0" * 32, *size)


SHAPES = [(1, 1), (1, 5), (5, 1), (2, 3), (3, 2), (8, 8), (28, 28)]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_closed_form_of_a_batch_of_keys_is_the_four_literal_steps_of_each(shape):
    """Eqs. 4-7 applied to the numbers of the places, for derived keys and for keys given by hand."""
    places = torch.arange(shape[0] * shape[1]).unflatten(0, shape)
    batch = PerMessageKeys(bytes(range(32)), *shape).sending(0, 40)
    assert torch.equal(batch.permutation, step_by_step(places, batch, ENCRYPTION).flatten(-2))
    for message in range(40):
        one = Key(batch.rows[message], batch.columns[message], batch.r[message], batch.c[message])
        assert torch.equal(one.permutation, step_by_step(places, one, ENCRYPTION).flatten(-2))
        assert torch.equal(one.permutation, batch.permutation[message])


@pytest.mark.parametrize("shape", SHAPES)
def test_the_inverse_of_a_batch_of_keys_puts_every_place_back(shape):
    keys = PerMessageKeys(bytes(range(32)), *shape).sending(0, 40)
    places = torch.arange(shape[0] * shape[1]).expand(40, -1)
    assert torch.equal(keys.permutation.gather(1, keys.inverse), places)
    assert torch.equal(keys.inverse.gather(1, keys.permutation), places)


@pytest.mark.parametrize("shape", SHAPES)
def test_derived_keys_would_pass_the_checks_that_deriving_skips(shape):
    keys = PerMessageKeys(bytes(range(32)), *shape).sending(0, 40)
    again = Key(keys.rows, keys.columns, keys.r, keys.c)
    for part in fields(Key):
        assert getattr(again, part.name).dtype == getattr(keys, part.name).dtype == torch.int64
    assert again.messages == keys.messages == 40
    assert keys[3:5].messages == 2
    assert torch.equal(values(keys[3:5]), values(keys)[3:5])


def test_indices_are_the_permutation_and_its_inverse_spread_over_the_messages():
    key = Key.random(4, 6, torch.Generator().manual_seed(1))
    forth, back = key.indices(torch.device("cpu"), 5)
    assert forth.shape == back.shape == (5, 24)
    assert (forth == key.permutation).all() and (back == key.inverse).all()
    assert key.indices(torch.device("cpu"), 5)[0] is forth  # once for each batch size
