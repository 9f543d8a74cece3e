"""The workflow's output on the terminal: a line for each stage that ends, with the share done and the time left.

Snakemake's own messages, some twenty lines a job, go to its log file in .snakemake/log. With -p, --verbose or --quiet,
Snakemake writes to the terminal itself.
"""

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO

from repobe.runs.status import FAULT, lines_of
from repobe.runs.workload import Workload

# Snakemake's messages about itself, which say nothing about the work; unknown messages are shown.
SNAKEMAKE_NOISE: tuple[str, ...] = (
    "Building DAG",
    "Using shell",
    "Conda environments: ignored",
    "Singularity containers: ignored",
    "Select jobs",
    "Shutting down",
    "Assuming unrestricted",
    "Complete log",
    "Config file",
    "Elapsed time",
    "Exiting because a job execution failed",
    # These say only that a command failed; the reason is taken from its log.
    "RuleException:\nCalledProcessError",
    "WorkflowError:\nAt least one job did not complete",
)
EVENTS = {
    "workflow_started",
    "run_info",
    "resources_info",
    "shellcmd",
    "job_started",
    "progress",
    "rulegraph",
    "debug_dag",
}
SILENT_RULES = {"spec", "training", "all"}  # too short to report
LOG_INTERVAL_S = 30.0  # between two lines of progress where they cannot replace each other


class Terminal(logging.Handler):
    """Takes the place of Snakemake's handler for the terminal. On a terminal, the last line is always up to date.

    results: the folder whose runs report their progress; closing: makes the last lines of a workflow that succeeded.
    """

    def __init__(self, stream: TextIO, results: Path, closing: Callable[[], Iterable[str]]) -> None:
        super().__init__()
        self.stream, self.closing, self.work = stream, closing, Workload(results)
        self.live, self.last, self.interrupted = stream.isatty(), time.monotonic(), False
        self.failed: set[tuple[str, str]] = set()  # the rule and the run of each job
        self.ended, self.turn = threading.Event(), threading.RLock()
        threading.Thread(target=self._tick, daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Counts what the record says about a job, and prints what a person should know of it."""
        with self.turn:
            self._hear(record)
            self._draw()

    def _hear(self, record: Any) -> None:  # with Snakemake's own attributes, by its event
        event, said = getattr(record, "event", None), record.getMessage() if record.msg else ""
        if event == "run_info":
            self.work.totals = {rule: count for rule, count in record.stats.items() if rule not in ("total", "all")}
            count = sum(self.work.totals.values())
            self._line(f"jobs: {count}; Snakemake's messages go to .snakemake/log, with -p here")
        elif event == "job_info":
            self.work.begin(record.jobid, record.rule_name, next(iter(record.wildcards.values()), ""))
        elif event == "job_finished":
            job = self.work.finish(record.job_id)
            self.failed.discard(job[:2])  # on a cluster, a job may be tried again
            if job.rule not in SILENT_RULES and self.work.is_done(job.rule):
                total = self.work.totals[job.rule]
                self._line(f"{self.work}  {job.rule}: {total} of {total} done")
        elif event == "job_error":
            self._failure(record.jobid, record.rule_name, record.log, getattr(record, "rule_msg", None))
        elif event == "group_error":
            for job in record.job_error_info:
                self._failure(job["jobid"], job["rule_name"], [*job["log"], *record.aux_logs])
        elif said.startswith("Terminating processes on user request"):
            self.interrupted = True
            self._line("stopping: the same command goes on from here")
        elif event not in EVENTS and said and not said.startswith(SNAKEMAKE_NOISE) and not self.interrupted:
            self._line(said)
            if said.startswith("Nothing to be done"):
                self.succeeded()

    def _failure(self, number: int, rule: str, logs: list[str], message: str | None = None) -> None:
        """message: what a cluster says about the job; its first sentence has the status that Slurm gives it."""
        run = self.work.fail(number)
        if self.interrupted:
            return
        self.failed.add((rule, run))
        self._line(f"failed: {rule} {run}".rstrip() + f" (log: {', '.join(logs)})")
        status = (message or "").split(". ")[0].strip()
        reasons = [line for line in (status, *(_reason(Path(log)) for log in logs)) if line]
        for line in reasons or ["its log says nothing: is the disk full, or was the job killed?"]:
            self._line(f"    {line}")

    def succeeded(self) -> None:
        """Ends with the closing lines, or with one word if no report was asked for."""
        self._end(self.closing() if "report" in (self.work.totals or ["report"]) else ["done"])

    def stopped(self) -> None:
        """Ends a workflow that failed in part, or that the user stopped."""
        self._end(
            []
            if self.interrupted
            else [f"{len(self.failed)} failed, see above; the same command tries only these again"]
        )

    def _end(self, lines: Iterable[str]) -> None:
        self.ended.set()
        with self.turn:
            if self.live:
                self.stream.write("\r\033[K")
                self.stream.flush()
            for line in lines:
                self._line(line)

    def _tick(self) -> None:
        while not self.ended.wait(1 if self.live else LOG_INTERVAL_S):
            with self.turn:
                self._draw()

    def _draw(self) -> None:
        """Replaces the last line of a terminal; elsewhere a new line, rarely."""
        if not self.work.running or self.ended.is_set():
            return
        line = f"{self.work}  {self.work.counts()}"
        if self.live:
            self.stream.write("\r\033[K" + line[: shutil.get_terminal_size().columns - 1])
            self.stream.flush()
        elif time.monotonic() - self.last >= LOG_INTERVAL_S:
            self._line(line)

    def _line(self, text: str) -> None:
        self.last = time.monotonic()
        self.stream.write(("\r\033[K" if self.live else "") + text + "\n")
        self.stream.flush()


def _reason(log: Path) -> str:
    """The last line of a log that reports an error, else that there is none; empty for an empty log."""
    lines = lines_of(log)
    told = [line for line in lines if FAULT.match(line) or "error" in line.lower()]
    silent = "no error in its log: was the job killed, perhaps for its memory? The same command goes on from here"
    return told[-1] if told else silent if lines else ""


def attach(settings: Any, results: Path, closing: Callable[[], Iterable[str]]) -> Terminal | None:
    """Replaces Snakemake's handler with a Terminal; None if the user asked for Snakemake's own messages.

    settings: Snakemake's settings of its output.
    """
    logger = logging.getLogger("snakemake.logging")
    handlers = [handler for handler in logger.handlers if isinstance(handler, logging.StreamHandler)]
    theirs = [handler for handler in handlers if handler.name == "DefaultStreamHandler"]
    if (
        settings.dryrun
        or settings.verbose
        or settings.quiet
        or settings.printshellcmds
        or settings.debug_dag
        or not theirs
    ):
        return None
    terminal = Terminal(theirs[0].stream, results, closing)
    logger.removeHandler(theirs[0])
    logger.addHandler(terminal)
    return terminal
