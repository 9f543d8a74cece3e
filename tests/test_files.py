import resource
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import torch

from repobe.runs import files
from repobe.training.loop import restore


def test_a_full_disk_is_one_line_that_names_the_file_and_leaves_what_was_there(tmp_path):
    table = tmp_path / "evasion.csv"
    files.replace(table, "before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # the system's own refusal, as of a full disk
    try:
        with pytest.raises(OSError, match=r"evasion.csv cannot be written \(File too large\); free some space"):
            files.replace(table, "after" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert table.read_text() == "before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["evasion.csv"]


def test_a_file_in_the_place_of_a_folder_is_named_with_the_fix(tmp_path):
    (tmp_path / "folder").touch()
    with pytest.raises(OSError, match=r"folder/x.csv cannot be written \(Not a directory\); free some space or fix"):
        files.replace(tmp_path / "folder" / "x.csv", "text")


def test_a_folder_is_replaced_as_a_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "new" / "tables"
    for content in ("first", "second"):
        with files.whole_folder(folder) as part:
            (part / content).write_text(content)
        assert [path.name for path in folder.iterdir()] == [content]

    def fail() -> None:
        with files.whole_folder(folder) as part:
            (part / "second").write_text("half")
            raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        fail()
    assert (folder / "second").read_text() == "second"
    assert [path.name for path in folder.parent.iterdir()] == ["tables"]


def test_a_training_killed_outright_goes_on_from_its_last_epoch(specs, digits, digits_file, tmp_path):
    """SIGKILL, which no handler sees, in the middle of a run of the command line; then the same command again."""
    from dataclasses import replace

    spec = replace(specs["undefended"], training=replace(specs["undefended"].training, epochs=10))
    run = tmp_path / "results" / "runs" / spec.path
    run.mkdir(parents=True)
    (run / "spec.yaml").write_text(spec.dump())
    (tmp_path / "results" / "data").mkdir()
    (tmp_path / "results" / "data" / "digits.safetensors").symlink_to(digits_file)
    command = [sys.executable, "-m", "repobe", "train", str(run / "spec.yaml"), "--device", "cpu"]

    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (run / "resume.pt").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (run / "model.safetensors").exists()
    kept = torch.load(run / "resume.pt", weights_only=True)["history"][0]["seconds"]

    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    history = pd.read_csv(run / "history.csv")
    assert list(history["epoch"]) == list(range(1, 11))
    assert history["seconds"][0] == kept  # the first epoch is the one before the kill, not another like it
    restore(spec, digits, run)
