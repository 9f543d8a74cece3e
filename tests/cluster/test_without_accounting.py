"""A Slurm that keeps no accounts: squeue tells the states, and no account is asked for."""

import subprocess

import pytest

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
ACCOUNTING = False
ONE = {"methods": {"repobe_reconstruction": {"method": "repobe", "task": "reconstruction"}}}
ONE |= {"evaluation": {"draws": 1, "attacks": {}}}
PROFILE = ["--profile", "profiles/slurm", "--cores", "1", "--slurm-init-seconds-before-status-checks", "2"]
PROFILE += ["--until", "train"]


def test_the_profile_runs_with_squeue_alone(slurm, workflow):
    done = workflow(*PROFILE, **ONE)
    assert done.returncode == 0, done.stdout[-3000:]
    states = subprocess.run(["scontrol", "-o", "show", "job"], capture_output=True, text=True, check=True).stdout
    assert states.count("JobState=COMPLETED") == 1


def test_a_failed_job_is_seen_and_runs_again(slurm, workflow):
    done = workflow(*PROFILE, environment={"STANDIN_HURTS": "exit 1"}, **ONE)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "SLURM status is: 'FAILED'" in done.stdout
