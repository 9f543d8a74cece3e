"""What a workflow says on the terminal, from the records that Snakemake logs."""

import io
import json
import logging
import time

import pytest

from repobe.runs import terminal, workload
from repobe.runs.terminal import Terminal
from repobe.runs.workload import Workload

TOTALS = {"spec": 2, "train": 2, "measure": 2, "report": 1, "all": 1, "total": 8}


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def spoken(stream, results, closing=lambda: ["Found: nothing."]) -> tuple[Terminal, logging.Logger]:
    made = Terminal(stream, results, closing)
    logger = logging.Logger("snakemake")
    logger.addHandler(made)
    return made, logger


def begin(logger, job: int, rule: str, run: str = "digits/awgn/repobe/seed0") -> None:
    logger.info("…", extra={"event": "job_info", "jobid": job, "rule_name": rule, "wildcards": {"run": run}})


def finish(logger, job: int) -> None:
    logger.info(f"Finished jobid: {job}", extra={"event": "job_finished", "job_id": job})


def error(logger, job: int, rule: str, log) -> None:
    logger.error("Error in rule", extra={"event": "job_error", "jobid": job, "rule_name": rule, "log": [str(log)]})


def test_each_stage_is_one_line_however_many_jobs_it_has(tmp_path):
    stream = io.StringIO()
    made, logger = spoken(stream, tmp_path)
    logger.info("Building DAG of jobs...")
    logger.info("\nSNAKEMAKE\n=====", extra={"event": "workflow_started"})
    logger.info("Job stats", extra={"event": "run_info", "stats": TOTALS | {"train": 500}})
    for job in range(500):
        logger.info("Execute 1 jobs...", extra={"event": "job_started", "jobs": [job]})
        begin(logger, job, "train")
        logger.info(None, extra={"event": "progress", "done": job, "total": 500})
        finish(logger, job)
    made.succeeded()
    first, *lines = stream.getvalue().splitlines()
    assert first.startswith("jobs: 505; ")
    assert lines[0].endswith("train: 500 of 500 done")
    assert lines[1:] == ["Found: nothing."]


def test_without_a_report_the_end_is_a_word(tmp_path):
    stream = io.StringIO()
    made, logger = spoken(stream, tmp_path)
    logger.info("Job stats", extra={"event": "run_info", "stats": {"data": 1, "total": 1}})
    made.succeeded()
    assert stream.getvalue().splitlines()[1:] == ["done"]


def test_a_terminal_has_its_last_line_rewritten_in_place(tmp_path):
    stream = Screen()
    made, logger = spoken(stream, tmp_path)
    logger.info("Job stats", extra={"event": "run_info", "stats": TOTALS})
    for job in (1, 2):
        begin(logger, job, "train")
    drawn = stream.getvalue().rpartition("\r\033[K")[2]
    assert drawn.endswith("train 0 of 2, measure 0 of 2")
    assert "\n" not in drawn
    made.succeeded()


def test_what_snakemake_warns_of_is_still_heard(tmp_path):
    stream = io.StringIO()
    made, logger = spoken(stream, tmp_path)
    logger.warning("Some files are write-protected.")
    logger.error("WorkflowError: config, seeds: …", extra={"event": "error"})
    logger.info("Unlocked working directory.")
    made.stopped()
    assert len(stream.getvalue().splitlines()) == 4


def test_where_nothing_is_left_to_do_the_end_is_the_same(tmp_path):
    stream = io.StringIO()
    _, logger = spoken(stream, tmp_path)
    logger.info("Nothing to be done (all requested files are present and up to date).")
    assert stream.getvalue().splitlines()[1:] == ["Found: nothing."]


def test_a_failure_is_told_with_its_reason_and_its_log(tmp_path):
    log = tmp_path / "train.log"
    log.write_text("2026-11-24 train: 3 steps\nrepobe: the term 'loss' is nan by epoch 2\n")
    stream = io.StringIO()
    made, logger = spoken(stream, tmp_path)
    begin(logger, 1, "train")
    error(logger, 1, "train", log)
    logger.error("Exiting because a job execution failed. Look above for error messages")
    made.stopped()
    assert stream.getvalue().splitlines() == [
        f"failed: train digits/awgn/repobe/seed0 (log: {log})",
        "    repobe: the term 'loss' is nan by epoch 2",
        "1 failed, see above; the same command tries only these again",
    ]


def test_what_a_cluster_says_of_a_job_is_told_too_and_a_second_try_counts(tmp_path):
    own, slurm = tmp_path / "train.log", tmp_path / "slurm.log"
    own.write_text("2026-11-24 train: 3 steps\n")
    slurm.write_text("building\nslurmstepd: error: Detected 1 oom-kill event(s) in StepId=7.0.\nsrun: Terminating\n")
    stream = io.StringIO()
    made, logger = spoken(stream, tmp_path)
    for run in ("a", "b"):
        begin(logger, 1, "train", run)
        told = {"event": "job_error", "jobid": 1, "rule_name": "train", "log": [str(own), str(slurm)]}
        told["rule_msg"] = "SLURM-job '7' failed, SLURM status is: 'FAILED'. Reason: Unknown. For further details see …"
        logger.error("Error in rule", extra=told)
    begin(logger, 1, "train", "b")
    finish(logger, 1)
    made.stopped()
    lines = stream.getvalue().splitlines()
    assert lines[1:4] == [
        "    SLURM-job '7' failed, SLURM status is: 'FAILED'",
        "    no error in its log: was the job killed, perhaps for its memory? The same command goes on from here",
        "    slurmstepd: error: Detected 1 oom-kill event(s) in StepId=7.0.",
    ]
    assert lines[-1] == "1 failed, see above; the same command tries only these again"


