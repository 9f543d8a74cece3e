"""Configs that are wrong: each is refused at the start in one line that names the key, or it is a plan that can run."""

import copy
import dataclasses
import datetime
import hashlib
import importlib
import json
import math
import re
import subprocess
import sys
import typing
from functools import cache
from pathlib import Path

import pytest
import yaml
from conftest import CONFIG, put
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from repobe.phy import channels
from repobe.runs import names, values
from repobe.runs.config import CONFIG as KEYS
from repobe.runs.config import ROOT, SCHEMA, check, hyper_parameters, load, methods
from repobe.runs.config_files import merged, read, understood
from repobe.runs.grid import HALF, grid
from repobe.runs.seeds import seed
from repobe.runs.spec import Spec, Training
from repobe.training import method
from repobe.training.method import Problem
from repobe.verdicts.rerun_commands import Commands

CONFIGS = sorted((ROOT / "config").glob("*.yaml"))


def texts(config: dict) -> list[str]:
    return [spec.dump() for spec in grid(check(config))]


ATTACK = {"kind": "pgd", "images": 5}


def refusal(config: dict) -> str:
    """The one line that refuses a config."""
    with pytest.raises(ValueError) as raised:
        grid(check(config))
    assert "\n" not in str(raised.value)
    return str(raised.value)


# One spelling of numbers and of orders.


def test_a_run_is_the_same_whether_its_snr_is_written_7_or_7_point_0():
    """The issue's own: snr_db [7.0, 23.0] trained everything again and read 0.0972 in place of 0.1000."""
    assert texts(put(CONFIG, "snr_db", [7.0, 23.0])) == texts(put(CONFIG, "snr_db", [7, 23]))
    spec = grid(check(put(CONFIG, "snr_db", [7.0, 23.0])))[0]
    assert repr(spec.snr_db) == "(7, 23)"
    assert repr(dataclasses.replace(spec, snr_db=(7.0, 11.5)).snr_db) == "(7, 11.5)"
    assert repr(Spec.from_dict(spec.as_dict() | {"snr_db": [-0.0, 23.0]}).snr_db) == "(0, 23)"


def test_the_noise_at_7_db_is_named_as_in_every_table_that_is_committed():
    """By SHA-256 of the name's text, with 7 and not 7.0, in 63 bits."""
    spec = grid(check(put(CONFIG, "snr_db", [7.0, 23.0])))[0]
    named = seed("evaluate", spec.dataset, spec.channel, spec.seed, spec.snr_db[0], 0)
    digest = hashlib.sha256(b"('evaluate', 'digits', 'awgn', 0, 7, 0)").digest()
    assert named == int.from_bytes(digest[:8], "big") // 2 == 832032277839870460


@pytest.mark.parametrize(
    ("path", "one", "other"),
    [
        ("snr_db", [7, 23], [7.0, 23.0]),
        ("seeds", [0, 1], [0.0, 1.0]),
        ("training.epochs", 3, 3.0),
        ("training.weight_decay", 0, 0.0),
        ("datasets.digits.image_size", 16, 16.0),
        ("datasets.digits.training", {"learning_rate": 1}, {"learning_rate": 1.0}),
        ("methods.repobe.hyper", {"beta": 6, "contrast": 0}, {"contrast": 0.0, "beta": 6.0}),
        ("evaluation.attacks.paper.snr_db", [7], [7.0]),
        ("evaluation.attacks", {"a": ATTACK | {"eps": [1]}}, {"a": ATTACK | {"eps": [1.0]}}),
        ("audit.snr_db", [-10, 23], [-10.0, 23.0]),
        ("inversion.snr_db", [23], [23.0]),
    ],
)
def test_no_number_and_no_order_of_keys_is_part_of_a_runs_identity(path, one, other):
    assert texts(put(CONFIG, path, one)) == texts(put(CONFIG, path, other))
    assert json.dumps(check(put(CONFIG, path, one))) == json.dumps(check(put(CONFIG, path, other)))


