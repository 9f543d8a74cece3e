import dataclasses
import subprocess
import sys

import numpy as np
import pandas as pd
import torch

from repobe.runs import memory
from repobe.runs.memory import Peak

CPU = torch.device("cpu")
MB = 2**20


def fill(megabytes: int) -> np.ndarray:
    """Memory that is written to, so that it is resident."""
    return np.ones(megabytes * MB, np.uint8)


def test_a_peak_counts_what_was_held_at_one_time_since_it_was_made_and_not_before():
    before = fill(300)
    del before  # a higher peak than all that follows
    held = fill(50)
    peak = Peak(CPU)
    for _ in range(3):
        fill(100)
    assert len(held)
    assert 95 * MB < peak.bytes() < 150 * MB


def test_memory_that_was_freed_and_is_used_again_counts():
    pieces = [np.ones(64 * 1024, np.uint8) for _ in range(2000)]  # small enough to stay with the process once freed
    last = np.ones(64 * 1024, np.uint8)
    del pieces
    peak = Peak(CPU)
    pieces = [np.ones(64 * 1024, np.uint8) for _ in range(2000)]
    assert len(last)
    assert peak.bytes() > 0.9 * len(pieces) * 64 * 1024


def test_work_that_allocates_nothing_has_no_peak_to_speak_of():
    held = fill(200)
    peak = Peak(CPU)
    held[:] = 2
    assert peak.bytes() < 5 * MB


def test_where_no_peak_can_be_reset_it_is_the_rise_of_the_processs_own_peak(monkeypatch):
    monkeypatch.setattr(memory, "RESET", "no number that the kernel knows\n")
    highest = iter([400 * MB, 400 * MB, 650 * MB])
    monkeypatch.setattr(memory, "_highest", lambda: next(highest))
    peak = Peak(CPU)
    assert peak.bytes() == 0
    assert peak.bytes() == 250 * MB


# In a process of its own, where what earlier tests have freed does not count; the first training loads torch's kernels.
TRAINING = """
import sys
from pathlib import Path

import numpy as np
import torch

from repobe.images.datasets import load
from repobe.runs.spec import Spec
from repobe.training.loop import train

torch.set_num_threads(1)
folder, held = Path(sys.argv[1]), np.ones(int(sys.argv[3]), np.uint8)
for run in (folder / "first", folder):
    run.mkdir(exist_ok=True)
    train(Spec.load(folder / "spec.yaml"), load(sys.argv[2]).limit(128), run)
assert len(held) == int(sys.argv[3])
"""


def test_a_trainings_peak_leaves_out_what_its_process_holds_already(specs, digits_file, tmp_path):
    spec = specs["undefended"]
    spec = dataclasses.replace(spec, training=dataclasses.replace(spec.training, epochs=1))
    (tmp_path / "spec.yaml").write_text(spec.dump())
    subprocess.run([sys.executable, "-c", TRAINING, tmp_path, digits_file, str(400 * MB)], check=True)
    # Weights, gradients, momenta and the best epoch's weights: 3.2 million float32 each; all of torch takes 300 MB.
    assert 25 < pd.read_csv(tmp_path / "cost.csv")["peak_memory_mb"].item() < 200
