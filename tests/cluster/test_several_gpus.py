"""One machine with GPUs: each job gets one, and no more jobs run than share them. The list of devices is pretended."""

import pytest

RUNS = {"methods": {"repobe_reconstruction": {"method": "repobe", "task": "reconstruction"}}, "seeds": [*range(8)]}
NO_ATTACK = {"evaluation": {"draws": 1, "attacks": {}}}


def _held(journal) -> list[tuple[str, float, float]]:
    """(GPU, began, ended) of every training."""
    lines = [line.split() for line in journal.read_text().splitlines()]
    return [(gpu, float(began), float(ended)) for stage, _, gpu, began, ended in lines if stage == "train"]


def _most_at_once(held) -> int:
    changes = sorted([(began, 1) for _, began, _ in held] + [(ended, -1) for _, _, ended in held])
    count, most = 0, 0
    for _, change in changes:
        count += change
        most = max(most, count)
    return most


@pytest.mark.parametrize(("profile", "share"), [("profiles/gpu", 2), pytest.param(None, 1, marks=pytest.mark.slow)])
def test_as_many_trainings_run_as_share_the_gpus(profile, share, workflow, tmp_path):
    journal = tmp_path / "journal"
    environment = {"CUDA_VISIBLE_DEVICES": "4,6", "STANDIN_JOURNAL": str(journal), "STANDIN_SECONDS": "1.5"}
    chosen = ["--profile", profile] if profile else []
    done = workflow(*chosen, "--cores", "8", "--until", "train", environment=environment, **RUNS, **NO_ATTACK)
    assert done.returncode == 0, done.stdout[-3000:]
    held = _held(journal)
    assert len(held) == 8
    assert share < _most_at_once(held) <= 2 * share
    for gpu in ("4", "6"):
        assert 0 < _most_at_once([one for one in held if one[0] == gpu]) <= share


def test_without_gpus_the_cores_alone_bound_the_jobs(workflow, tmp_path):
    journal = tmp_path / "journal"
    environment = {"CUDA_VISIBLE_DEVICES": "", "STANDIN_JOURNAL": str(journal), "STANDIN_SECONDS": "1.5"}
    done = workflow("--cores", "8", "--until", "train", environment=environment, **RUNS, **NO_ATTACK)
    assert done.returncode == 0, done.stdout[-3000:]
    held = _held(journal)
    assert {gpu for gpu, _, _ in held} == {"-"}
    assert _most_at_once(held) > 2


def test_the_jobs_of_a_device_that_is_named_take_no_other(workflow, tmp_path):
    journal = tmp_path / "journal"
    environment = {"CUDA_VISIBLE_DEVICES": "4,6", "STANDIN_JOURNAL": str(journal), "STANDIN_SECONDS": "0"}
    runs = RUNS | {"seeds": [0, 1]} | NO_ATTACK
    done = workflow("--cores", "8", "--until", "train", environment=environment, device="cpu", **runs)
    assert done.returncode == 0, done.stdout[-3000:]
    assert {gpu for gpu, _, _ in _held(journal)} == {"4,6"}  # left as it was
