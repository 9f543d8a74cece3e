"""Through profiles/slurm, what is one clear line: two snakemakes in one folder, files that come late, no account.

Scripts answer in Slurm's place, so these tests run everywhere.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from cluster import standin

ROOT = Path(__file__).parent.parent.parent
CONFIG = yaml.safe_load((ROOT / "config" / "miniature.yaml").read_text()) | {
    "methods": {"repobe_reconstruction": {"method": "repobe", "task": "reconstruction"}},
    "evaluation": {"draws": 1, "attacks": {}},
    "results_dir": "results",
    "figures_dir": "figures",
}
TRAINED = "results/runs/digits/awgn/repobe_reconstruction/seed0"
WRITES = f"for name in {' '.join(standin.FILES['train'])}; do : > {TRAINED}/$name; done"


@pytest.fixture
def submission(tmp_path):
    """Starts snakemake in one folder, where a script answers for each of Slurm's commands."""
    path = standin.installed(tmp_path / "bin")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))

    def answer(name: str, script: str) -> None:
        if name == "sacct":  # first the plugin asks which account this user had
            script = f'[ "$1" = -nu ] && exec echo lab\n{script}'
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)

    for name, text in {"sinfo": "batch|(null)", "sacctmgr": "lab", "sbatch": "1", "sacct": "1|COMPLETED"}.items():
        answer(name, f"echo '{text}'")
    for name, code in {"scontrol": 1, "squeue": 0, "scancel": 0}.items():
        answer(name, f"exit {code}")

    def start(*options: str, **scripts: str) -> subprocess.Popen:
        """scripts: other answers of commands."""
        for name, script in scripts.items():
            answer(name, script)
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
        command += ["--directory", str(tmp_path), "--configfile", str(tmp_path / "config.yaml")]
        command += ["--profile", str(ROOT / "profiles" / "slurm"), "--cores", "1", "--until", "train"]
        command += ["--retries", "0", "--slurm-init-seconds-before-status-checks", "1", *options]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, cwd=tmp_path, env=os.environ | {"PATH": path}, **pipes)

    return start


def lines_with(text: str, said: str) -> list[str]:
    return [line for line in said.splitlines() if text in line]


def test_a_second_snakemake_in_the_folder_is_told_so_and_the_first_goes_on(submission, tmp_path):
    held = f"while [ ! -e {tmp_path}/go ]; do sleep 0.1; done; {WRITES}; echo '1|COMPLETED'"
    submitted = f"touch {tmp_path}/submitted; echo 1"
    first = submission("--latency-wait", "5", sbatch=submitted, sacct=held)
    try:
        while not (tmp_path / "submitted").exists():
            assert first.poll() is None, first.stdout.read()
            time.sleep(0.1)
        second = submission()
        said, _ = second.communicate()
        assert second.returncode != 0
        assert len(lines_with("Directory cannot be locked", said)) == 1, said
        assert "Traceback" not in said
    finally:
        (tmp_path / "go").touch()
        said, _ = first.communicate()
    assert first.returncode == 0, said


def test_files_that_a_shared_file_system_shows_late_are_waited_for(submission):
    """They come two seconds after Slurm says that the job is done."""
    late = submission(
        "--latency-wait", "60", sacct=f"({WRITES.replace('for', 'sleep 2; for', 1)}) >&- 2>&- & echo '1|COMPLETED'"
    )
    said, _ = late.communicate()
    assert late.returncode == 0, said


def test_files_that_never_come_are_named_with_the_option_that_waits_longer(submission):
    never = submission("--latency-wait", "1")
    said, _ = never.communicate()
    assert never.returncode != 0
    assert len(lines_with("Missing files after 1 seconds", said)) == 1, said
    assert "--latency-wait" in said
    assert f"{TRAINED}/model.safetensors" in said
    assert "Traceback" not in said


def test_an_account_that_the_cluster_wants_is_one_line_before_the_first_job(submission, tmp_path):
    refusal = "allocation failure: Invalid account or account/partition combination specified"
    refused = submission(sbatch=f"[ $1 = --test-only ] || touch {tmp_path}/submitted; echo '{refusal}' >&2; exit 1")
    said, _ = refused.communicate()
    assert refused.returncode != 0
    assert len(lines_with(refusal, said)) == 1, said
    assert "set slurm_account and slurm_partition in profiles/slurm/config.yaml" in said
    assert "Traceback" not in said
    assert not (tmp_path / "submitted").exists()
