from dataclasses import fields
from importlib import import_module

import pytest
import yaml
from conftest import CONFIG

from repobe.__main__ import main
from repobe.runs.config import ROOT, check, hyper_parameters, load

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
            "methods.a: method 'dropuot' is unknown: baselines/dropuot.py does not exist",
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


@pytest.mark.parametrize("name", METHODS)
def test_what_is_read_of_a_methods_file_is_what_its_hyper_has(name):
    module = import_module("repobe.training.algorithm" if name == "repobe" else f"baselines.{name}")
    assert [*hyper_parameters(name, "")] == [field.name for field in fields(module.Hyper)]


def test_a_config_without_mistakes_is_what_its_file_says(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(CONFIG))
    assert load(path) == CONFIG


def test_the_command_line_tells_of_all_its_commands(capsys):
    for asked in (["--help"], ["summary", "--help"], ["merge", "--help"]):
        with pytest.raises(SystemExit) as left:
            main(asked)
        assert left.value.code == 0
        assert "%%" not in capsys.readouterr().out