def test_attacks_run_from_weak_to_strong_however_a_config_lists_them():
    attacks = {
        "paper": {"kind": "pgd", "images": 5},
        "keyless": {"kind": "keyless", "images": 5},
        "transfer": {"kind": "transfer", "images": 5, "surrogate": "undefended"},
        "curve": {"kind": "eot_pgd", "images": 5},
        "strong": {"kind": "eot_pgd", "images": 5},
        "a_square": {"kind": "square", "images": 5},
    }
    written = put(CONFIG, "evaluation.attacks", attacks)
    turned = put(CONFIG, "evaluation.attacks", dict(reversed(attacks.items())))
    assert texts(written) == texts(turned)
    assert [*grid(check(turned))[0].evaluation.attacks] == [*attacks]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_one_spelling_is_that_of_the_committed_configs(path):
    """So no run of theirs is trained or measured again: whole numbers without a point, orders as they stand.

    One label differs, and the changelog says so: jpeg2000_payload, whose `symbols` stands before `rate`.
    """
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert json.dumps(check(config)["training"]) == json.dumps(config["training"])
    for spec in grid(check(config) | {"only": "*"}):
        described = config["methods"][spec.label.removesuffix(HALF)]
        if spec.label != "jpeg2000_payload":
            assert json.dumps(spec.hyper) == json.dumps(described.get("hyper", {}))
        kept = [name for name in config["evaluation"]["attacks"] if name in spec.evaluation.attacks]
        assert [*spec.evaluation.attacks] == kept
        for name in kept:
            written = config["evaluation"]["attacks"][name]
            for key in set(written) & {"eps", "snr_db"}:
                assert repr([*getattr(spec.evaluation.attacks[name], key)]) == repr(written[key])


# Folders and labels.


@pytest.mark.parametrize("key", ["results_dir", "figures_dir"])
@pytest.mark.parametrize("name", ["my results", "a&b", "o'clock", "a(b)", "größe", "a;b", "x*y", "-".join("ab")])
def test_a_folder_may_have_a_name_that_a_shell_reads_once_it_is_quoted(key, name):
    assert check(put(CONFIG, key, name))[key] == name


def test_a_tilde_is_the_users_folder_and_a_path_has_one_spelling(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for folder in ("rr", "a/b", "b", "a~"):  # those of the data must exist
        Path(folder).mkdir(parents=True)
    for written, meant in {"~/rr": f"{tmp_path}/rr", "./a//b/": "a/b", "a/../b": "a/../b", "a~": "a~"}.items():
        for key in ("results_dir", "figures_dir", "data_dir"):
            assert check(put(CONFIG, key, written))[key] == meant


def test_a_folder_of_data_that_is_missing_is_refused_until_nothing_needs_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    known = "; name the datasets' folder, or null to download"
    assert refusal(put(CONFIG, "data_dir", "/nowhere")) == f"data_dir: /nowhere does not exist{known}"
    assert refusal(put(CONFIG, "data_dir", "file")) == f"data_dir: file is not a folder{known}"
    started = f" (relative paths of data start at {tmp_path})"
    assert refusal(put(CONFIG, "data_dir", "dta")) == f"data_dir: dta does not exist{known}{started}"
    made = put(CONFIG, "results_dir", str(tmp_path))
    for name in made["datasets"]:
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / f"{name}.safetensors").write_text("")
    assert check(put(made, "data_dir", "/nowhere"))["data_dir"] == "/nowhere"


@pytest.mark.parametrize("key", ["results_dir", "figures_dir"])
@pytest.mark.parametrize(
    "name", ["results/s$(touch y)", "a`b`", "a\nb", "{run}", 'a"b', "a\\b", "", "-rf", "x" * 201, "\0"]
)
def test_a_folder_whose_name_a_shell_would_run_is_refused(key, name):
    assert refusal(put(CONFIG, key, name)).startswith(f"{key}: ")


@pytest.mark.parametrize("label", ["undefended\n", "a b", "../a", "A", "1a", "é", "a" * 65, "a" * 305, ""])
@pytest.mark.parametrize("where", ["methods", "datasets"])
def test_a_label_that_cannot_name_a_folder_is_refused(label, where):
    line = refusal(put(CONFIG, where, CONFIG[where] | {label: {"image_size": 16} if where == "datasets" else {}}))
    assert line.startswith(f"{where}: {label!r}"[:40])
    assert len(line) < 200


