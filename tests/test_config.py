import ast
import re
from dataclasses import fields
from importlib import import_module

import pytest
import yaml
from conftest import CONFIG

from repobe.__main__ import main
from repobe.phy import channels
from repobe.runs import hyper_checks, plugins
from repobe.runs.config import ROOT, check, hyper_parameters, load, source_of
from repobe.runs.grid import grid
from repobe.training import method
from repobe.training.method import Problem

METHODS = ["repobe", *sorted(path.stem for path in (ROOT / "baselines").glob("[a-z]*.py"))]


@pytest.mark.parametrize(
    ("departure", "line"),
    [
        ({"trainig": {}}, "the top level: unknown key 'trainig'; known here: results_dir, figures_dir, data_dir, only"),
        ({"snr_db": ["7"]}, "snr_db.0: '7' should be a number; YAML reads this as a text, write 7"),
        ({"methods": {"repobe": None}}, "methods.repobe: None should be a mapping of keys to values"),
        ({"methods": {"a": {"method": "../a"}}}, "methods.a.method: '../a' should be the name of a method"),
        (
            {"methods": {"a": {"method": "dropuot"}}},
            "methods.a: method 'dropuot' is unknown; it is one of repobe, adversarial_training, escst, ",
        ),
        (
            {"methods": {"a": {"method": "trades", "hyper": {"betta": 1}}}},
            "methods.a.hyper: no such hyper-parameter: 'betta'; trades knows beta, eps, step, steps, start",
        ),
    ],
)
def test_the_first_mistake_is_one_line_that_names_the_key(departure, line, tmp_path):
    with pytest.raises(ValueError, match=r".") as raised:
        check(CONFIG | departure)
    assert str(raised.value).startswith(line)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(CONFIG | departure))
    with pytest.raises(ValueError, match=r".") as raised:
        load(path)
    assert str(raised.value).startswith(f"{path}: {line}")


@pytest.mark.parametrize("text", ["a: " + "[" * 2000, "hyper: &a {beta: *a}\n"])
def test_yaml_without_an_end_is_one_line(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"^\S+/config\.yaml(, Circular reference| is nested too deeply)"):
        load(path)


@pytest.mark.parametrize("text", ["seeds: !!python/object/apply:os.getcwd []\n", "seeds: !!python/name:os.system\n"])
def test_yaml_makes_no_python_object(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"config\.yaml, line 1, is not YAML"):
        load(path)


