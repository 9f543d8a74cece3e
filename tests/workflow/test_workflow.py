import html
import json
import re
import shlex
import shutil
import subprocess
import zipfile
from base64 import b64encode
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from repobe.cipher.keys import FixedKey, derive
from repobe.runs import resources
from repobe.runs.seeds import secret

ROOT = Path(__file__).parent.parent.parent
RULES = {"data", "classifier", "spec", "train", "measure", "cipher_audit", "tables", "summary", "compare"}
RULES |= {"claims", "decisions", "readings", "layer_table", "figures", "report", "track"}


def snakemake(*arguments: str, clone: Path = ROOT) -> subprocess.CompletedProcess:
    command = ["snakemake", "--cores", "2", "--nolock", *arguments]
    # A dry run logs to stdout, a real one to stderr: here both are one stream.
    return subprocess.run(command, cwd=clone, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def config(folder: Path, **departures) -> str:
    values = yaml.safe_load((ROOT / "config" / "miniature.yaml").read_text())
    values |= {"results_dir": str(folder / "results"), "figures_dir": str(folder / "figures")} | departures
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(values))
    return str(path)


def _no_secret_lies_in(folder: Path, log: str) -> None:
    """Neither seed 0's secret nor what is derived from it, in any spelling, in any file or line of a whole run."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    kinds = {path.suffix for path in files}
    assert {".csv", ".db", ".html", ".json", ".log", ".npz", ".parquet", ".safetensors", ".yaml"} <= kinds
    for content in [log.encode(), *map(_unpacked, files)]:
        assert not any(spelling in content for spelling in SPELLINGS)


def _spellings() -> list[bytes]:
    """Spellings of the secret, of the sessions of the run that has a key a message, and of the numbers that they make.

    The runs' own keys of 2×2 places would stand in any file by chance: K_r, K_c and the permutation searched for are
    those that the same secret makes of 28×28.
    """
    shared = secret("key", 0)
    names = [("evaluate", 7), ("evaluate", 23), ("score",), ("cost",), ("invert", 23), ("audit", "test")]
    sessions = [shared, *(derive(shared, f"session {name!r}") for name in names)]
    secrets = [raw for session in sessions for raw in (session, derive(session, "messages"))]
    key = FixedKey.derive(shared, 28, 28).sending(0, 1)
    numbers = [tensor.tolist() for tensor in (key.rows, key.columns, key.permutation, key.inverse)]
    numbers += [[*raw] for raw in secrets]
    spelled = [form for raw in secrets for form in (raw, raw.hex().encode(), b64encode(raw))]
    spelled += [separator.join(map(str, one)).encode() for one in numbers for separator in (", ", ",", " ", "\n")]
    kinds = ("<u1", "<i4", "<i8", "<f4", "<f8")
    return spelled + [np.array(one).astype(kind).tobytes() for one in numbers for kind in kinds]


SPELLINGS = _spellings()


def _unpacked(path: Path) -> bytes:
    """A file's content; of what is compressed, what is in it."""
    if path.suffix == ".npz":
        with zipfile.ZipFile(path) as packed:
            return b"\n".join([packed.read(name) for name in packed.namelist()])
    if path.suffix == ".parquet":
        frame = pd.read_parquet(path)
        cells = b"\n".join(column.to_numpy().tobytes() for _, column in frame.select_dtypes("number").items())
        return cells + frame.to_csv().encode() + repr(frame.attrs).encode() + path.read_bytes()
    return path.read_bytes()


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".parquet", ".yaml"])
def test_a_secret_that_lies_in_a_file_is_found_in_it(suffix, tmp_path):
    """The search itself: a key's rows and the secret's hex, in each kind of file, compressed ones too."""
    shared = secret("key", 0)
    rows = FixedKey.derive(shared, 28, 28).sending(0, 1).rows.numpy()
    path = tmp_path / f"leak{suffix}"
    for leak in (rows, np.array([shared.hex()], dtype="S" if suffix == ".npz" else "U")):
        if suffix == ".npz":
            np.savez_compressed(path, filler=np.zeros(10_000), leak=leak)
        elif suffix == ".parquet":
            pd.DataFrame({"leak": leak}).to_parquet(path, compression="zstd")
        elif suffix == ".csv":
            path.write_text(",".join(map(str, leak)))
        else:
            path.write_text(yaml.safe_dump(leak.tolist(), default_flow_style=True, width=1000))
        assert any(spelling in _unpacked(path) for spelling in SPELLINGS)