def test_the_reports_commands_name_odd_folders_in_one_piece(tmp_path):
    path = tmp_path / "it's mine & (üben).yaml"
    path.write_text(yaml.safe_dump(put(CONFIG, "results_dir", "my o'clock & (a)")), encoding="utf-8")
    commands = Commands([str(path)], ["digits/awgn/repobe/seed0"])
    said = commands.measures({"method": "repobe", "dataset": "digits", "channel": "awgn"}, "evasion")
    words = subprocess.run(["bash", "-c", f"printf '%s\\n' {said}"], capture_output=True, text=True, check=True).stdout
    assert words.splitlines() == [
        "snakemake", "my o'clock & (a)/runs/digits/awgn/repobe/seed0/evasion.csv",
        "--cores", "all", "--configfile", str(path), "--forcerun", "train",
    ]  # fmt: skip


# What YAML and the command line make of a config.


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize(
    "path",
    [
        "training.learning_rate",
        "training.weight_decay",
        "training.epochs",
        "threads",
        "evaluation.draws",
        "audit.trials",
    ],
)
def test_infinity_and_nan_are_refused_before_anything_runs(path, number):
    assert refusal(put(CONFIG, path, number)).startswith(f"{path}: {number}")


@pytest.mark.parametrize(
    "path", ["snr_db", "methods.repobe.snr_train_db", "audit.snr_db", "evaluation.attacks.paper.eps"]
)
def test_infinity_and_nan_are_refused_in_lists_too(path):
    assert refusal(put(CONFIG, path, [7, math.inf])).startswith(f"{path}.")
    assert refusal(put(CONFIG, "methods.repobe.hyper", {"beta": math.nan})) == (
        "methods.repobe.hyper: nan is not a finite number"
    )


def test_a_key_that_stands_twice_is_refused_with_its_line(tmp_path):
    """A second label `repobe` would silently replace the first; merge keys and anchors stay allowed."""
    path = tmp_path / "twice.yaml"
    path.write_text("methods:\n  repobe: {}\n  undefended: {}\n  repobe: { task: reconstruction }\n")
    with pytest.raises(ValueError, match=re.escape(f"{path}, line 4: the key 'repobe' occurs twice")):
        read(path)
    path.write_text("a: &a { x: 1 }\nb:\n  <<: *a\n  x: 2\n")
    assert read(path) == {"a": {"x": 1}, "b": {"x": 2}}


@pytest.mark.parametrize(
    ("written", "hint"),
    [("1e-3", "1.0e-3"), ("1e5", "1.0e+5"), ("1.5e3", "1.5e+3"), ("'7'", "7"), ("-2E-1", "-2.0e-1")],
)
def test_a_number_that_yaml_reads_as_a_text_comes_with_its_right_spelling(written, hint):
    config = put(CONFIG, "training.learning_rate", yaml.safe_load(written))
    assert refusal(config).endswith(f"should be a number; YAML reads this as a text, write {hint}")
    assert yaml.safe_load(hint) == float(written.strip("'"))


def test_snakemakes_config_option_is_read_as_yaml():
    """Snakemake hands on texts of `--config seeds=[0,1] mlflow_uri=null`."""
    given = {"seeds": ["0", "1"], "mlflow_uri": "null", "training": {"learning_rate": "0.1", "cycle_momentum": "false"}}
    given |= {"only": "*/repobe", "results_dir": "results/7"}
    config = check(merged(CONFIG, understood(given)))
    assert config["seeds"] == [0, 1]
    assert config["mlflow_uri"] is None
    assert config["training"] == CONFIG["training"] | {"learning_rate": 0.1, "cycle_momentum": False}
    assert (config["only"], config["results_dir"]) == ("*/repobe", "results/7")


