import pandas as pd
import pytest
from conftest import evasion, outcomes_of
from test_gates import cost, history

from repobe.runs.config import ROOT, load
from repobe.runs.grid import grid
from repobe.tables import summaries
from repobe.verdicts import comparison, paper, rerun_commands
from repobe.verdicts.evidence import Tables


def number(**departures) -> dict:
    return {
        "id": "n01", "dataset": "mnist", "channel": "awgn", "method": "repobe", "quantity": "natural_accuracy",
        "snr_db": "7", "relation": "equals",
    } | departures  # fmt: skip


def compared(printed: float, *rows: dict, asked: dict | None = None, size: int = 224, **half) -> dict:
    """Rows of a competent system beside a training of half its `epochs`, which reads `gain` less, or `gains` by SNR."""
    gain, gains, epochs = half.get("gain", 0.0), half.get("gains", {}), half.get("epochs", 1)
    whole = [row for row in rows if row.get("method", "repobe") == "repobe" and not row.get("seed")]
    raw = evasion(
        *rows,
        {"method": "undefended", "snr_test_db": 99.0, "value": 0.99},
        *(
            row | {"method": "repobe_half", "value": row.get("value", 0.99) - gains.get(row.get("snr_test_db"), gain)}
            for row in whole
        ),
    )
    runs = pd.concat([history(0.5, 0.99, 0.99), history(*[0.99] * epochs, method="repobe_half")])
    costs = pd.concat([cost(image_size=size), cost(epochs=epochs, image_size=size, method="repobe_half")])
    nothing = pd.DataFrame()
    tables = Tables(outcomes_of(raw), raw, nothing, nothing, runs, costs)
    return comparison._compared(number(**(asked or {})), printed, summaries.summarise(raw, "evasion"), tables)


def verdict(printed: float, *rows: dict, **told) -> str:
    """The verdict without the limit that nearly all of these have, because one seed ran."""
    return compared(printed, *rows, **told)["verdict"].removesuffix(", one training")


def test_a_number_agrees_inside_the_tolerance_differs_outside_and_is_open_between():
    # 0.99 of 10,000: Wilson's interval is 0.9879 to 0.9918; MNIST's tolerance is 0.005.
    assert verdict(0.9910, {}) == "agrees"
    assert verdict(0.9930, {}) == "inconclusive"  # 0.9879 is more than 0.005 below, 0.9918 is not
    assert verdict(0.9970, {}) == "differs"
    # Of 100 images the interval is too wide to agree with anything within half a point: 0.9455 to 0.9982.
    assert verdict(0.9900, {"n": 100}) == "inconclusive"
    found = compared(0.9910, {})
    assert (found["low"], found["high"]) == pytest.approx((0.9879, 0.9918), abs=1e-4)
    assert found["difference"] == pytest.approx(-0.001)  # ours, 0.9900, less the paper's
    assert (found["tolerance"], found["spread"], found["verdict"]) == (0.005, "none known", "agrees, one training")


def test_a_printed_maximum_is_an_equality_of_our_maximum_and_a_minimum_of_our_minimum():
    values = ((7.0, 0.95), (11.0, 0.97), (15.0, 0.99), (19.0, 0.98), (23.0, 0.97))
    rows = [{"value": value, "snr_test_db": snr} for snr, value in values]
    highest, lowest = ({"snr_db": "7-23", "relation": relation} for relation in ("maximum", "minimum"))
    assert compared(0.99, *rows, asked=highest)["ours"] == 0.99
    assert compared(0.95, *rows, asked=lowest)["ours"] == 0.95
    assert verdict(0.99, *rows, asked=highest) == "agrees"
    # Below a printed maximum, or above a printed minimum, is a difference.
    assert verdict(0.999, *rows, asked=highest) == "differs"
    assert verdict(0.93, *rows, asked=lowest) == "differs"
    # The range is that of the paper's curves: each of their points, and no other.
    assert verdict(0.99, *rows[:2], *rows[3:], asked=highest) == "not run"
    assert compared(0.99, *rows, {"value": 1.0, "snr_test_db": 20.0}, asked=highest)["ours"] == 0.99


