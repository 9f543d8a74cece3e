import math
from pathlib import Path

import pytest
import torch

from benchmarks import __main__ as benchmarks
from benchmarks import machine, memory, overhead, plain, stage_memory, steps, straightforward, table, timing
from benchmarks.gathering import copied
from benchmarks.setup import Setup
from repobe.cipher.keys import Key
from repobe.phy.channels import AWGN
from repobe.runs.spec import Spec, Training
from repobe.systems.system import SemanticSystem
from repobe.tables import outcomes
from repobe.tables import results as room

CPU = Setup(torch.device("cpu"), quick=True)


DEAR = ("training", "scaling")  # half a minute


@pytest.mark.parametrize("without", [DEAR, pytest.param((), marks=pytest.mark.slow)])
def test_a_smoke_run_measures_every_part_and_the_readme_shows_its_file(without, tmp_path, monkeypatch):
    monkeypatch.delenv("REPOBE_DATA", raising=False)
    asked = [part for part in benchmarks.PARTS if part not in (*benchmarks.ON_REQUEST, *without)]
    only = ["--only", ",".join(asked)] if without else []
    assert benchmarks.main(["--quick", "--device", "cpu", "--out", str(tmp_path), *only]) == 0
    (path,) = tmp_path.glob("*.csv")
    rows = table.read(path)
    assert list(dict.fromkeys(row["part"] for row in rows)) == asked
    for row in rows:
        assert float(row["value"]) > 0
        assert not row["ratio"] or float(row["least"]) <= float(row["ratio"]) <= float(row["greatest"])
    shown = table.markdown(tmp_path, benchmarks.about())
    assert all(f"| {row['value']} {row['unit']} |" in shown for row in rows)


def test_a_part_that_fails_leaves_those_before_it_in_the_file(tmp_path, monkeypatch, capsys):
    def fail(_):
        raise ValueError("a child ran out of memory")

    monkeypatch.setattr("benchmarks.sweep.rows", fail)
    asked = ["--only", "shuffle,sweep", "--quick", "--device", "cpu", "--out", str(tmp_path)]
    assert benchmarks.main(asked) == 2
    assert "a child ran out of memory" in capsys.readouterr().err
    (path,) = tmp_path.glob("*.csv")
    assert {row["part"] for row in table.read(path)} == {"shuffle"}


def test_the_readme_shows_the_committed_tables():
    text = benchmarks.readme()
    _, _, rest = benchmarks.README.read_text().partition(table.BEGIN)
    shown, end, _ = rest.partition(table.END)
    assert end and shown == f"\n\n{text}\n", "run `python -m benchmarks --readme`"


def test_a_stages_memory_is_measured_in_a_process_of_its_own_which_says_what_is_wrong():
    (row,) = memory.rows(CPU)
    assert row.subject == "train undefended, mnist, S = 16"
    assert 0.01 < row.value < 1  # GiB: 130 images of 16×16, and the kernels that torch makes for them
    assert row.goal == "at most 2: met"
    with pytest.raises(ValueError, match=r"^rest of undefended: KeyError: 'rest'$"):
        memory._row(CPU, "mnist", "undefended", 16, "rest")


def test_the_memory_table_names_every_method_of_the_papers_config_and_stages_that_it_has():
    runs = stage_memory.specs()
    cases = [*memory.EVERYWHERE, *memory.LARGEST]
    assert {runs["cifar10", label].method for label, _ in cases} == {spec.method for spec in runs.values()}
    stages = {"train", "evaluate", "invert", "audit"}
    assert all(stage in stages or stage in runs["mnist", label].evaluation.attacks for label, stage in cases)
    assert len(set(cases)) == len(cases)


def test_an_unknown_part_is_refused_by_name(capsys):
    assert benchmarks.main(["--only", "training,speed"]) == 2
    assert "no part is called 'speed'" in capsys.readouterr().err


def test_candidates_take_turns():
    """Each once to warm up, then in every round one block each, in order; a sleep of 20 ms is timed as 20 ms."""
    called = []

    def candidate(name, seconds):
        def run():
            called.append(name)
            torch.zeros(1)
            timing.time.sleep(seconds)

        return run

    times = timing.interleaved({"a": candidate("a", 0.02), "b": candidate("b", 0.04)}, rounds=3, seconds=0)
    assert "".join(called) == "ab" + 3 * "ab"
    assert {name: len(each) for name, each in times.items()} == {"a": 3, "b": 3}
    assert timing.median(times, "a") >= 0.02 and timing.median(times, "b") >= 0.04