# The largest, on GPUs; most channels, and matched training; one without a teacher. The miniature is run whole.
PLANNED = {"paper", "ablations", "security224"}
OTHERS = {path.stem for path in (ROOT / "config").glob("*.yaml")} - PLANNED


@pytest.mark.parametrize("name", [*sorted(PLANNED), *(pytest.param(n, marks=pytest.mark.slow) for n in sorted(OTHERS))])
def test_every_config_describes_a_workflow(name):
    done = snakemake("-n", "--configfile", f"config/{name}.yaml", "--forceall", "--quiet", "rules")
    assert done.returncode == 0, done.stdout


def test_what_another_run_waits_for_trains_first_and_then_the_run_that_waited():
    """So a long training is not left alone at the end; the demo's RepObE by Eq. 16 waits for the undefended network."""
    done = snakemake("-n", "--configfile", "config/config.yaml", "--forceall", "--config", "only=digits/awgn/*")
    jobs = re.findall(r"^(?:local)?rule train:\n((?: .*\n)+)", done.stdout, flags=re.MULTILINE)
    first = {re.search(r"run=(\S+)", job)[1] for job in jobs if "priority: 2" in job}
    assert first == {"digits/awgn/undefended/seed0", "digits/awgn/repobe_adversarial/seed0"}
    assert len(jobs) > len(first)


def test_snakemakes_own_linter_finds_nothing_but_the_variables_that_we_set():
    """It takes the five that common.smk hands on to the jobs for ones that the user must have set."""
    done = snakemake("--lint")
    found = sorted(re.findall(r"\* (.*?)(?: in line \d+\.)?:$", done.stdout, re.MULTILINE))
    assert len(found) == 5, done.stdout
    assert all(text.startswith("Environment variable") for text in found)
    for name in ("OMP_NUM_THREADS", "PYTHONPATH", "PYTHONNOUSERSITE", "REPOBE_DATA", "REPOBE_DEVICE"):
        assert any(name in text for text in found)


@pytest.mark.parametrize(
    ("departure", "line"),
    [
        ({"trainig": {}}, "config, the top level: unknown key 'trainig'"),
        ({"only": "nothing/*"}, "config, only: no run matches 'nothing/*'"),
    ],
)
def test_a_mistake_in_the_config_is_one_line_that_names_the_key(departure, line, tmp_path):
    """One that the check of the keys finds, one that the grid finds; test_configs.py has many, without snakemake."""
    done = snakemake("-n", "--configfile", config(tmp_path, **departure))
    assert done.returncode != 0
    said = [text for text in done.stdout.splitlines() if not text.startswith("Using workflow specific profile")]
    assert len(said) == 1, done.stdout
    assert line in said[0]


def test_two_configfiles_and_the_command_line_are_one_config(tmp_path):
    """A later file overrides, --config overrides both; a list and null on the command line are not texts.

    And without a tracking store, the command names none.
    """
    second = tmp_path / "second.yaml"
    second.write_text("training: { epochs: 2 }\n")
    chosen = ["--configfile", config(tmp_path), str(second), "--config", "seeds=[0,3]", "mlflow_uri=null"]
    done = snakemake("-n", "-p", *chosen)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "repobe_adversarial/seed3/model.safetensors" in done.stdout
    assert '"training": {"epochs": 2, "batch_size": 64' in done.stdout
    assert f"--configfile {tmp_path}/config.yaml {second} " in re.sub(r"(\.\./)+", "/", done.stdout)
    assert "python -m repobe track " in done.stdout
    assert "--uri" not in done.stdout


