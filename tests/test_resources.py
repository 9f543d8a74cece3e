import inspect
import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.passes import Link, crafting
from repobe.attacks import evasion
from repobe.runs import resources
from repobe.runs.config import load
from repobe.runs.grid import grid
from repobe.runs.spec import UNREAD, Attack

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def paper():
    """The paper's runs on MNIST at 224×224, batch 128, by label."""
    runs = [spec for spec in grid(load(ROOT / "config" / "paper.yaml")) if spec.path.startswith("mnist/awgn/")]
    return {spec.label: spec for spec in runs if spec.seed == 0}


def test_the_document_of_scale_names_the_time_limits_of_the_papers_config():
    """In hundreds and in tens of hours, because that is what a reader plans with."""
    runs = grid(load(ROOT / "config" / "paper.yaml"))
    limits = {stage: [resources.minutes(spec, stage, 1) / 60 for spec in runs] for stage in ("train", "measure")}
    text = (ROOT / "docs" / "scale.md").read_text()
    hours = re.search(r"([\d,]+) GPU-hours of training, (\d+) of measuring", text)
    train, measure = (int(number.replace(",", "")) for number in hours.groups())
    assert train == round(sum(limits["train"]), -2)
    assert measure == round(sum(limits["measure"]), -1)
    assert f"| the longest job | {max(max(hours) for hours in limits.values()):.1f} hours |" in text
    assert f"| {len(runs)}; about " in text


# GiB above weights and optimiser at S = 224, batch 128, as commit 63f6b67 says that they were measured.
PEAKS = [
    ("repobe_adversarial", "bfloat16", False, 2.8),
    ("repobe_adversarial", "bfloat16", True, 2.0),
    ("repobe_adversarial", "float32", False, 5.0),
    ("repobe_adversarial", "float32", True, 3.3),
    ("repobe_reconstruction", "bfloat16", False, 2.5),
    ("repobe_reconstruction", "float32", False, 4.7),
    ("undefended", "float32", False, 2.5),
]


@pytest.mark.parametrize(("label", "precision", "recompute", "gibibytes"), PEAKS)
def test_every_measured_training_fits_in_what_is_asked_for(label, precision, recompute, gibibytes, paper):
    spec = replace(paper[label], recompute=recompute)
    spec = replace(spec, training=replace(spec.training, precision=precision))
    asked = resources.memory(spec, "train", gpu=0)
    process = 1024  # MiB, torch and MNIST: 0.9 GiB resident on the machine that measured the peaks
    assert gibibytes * 1024 + process < asked < 2 * (gibibytes * 1024 + process) + 2000


def test_trainings_that_send_pictures_and_keep_more_than_eq_16_ask_for_more(paper):
    """Bytes a pixel and image in float32, counted by hooks on what autograd saves at S = 64: 867, 1,524 and 1,115."""
    pictures = {name: replace(paper["repobe_reconstruction"], **what) for name, what in (
        ("natural", {}), ("adversarial", {"hyper": {"adversarial": True}}), ("escst", {"method": "escst"}),
    )}  # fmt: skip
    single = replace(paper["repobe_reconstruction"].training, precision="float32")
    pictures = {name: replace(one, training=single) for name, one in pictures.items()}
    for name, kept in (("adversarial", 1524), ("escst", 1115)):
        needed = kept * 128 * 224**2 / 2**20
        assert needed < resources.memory(pictures[name], "train", gpu=0) - resources.PROCESS_MIB < 2 * needed
        longer, usual = (resources.minutes(pictures[one], "train", gpu=0) for one in (name, "natural"))
        assert longer > usual


def test_memory_grows_with_the_pixels_and_the_batch(paper):
    spec = paper["repobe"]
    small = replace(spec, image_size=32)
    double = replace(spec, training=replace(spec.training, batch_size=256))
    asked = [resources.memory(one, "train", gpu=0) for one in (small, spec, double)]
    assert asked == sorted(asked)
    assert asked[0] < asked[1] < asked[2]


def test_on_a_gpu_the_activations_are_not_the_hosts(paper):
    double = replace(paper["repobe"], training=replace(paper["repobe"].training, batch_size=4096))
    assert resources.memory(double, "train", gpu=1) == resources.memory(paper["repobe"], "train", gpu=1)


def test_a_classifier_on_a_gpu_asks_for_the_memory_that_cuda_maps():
    assert resources.classifying(gpu=1) == resources.classifying(gpu=0) + resources.GPU_HOST_MIB


def test_an_attempt_asks_for_as_much_more(paper):
    spec = paper["repobe"]
    for stage in ("train", "measure"):
        for ask in (resources.memory, resources.minutes):
            assert ask(spec, stage, 0, attempt=3) == 3 * ask(spec, stage, 0)
    assert resources.gathering(100, 2) == 2 * resources.gathering(100)
    assert resources.classifying(0, 2) == 2 * resources.classifying(0)


