"""Ctrl-C while the workflow trains: a line or two on the terminal, and the same command goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture
def started(tmp_path):
    """(the process, its console, its results) of a training that would last minutes, once it is under way."""
    values = yaml.safe_load((ROOT / "config" / "miniature.yaml").read_text())
    values |= {
        "results_dir": str(tmp_path / "results"),
        "figures_dir": str(tmp_path / "figures"),
        "only": "*/undefended",
    }
    values["training"]["epochs"] = 3000
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
    told = tmp_path / "results/runs/digits/awgn/undefended/seed0/train.progress.json"
    command = [
        sys.executable,
        "-m",
        "snakemake",
        str(told.with_name("model.safetensors")),  # nothing that this training does not wait for
        "--nolock",
        "--cores",
        "1",
        "--configfile",
        str(tmp_path / "config.yaml"),
    ]
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    said = tmp_path / "said"
    with said.open("w") as console:
        running = subprocess.Popen(
            command,
            cwd=ROOT,
            env=env,
            stdout=console,
            stderr=console,
            start_new_session=True,
            # A shell starts what runs in its background with SIGINT ignored, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    try:
        for _ in range(1200):
            if told.exists() or running.poll() is not None:
                break
            time.sleep(0.1)
        assert told.exists(), said.read_text()
        yield running, said, tmp_path / "results"
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)


def test_ctrl_c_says_a_line_and_no_traceback(started):
    running, said, results = started
    before = said.read_text().splitlines()
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to the whole group
    assert running.wait(60) != 0
    lines = said.read_text().splitlines()[len(before) :]
    assert lines == ["stopping: the same command goes on from here"]
    log = (results / "logs/train/digits/awgn/undefended/seed0.log").read_text()
    assert "Traceback" not in log
    assert log.splitlines()[-1] == "repobe: interrupted"