def test_a_maximum_and_a_minimum_move_as_far_as_any_snr_of_their_range_may_move_them():
    """0.984 that gained 0.015 would become 0.999, above 0.99. 0.97 that gained 0.02 would become 0.99, not above."""
    values = ((7.0, 0.97), (11.0, 0.98), (15.0, 0.99), (19.0, 0.984), (23.0, 0.985))
    rows = [{"value": value, "snr_test_db": snr} for snr, value in values]
    highest, lowest = ({"snr_db": "7-23", "relation": relation} for relation in ("maximum", "minimum"))
    assert verdict(0.99, *rows, asked=highest) == "agrees"
    for snr, gained, told in ((19.0, 0.015, "inconclusive: not trained"), (7.0, 0.02, "agrees")):
        assert verdict(0.99, *rows, asked=highest, gains={snr: gained}) == told
    found = compared(0.99, *rows, asked=highest, gains={19.0: 0.015})
    assert "moved another SNR of its range, which may move it by 0.90 points, and" in found["why"]
    # The lowest stays the lowest while it gains 0.01; a gain of 0.03 leaves 0.98 in its place, which is as far.
    assert verdict(0.97, *rows, asked=lowest) == "agrees"
    assert verdict(0.97, *rows, asked=lowest, gains={23.0: 0.03}) == "agrees"
    assert verdict(0.97, *rows, asked=lowest, gains={7.0: 0.03}) == "inconclusive: not trained"


def test_the_interval_holds_the_spread_between_seeds():
    # 0.98, 0.985 … 1.00: variance 0.00025/4, t(0.975, 4)·0.0079057/√5 = 0.0098; Wilson's half-widths are 0.0021 and
    # 0.0018.
    several = [{"value": value, "seed": seed} for seed, value in enumerate((0.98, 0.985, 0.99, 0.995, 1.0))]
    found = compared(0.99, *several)
    assert found["spread"] == "seeds"
    assert 0.99 - found["low"] == pytest.approx(0.01004, abs=2e-5)
    assert found["verdict"] == "inconclusive"
    # One seed beside a method whose five have a variance of 0.00012 at 0.982. At 0.99 that is a standard deviation of
    # 0.01095·sqrt(0.99·0.01/(0.982·0.018)) = 0.0082; times t(0.975, 4), 0.0228.
    pool = [{"method": "ibal", "value": v, "seed": s} for s, v in enumerate((0.99, 0.97, 0.99, 0.97, 0.99))]
    found = compared(0.99, {}, *pool)
    assert found["spread"] == "pooled from 1 method over awgn at 7 dB"
    assert 0.99 - found["low"] == pytest.approx(0.0229, abs=2e-4)
    # Two seeds, 0.985 and 0.995, join the pool: variances 0.00005 and 0.00012 over p(1 − p) are 0.00505 on one degree
    # of freedom and 0.00679 on four, so 0.00644 on five: 0.00799 at 0.99, times t(0.975, 5)/√2, 0.0145. Alone: 0.0635.
    two = [{"value": value, "seed": seed} for seed, value in enumerate((0.985, 0.995))]
    found = compared(0.99, *two, *pool)
    assert found["spread"] == "pooled from 2 methods over awgn at 7 dB"
    assert 0.99 - found["low"] == pytest.approx(0.0147, abs=2e-4)


def test_no_interval_and_no_gain_reaches_beyond_an_accuracy_of_1():
    """Printed 0.9970 of MNIST, so up to 1.0020 agrees: above, nothing can disagree."""
    # 0.998 of 10,000: Wilson's interval is 0.9969 to 0.9987. As much gain again would end at 1.0027.
    assert verdict(0.9970, {"value": 0.998}, gain=0.004) == "agrees"
    # 0.9960, 0.9980, 1.0000: sd 0.002, t(0.975, 2)·0.002/√3 = 0.0050, so 0.9929 to 1.0030 without the bound.
    several = [{"value": value, "seed": seed} for seed, value in enumerate((0.996, 0.998, 1.0))]
    found = compared(0.9970, *several)
    assert (found["low"], found["high"]) == (pytest.approx(0.9929, abs=1e-4), 1.0)
    assert found["verdict"] == "agrees"