def test_a_fast_candidate_fills_its_block_with_calls():
    calls = []
    timing.interleaved({"a": lambda: (calls.append(0), timing.time.sleep(0.001))}, rounds=2, seconds=0.02)
    assert 2 + 2 * 5 <= len(calls) <= 2 + 2 * 20  # two to warm up; a sleep of 1 ms lasts 1 to 4


def test_a_ratio_is_of_medians_and_its_range_is_of_rounds():
    """Ours 1, 2, 4 against 6, 2, 8: medians 2 and 6, so 3 times as fast; in the rounds 6, 1 and 2 times."""
    row = table.compared("part", "ours", [1, 2, 4], "other", [6, 2, 8], table.FASTER, goal=table.Goal(3))
    assert (row.value, row.beside_value, row.ratio, row.least, row.greatest) == (2, 6, 3, 1, 6)
    assert row.goal == "at least 3: met"
    cost = table.compared("part", "ours", [2.0], "other", [1.0], table.COST, goal=table.Goal(1.5, at_least=False))
    assert cost.ratio == 2 and cost.goal == "at most 1.5: not met"
    goal = table.Goal(1.5, at_least=False, of_value=True)
    measured = table.compared("part", "ours", [1.0], "other", [0.5], table.COST, goal=goal)
    assert measured.ratio == 2 and measured.goal == "measured at most 1.5: met"


def test_a_part_that_is_measured_again_replaces_its_rows_alone(tmp_path):
    path = tmp_path / "machine.csv"
    old = [table.plain(table.alone(part, "x", value, "ms")) for part, value in (("a", 1.0), ("b", 2.0))]
    table.merge(path, old, ["a", "b"])
    table.merge(path, [table.plain(table.alone("a", "y", 12346.0, "ms"))], ["a", "b"])
    assert [(row["part"], row["subject"], row["value"]) for row in table.read(path)] == [
        ("a", "y", "12350"),
        ("b", "x", "2"),
    ]


def test_a_machine_is_called_by_its_processor_and_not_by_its_host():
    name = machine.name(torch.device("cpu"))
    assert machine.platform.node() not in name
    assert machine.stem("AMD EPYC™ 7B13, 2 cores") == "amd-epyc-7b13-2-cores"


def _twins(noise: float) -> tuple[SemanticSystem, plain.System, Key]:
    """The suite's system and the straightforward one with the same weights and the same key."""
    key = Key.random(4, 4, torch.Generator().manual_seed(3))
    ours, theirs = SemanticSystem(3, 10, 32, AWGN()), plain.System(3, 10, key.permutation)
    _copy_weights(ours, theirs)
    theirs.n0 = noise
    return ours, theirs, key


def _copy_weights(ours: SemanticSystem, theirs: plain.System) -> None:
    """Layer by layer: both name their layers differently, and have them in the same order."""
    names = [name for name in theirs.state_dict() if name != "permutation"]
    weights = dict(zip(names, ours.state_dict().values(), strict=True))
    theirs.load_state_dict(weights | {"permutation": theirs.permutation})


@pytest.mark.parametrize("training", [False, True])
def test_the_straightforward_network_is_the_suites(training):
    """Layer by layer in the same order with the same weights, through a silent channel: the same logits."""
    ours, theirs, key = _twins(0.0)
    image = torch.rand(6, 3, 32, 32)
    ours.train(training), theirs.train(training)
    torch.testing.assert_close(theirs(image), ours(image, 0.0, key), atol=2e-4, rtol=1e-3)


def test_the_straightforward_channel_has_the_suites_noise():
    """n0 is per complex symbol of power 1 in both (D1): the embeddings scatter as much."""
    ours, theirs, key = _twins(0.5)
    ours.eval(), theirs.eval()
    image = torch.rand(1, 3, 32, 32).expand(400, -1, -1, -1)
    with torch.no_grad():
        spread = [theirs(image).std(dim=0).mean(), ours(image, 0.5, key).std(dim=0).mean()]
    assert spread[0].item() == pytest.approx(spread[1].item(), rel=0.1)


