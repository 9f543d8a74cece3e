from dataclasses import replace

import pytest
import yaml
from conftest import CONFIG, put

from repobe.__main__ import main
from repobe.runs.config import check
from repobe.runs.grid import grid, matches, name_of
from repobe.runs.spec import Spec
from repobe.tables.results import pictures_of
from repobe.tables.schema import columns


def test_a_spec_written_and_read_is_the_same(specs, tmp_path):
    (tmp_path / "spec.yaml").write_text(specs["repobe_adversarial"].dump())
    assert Spec.load(tmp_path / "spec.yaml") == specs["repobe_adversarial"]


@pytest.mark.parametrize(
    ("only", "heard"),
    [("*", {"awgn", "rayleigh"}), ("*/awgn/*", {"awgn"}), ("*/awgn/repobe */rayleigh/*", {"awgn", "rayleigh"})],
)
def test_eavesdroppers_listen_where_only_says(only, heard):
    config = CONFIG | {"channels": ["awgn", "rayleigh"], "inversion": CONFIG["inversion"] | {"only": only}}
    specs = grid(config)
    assert {spec.channel for spec in specs if spec.inversion.attackers} == heard
    assert {spec.channel for spec in specs} == {"awgn", "rayleigh"}


def test_only_keeps_the_runs_that_it_names_and_of_them_the_seeds():
    config = CONFIG | {"seeds": [0, 1], "methods": {"repobe": {}, "undefended": {}}}
    kept = grid(config | {"only": "*/undefended */repobe/seed1"})
    assert {(spec.label, spec.seed) for spec in kept} == {("repobe", 1), ("undefended", 0), ("undefended", 1)}
    with pytest.raises(ValueError, match=r"only: no run matches '[*]/repobe/seed2'"):
        grid(config | {"only": "*/undefended */repobe/seed2"})
    with pytest.raises(ValueError, match=r"only: '[*]/repobe ![*]/repobe/seed[?]' leaves no run; take "):
        grid(config | {"only": "*/repobe !*/repobe/seed?"})


def test_a_half_is_the_same_run_for_half_the_epochs_at_the_first_seed():
    config = CONFIG | {"seeds": [3, 4], "halves": ["repobe_adversarial", "repobe"]}
    config["datasets"] = {"digits": CONFIG["datasets"]["digits"] | {"training_of": {"repobe": {"epochs": 9}}}}
    runs = {spec.path: spec for spec in grid(config)}
    found = [path for path in runs if "_half" in path]
    assert found == ["digits/awgn/repobe_adversarial_half/seed3", "digits/awgn/repobe_half/seed3"]
    for path, epochs in zip(found, (1, 4), strict=True):  # of three and of nine
        half, whole = runs[path], runs[path.replace("_half", "")]
        assert replace(half, label=whole.label, training=replace(half.training, epochs=whole.training.epochs)) == whole
        assert half.training.epochs == epochs


def test_an_attack_is_run_where_its_only_says():
    attacks = {"paper": {"kind": "pgd", "images": 5}, "square": {"kind": "square", "images": 5, "only": "*/repobe"}}
    config = CONFIG | {"evaluation": {"draws": 1, "attacks": attacks}}
    found = {spec.label: [*spec.evaluation.attacks] for spec in grid(config)}
    assert found["repobe"] == ["paper", "square"]
    assert found["undefended"] == found["repobe_adversarial"] == ["paper"]


def test_a_run_that_sends_pictures_waits_for_no_surrogate():
    """No attack is run on it; a transfer attack would make it wait for another training, and fail with it."""
    attacks = {"moved": {"kind": "transfer", "images": 20, "surrogate": "undefended"}}
    specs = {spec.label: spec for spec in grid(check(put(CONFIG, "evaluation.attacks", attacks)))}
    assert [*specs["repobe"].surrogates] == ["undefended"]
    assert specs["repobe_reconstruction"].surrogates == {}


