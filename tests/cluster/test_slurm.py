"""The workflow through profiles/slurm, on a Slurm that tests/cluster/one_node.py starts: what it asks for, and what
happens to a job that Slurm kills. Where a stage computes nothing, a stand-in sleeps in its place."""

import csv
import subprocess
import threading
import time
from pathlib import Path

import pytest

from cluster import simulation

pytestmark = pytest.mark.cluster
PROFILE = ["--profile", "profiles/slurm", "--cores", "1", "--slurm-init-seconds-before-status-checks", "2"]
ONE = {"methods": {"repobe_reconstruction": {"method": "repobe", "task": "reconstruction"}}}
ONE |= {"evaluation": {"draws": 1, "attacks": {}}}
TRAIN = ["--until", "train"]
TABLES = ["evasion.csv", "inversion.csv", "outcomes.parquet", "reconstructions.npz"]
VERDICTS = ["claims.csv", "readings.csv"]


def said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def accounted(since: int) -> list[dict[str, str]]:
    """What sacct says of every job after that one."""
    names = ["JobID", "Partition", "Account", "State", "Elapsed", "ReqMem", "Timelimit", "AllocTRES", "Comment"]
    lines = said("sacct", "-X", "-n", "-P", "-S", "now-1day", "-o", ",".join(names)).splitlines()
    rows = [dict(zip(names, line.split("|"), strict=True)) for line in lines]
    return [row for row in rows if int(row["JobID"]) > since]


def mebibytes(job: dict[str, str]) -> int:
    return int(job["ReqMem"].rstrip("M"))


def timeless(table: Path) -> list[dict[str, str]]:
    """The rows of a table without its seconds: its column of them, and the audit's recovery_seconds."""
    with table.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if "seconds" not in row.get("quantity", "")]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


@pytest.fixture
def last(slurm) -> int:
    """The number of the last job before this test."""
    jobs = said("sacct", "-X", "-n", "-P", "-S", "now-1day", "-o", "JobID").split()
    return max(map(int, jobs), default=0)


@pytest.mark.slow
def test_the_miniature_has_the_same_tables_as_on_this_machine(slurm, last, miniature, tmp_path):
    """Byte by byte, but for seconds, which audit.csv and history.csv have too; cost.csv has little else."""
    grouped = ["--groups", "train=run", "measure=run", "--group-components", "run=3"]
    through = miniature(
        "slurm", *PROFILE, *grouped, "--", *[str(tmp_path / "slurm" / "results" / name) for name in VERDICTS]
    )
    assert through.returncode == 0, through.stdout[-4000:]
    here = miniature("here", "--cores", "1", "--", *[str(tmp_path / "here" / "results" / name) for name in VERDICTS])
    assert here.returncode == 0, here.stdout[-4000:]
    jobs = accounted(last)
    assert {job["State"] for job in jobs} == {"COMPLETED"}
    one, other = tmp_path / "slurm" / "results", tmp_path / "here" / "results"
    for name in [*(f"tables/{table}" for table in TABLES), *VERDICTS]:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    for name in ("audit", "history"):
        assert timeless(one / "tables" / f"{name}.csv") == timeless(other / "tables" / f"{name}.csv")


@pytest.mark.slow
def test_a_job_asks_for_its_runs_memory_and_time_and_for_a_gpu_only_where_it_wants_one(slurm, last, workflow):
    done = workflow(*PROFILE, *TRAIN, **ONE)
    assert done.returncode == 0, done.stdout[-3000:]
    wanting = workflow(*PROFILE, *TRAIN, "--forcerun", "train", device="cuda", **ONE)
    assert wanting.returncode == 0, wanting.stdout[-3000:]
    without, with_gpu = accounted(last)
    assert without["State"] == with_gpu["State"] == "COMPLETED"
    assert without["Comment"] == "rule_train_wildcards_digits_awgn_repobe_reconstruction_seed0"
    assert without["Account"] == "lab"
    assert without["Timelimit"] == "00:20:00"
    assert "gpu" not in without["AllocTRES"]
    assert "gres/gpu=1" in with_gpu["AllocTRES"]
    assert mebibytes(with_gpu) - mebibytes(without) > 2000


def test_a_job_without_enough_memory_runs_again_with_twice_as_much(slurm, last, workflow):
    hurts = """python3 -c 'held = b"x" * (5 << 29)'"""  # 2.5 GiB
    done = workflow(*PROFILE, *TRAIN, environment={"STANDIN_HURTS": hurts}, **ONE)
    assert done.returncode == 0, done.stdout[-3000:]
    first, second = accounted(last)
    assert (first["State"], second["State"]) == ("FAILED", "COMPLETED")
    steps = said("sacct", "-n", "-P", "-j", first["JobID"], "-o", "State").split()
    assert "OUT_OF_MEMORY" in steps  # of the job's step; the job itself ended with the step's exit code
    assert mebibytes(second) == 2 * mebibytes(first)
    assert (first["Timelimit"], second["Timelimit"]) == ("00:20:00", "00:40:00")