@pytest.mark.parametrize(
    ("label", "size", "precision", "milliseconds"),  # an image, one thread: benchmarks/README.md
    [
        ("repobe_adversarial", 32, "float32", 6.758),
        ("repobe_adversarial", 64, "bfloat16", 15.79),
        ("repobe_adversarial", 224, "bfloat16", 179.5),
        ("repobe_adversarial", 224, "float32", 328.0),
        ("undefended", 64, "float32", 4.909),
    ],
)
def test_every_measured_training_ends_within_its_time(label, size, precision, milliseconds, paper):
    spec = replace(paper[label], image_size=size)
    spec = replace(spec, training=replace(spec.training, precision=precision, epochs=3))
    assert 60 * resources.minutes(spec, "train", gpu=0) > 55_000 * 3 * milliseconds / 1000


def test_without_a_device_in_the_config_size_and_precision_decide_on_a_gpu(paper, specs):
    large, small = paper["repobe"], specs["repobe"]
    assert resources.wants_gpu(large, "auto") == 1
    assert resources.wants_gpu(small, "auto") == 0
    # 60,000 images, 4 epochs at S = 48, 7 ms an image at S = 32: 63 minutes in float32, 47 in bfloat16.
    between = replace(large, image_size=48, training=replace(large.training, epochs=4))
    assert resources.wants_gpu(replace(between, training=replace(between.training, precision="float32")), "auto") == 1
    assert resources.wants_gpu(between, "auto") == 0


def test_a_device_in_the_config_decides_itself(paper, specs):
    assert resources.wants_gpu(paper["repobe"], "cpu") == 0
    assert resources.wants_gpu(specs["repobe"], "cuda") == 1
    assert resources.wants_gpu(specs["repobe"], "cuda:1") == 1


def test_a_stronger_attack_has_more_time(paper):
    """Ten restarts of 50 steps of 20 draws, against five steps of one draw."""
    spec = paper["repobe"]
    paper_only = replace(spec.evaluation, attacks={"paper": spec.evaluation.attacks["paper"]})
    strong = replace(spec.evaluation, attacks={"strong": spec.evaluation.attacks["strong"]})
    weak_minutes = resources.minutes(replace(spec, evaluation=paper_only), "measure", gpu=1)
    assert resources.minutes(replace(spec, evaluation=strong), "measure", gpu=1) > 2 * weak_minutes


@pytest.mark.parametrize("kind", evasion.KINDS)
@pytest.mark.parametrize("schedule", ["fixed", "per_message"])
@pytest.mark.parametrize("given", [{}, {"steps": 2, "eot": 3, "restarts": 4}, {"eps": (0.01, 0.1), "snr_db": (7,)}])
def test_no_attack_is_planned_for_less_time_than_its_passes_take(kind, schedule, given, paper):
    """At the rates of this module, a gradient twice as dear as what it follows. Strong attacks are not planned for four
    times as long either; of five steps the draws that score an image are the most.
    """
    read = {name: value for name, value in given.items() if name not in UNREAD.get(kind, ())}
    attack = Attack(kind, 1, surrogate="undefended" if kind == "transfer" else None, **read)
    spec = replace(paper["repobe"], hyper={"key_schedule": schedule})
    own_keys = schedule == "per_message" or kind == "transfer"  # a plan does not know its surrogate
    passes = crafting(Link(own_keys, random=False, digital=False), attack, 10, rivals=int(kind == "eot_pgd"))
    seconds = resources.PASS_SECONDS_PER_PIXEL / 3 * (passes.sent + 2 * passes.sent_back)
    seconds += resources.DRAW_SECONDS_PER_PIXEL * (passes.heard + 2 * passes.heard_back)
    seconds *= len(attack.eps) * len(attack.snr_db or spec.snr_db)
    planned = resources._attack(attack, spec)
    assert seconds <= planned
    assert planned < 4 * seconds or kind in ("pgd", "keyless")


@pytest.mark.parametrize("kind", evasion.KINDS)
def test_an_attacks_steps_and_draws_are_planned_as_it_runs_them(kind):
    """Its defaults stand in its own code, which a plan does not import."""
    inner = {"autoattack_rand": evasion.rand, "autoattack_standard": evasion.standard}
    sources = {inspect.getsource(function) for function in (evasion.KINDS[kind], inner.get(kind, evasion.KINDS[kind]))}
    text = "".join(sources)
    assert re.findall(r"settings\.steps or (\d+)", text) == [str(resources.DEFAULT_STEPS[kind])]
    assert set(re.findall(r"settings\.eot or (\d+)", text)) <= {str(resources.DEFAULT_DRAWS)}
    assert resources.SELECTION_DRAWS == evasion.SELECTION
