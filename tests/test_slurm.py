"""What a profile asks of Slurm is held against what Slurm lists. Here scripts answer in Slurm's place."""

import pytest

from repobe.runs import slurm

SINFO = "batch|(null)\ngpu|gpu:h100:2(S:0-1),gpu:a100:4\n"


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Puts commands on PATH that print a text, or fail with it; nothing else is on it."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def answers(name: str, text: str = "", code: int = 0) -> None:
        stream = "" if code == 0 else " >&2"
        (tmp_path / name).write_text(f"#!/bin/sh\nprintf '%s' '{text}'{stream}\nexit {code}\n")
        (tmp_path / name).chmod(0o755)

    answers("sbatch")
    answers("sinfo", SINFO)
    answers("sacctmgr", "lab\nother\n")
    return answers


def test_what_the_cluster_has_is_accepted(cluster):
    slurm.refuse_unknown([{"slurm_partition": "gpu", "gpu_model": "a100"}, {"slurm_account": "lab"}, {}])
    slurm.refuse_unknown([{"slurm_partition": "batch,gpu"}])  # as sbatch takes it: whichever has room first


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"slurm_partition": "nowhere"}, "slurm_partition 'nowhere' is unknown to Slurm, which has batch, gpu"),
        ({"slurm_partition": "gpu,nowhere"}, "slurm_partition 'nowhere' is unknown to Slurm, which has batch, gpu"),
        ({"slurm_account": "lab,other"}, "slurm_account 'lab,other' is unknown to Slurm, which has lab, other"),
        ({"gpu_model": "v100"}, "gpu_model 'v100' is unknown to Slurm, which has a100, h100"),
        ({"slurm_account": "nobodys"}, "slurm_account 'nobodys' is unknown to Slurm, which has lab, other"),
    ],
)
def test_what_it_does_not_have_is_named_with_what_it_has_and_the_file(asked, line, cluster):
    with pytest.raises(ValueError) as refused:
        slurm.refuse_unknown([{}, asked])
    assert str(refused.value) == f"{line}; change it in profiles/slurm/config.yaml"


def test_a_count_of_gpus_is_no_model(cluster):
    cluster("sinfo", "gpu|gpu:4(S:0-1),gpu:h100:2(S:0-1)\n")
    with pytest.raises(ValueError, match="gpu_model '4' is unknown to Slurm, which has h100;"):
        slurm.refuse_unknown([{"gpu_model": "4"}])


def test_without_accounting_any_account_is_left_to_slurm(cluster):
    cluster("sacctmgr", "Slurm accounting storage is disabled", code=1)
    slurm.refuse_unknown([{"slurm_account": "lab"}])


REFUSED = "allocation failure: Invalid account or account/partition combination specified"


def test_an_account_that_slurm_wants_is_one_line(cluster):
    cluster("sbatch", REFUSED, code=1)
    with pytest.raises(ValueError) as refused:
        slurm.refuse_unknown([{"slurm_partition": "batch"}])
    line = f"Slurm refuses the account: {REFUSED}; set slurm_account and slurm_partition in profiles/slurm/config.yaml"
    assert str(refused.value) == line


def test_nodes_that_are_down_refuse_nothing(cluster):
    cluster("sbatch", "allocation failure: Requested node configuration is not available", code=1)
    slurm.refuse_unknown([{"slurm_partition": "batch"}])


def test_without_slurm_the_line_says_where_to_run(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="sbatch is not on PATH; run this on a login node"):
        slurm.refuse_unknown([])


def test_a_controller_that_does_not_answer_is_named(cluster):
    cluster("sinfo", "slurm_load_partitions: Unable to contact slurm controller", code=1)
    with pytest.raises(ValueError, match="sinfo: slurm_load_partitions: Unable to contact slurm controller; Slurm"):
        slurm.refuse_unknown([])