def test_the_most_particular_training_wins():
    digits = {"image_size": 32, "training": {"epochs": 2, "batch_size": 8}, "training_of": {"repobe": {"epochs": 9}}}
    config = CONFIG | {"datasets": {"digits": digits, "digits_rgb": digits | {"training_of": {}}}}
    config |= {"methods": {"repobe": {"training": {"epochs": 3}}, "undefended": {}}}
    found = {(spec.dataset, spec.label): spec.training for spec in grid(config)}
    assert {run: training.epochs for run, training in found.items()} == {
        ("digits", "repobe"): 9,
        ("digits", "undefended"): 2,
        ("digits_rgb", "repobe"): 3,
        ("digits_rgb", "undefended"): 2,
    }
    assert {training.batch_size for training in found.values()} == {8}
    assert {training.learning_rate for training in found.values()} == {CONFIG["training"]["learning_rate"]}


def test_a_training_of_no_method_is_refused_by_name():
    digits = CONFIG["datasets"]["digits"] | {"training_of": {"reqobe": {"epochs": 9}}}
    with pytest.raises(ValueError, match=r"datasets.digits.training_of names 'reqobe'"):
        grid(CONFIG | {"datasets": {"digits": digits}})


def test_without_an_eavesdropper_the_stage_writes_a_header_and_loads_no_model(specs, digits_file, tmp_path):
    silent = replace(specs["repobe"], inversion=replace(specs["repobe"].inversion, attackers=()))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "digits.safetensors").symlink_to(digits_file)
    run = tmp_path / "runs" / silent.path
    run.mkdir(parents=True)
    (run / "spec.yaml").write_text(silent.dump())
    assert main(["invert", str(run / "spec.yaml")]) == 0
    assert (run / "inversion.csv").read_text() == ",".join(columns("inversion")) + "\n"
    assert pictures_of(run / "reconstructions.npz") == {}


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("image_size", "16", "spec.image_size: '16' should be an integer"),
        ("seed", True, "spec.seed: True should be an integer"),
        ("snr_db", [7, "loud"], "spec.snr_db.1: 'loud' should be a number"),
        (
            "training",
            {"epochs": 1.5, "batch_size": 8, "learning_rate": 1},
            "training.epochs: 1.5 should be an integer",
        ),
        ("after", 3, "spec.after: 3 should be a text"),
        (
            "evaluation",
            {"draws": 1, "attacks": {"a": {"kind": "pdg", "images": 1}}},
            "attacks.a.kind: 'pdg' is unknown",
        ),
        (
            "evaluation",
            {"draws": 1, "attacks": {"a": {"kind": "pgd", "images": 1, "eps": [-0.1]}}},
            "spec.evaluation.attacks.a.eps.0: -0.1 should be greater than or equal to 0",
        ),
        ("audit", [], "spec.audit: [] should be a mapping of keys to values"),
    ],
)
def test_a_spec_changed_by_hand_is_refused_with_its_file_and_key(key, value, line, specs, tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(specs["repobe"].as_dict() | {key: value}))
    with pytest.raises(ValueError) as raised:
        Spec.load(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert line in str(raised.value)


def test_a_pattern_after_an_exclamation_mark_leaves_runs_out():
    run = "digits/awgn/mine/seed0"
    assert matches("!*/repobe !*/necst*", run)
    assert not matches("* !*/mine", run)
    assert not matches("!digits/awgn/mine/seed0", run)
    assert not matches("*/repobe !*/necst*", run)


def test_patterns_match_a_model_for_each_snr_by_its_seed_whatever_the_snr():
    config = CONFIG | {"methods": {"repobe": {"snr_train_db": "matched"}}, "snr_db": [-5, 7, 7.5]}
    paths = [spec.path for spec in grid(config)]
    assert [path.rpartition("_")[2] for path in paths] == ["-5db", "7db", "7.5db"]
    assert {name_of(path) for path in paths} == {"digits/awgn/repobe/seed0"}
    assert name_of("digits/awgn/repobe_half/seed12") == "digits/awgn/repobe_half/seed12"