def test_two_configfiles_are_one_config_down_to_the_reports_commands(tmp_path):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(yaml.safe_dump(CONFIG))
    second.write_text("results_dir: elsewhere\ntraining: { epochs: 9 }\n")
    config = load(first, second)
    assert config == put(put(CONFIG, "results_dir", "elsewhere"), "training.epochs", 9)
    said = Commands([str(first), str(second)], ["digits/awgn/repobe/seed0"]).judges({"parts": []})
    assert said.startswith(f"snakemake elsewhere/claims.csv --cores all --configfile {first} {second} --forcerun")
    done = subprocess.run(
        [sys.executable, "-m", "repobe", "status", str(first), str(second)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "runs in elsewhere" in done.stdout


# Accepted before, and could not run.


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("seeds", [2**32], "seeds.0: 4294967296 should be less than 4294967296"),
        ("seeds", [1e30], "seeds.0: 1000000000000000019884624838656 should be less than 429"),
        ("seeds", [-1], "seeds.0: -1 should be greater than or equal to 0"),
        ("seeds", [0, 0.0], "seeds: 0 occurs twice"),
        ("inversion.only", "*/nobody", "inversion.only: no run matches '*/nobody'"),
        ("evaluation.attacks.paper.only", "*/repobe */repboe", "evaluation.attacks.paper.only: no run matches '*/repb"),
        ("evaluation.attacks.paper.only", "*_reconstruction", "evaluation.attacks.paper.only: '*_reconstruction' "),
        ("only", " ", "only: ' ' should be patterns over runs"),
        ("training.learning_rate", 1e9, "training.learning_rate: 1000000000.0 should be less than or equal to 10"),
        ("snr_db", [-10000], "snr_db.0: -10000 should be greater than or equal to -25"),
        ("evaluation.attacks.paper.eot", 1e30, "evaluation.attacks.paper.eot: 1000000000000000019884624838656 should"),
        ("methods.repobe_adversarial.after", "repobe_reconstruction", "methods.repobe_adversarial.after names 'repobe"),
        ("methods.repobe.after", "repobe", "methods.repobe.after makes a circle: repobe after repobe; leave one"),
        ("methods.undefended.after", "repobe_adversarial", "methods.undefended.after makes a circle: undefended after"),
        ("methods.repobe.after", "nobody", "methods.repobe.after names 'nobody', which methods does not list"),
        ("halves", ["nobody"], "halves names 'nobody', which methods does not list"),
        ("halves", ["repobe", "repobe"], "halves: 'repobe' occurs twice"),
        ("datasets.digits.image_size", 8_000_000, "datasets.digits.image_size: 8000000 should be less than or equal t"),
        ("training.epochs", 10**9, "training.epochs: 1000000000 should be less than or equal to 10000"),
        ("methods.repobe.hyper", {"steps": "five"}, "methods.repobe.hyper.steps: 'five' should be an integer"),
        ("methods.repobe.hyper", {"steps": 2.5}, "methods.repobe.hyper.steps: 2.5 should be an integer"),
        ("methods.repobe.hyper", {"adversarial": 1}, "methods.repobe.hyper.adversarial: 1 should be true or false"),
        ("methods.repobe.hyper", {"beta": True}, "methods.repobe.hyper.beta: True should be a number"),
        ("methods.repobe.hyper", {"beta": "1e-3"}, "methods.repobe.hyper.beta: '1e-3' should be a number; YAML reads"),
        ("methods.repobe.hyper", {"inner": 3}, "methods.repobe.hyper.inner: 3 should be a text"),
        ("methods.repobe.hyper", {"eps": None}, "methods.repobe.hyper.eps: None should be a number"),
        ("methods.repobe.hyper", {"eps": datetime.date(2025, 1, 1)}, "methods.repobe.hyper: 2025-01-01 is a date"),
        ("methods.vae", {"hyper": {"learning_rate": 1e9}}, "methods.vae.hyper.learning_rate: 1000000000 should be les"),
        ("methods.repobe.hyper", {"attention_blocks": -1}, "methods.repobe.hyper.attention_blocks: -1 should be"),
        ("methods.repobe.hyper", {"temperature": 0}, "methods.repobe.hyper.temperature: 0 should be greater than 0"),
        ("methods.trades", {"hyper": {"steps": 0}}, "methods.trades.hyper.steps: 0 should be greater than or equal to"),
        ("methods.necst", {"hyper": {"encoder_l2": -1}}, "methods.necst.hyper.encoder_l2: -1 should be greater than"),
        ("methods.vae", {"hyper": {"last_learning_rate": -1}}, "methods.vae.hyper.last_learning_rate: -1 should be"),
        ("methods.ibal", {"hyper": {"rising_epochs": 0}}, "methods.ibal.hyper.rising_epochs: 0 should be greater than"),
        ("methods.necst_dp", {"hyper": {"budget": 1000}}, "methods.necst_dp.hyper.budget: 1000 should be less than"),
        ("methods.escst", {"hyper": {"width": 0}}, "methods.escst.hyper.width: 0 should be greater than or equal to 1"),
        ("methods.necst", {"hyper": {"samples": 1}}, "methods.necst.hyper.samples: 1 is too few; VIMCO needs two"),
        ("methods.trades", {"task": "reconstruction"}, "methods.trades: trades has no task: reconstruction, because"),
        ("methods.repobe.hyper", {"adversarial": True}, "methods.repobe.hyper.adversarial needs `after: undefended`"),
        ("channels", ["nakagami_m0.3"], "channels.0: channel nakagami: m is 0.3; it must be 0.5 or more"),
        ("evaluation.attacks", {"a": {"kind": "transfer", "images": 5}}, "evaluation.attacks.a: kind transfer needs a"),
        *(
            ("evaluation.attacks", {"a": {"images": 5, "kind": kind} | odd}, f"evaluation.attacks.a: kind {kind} {end}")
            for kind, odd, end in [
                ("pgd", {"surrogate": "undefended"}, "has no surrogate"),
                ("pgd", {"restarts": 20}, "does not read restarts; leave it out, or take kind eot_pgd"),
                ("keyless", {"eot": 20}, "does not read eot; leave it out"),
                ("autoattack_standard", {"eot": 2}, "does not read eot; leave it out, or take kind autoattack_rand"),
            ]
        ),
        ("threads", 0, "threads: 0 should be greater than or equal to 1"),
        ("device", "cuda:x\n", "device: 'cuda:x\\n' should be auto, cpu, cuda or cuda:1"),
    ],
)  # fmt: skip
def test_what_cannot_run_is_refused_before_anything_runs(path, value, line):
    assert refusal(put(CONFIG, path, value)).startswith(line)


