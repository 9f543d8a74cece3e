import os
import subprocess
import sys
from pathlib import Path

import pytest

from repobe.runs import gpus

ROOT = Path(__file__).parent.parent
TAKES = "import sys; from repobe.runs import gpus; gpus.take(1, 'auto'); print(gpus.visible()[0], flush=True); input()"


@pytest.fixture
def job(tmp_path):
    """Starts a process that takes one of these GPUs and holds it; gives the GPU and the process."""
    running = []

    def start(devices: str) -> tuple[str, subprocess.Popen]:
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": devices, "TMPDIR": str(tmp_path)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        process = subprocess.Popen([sys.executable, "-c", TAKES], cwd=ROOT, env=environment, **pipes)
        running.append(process)
        return process.stdout.readline().strip(), process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_jobs_at_once_take_the_gpu_that_the_fewest_hold(job):
    assert [job("0,1,2")[0] for _ in range(4)] == ["0", "1", "2", "0"]


def test_a_killed_job_gives_its_gpu_back(job):
    job("0,1")
    name, second = job("0,1")
    assert name == "1"
    second.kill()
    second.wait()
    assert job("0,1")[0] == "1"


def test_a_gpu_may_be_named_by_its_uuid(job):
    names = "GPU-8f3a1c2e-0000,MIG-77aa/1/0"
    assert [job(names)[0], job(names)[0]] == names.split(",")


def test_the_visible_list_ends_where_cuda_ends_it(monkeypatch):
    """CUDA's guide: devices after an invalid index are not visible."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0, 2,-1,1")
    assert gpus.visible() == ["0", "2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpus.visible() == []


def test_without_the_variable_the_driver_lists_the_gpus(monkeypatch, tmp_path):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\nprintf '0\\n1\\n'\n")
    tool.chmod(0o755)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus.visible() == ["0", "1"]
    tool.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n")
    assert gpus.visible() == []
    tool.unlink()
    assert gpus.visible() == []


def test_a_job_that_wants_no_gpu_sees_none(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    gpus.take(0, "auto")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""


@pytest.mark.parametrize("device", ["cpu", "cuda:1"])
def test_a_device_that_the_config_names_is_left_to_it(device, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    gpus.take(1, device)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"


def test_an_only_gpu_needs_no_choice(monkeypatch):
    """Slurm shows a job the one GPU that it was given."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    gpus.take(1, "cuda")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"