@pytest.mark.slow
def test_a_cancelled_job_is_named_and_runs_again(slurm, last, workflow):
    done = workflow(*PROFILE, *TRAIN, environment={"STANDIN_HURTS": "scancel $SLURM_JOB_ID; sleep 60"}, **ONE)
    assert done.returncode == 0, done.stdout[-3000:]
    states = [job["State"].split()[0] for job in accounted(last)]
    assert states == ["CANCELLED", "COMPLETED"]
    assert "SLURM status is: 'CANCELLED'" in done.stdout


@pytest.mark.slow
def test_a_job_out_of_time_runs_again_with_more(slurm, last, workflow):
    limit = ["--set-resources", "train:runtime=attempt"]  # minutes
    done = workflow(*PROFILE, *TRAIN, *limit, environment={"STANDIN_HURTS": "sleep 300"}, **ONE)
    assert done.returncode == 0, done.stdout[-3000:]
    first, second = accounted(last)
    assert (first["State"], second["State"]) == ("TIMEOUT", "COMPLETED")
    assert (first["Timelimit"], second["Timelimit"]) == ("00:01:00", "00:02:00")


@pytest.mark.slow
def test_what_fails_at_every_attempt_is_named_and_a_rerun_completes(slurm, last, workflow, tmp_path):
    stubborn = "rm -f " + str(tmp_path / "results/runs/*/*/*/*/hurt") + "; exit 3"
    failed = workflow(*PROFILE, *TRAIN, environment={"STANDIN_HURTS": stubborn}, **ONE)
    assert failed.returncode != 0
    assert [job["State"] for job in accounted(last)] == ["FAILED"] * 3
    assert failed.stdout.count("failed: train digits/awgn/repobe_reconstruction/seed0 (log: ") == 3
    assert failed.stdout.count("SLURM status is: 'FAILED'") == 3
    again = workflow(*PROFILE, *TRAIN, **ONE)
    assert again.returncode == 0, again.stdout[-3000:]
    assert accounted(last)[-1]["State"] == "COMPLETED"


@pytest.mark.slow
def test_jobs_wait_for_a_drained_node_and_go_on_when_it_is_resumed(slurm, last, workflow):
    node = said("sinfo", "-h", "-o", "%n").strip()
    drains = f"scontrol update NodeName={node} State=DRAIN Reason=test"
    waited = threading.Event()

    def resume() -> None:
        for _ in range(300):
            if "drained" in said("squeue", "-h", "-t", "PENDING", "-o", "%r").lower():
                waited.set()
                subprocess.run(["scontrol", "update", f"NodeName={node}", "State=RESUME"], check=True)
                return
            time.sleep(0.2)

    watching = threading.Thread(target=resume)
    watching.start()
    done = workflow(*PROFILE, *TRAIN, environment={"STANDIN_HURTS": drains}, **ONE | {"seeds": [0, 1]})
    watching.join()
    if "drain" in said("sinfo", "-h", "-o", "%T"):  # by the second training, after which no job waited
        subprocess.run(["scontrol", "update", f"NodeName={node}", "State=RESUME"], check=True)
    assert done.returncode == 0, done.stdout[-3000:]
    assert waited.is_set()
    assert [job["State"] for job in accounted(last)] == ["COMPLETED"] * 2


@pytest.mark.slow
def test_the_stages_of_a_small_run_are_one_submission(slurm, last, workflow, tmp_path):
    runs = ONE | {"seeds": [0, 1, 2]}
    inversion = {"attackers": [], "snr_db": [23], "epochs": 1}  # else the classifier would be a job of its own
    grouped = ["--groups", "train=run", "measure=run", "--group-components", "run=3", "--until", "measure"]
    done = workflow(*PROFILE, *grouped, inversion=inversion, **runs)
    assert done.returncode == 0, done.stdout[-3000:]
    assert [job["State"] for job in accounted(last)] == ["COMPLETED"]
    assert len([*tmp_path.glob("results/runs/digits/awgn/repobe_reconstruction/*/evasion.csv")]) == 3


@pytest.mark.slow
@pytest.mark.parametrize("light", [False, True])
def test_the_simulation_runs_and_counts_every_job(light, slurm, last, tmp_path):
    """Four runs, two of them one submission: docs/scale.md has the table of more."""
    counted = dict(simulation.simulated(tmp_path, 4, 2, light, "--slurm-init-seconds-before-status-checks", "2"))
    assert counted["jobs that slept"].startswith("8, ")
    assert counted["submissions"] == "2"
    assert [job["State"] for job in accounted(last)] == ["COMPLETED"] * 2
    assert int(counted["status polls (squeue)"]) >= 1


MISTAKES = [
    (["--default-resources", "slurm_partition=nowhere"], "slurm_partition 'nowhere' is unknown to Slurm, which has"),
    (["--default-resources", "slurm_account=nobodys"], "slurm_account 'nobodys' is unknown to Slurm, which has lab"),
    (["--set-resources", "train:gpu_model=a100"], "gpu_model 'a100' is unknown to Slurm, which has h100"),
]


@pytest.mark.parametrize(("options", "line"), MISTAKES)
def test_what_the_cluster_does_not_have_is_one_line_before_the_first_job(options, line, slurm, last, workflow):
    done = workflow(*PROFILE, *TRAIN, *options, **ONE)
    assert done.returncode != 0
    assert len([text for text in done.stdout.splitlines() if line in text]) == 1, done.stdout[-3000:]
    assert "Traceback" not in done.stdout
    assert accounted(last) == []