def test_gates_stand_before_the_verdict_and_the_size_in_it():
    assert verdict(0.9970, {}, size=64) == "differs, at 64×64"
    assert verdict(0.9910, {}, size=64) == "agrees, at 64×64"
    assert verdict(0.9910, {}, epochs=3) == "inconclusive: not trained"  # not half as long
    found = compared(0.9910, {}, size=64)
    assert (found["trained"], found["competent"]) == ("yes", "yes")
    assert found["scale"] == "64×64, k = 128; the paper 224×224, k = 1568"


def test_a_verdict_on_a_number_stands_only_if_it_would_stand_after_as_much_gain_again():
    """0.9879 to 0.9918, and 0.4 points more: up to 0.9958."""
    assert verdict(0.9990, {}) == "differs"  # by 0.72 points at least, where half a point is tolerated
    assert verdict(0.9990, {}, gain=0.002) == "differs"
    found = compared(0.9990, {}, gain=0.004)
    assert (found["verdict"], found["trained"]) == ("inconclusive: not trained", "no")
    assert found["gain"] == pytest.approx(0.004)
    moved = "the second half of its training moved it by +0.40 points"
    assert found["why"] == f"{moved}, and as much again could change this"
    assert verdict(0.9910, {}, gain=0.004) == "agrees"
    assert verdict(0.9900, {}, gain=0.004) == "inconclusive: not trained"
    assert verdict(0.9990, {}, gain=-0.004) == "differs"  # it lost
    # Far off, but not trained to its end: no verdict against the paper.
    assert verdict(0.9200, {}, gain=0.005) == "differs"
    assert verdict(0.9200, {}, gain=0.006) == "inconclusive: not trained"
    # Under attack it could lose as much again: 0.9879 − 0.4 points is more than half a point below 0.9910.
    attacked = {"metric": "adversarial_accuracy", "attack": "paper"}
    asked = {"quantity": "adversarial_accuracy"}
    assert verdict(0.9910, {}, attacked, asked=asked) == "agrees"
    assert verdict(0.9910, {}, attacked, asked=asked, gain=-0.004) == "inconclusive: not trained"


def test_a_stand_in_judges_no_printed_number_and_a_range_needs_both_ends():
    assert verdict(0.99, {"dataset": "digits"}) == "not run"
    assert verdict(0.99, {}, asked={"snr_db": "7-23", "relation": "maximum"}) == "not run"


def test_every_printed_number_is_a_value_a_maximum_or_a_minimum():
    numbers = paper.numbers().set_index("id")
    assert set(numbers["relation"]) == {"equals", "maximum", "minimum"}
    assert list(numbers.index[numbers["relation"] == "maximum"]) == ["n07", "n10", "n12", "n16", "n18"]
    assert list(numbers.index[numbers["relation"] == "minimum"]) == ["n09", "n11", "n15", "n17"]
    # AT's and TRADES' maxima are printed with the SNR that they are reached at.
    assert list(numbers.loc[["n25", "n26", "n31"], "snr_db"]) == ["23"] * 3


def test_the_command_at_the_papers_size_runs_what_the_gates_need_and_all_of_it_exists():
    runs = {f"{s.dataset}/{s.channel}/{s.label}" for s in grid(load(ROOT / "config" / "paper.yaml"))}
    asked = [[f"{n['dataset']}/{n['channel']}/{n['method']}"] for n in paper.numbers().to_dict("records")]
    for wanted in [*asked, *map(rerun_commands.runs_of, paper.claims())]:
        needed = rerun_commands.with_gates(wanted)
        assert set(needed) <= runs
        for run in wanted:
            place = run.rpartition("/")[0]
            assert {run, f"{run}_half", f"{place}/undefended"} <= set(needed)
    assert rerun_commands.at_papers_size(["mnist/awgn/necst"]) == (
        "snakemake --cores all --configfile config/paper.yaml "
        '--config only="mnist/awgn/necst mnist/awgn/necst_half mnist/awgn/undefended"'
    )
