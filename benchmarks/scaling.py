"""Cost against work, each beside what proportional cost would be: batch, S, images, runs, cores."""

from collections.abc import Callable, Iterator

from benchmarks import cores, steps, workflow
from benchmarks.setup import Setup, first
from benchmarks.table import PROPORTIONAL, Goal, Row, compared, scaled
from repobe.images.resizing import Resized
from repobe.runs.spec import Training
from repobe.stages.evaluate import unattacked
from repobe.training.loop import build

STEP = "RepObE natural"
JOBS_SECONDS = 30.0  # for a dry run of 10,000 jobs
JOBS = 10_000


def rows(setup: Setup) -> Iterator[Row]:
    """For each kind of work, larger amounts are compared with the smallest."""
    data = setup.data("cifar10")
    batches = (4, 8) if setup.quick else (32, 128, 512)
    yield from _growing(setup, {b: (f"batch {b}", steps.suite(STEP, data, 32, b)) for b in batches}, "step, S = 32")
    sizes, batch = ((16, 24), 4) if setup.quick else ((32, 64, 128, 224), 16)
    by_size = {s * s: (f"S = {s}", steps.suite(STEP, data, s, batch)) for s in sizes}
    yield from _growing(setup, by_size, f"step, batch {batch}")
    counts = (8, 16) if setup.quick else (500, 2000)
    by_count = {n: (f"{n} images", _evaluation(setup, n)) for n in counts}
    yield from _growing(setup, by_count, "evaluation at 7 dB, S = 32")
    yield from _runs(setup)
    times = cores.training(setup)
    for processes in list(times)[1:]:
        yield _row(f"trainings on {processes} cores, each its own", times[processes], "one alone", times[1], 1)


def _growing(setup: Setup, cases: dict[int, tuple[str, Callable]], what: str) -> Iterator[Row]:
    """cases: (name, run) by the amount of work."""
    times = setup.times({name: run for name, run in cases.values()}, rounds=3)
    (least, (other, _)), *rest = cases.items()
    for work, (name, _) in rest:
        yield _row(f"{what}, {name}", times[name], other, times[other], work / least)


def _row(
    subject: str, ours: list[float], beside: str, other: list[float], times_more: float, goal: Goal | None = None
) -> Row:
    beside = beside if times_more == 1 else f"{times_more:.4g} times {beside}"
    ours, other = scaled(ours, 1000), scaled(other, 1000 * times_more)
    return compared("scaling", subject, ours, beside, other, PROPORTIONAL, goal=goal)


def _evaluation(setup: Setup, count: int) -> Callable[[], object]:
    data = first(setup.data("cifar10"), count)
    spec = steps.specified(data, "repobe", 32, Training(1, count, 0.01))
    trained = build(spec, data).eval()
    return lambda: unattacked(trained, spec, Resized(data.test[0], 32), data.test[1], 7)


def _runs(setup: Setup) -> Iterator[Row]:
    """Snakemake's planning only, for the runs of the miniature with more and more seeds."""

    def planned(seeds: int) -> tuple[int, float]:
        return workflow.planned(workflow.MINIATURE, seeds=list(range(seeds)))

    one, two = planned(1), planned(2)
    few, many, goal = one, two, None
    if not setup.quick:
        few, many = (planned(1 + round((jobs - one[0]) / (two[0] - one[0]))) for jobs in (JOBS // 10, JOBS))
        goal = Goal(1000 * JOBS_SECONDS, at_least=False, of_value=True)
    yield _row(f"dry run of {many[0]} jobs", [many[1]], f"that of {few[0]}", [few[1]], many[0] / few[0], goal)