def test_what_has_no_half_or_has_one_already_is_refused():
    halves = put(CONFIG, "halves", ["repobe"])
    line = "halves names 'repobe', which has one epoch on digits; give it two, or leave it out"
    assert refusal(put(halves, "training.epochs", 1)) == line
    twice = put(halves, "methods.repobe_half", {"method": "repobe"})
    assert refusal(twice).startswith("halves names 'repobe', but methods lists 'repobe_half'")


def test_a_label_that_names_half_of_no_method_is_refused():
    """Figures and the leaderboard leave trainings of half the length out."""
    line = "methods.better_half: labels that end in _half are trainings of half the length, and 'better' is no method"
    assert refusal(put(CONFIG, "methods.better_half", {"method": "repobe"})) == f"{line}; rename it"


def test_an_attack_may_say_null_where_it_means_every_snr():
    attack = {"kind": "pgd", "images": 20, "snr_db": None}
    assert grid(check(put(CONFIG, "evaluation.attacks", {"paper": attack})))


def test_the_types_of_a_methods_own_file_are_checked_without_running_it(tmp_path):
    """Values of a Literal too; a type that Python does not bring along is left to the method."""
    path = tmp_path / "mine.py"
    path.write_text(
        "raise SystemExit('run')\nclass Method(method.Method):\n"
        "    def __init__(self, problem, hyper): ...\n    def update(self, image, label, n0): ...\n"
        "class Hyper:\n"
        "    mode: Literal['a', 'b'] = 'a'\n    rates: tuple[float, ...] = (1.0,)\n    most: int | None = None\n"
        "    odd: torch.dtype = torch.float32\n    unsafe: __import__('os').abort() = 1\n"
    )

    def given(**hyper) -> dict:
        return put(CONFIG, "methods.mine", {"method": str(path), "hyper": hyper})

    assert len(grid(check(given(mode="b", rates=[1, 0.5], most=None, odd="float16", unsafe=3)))) == 5
    assert refusal(given(mode="c")) == "methods.mine.hyper.mode: 'c' should be 'a' or 'b'"
    assert refusal(given(rates=[1, "x"])) == "methods.mine.hyper.rates.1: 'x' should be a number"
    assert refusal(given(most=1.5)) == "methods.mine.hyper.most: 1.5 should be an integer"


def test_the_least_m_of_nakagami_fading_is_the_channels_own():
    (least,) = names.PARAMETER_MINIMUM["nakagami"].values()
    assert channels.Nakagami(least).m == 0.5
    with pytest.raises(ValueError, match="1/2 or more"):
        channels.Nakagami(math.nextafter(least, 0))


def test_at_the_least_and_the_greatest_snr_every_channel_can_be_computed():
    for snr_db in (-25, 100):
        n0 = channels.noise_power(snr_db)
        for channel in (channels.named(label, None) for label in names.channels()):
            assert 0 < channel.ergodic_capacity(n0) < 40
            assert 0 <= channel.bit_error_rate(n0) <= 0.5