def test_a_file_that_is_not_yaml_is_named_with_the_line(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("seeds: [0]\ntraining:\n\tepochs: 1\n")
    with pytest.raises(ValueError, match=r".") as raised:
        load(path)
    assert str(raised.value) == f"{path}, line 3, is not YAML (found character '\\t' that cannot start any token)"


@pytest.mark.parametrize("text", ["results_dir: {{ root }}\n", "seeds: [0]\n? [a, b]\n: 1\n"])
def test_a_key_that_is_no_text_is_named_by_its_line(text, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    line = text.count("\n", 0, max(text.find("{ root"), text.find("[a, b]"))) + 1
    with pytest.raises(ValueError, match=r".") as raised:
        load(path)
    assert str(raised.value) == f"{path}, line {line}: a key is a text, not a list or a mapping; quote braces"


@pytest.mark.parametrize(
    "own", [{"eps": [0.1]}, {"eps": [0.016, 0.1]}, {"steps": 50}, {"eot": 10}, {"restarts": 2}, {"kind": "eot_pgd"}]
)
def test_the_name_of_the_papers_attack_is_kept_for_it(own):
    """Printed numbers are compared with the attack of this name."""
    paper = {"kind": "pgd", "images": 20}
    attacks = {"paper": paper | {"eps": [0.016], "steps": 5}}
    assert grid(check(CONFIG | {"evaluation": CONFIG["evaluation"] | {"attacks": attacks}}))
    attacks = {"paper": paper | own}
    with pytest.raises(ValueError, match=f"^evaluation.attacks.paper.{next(iter(own))}: the name is kept"):
        grid(check(CONFIG | {"evaluation": CONFIG["evaluation"] | {"attacks": attacks}}))


@pytest.mark.parametrize("name", METHODS)
def test_what_is_read_of_a_methods_file_is_what_its_hyper_has(name):
    module = import_module("repobe.training.algorithm" if name == "repobe" else f"baselines.{name}")
    assert [*hyper_parameters(name, "")] == [field.name for field in fields(module.Hyper)]


REFUSED = [  # (method, hyper, task) that its constructor refuses
    ("repobe", {"inner": "l2"}, "classification"),
    ("repobe", {"key_schedule": "daily"}, "reconstruction"),
    ("repobe", {"max_gradient_norm": -1}, "classification"),
    ("necst", {"samples": 1}, "classification"),
    ("necst", {"bits": -8}, "reconstruction"),
    ("necst", {"training_channel": "none"}, "classification"),
    ("necst_dp", {"mechanism": "laplace"}, "classification"),
    ("necst_dp", {"budget": -0.5}, "classification"),
    ("necst_dp", {"samples": 0}, "reconstruction"),
    ("jpeg2000", {"link": "polar"}, "classification"),
    ("jpeg2000", {"rate": "best"}, "classification"),
    ("jpeg2000", {"outage": 1.5}, "reconstruction"),
    ("jpeg2000", {"symbols": -1}, "classification"),
    ("vae", {"symbols": -1}, "reconstruction"),
    ("trades", {}, "reconstruction"),
    ("adversarial_training", {}, "reconstruction"),
]


@pytest.mark.parametrize(("name", "hyper", "task"), REFUSED)
def test_what_a_constructor_refuses_a_config_refuses_in_the_same_words(name, hyper, task):
    channel = channels.named("awgn", None)
    problem = Problem(1, 10, 16, channel, task == "reconstruction", 1, 0.1, 0.0, 0)
    with pytest.raises(ValueError, match=r".") as constructed:
        method.load(name, problem, hyper)
    described = {"undefended": {}, "mine": {"method": name, "hyper": hyper, "task": task}}
    with pytest.raises(ValueError, match=r"^methods\.mine") as planned:
        check(CONFIG | {"methods": described})
    assert str(planned.value).removeprefix("methods.mine").lstrip(".: ") == str(constructed.value)


@pytest.mark.parametrize("name", METHODS)
def test_every_refusal_in_a_constructor_of_the_suite_is_read_without_running_it(name):
    """`REFUSED` tries each of them once, so none of another form stays unread."""
    (made,) = [
        node
        for node in plugins.defines(source_of(name), ast.ClassDef, "Method").body
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
    ]
    raised = [node for node in ast.walk(made) if isinstance(node, ast.Raise)]
    assert len(raised) == len(hyper_checks.checks(source_of(name))) == len([one for one in REFUSED if one[0] == name])


def test_a_condition_that_only_running_the_file_decides_is_left_to_the_run(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "raise SystemExit('run')\nLEAST = 2\n"
        "class Hyper:\n    size: int = len('four')\n    depth: int = 3\n"
        "class Method:\n    def __init__(self, problem, hyper):\n"
        "        if hyper.size > 1:\n            raise ValueError('by a default that is computed')\n"
        "        if abs(hyper.depth) > 5:\n            raise ValueError('by a call')\n"
        "        if problem.colours != 3:\n            raise ValueError('by the data')\n"
        "        if hyper.depth < LEAST:\n            raise ValueError(f'hyper.depth: {hyper.depth} < {LEAST}')\n"
        "        if not hyper.depth % 2:\n            raise ValueError(str(hyper))\n"
        "        if hyper.depth == 7:\n            raise ValueError(str(hyper))\n"
    )
    assert hyper_checks.refusal(str(path), {}, False) is None
    assert hyper_checks.refusal(str(path), {"depth": 8}, False) is None
    assert hyper_checks.refusal(str(path), {"size": 2}, False) == "by a default that is computed"
    assert hyper_checks.refusal(str(path), {"depth": 1}, True) == "hyper.depth: 1 < 2"
    assert hyper_checks.refusal(str(path), {"depth": 7}, True) == "its constructor refuses hyper.depth == 7"


def test_a_config_without_mistakes_is_what_its_file_says(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(CONFIG))
    assert load(path) == CONFIG


def test_the_command_line_tells_of_all_its_commands(capsys, monkeypatch):
    """Each that the workflow's rules call, and the three that answer, with a sentence beside its name."""
    monkeypatch.setenv("COLUMNS", "80")

    def told(*asked: str) -> str:
        with pytest.raises(SystemExit) as left:
            main([*asked, "--help"])
        assert left.value.code == 0
        return capsys.readouterr().out

    rules = "".join(path.read_text("utf-8") for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    called = {*re.findall(r"python -m repobe (\w+)", rules), "show", "status", "verify"}
    assert {"train", "measure", "track"} < called
    listed = dict(re.findall(r"^    (\w+)\s+([A-Z].*)$", told(), re.MULTILINE))
    assert called <= listed.keys()
    assert listed["summary"] == "Writes means and 95 % intervals over seeds."
    assert "\nWrites means and 95 % intervals over seeds.\n" in told("summary")
    assert "--without WITHOUT" in told("merge")
