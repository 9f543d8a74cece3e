import typing

import pytest

from repobe.runs.spec import Attacker
from repobe.tables.schema import ATTACKERS, family


@pytest.mark.parametrize(
    ("attacker", "of"),
    [
        ("keyless", "keyless"),
        ("keyless_adaptive", "keyless_adaptive"),
        ("keyless_adaptive_set", "keyless_adaptive"),
        ("same_key_conv", "same_key"),
        ("keylessness", None),
        ("original", None),
    ],
)
def test_an_attackers_rows_belong_to_the_longest_name_that_they_begin_with(attacker, of):
    assert family(attacker) == of


def test_every_attacker_that_a_config_may_name_is_known_to_the_tables():
    named = typing.get_args(Attacker)
    assert set(ATTACKERS) - set(named) == {"mean_image", "legitimate"}  # nobody's attack
    assert set(named) <= set(ATTACKERS)