def test_jobs_that_a_cluster_groups_fail_one_by_one(tmp_path):
    stream = io.StringIO()
    made, logger = spoken(stream, tmp_path)
    begin(logger, 1, "train")
    jobs = [{"jobid": 1, "rule_name": "train", "log": []}]
    logger.error("…", extra={"event": "group_error", "job_error_info": jobs, "aux_logs": [], "groupid": "x"})
    made.stopped()
    assert stream.getvalue().startswith("failed: train digits/awgn/repobe/seed0")


def reasons_of_a_failure(log, tmp_path) -> list[str]:
    """What the terminal says below the line that names a failed job."""
    stream = io.StringIO()
    _, logger = spoken(stream, tmp_path)
    begin(logger, 1, "train")
    error(logger, 1, "train", log)
    return stream.getvalue().splitlines()[1:]


def test_what_a_job_says_of_its_progress_and_its_device_is_no_reason_for_its_end(tmp_path):
    """A job that is killed says nothing more."""
    log = tmp_path / "train.log"
    log.write_text("repobe: --device auto takes cpu\n2026-11-24 17:48:04 train digits/awgn/repobe/seed0: 60 steps\n")
    (reason,) = reasons_of_a_failure(log, tmp_path)
    assert reason.startswith("    no error in its log: was the job killed")


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_a_failure_without_a_reason_says_so(content, tmp_path):
    """A full disk takes the log with it."""
    log = tmp_path / "train.log"
    if content is not None:
        log.write_text(content)
    assert reasons_of_a_failure(log, tmp_path) == ["    its log says nothing: is the disk full, or was the job killed?"]


def test_ctrl_c_is_one_line(tmp_path):
    stream = io.StringIO()
    made, logger = spoken(stream, tmp_path)
    for job in (1, 2):
        begin(logger, job, "train")
    logger.info("Terminating processes on user request, this might take some time.")
    for job in (1, 2):
        error(logger, job, "train", tmp_path / "none.log")
        logger.error("RuleException:\nKeyboardInterrupt in line 44 of run.smk", extra={"event": "error"})
    made.stopped()
    assert stream.getvalue().splitlines() == ["stopping: the same command goes on from here"]


def test_the_time_left_follows_from_the_jobs_that_have_ended(tmp_path, monkeypatch):
    """Two cores; after two trainings of 10 s, one more, three measurements of as long, a moment: (10 + 30 + 3) / 2."""
    work = Workload(tmp_path)
    work.totals = {"train": 3, "measure": 3, "tables": 1}
    now = time.time()
    monkeypatch.setattr(workload.time, "time", lambda: now)
    assert work.left() is None
    assert str(work) == "  …   0:00 gone"
    work.begin(1, "train", "a")
    work.begin(2, "train", "b")
    now += 10
    assert [work.finish(1).run, work.finish(2).run] == ["a", "b"]
    assert work.left() == pytest.approx(21.5)
    assert str(work) == " 32%  0:10 gone, about 0:22 left"  # 10 of 31.5
    work.begin(3, "train", "c")
    now += 4
    assert work.left() == pytest.approx((6 + 30 + 3) / 2)


def test_the_time_left_of_a_long_training_is_what_it_says_itself(tmp_path, monkeypatch):
    work = Workload(tmp_path)
    work.totals = {"train": 2}
    now = time.time()
    monkeypatch.setattr(workload.time, "time", lambda: now)
    work.begin(1, "train", "digits/awgn/repobe/seed0")
    told = tmp_path / "runs/digits/awgn/repobe/seed0/train.progress.json"
    told.parent.mkdir(parents=True)
    told.write_text(json.dumps({"seconds_left": 300, "told": now - 100}))
    assert work.left() is None  # of a former process
    now += 60
    told.write_text(json.dumps({"seconds_left": 300, "told": now}))
    now += 10
    assert work.left() == pytest.approx(290 + 360)  # the other one lasts as long as this one: 60 + 300


def test_the_user_may_have_snakemakes_own_messages(tmp_path):
    class Settings:
        dryrun = verbose = printshellcmds = debug_dag = False
        quiet = None

    theirs = logging.StreamHandler(io.StringIO())
    theirs.name = "DefaultStreamHandler"
    logger = logging.getLogger("snakemake.logging")
    logger.addHandler(theirs)
    try:
        for option in ("dryrun", "verbose", "printshellcmds", "debug_dag"):
            settings = Settings()
            setattr(settings, option, True)
            assert terminal.attach(settings, tmp_path, list) is None
            assert theirs in logger.handlers
        made = terminal.attach(Settings(), tmp_path, list)
        assert made in logger.handlers
        assert theirs not in logger.handlers
    finally:
        logger.handlers.clear()
