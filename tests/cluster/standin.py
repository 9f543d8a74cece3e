"""Stands in for `python -m repobe STAGE …` in a workflow: makes a stage's files, sleeps, and computes nothing.

STANDIN_SECONDS: how long a training or a measurement sleeps. STANDIN_JOURNAL: a file that gets a line for each, with
the stage, the folder of the run, the GPU, and when it began and ended. STANDIN_HURTS: a command that the first attempt
at a training runs before anything else.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

FILES = {
    "train": ("model.safetensors", "history.csv", "cost.csv", "provenance.json"),
    "measure": ("evasion.csv", "outcomes.parquet", "inversion.csv", "reconstructions.npz", "audit.csv"),
}


def main() -> int:
    module, stage, *given = sys.argv[2:] if sys.argv[1:2] == ["-m"] else ["", "", ""]
    if module != "repobe":
        os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
    if stage not in FILES:
        Path(given[1]).touch()  # of `spec` and `data` the second argument is the file
        return 0
    from repobe.runs import gpus

    folder, began = Path(given[0]).parent, time.time()
    if stage == "train" and (hurt := os.environ.get("STANDIN_HURTS")) and not (folder / "hurt").exists():
        (folder / "hurt").touch()
        subprocess.run(hurt, shell=True, check=True)
    gpus.take(int(given[given.index("--gpus") + 1]), os.environ.get("REPOBE_DEVICE", "auto"))
    time.sleep(float(os.environ.get("STANDIN_SECONDS", "0")))
    for name in FILES[stage]:
        (folder / name).touch()
    if journal := os.environ.get("STANDIN_JOURNAL"):
        with Path(journal).open("a") as file:  # one write, so that lines of other processes stay whole
            file.write(f"{stage} {folder} {os.environ.get(gpus.VISIBLE, '-') or '-'} {began} {time.time()}\n")
    return 0


def installed(folder: Path) -> str:
    """A PATH on which `python` is the stand-in; what runs by another name or by its path is what it was."""
    folder.mkdir()
    (folder / "python").write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).resolve()} "$@"\n')
    (folder / "python").chmod(0o755)
    return os.pathsep.join([str(folder), os.environ["PATH"]])


if __name__ == "__main__":
    sys.exit(main())