def test_a_label_that_stands_twice_is_refused_though_snakemake_takes_the_last(tmp_path):
    chosen = Path(config(tmp_path))
    chosen.write_text(chosen.read_text() + "seeds: [7]\n")
    done = snakemake("-n", "--configfile", str(chosen))
    assert done.returncode != 0
    assert "the key 'seeds' occurs twice" in done.stdout
    assert "Traceback" not in done.stdout


def test_every_value_of_the_config_reaches_the_shell_in_one_piece(tmp_path):
    """Folders with spaces and signs that a shell would take for its own, in every command of every rule."""
    odd = {name: str(tmp_path / f"{name} of & 'mine'; (a) ü") for name in ("results_dir", "figures_dir")}
    done = snakemake("-n", "-p", "--configfile", config(tmp_path, mlflow_uri="sqlite:///my & runs.db", **odd))
    assert done.returncode == 0, done.stdout[-2000:]
    shown = re.findall(r"^Shell command: (.*)$", done.stdout, re.MULTILINE)
    commands = [shlex.split(command) for command in shown if command != "None"]  # `all` has no command
    stages = {command[3] for command in commands if command[:3] == ["python", "-m", "repobe"]}
    assert stages == RULES - {"figures"}
    for command in commands:
        assert not {"of", "&"} & {*command}, command
        folders = [word for word in command if "mine" in word]
        assert folders, command
        assert all(word.startswith(tuple(odd.values())) for word in folders), command
    (tracked,) = [command for command in commands if "track" in command]
    assert tracked[tracked.index("--uri") + 1] == "sqlite:///my & runs.db"


def test_a_password_in_the_config_is_refused_and_not_repeated(tmp_path):
    """So that neither the console nor what Snakemake records of a job has it."""
    done = snakemake("-n", "-p", "--configfile", config(tmp_path, mlflow_uri="http://me:s3cret@host"))
    assert done.returncode != 0
    assert "mlflow_uri: the address of MLflow holds a password" in done.stdout
    assert "s3cret" not in done.stdout


def test_a_job_that_fails_shows_on_the_console_what_to_fix(tmp_path):
    """The log's last line, once; the log itself lies where snakemake says."""
    (tmp_path / "nothing").mkdir()
    chosen = config(tmp_path, datasets={"mnist": {"image_size": 32}}, data_dir=str(tmp_path / "nothing"))
    done = snakemake(str(tmp_path / "results" / "data" / "mnist.safetensors"), "--configfile", chosen)
    assert done.returncode != 0
    said = [line.strip() for line in done.stdout.splitlines() if "repobe: " in line]
    assert len(said) == 1, done.stdout
    assert str(tmp_path / "nothing") in said[0]
    assert (tmp_path / "results" / "logs" / "data" / "mnist.log").read_text().strip() == said[0]
    for its_own in ("RuleException", "CalledProcessError", "WorkflowError", "set -euo pipefail"):
        assert its_own not in done.stdout


def _nothing_is_trained_in_another_clone(clone: Path, results: Path, chosen: str) -> None:
    """Finished results, copied with `cp -a` into a clone whose files are newer and which has no metadata of them."""
    unneeded = shutil.ignore_patterns(".git", ".venv*", ".snakemake", "results", "tests", "*cache*", "mlruns*")
    shutil.copytree(ROOT, clone, ignore=unneeded, copy_function=shutil.copy)  # with today's times
    shutil.copytree(results, clone / "results")  # with their own
    drawn = ["--config", "results_dir=results", "figures_dir=figures/miniature"]
    dry = snakemake("-n", "--configfile", chosen, *drawn, clone=clone)
    assert dry.returncode == 0, dry.stdout[-2000:]
    assert "rule figures:" in dry.stdout
    for rule in ("data", "classifier", "train", "measure", "tables"):
        assert f"rule {rule}:" not in dry.stdout, dry.stdout[-4000:]
    with (clone / "baselines" / "undefended.py").open("a") as file:  # another content trains again
        file.write("\nANOTHER = 1\n")
    dry = snakemake("-n", "--configfile", chosen, *drawn, clone=clone)
    again = [line for line in dry.stdout.splitlines() if "output:" in line and "model.safetensors" in line]
    assert any("/undefended/" in line for line in again), dry.stdout[-4000:]


