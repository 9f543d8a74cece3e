"""How much of a workflow is done, and how long the rest will take, from its jobs' times and what the runs report."""

import json
import time
from pathlib import Path
from typing import NamedTuple

from repobe.runs.folders import run_folder
from repobe.runs.progress import clock
from repobe.runs.status import PARTS

SLOW = ("train", "measure")
DEFAULT_JOB_S = 3.0  # assumed for a job of another stage until the first of its kind ends


class Job(NamedTuple):
    """A job at work: its rule, the run or dataset that it works on, and the clock time at which it began."""

    rule: str
    run: str
    began: float


class Workload:
    """The jobs of a workflow. totals: how many each rule has; results: the folder whose runs report their progress."""

    def __init__(self, results: Path) -> None:
        self.results, self.began = results, time.time()
        self.totals: dict[str, int] = {}
        self.running: dict[int, Job] = {}
        self.lasted: dict[str, list[float]] = {}  # seconds of each finished job, by rule
        self.most = 1  # jobs at the same time

    def begin(self, job: int, rule: str, run: str) -> None:
        """Records that a job has begun; `run` names what it works on."""
        self.running[job] = Job(rule, run, time.time())
        self.most = max(self.most, len(self.running))

    def finish(self, job: int) -> Job:
        """Records that a job has ended, and returns it."""
        ended = self.running.pop(job)
        self.lasted.setdefault(ended.rule, []).append(time.time() - ended.began)
        return ended

    def fail(self, job: int) -> str:
        """Records that a job has failed, and returns what it worked on."""
        return self.running.pop(job, Job("", "", 0)).run

    def is_done(self, rule: str) -> bool:
        """Whether all jobs of a rule have ended well."""
        return len(self.lasted.get(rule, [])) == self.totals.get(rule)

    def left(self) -> float | None:
        """Seconds until all is done, if jobs last as long as others of their rule; None while nothing is known."""
        now, work = time.time(), 0.0
        at_work: dict[str, list[tuple[float, float | None]]] = {}  # by rule: seconds since its begin, seconds left
        for job in self.running.values():
            at_work.setdefault(job.rule, []).append((now - job.began, self._told(job)))
        for rule, total in self.totals.items():
            jobs = at_work.get(rule, [])
            mean = self._mean(rule, jobs)
            if mean is None:
                return None
            work += sum(told if told is not None else max(mean - since, 0.0) for since, told in jobs)
            work += mean * (total - len(self.lasted.get(rule, [])) - len(jobs))
        return work / self.most

    def _mean(self, rule: str, jobs: list[tuple[float, float | None]]) -> float | None:
        """Expected seconds of a job of a rule: from ended jobs, else from what jobs at work report, else a guess."""
        known = self.lasted.get(rule) or [since + told for since, told in jobs if told is not None]
        if not known and rule in SLOW:
            known = [seconds for slow in SLOW for seconds in self.lasted.get(slow, [])]
        return sum(known) / len(known) if known else None if rule in SLOW else DEFAULT_JOB_S

    def _told(self, job: Job) -> float | None:
        """Seconds left as a run at work reports them; None if it reports nothing yet."""
        for part in PARTS.get(job.rule, ()):
            try:
                told = json.loads(
                    (run_folder(self.results, job.run) / f"{part}.progress.json").read_text(encoding="utf-8")
                )
            except (OSError, ValueError):
                continue
            if told["told"] >= job.began and told["seconds_left"] is not None:
                return max(told["seconds_left"] - (time.time() - told["told"]), 0.0)
        return None

    def __str__(self) -> str:
        """The share that is done, the time since the beginning, and the time left."""
        since, left = time.time() - self.began, self.left()
        if left is None:
            return f"  …   {clock(since)} gone"
        return f"{since / (since + left or 1):4.0%}  {clock(since)} gone, about {clock(left)} left"

    def counts(self) -> str:
        """How many jobs of how many have ended: for slow stages until they are done, and for other stages at work."""
        at_work = {job.rule for job in self.running.values()}
        rules = [rule for rule in self.totals if rule in at_work or (rule in SLOW and not self.is_done(rule))]
        return ", ".join(f"{rule} {len(self.lasted.get(rule, []))} of {self.totals[rule]}" for rule in rules)
