"""What a config costs: hours from FLOP, sums of runs, and the committed table of config/paper.yaml."""

import collections
from dataclasses import replace

import pytest
import yaml
from test_stage_flop import run_of

from benchmarks import cost, table
from benchmarks.rates import STEPS, Rates, like
from repobe.runs.config import ROOT, load
from repobe.runs.grid import grid
from repobe.runs.spec import Inversion, Training
from repobe.stages import pipeline, standalone
from repobe.stages.evaluate import attacks_at, ensemble_name


def test_hours_are_flop_over_the_rate_of_the_step_that_is_most_like_a_part():
    """Eq. 16 at S = 16 takes the rate measured at 32: 2 GFLOP/s; other parts are in float32, attacks at AT's rate."""
    steps = {
        ("RepObE Eq. 16", 32, "bfloat16"): 2e9,
        ("RepObE Eq. 16", 224, "bfloat16"): 9e9,
        ("AT", 64, "float32"): 4e9,
    }
    rates = Rates("machine", steps | {("RepObE natural", 32, "float32"): 1e9}, {"bfloat16": 8e12, "float32": 1e12})
    spec = run_of("repobe_adversarial")
    parts = {"training": 20e9, "selection": 3e9, "natural": 5e9, "paper": 8e9, "audit": 1e9}
    assert rates.seconds(spec, parts, "bfloat16") == {"train": 20 / 2 + 3 / 1, "measure": 5 / 1 + 8 / 4 + 1 / 1}
    assert rates.gpu_named == "8 TFLOP/s in bfloat16 and 1 TFLOP/s in float32"


def test_the_committed_rates_name_every_step_at_the_papers_size():
    rates = Rates.measured(cost.TABLES / "amd-epyc-2-cores.csv", cost.GPU)
    assert {
        (step, 224, kind) for step in (*STEPS.values(), "RepObE Eq. 16", "RepObE natural") for kind in cost.GPU
    } <= {*rates.steps}
    assert like(run_of("trades"), "training") == "TRADES"
    assert like(run_of("necst"), "training") == "RepObE natural"
    assert like(run_of("trades"), "paper") == "AT"
    with pytest.raises(ValueError, match="--gpu-float32 is 0"):
        Rates.measured(cost.TABLES / "amd-epyc-2-cores.csv", cost.GPU | {"float32": 0})


def test_the_table_sums_the_runs_of_a_config_and_the_printed_shares_sum_to_all(tmp_path):
    config = yaml.safe_load((ROOT / "config" / "miniature.yaml").read_text()) | {"results_dir": str(tmp_path)}
    rates = Rates.measured(cost.TABLES / "amd-epyc-2-cores.csv", cost.GPU)
    twice = cost.counted(config | {"seeds": [0, 1]}, rates)
    once = cost.counted(config, rates)
    reader = sum(row["flop"] for row in once if row["method"] == cost.CLASSIFIER)
    whole = sum(row["flop"] for row in once)
    assert sum(row["flop"] for row in twice) == pytest.approx(2 * whole - reader)
    assert sum(one["flop"] for one in cost.shares(once, "part").values()) == pytest.approx(whole)
    assert all(
        row["gpu_hours"] == pytest.approx(row["flop"] / 1e12 / cost.GPU[row["precision"]] / 3600) for row in once
    )


def test_a_run_leaves_as_many_files_as_are_counted(digits_file, tmp_path):
    """Beside them lie training.json, which a Snakemake rule writes, and the parts of an inversion, had it run."""
    spec = run_of(inversion=Inversion((), (23,), 1))
    spec = replace(spec, train_images=100, training=Training(1, 20, 0.01))
    file = tmp_path / "runs" / spec.path / "spec.yaml"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "digits.safetensors").write_bytes(digits_file.read_bytes())
    standalone.write_spec(spec, file)
    pipeline.train(file, "cpu")
    pipeline.measure(file, "cpu")
    assert len([*file.parent.rglob("*")]) + 2 == cost.RUN_FILES


def test_the_papers_config_costs_less_than_six_and_a_half_exaflop():
    """Its committed table is of the runs that it has now, and of every part that they have."""
    config = load(ROOT / "config" / "paper.yaml")
    rows = table.read(cost.TABLES / "cost-paper.csv")
    assert sum(float(row["flop"]) for row in rows) < 6.5e18
    runs = collections.Counter((spec.dataset, spec.label) for spec in grid(config))
    trained = {(row["dataset"], row["method"]): int(row["runs"]) for row in rows if row["part"] == "training"}
    stale = "run `python -m benchmarks.cost config/paper.yaml` and `python -m benchmarks --readme`"
    assert trained == runs, stale
    expected = {(s.dataset, s.label, name) for s in grid(config) for db in s.snr_db for name, _, _ in attacks_at(s, db)}
    attacks = config["evaluation"]["attacks"]
    assert {(r["dataset"], r["method"], r["part"]) for r in rows if r["part"] in attacks} == expected, stale


def test_the_papers_config_attacks_all_that_a_claim_compares_and_completes_the_worst_case():
    """Where a claim is about adversarial accuracy, its methods are under the paper's attack at every SNR."""
    config = load(ROOT / "config" / "paper.yaml")
    runs = {(spec.dataset, spec.channel, spec.label): spec for spec in grid(config)}
    compared = set()
    for claim in yaml.safe_load((ROOT / "workflow" / "paper" / "claims.yaml").read_text()):
        for part in (claim.get("of", {}) | part for part in claim["parts"]):
            if part.get("quantity") == "adversarial_accuracy":
                named = [part["method"], *part.get("rivals", [])]
                compared |= {(part["dataset"], channel, label) for channel in part["channels"] for label in named}
    assert ("cifar10", "rayleigh", "trades") in compared
    for place in compared:
        paper = runs[place].evaluation.attacks["paper"]
        assert (paper.kind, paper.eps, paper.snr_db, paper.images) == ("pgd", (0.016,), None, 2000)
        for snr_db in (7, 23):
            kinds = {attack.kind for _, attack, eps in attacks_at(runs[place], snr_db) if eps == 0.016}
            assert ensemble_name(kinds) == "worst"