def test_the_schema_that_editors_use_is_up_to_date():
    """`python -m repobe.runs.config > workflow/schemas/config.schema.json` writes it."""
    from pydantic import TypeAdapter

    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == TypeAdapter(KEYS).json_schema()


# A thousand configs with one to three mistakes each.

ODD_VALUES = [
    None, True, False, 0, -1, 1, 2, 7.0, 0.5, 1e-9, 1e9, 1e30, 1e308, 10**400, 2**31, 2**32, 2**63,
    math.inf, -math.inf, math.nan, "", " ", "7", "1e-3", "null", "x\n", "a" * 305, "*", "*/nobody", "[",
    "../..", "$(touch y)", "{run}", "~", "~nobody_is_called_so/x", "\0", "\ud800", "repobe", "undefended",
    "repobe_reconstruction", "matched", "keyless", "nowhere.py", "nowhere.py:mine", "rician_k10", "nakagami_m0.1",
    [], {}, [None], [[]], [7, 7.0], [{}], {"a": 1}, {1: 2}, {None: {}}, {"": {}},
    datetime.date(2025, 1, 1), b"bytes", {1, 2},
]  # fmt: skip
DRAWN = (st.integers(), st.floats(), st.text(max_size=20), st.lists(st.integers(-30, 300), max_size=4))
ODD = st.one_of(st.sampled_from(ODD_VALUES), *DRAWN)
RICH = merged(
    CONFIG,
    {
        "channels": ["awgn", "rician_k10"],
        "methods": {
            "vae": {"hyper": {"beta": 0.01, "symbols": 8}},
            "necst": {"hyper": {"samples": 3, "bits": 16, "training_channel": "block"}, "training": {"epochs": 2}},
            "repobe": {"hyper": {"inner": "kl", "key_schedule": "per_message", "max_gradient_norm": 1}},
        },
        "evaluation": {
            "attacks": {
                "strong": {"kind": "eot_pgd", "images": 5, "steps": 2, "eot": 2, "eps": [0.01], "only": "*/repobe"},
                "moved": {"kind": "transfer", "images": 5, "surrogate": "undefended", "snr_db": [7]},
            }
        },
        "inversion": {"only": "*/repobe *_reconstruction"},
        "device": "auto",
        "recompute": False,
    },
)


def places(value, path=()) -> list[tuple]:
    """Every place of a config: of each key and each item."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(*path, key) for key, _ in inner] + [p for key, one in inner for p in places(one, (*path, key))]


def is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def nudged(draw, value):
    """A value that could well be right: so that not all mutants are refused."""
    if is_number(value):
        return draw(
            st.sampled_from([value + 1, value - 1, float(value), value * 2, 0, 0.5, 1, 24, 100, 255, 1024, 10_000])
        )
    if isinstance(value, bool):
        return not value
    if isinstance(value, list) and value:
        return draw(st.sampled_from([value[:-1], value[::-1], value + value[:1], value * 2, [*map(str, value)]]))
    if isinstance(value, dict) and value:
        return dict(reversed(value.items()))
    return draw(
        st.sampled_from(["repobe", "undefended", "repobe_reconstruction", "necst", "vae", "*", "*/vae", "pgd", "cpu"])
    )


@st.composite
def mutated(draw) -> dict:
    config = copy.deepcopy(RICH)
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(places(config)))
        where = config
        for key in way:
            where = where[key]
        match draw(st.sampled_from(["nudge"] * 8 + ["replace", "replace", "delete", "rename", "add"])):
            case "nudge":
                where[last] = nudged(draw, where[last])
            case "delete":
                del where[last]
            case "rename" if isinstance(where, dict):
                odd = st.sampled_from(["only", "steps", "hyper", "b", 7, None, "a" * 300])
                where[draw(st.text(max_size=8) | odd)] = where.pop(last)
            case "add" if isinstance(where, dict):
                keys = ["only", "after", "snr_db", "training", "extra", "b", "hyper", "surrogate"]
                where[draw(st.sampled_from(keys))] = draw(ODD)
            case _:
                where[last] = draw(ODD)
        if not places(config):
            break
    return config


def judge(config: dict, specs: list[Spec], every: list[Spec]) -> None:
    """Whether these runs can run, by bounds and names, and by what the suite's own classes say of them."""
    paths = {spec.path for spec in every}
    assert specs
    assert len({spec.path for spec in specs}) == len(specs)
    for spec in specs:
        assert all(re.fullmatch(r"[a-z0-9_.]{1,80}", part) for part in spec.path.split("/"))
        assert (
            Spec.from_dict(yaml.safe_load(spec.dump()))
            == spec
            == Spec.from_dict(json.loads(json.dumps(spec.as_dict())))
        )
        assert spec.dataset in names.DATASETS or config["datasets"][spec.dataset]["source"]
        channels.named(spec.channel, spec.channel_source)
        module = importlib.import_module(
            "repobe.training.algorithm" if spec.method == "repobe" else f"baselines.{spec.method}"
        )
        kinds = {field.name: type(field.default) for field in dataclasses.fields(module.Hyper)}
        for name, value in spec.hyper.items():
            assert type(value) is kinds[name] or (kinds[name] is float and type(value) is int)
        constructed(spec.method, json.dumps(spec.hyper), spec.task == "reconstruction")
        assert spec.teacher is None or (spec.teacher in paths and spec.teacher != spec.path)
        assert spec.teacher or spec.task == "reconstruction" or not spec.hyper.get("adversarial")
        assert set(spec.surrogates.values()) <= paths
        numbers = [number for _, number in leaves(spec.as_dict())]
        assert all(math.isfinite(number) and abs(number) < 2**53 and repr(number)[-2:] != ".0" for number in numbers)
        training, lists = spec.training, (spec.snr_db, spec.snr_train_db, spec.audit.snr_db, spec.inversion.snr_db)
        assert 1 <= training.epochs <= 10_000 and 2 <= training.batch_size <= 2**16 and 0 < training.learning_rate <= 10
        assert 0 <= spec.seed < 2**32 and 16 <= spec.image_size <= 1024 and spec.image_size % 8 == 0
        assert all(values and -25 <= min(values) <= max(values) <= 100 for values in lists)
        for attack in spec.evaluation.attacks.values():
            assert attack.kind != "transfer" or attack.surrogate in {one.label for one in every}
            assert all(0 <= eps <= 1 for eps in attack.eps) and set(attack.snr_db or ()) <= set(config["snr_db"])
            assert max(attack.steps or 1, attack.restarts, attack.eot or 1) <= 100_000
    json.dumps(config)  # what Snakemake hands to its jobs


