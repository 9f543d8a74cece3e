"""Every command in the documents is one that works: run by another test, or checked here with its own arguments."""

import argparse
import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from repobe.__main__ import _parser
from repobe.runs.config import load
from repobe.runs.grid import grid

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "results/reference/README.md",
    "results/zoo/README.md",
    "benchmarks/README.md",
    "baselines/README.md",
]
DOCUMENTS += [str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = ("make", "snakemake", "python", "mlflow", "git", "source", "pre-commit", "uv", "pip", "conda", ".ci/run")
# They belong to programs of others, which are not ours to test.
AS_THEY_ARE = {"git clone <this repository> && cd <its folder>", "source .venv/bin/activate", "pre-commit install"}
AS_THEY_ARE |= {".ci/run", "mlflow ui"}
EXAMPLES = {"<config>": "config/config.yaml", "<label>": "repobe", "<results>": "results", "<this folder>/": ""}
OPTIONS = {
    "--cores all",
    "--cores 1",
    "report",
    "--use-conda",
    "--unlock",
    "-n --quiet rules",
    "-s Snakefile",
}  # of snakemake, beside a config and what is made


def commands(document: str) -> list[str]:
    """The command of each line of an indented block and of each span of code that starts with one of PROGRAMS."""
    text = (ROOT / document).read_text(encoding="utf-8")
    lines = re.findall(r"^ {4,}(\S.*)$", text, re.MULTILINE) + re.findall(r"`([^`\n]+)`", text)
    lines = [re.sub(r"\s+#.*", "", line) for line in lines]
    return [line for line in lines if line.split(" ")[0] in PROGRAMS]


@pytest.mark.parametrize(("document", "command"), [(d, c) for d in DOCUMENTS for c in dict.fromkeys(commands(d))])
def test_a_command_in_a_document_works(document, command, monkeypatch):
    if command in AS_THEY_ARE or command in PROGRAMS:
        return
    for name, example in EXAMPLES.items():
        command = command.replace(name, example)
    match shlex.split(command):
        case ["make", target, *variables]:
            assert all("=" in variable for variable in variables)
            assert re.search(rf"^{target}:.*##", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE), (
                "make has no such target"
            )
        case ["snakemake", *arguments]:
            _snakemake(arguments)
        case ["python", "-m", "repobe", *arguments]:
            if len(arguments) == 1:  # its mere name
                assert re.search(rf"^ +{arguments[0]} ", _parser().format_help(), re.MULTILINE)
            elif arguments:
                _parser().parse_args(arguments)  # exits where one is unknown
        case ["python", "-m", "pytest", *arguments]:
            assert all((ROOT / name).exists() for name in arguments if "/" in name)
        case ["python", "-m", module]:  # its mere name
            assert importlib.util.find_spec(_what_runs(module)), module
        case ["python", "-m", module, *arguments]:
            _its_own_parser_takes(module, arguments, monkeypatch)
        case _:
            pytest.fail(f"{document} has a command that no test knows: {command}")


def _what_runs(module: str) -> str:
    """The file of a module; a package has its __main__."""
    return f"{module}.__main__" if (ROOT / module.replace(".", "/")).is_dir() else module


def _its_own_parser_takes(module: str, arguments: list[str], monkeypatch) -> None:
    """Begins the command, which is stopped once its arguments are understood; exits where one is unknown."""

    class Understood(Exception): ...

    parse = argparse.ArgumentParser.parse_args

    def parse_alone(*args):
        parse(*args)
        raise Understood

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_alone)
    monkeypatch.setattr(sys, "argv", [module, *arguments])
    with pytest.raises(Understood):
        importlib.import_module(_what_runs(module)).main()


@pytest.mark.parametrize(
    ("module", "arguments"),
    [("benchmarks", ["--quik"]), ("benchmarks.gathering", []), ("examples.one_image", ["run", "one.png", "two.png"])],
)
def test_a_command_with_an_argument_too_many_too_few_or_unknown_would_be_noticed(module, arguments, monkeypatch):
    with pytest.raises(SystemExit):
        _its_own_parser_takes(module, arguments, monkeypatch)


def _snakemake(arguments: list[str]) -> None:
    """Whether a config describes what is asked for; test_workflow.py plans each config."""
    left = " ".join(word if " " not in word else shlex.quote(word) for word in arguments)
    config = load(ROOT / "config" / "config.yaml")
    left = re.sub(r"(--configfile \S+) own\.yaml", r"\1", left)  # of docs/extending.md; test_extending.py checks it
    if found := re.search(r"--configfile (\S+)", left):
        config = load(ROOT / found[1]) if found[1] != "own.yaml" else config
        left = left.replace(found[0], "")
    if found := re.search(r"--profile (\S+)", left):
        assert (ROOT / found[1] / "config.yaml").exists()
        left = left.replace(found[0], "")
    if found := re.search(r"--config results_dir=\S+ figures_dir=\S+", left):
        left = left.replace(found[0], "")
    if found := re.search(r"--groups (\w+)=run (\w+)=run --group-components run=\d+", left):
        assert {found[1], found[2]} == {"train", "measure"}  # as tests/cluster/test_slurm.py submits them
        left = left.replace(found[0], "")
    if found := re.search(r"--config '?only=([^']+)'?", left):
        assert grid(config | {"only": found[1]})
        left = left.replace(found[0], "")
    if found := re.match(r"(results/\S+)", left):
        rules = "\n".join(path.read_text("utf-8") for path in (ROOT / "workflow" / "rules").glob("*.smk"))
        assert found[1].startswith(f"{config['results_dir']}/")
        assert f'{{RESULTS}}/{found[1].removeprefix(config["results_dir"]).strip("/")}"' in rules
        left = left.replace(found[0], "")
    for option in OPTIONS:
        left = left.replace(option, "")
    assert not left.strip(), f"an unknown part: {left}"


def test_make_help_names_every_target():
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()
    assert [line.split()[0] for line in done.stdout.splitlines()] == sorted(targets, key=makefile.index) == targets
    assert all(len(line) <= 120 for line in done.stdout.splitlines())


def test_make_clean_leaves_nothing_of_the_demo_and_everything_else(tmp_path):
    kept = [
        "figures/fig3a.py",
        "figures/quick/fig3a.png",
        "results/reference/mnist32/claims.csv",
        ".snakemake/metadata/x",
    ]
    kept += ["results/benchmarks/one.csv", "results/zoo/README.md", "results/quick/report.html", "Makefile"]
    run = "results/runs/digits/awgn/repobe/seed0"
    made = [f"{run}/{name}" for name in ("spec.yaml", "resume.pt", ".lock", "train.progress.json", "partial_evasion/x")]
    made += [
        f"results/{name}" for name in ("report.html", "tracked.json", "claims.csv", "cipher_audit.csv", "verified.txt")
    ]
    made += [f"results/{name}" for name in ("tables/sha256.json", "data/digits.safetensors", "summary/cost.csv")]
    made += ["results/logs/train/x.log", "results/mlflow/mlflow.db", "results/mlflow/artifacts/x"]
    made += ["results/all/report.html", "figures/all/fig3a.png"]
    made += [f"figures/fig3a.{kind}" for kind in ("pdf", "png", "svg", "csv")]
    for name in kept + made:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text("utf-8"))
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)
    (tmp_path / "results/quick/report.html").unlink()
    (tmp_path / "results/quick").rmdir()
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
    assert not (tmp_path / ".snakemake").exists()