def test_the_straightforward_loss_is_equation_16():
    """Without noise, on the same crafted batch, its first update has the suite's loss."""
    data = CPU.data("cifar10")
    spec = steps.specified(data, "repobe", 32, Training(1, 64, 0.01), {"adversarial": True})
    student = steps.trainable(spec, data)
    theirs = plain.System(3, 10, student.keys.receiving(0, 1).permutation)
    _copy_weights(student.system, theirs)
    theirs.train().n0 = 0.0
    image, label = torch.rand(8, 3, 32, 32), torch.arange(8)
    crafted = (image + 0.016 * torch.rand_like(image).sign()).clamp(0, 1)
    loss = straightforward.Equation16(student.prototypes).loss(theirs, image, crafted, label)
    expected = student.l_class(image, crafted, label, 0.0)["loss"]
    assert loss.item() == pytest.approx(expected.item(), rel=1e-3)


def test_a_step_in_bfloat16_leaves_the_next_candidate_in_float32():
    turn = steps.suite("RepObE natural", CPU.data("cifar10"), 16, 8, "bfloat16")
    turn()
    assert not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("name", ["natural", "adversarial_training", "trades", "Equation16"])
def test_the_straightforward_loop_learns_eight_images(name):
    """In twenty updates each of its losses falls: the last three, averaged, lie below the first three."""
    data = CPU.data("cifar10")
    loss_of = (
        straightforward.Equation16(torch.randn(10, 10)) if name == "Equation16" else getattr(straightforward, name)
    )
    loader = straightforward.loader(data.train[0][:8], data.train[1][:8], 16, 8, augmented=False, workers=0)
    turn = straightforward.steps(plain.System(3, 10, torch.randperm(4)), loader, loss_of, updates=20)
    losses = [next(turn) for _ in range(20)]
    assert all(math.isfinite(loss) for loss in losses)
    assert sum(losses[-3:]) < sum(losses[:3])


def test_overhead_is_what_epochs_and_stages_leave_of_the_cores(tmp_path):
    """Two cores for 100 s; epochs 30 + 20 s, an evaluation of 40 s: 0.55 is left. Training's log adds nothing."""
    results = tmp_path / "results"
    for run, seconds in (("a", (10, 20)), ("b", (20,))):
        (results / "runs" / run).mkdir(parents=True)
        lines = "".join(f"{n},{s}\n" for n, s in enumerate(seconds))
        (results / "runs" / run / "history.csv").write_text("epoch,seconds\n" + lines)
    (results / "logs").mkdir()
    (results / "logs" / "evaluate.log").write_text(
        "2026-01-01 00:00:10 evaluate digits/awgn/a/seed0: 3 steps\n"
        "2026-01-01 00:00:30 evaluate digits/awgn/a/seed0: 1 of 3, paper 7 dB, 0:20 left\n"
        "2026-01-01 00:00:50 evaluate digits/awgn/a/seed0: 3 of 3, 0:00 left\n"
    )
    (results / "logs" / "train.log").write_text(
        "2026-01-01 00:01:00 train digits/awgn/a/seed0: 2 steps\n"
        "2026-01-01 00:01:40 train digits/awgn/a/seed0: 2 of 2, validation 0.9\n"
    )
    assert overhead.epochs(results) == 50
    assert overhead.stages(results) == 40
    *_, share = overhead._rows("name", results, 100.0, 2)
    assert share.value == pytest.approx(0.55)


def test_a_folder_without_logs_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=f"{tmp_path}/logs holds no log"):
        list(overhead.rows(Path(tmp_path), 2))


def test_copies_of_finished_runs_are_gathered_as_runs_of_further_seeds(results, tmp_path):
    specs = copied(results, tmp_path / "more", 5)
    assert [Spec.load(spec).seed for spec in specs] == [0, 1, 2, 3, 4]
    room.tables(tmp_path / "more", specs)
    gathered = outcomes.read(tmp_path / "more" / "tables" / "outcomes.parquet")
    own = outcomes.read(results / "tables" / "outcomes.parquet")
    assert gathered["seed"].value_counts().to_dict() == dict.fromkeys(range(5), len(own))


def test_a_folder_without_finished_runs_is_named(tmp_path):
    with pytest.raises(ValueError, match="no finished run; name a results folder"):
        copied(tmp_path, tmp_path / "more", 5)