@cache
def constructed(name: str, hyper: str, reconstruct: bool) -> None:
    """The method's own constructor takes the hyper-parameters, here for small pictures."""
    problem = Problem(1, 10, 16, channels.named("awgn", None), reconstruct, 1, 0.1, 0.0, 0)
    method.load(name, problem, json.loads(hyper))


def leaves(value, key=None) -> list[tuple]:
    if isinstance(value, dict):
        return [pair for name, one in value.items() for pair in leaves(one, name)]
    if isinstance(value, list):
        return [pair for one in value for pair in leaves(one, key)]
    return [(key, value)] if is_number(value) else []


COUNTS = {"plan": 0, "line": 0}


def one_of_a_thousand(config: dict) -> None:
    try:
        checked = check(config)
        specs = grid(checked)
    except ValueError as error:
        COUNTS["line"] += 1
        line = str(error)
        assert 0 < len(line) < 1500 and line.isprintable(), line
        assert re.match(r"[^ ]+( [^ ]+)?( level)?: |[a-z_.0-9]+ (names|has|makes)", line), line
        return
    COUNTS["plan"] += 1
    judge(checked, specs, grid(checked | {"only": "*"}))


QUIET = {"deadline": None, "database": None, "suppress_health_check": [*HealthCheck], "derandomize": True}


def test_a_mutated_config_is_a_plan_or_one_line():
    before = dict(COUNTS)
    settings(max_examples=150, **QUIET)(given(config=mutated())(one_of_a_thousand))()
    told = {kind: COUNTS[kind] - before[kind] for kind in COUNTS}
    assert min(told.values()) >= 10, told


@pytest.mark.slow
@settings(max_examples=1000, **QUIET)
@given(config=mutated())
def test_each_of_a_thousand_mutated_configs_is_a_plan_or_one_line(config):
    one_of_a_thousand(config)


def test_every_number_of_a_methods_hyper_has_bounds():
    """A new hyper-parameter gets its line in values.HYPER; `outage` is refused by its own method."""
    known = {*values.HYPER, *typing.get_type_hints(Training), "outage"}
    for name in methods():
        kinds = hyper_parameters(name, "")
        assert {key for key, kind in kinds.items() if kind in (int, float)} <= known