def test_every_rule_runs_in_the_miniature_and_a_second_run_does_nothing(tmp_path, monkeypatch):
    """In a folder with a space, a quote and an umlaut, where a command without quotes would be cut."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")  # a server that is not there is asked without pauses
    tmp_path /= "it's mine & (üben)"
    tmp_path.mkdir()
    chosen = config(tmp_path)
    first = snakemake("-p", "--configfile", chosen)
    assert first.returncode == 0, first.stdout[-4000:]
    assert all(f"rule {rule}:" in first.stdout for rule in RULES)
    results, figures = tmp_path / "results", tmp_path / "figures"
    names = ["fig3a", "fig3b", "fig3c", "fig3d", "fig3e", "fig4a", "fig4b", "fig4c", "fig4d"]  # the paper's
    names += [
        "fig_ablations",
        "fig_channel_uses",
        "fig_cost",
        "fig_eps",
        "fig_key_recovery",
        "fig_leakage",
        "fig_other_settings",
    ]  # the suite's
    names += ["fig_specification", "fig_system"]
    assert sorted(path.stem for path in figures.glob("*.pdf")) == names
    assert sorted(path.stem for path in figures.glob("*.png")) == names
    page = (results / "report.html").read_text()
    nothing = "Nothing of this figure has run"
    drawn = [name for name in names if nothing not in (figures / f"{name}.svg").read_text()]
    assert sorted(re.findall(r'<figure id="(\w+)"', page)) == drawn
    assert "fig4a" in drawn  # over AWGN, which the miniature runs
    assert "fig4b" not in drawn  # over Rayleigh fading
    assert "Not drawn, because nothing of them has run here" in page
    assert "stand-ins for the paper" in page
    again = html.unescape(re.search(r'snakemake ([^<>"]*/evasion\.csv[^<>"]*)', page).group(1))
    assert snakemake("-n", *shlex.split(again)).returncode == 0  # the page's commands run as they stand
    namespaces = ("http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink")
    for namespace in namespaces:
        page = page.replace(f'="{namespace}"', "")
    assert "http" not in page

    _no_secret_lies_in(tmp_path, first.stdout)

    second = snakemake("--configfile", chosen)
    assert "Nothing to be done" in second.stdout, second.stdout[-2000:]

    # A file of a run that is gone is made again; a folder that somebody deleted as a whole is not.
    run = results / "runs" / "digits" / "awgn" / "repobe_reconstruction" / "seed0"
    for gone, trains in ((run / "model.safetensors", 1), (run / "audit.csv", 0), (run, 0)):
        gone.rename(results / "aside")
        dry = snakemake("-n", "--configfile", chosen).stdout
        assert dry.count("rule train:") == trains
        assert ("rule measure:" in dry) == (gone != run)
        (results / "aside").rename(gone)

    _nothing_is_trained_in_another_clone(tmp_path / "clone", results, chosen)

    # An MLflow that does not answer stops nothing; the next run tries again, and adds no run.
    tracked = json.loads((results / "tracked.json").read_text())
    (results / "tracked.json").unlink()
    silent = snakemake("--configfile", config(tmp_path, mlflow_uri="http://127.0.0.1:9"))
    assert silent.returncode == 0
    said = "repobe: the results are complete, but not in MLflow: http://127.0.0.1:9: no server answers"
    assert len([line for line in silent.stdout.splitlines() if line.startswith(said)]) == 1, silent.stdout[-2000:]
    assert not (results / "tracked.json").exists()
    assert snakemake("--configfile", config(tmp_path)).returncode == 0
    assert json.loads((results / "tracked.json").read_text()) == tracked

    # A part of the grid, run again, takes nothing out of the tables; they are gathered anew, the same to the byte.
    before = {path.name: path.read_bytes() for path in (results / "tables").iterdir()}
    part = ["--configfile", chosen, "--config", "only=*/undefended"]
    gathered = snakemake(str(results / "tables" / "evasion.csv"), "-p", *part)
    assert gathered.returncode == 0, gathered.stdout[-2000:]
    assert "rule tables:" in gathered.stdout
    assert not re.search("rule (train|measure):", gathered.stdout)
    (command,) = re.findall("python -m repobe tables .*", gathered.stdout)
    (memory,) = re.findall(r"rule tables:.*?mem_mb=(\d+)", gathered.stdout, re.DOTALL)
    assert int(memory) == resources.gathering(command.count("spec.yaml")) > resources.gathering(1)
    assert {path.name: path.read_bytes() for path in (results / "tables").iterdir()} == before
    # Nor out of MLflow, where a configuration would become the mean of the seeds of this part.
    told = snakemake(str(results / "tracked.json"), "-n", "-p", "--force", *part).stdout
    (track,) = re.findall("python -m repobe track .*", told)
    assert track.count("spec.yaml") == command.count("spec.yaml")

    # Snakemake's own report has every figure.
    whole = tmp_path / "workflow.html"
    reported = snakemake("--report", str(whole), "--configfile", chosen)
    assert reported.returncode == 0, reported.stdout[-2000:]
    assert all(f"{name}.png" in whole.read_text() for name in names)

    # From the tables alone nothing is trained, all else can be made, and the verdicts are the same.
    alone = tmp_path / "alone"
    shutil.copytree(results / "tables", alone / "tables")
    given = ["--profile", "profiles/tables", "--configfile", chosen]
    given += ["--config", f"results_dir={alone}", f"figures_dir={alone / 'figures'}"]
    planned = snakemake("-n", *given)
    assert planned.returncode == 0, planned.stdout[-4000:]
    made = set(re.findall(r"^(?:local)?rule (\w+):", planned.stdout, re.MULTILINE))
    assert made == {"summary", "compare", "claims", "decisions", "readings", "layer_table", "figures", "report", "all"}
    judged = snakemake(str(alone / "claims.csv"), *given)
    assert judged.returncode == 0, judged.stdout[-4000:]
    assert (alone / "claims.csv").read_bytes() == (results / "claims.csv").read_bytes()

    # One run's settings changed: its own stages run again, no other's.
    values = yaml.safe_load(Path(chosen).read_text())
    values["methods"]["repobe_reconstruction"]["training"] = {"epochs": 2}
    Path(chosen).write_text(yaml.safe_dump(values))
    dry = snakemake("-n", "--configfile", chosen).stdout
    for output in ("spec.yaml", "model.safetensors"):
        again = {line.strip() for line in dry.splitlines() if output in line and "output:" in line}
        assert len(again) == 1
        assert "repobe_reconstruction" in again.pop()

    # Another way to measure what is trained trains nothing.
    values["evaluation"]["draws"] += 1
    Path(chosen).write_text(yaml.safe_dump(values))
    dry = snakemake("-n", "--configfile", chosen).stdout
    assert "rule measure:" in dry
    assert dry.count("rule train:") == 1  # the one above, which has not run

    # A run that is not finished is no part of the tables of another part.
    dry = snakemake("-n", "-p", "--configfile", chosen, "--config", "only=*/undefended").stdout
    (command,) = re.findall("python -m repobe tables .*", dry)
    assert "undefended" in command
    assert "repobe_reconstruction" not in command  # its settings were changed above

    # A run whose teacher `only` leaves out is still trained after it.
    shutil.rmtree(results / "runs")
    values["only"] = "*/repobe_adversarial"
    Path(chosen).write_text(yaml.safe_dump(values))
    dry = snakemake("-n", "--configfile", chosen).stdout
    assert "undefended/seed0/model.safetensors" in dry
