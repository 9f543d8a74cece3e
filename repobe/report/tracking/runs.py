"""Brings a results folder to MLflow: a run for each seed, one for each configuration above its seeds, one for all."""

import getpass
import hashlib
import json
import shutil
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from repobe.report.tracking import artifacts
from repobe.report.tracking.contents import Contents, configuration, configuration_of, contents, grid
from repobe.report.tracking.store import Store, opened
from repobe.runs.files import replace
from repobe.runs.spec import Spec

PARENT = "mlflow.parentRunId"
SOURCE = {"mlflow.source.name": "repobe", "mlflow.source.type": "LOCAL"}
# MLflow takes 1,000 things in one request, of which 100 parameters.
METRICS, PARAMS = 900, 100


def track(results: Path, figures: Path, specs: list[Path], uri: str | None, weights: bool = False) -> None:
    """Brings every run to MLflow once: a run that is there with the same content stays, one with another is replaced.

    weights: send them to a server too; a database on this machine has them always, as links. Writes tracked.json, the
    id of every run by its name. ValueError and OSError say in one line why MLflow cannot be used.
    """
    with opened(results / "mlflow", uri) as store:
        sender = Sender.to(store, results)
        loaded = sorted(((Spec.load(path), path.parent) for path in specs), key=_configuration)
        for _, group in groupby(loaded, key=_configuration):
            sender.send_configuration([*group], weights or store.folder is not None)
        sender.send_grid(results, figures)
    replace(results / "tracked.json", json.dumps(dict(sorted(sender.sent.items())), indent=1) + "\n")


@dataclass
class Sender:
    """Sends the runs of one results folder. folder: the tags that tell them from another folder's.

    known: its runs in MLflow by name; sent: the id of each run that is there now, by name; seeds: what was sent.
    """

    store: Store
    folder: dict[str, str]
    known: dict[str, list]
    sent: dict[str, str] = field(default_factory=dict)
    seeds: list[Contents] = field(default_factory=list)

    @classmethod
    def to(cls, store: Store, results: Path) -> "Sender":
        """Asks the store what it has of this results folder."""
        folder = {"results": "here", "results_id": "here"}
        if not store.own:
            where = str(results.absolute())
            name = f"{_folder_id(results / 'mlflow' / 'folder-id')} {where}"
            folder = {"results": where, "results_id": hashlib.sha256(name.encode()).hexdigest()[:16]}
        mine, known, page = f"tags.results_id = '{folder['results_id']}'", {}, None
        while page != "":
            found = store.client.search_runs([store.experiment], mine, max_results=1000, page_token=page)
            for run in found:
                known.setdefault(run.data.tags["run"], []).append(run)
            page = found.token or ""
        return cls(store, folder, known)

    def send_configuration(self, seeds: list[tuple[Spec, Path]], weights: bool) -> None:
        """A configuration and, below it, its seeds."""
        shown = [contents(spec, run) for spec, run in seeds]
        parent = self._send(configuration(seeds[0][0], shown), {"level": "configuration"})
        for (_, run), one in zip(seeds, shown, strict=True):
            tags = {"level": "seed", PARENT: parent}
            self._send(one, tags, lambda folder, run=run: artifacts.of_seed(run, folder, weights))
        self.seeds += shown

    def send_grid(self, results: Path, figures: Path) -> None:
        """The figures, the report and the verdicts of all runs together."""
        files = artifacts.grid_files(results, figures)
        self._send(grid(self.seeds, files), {"level": "grid"}, lambda folder: artifacts.share(files, folder))

    def _send(self, wanted: Contents, tags: dict[str, str], fill: Callable[[Path], None] | None = None) -> str:
        """The id of the finished run of that name and content. Makes it where there is none; deletes its predecessors.

        fill: fills a folder with the run's artifacts.
        """
        olds = self.known.get(wanted.path, [])
        same = [old for old in olds if old.info.status == "FINISHED" and old.data.tags["content"] == wanted.content]
        if same:
            key = same[0].info.run_id
            for name in (name for name in tags if same[0].data.tags.get(name) != tags[name]):
                self.store.client.set_tag(key, name, tags[name])
        else:
            key = self._create(wanted, tags, fill)
        for old in olds:
            if old.info.run_id != key:
                self.store.client.delete_run(old.info.run_id)
                if self.store.folder:
                    shutil.rmtree(self.store.folder / old.info.run_id, ignore_errors=True)
        self.sent[wanted.path] = key
        return key

    def _create(self, wanted: Contents, tags: dict[str, str], fill: Callable[[Path], None] | None) -> str:
        """A killed one is left RUNNING, and replaced the next time."""
        from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

        client = self.store.client
        tags = self.folder | SOURCE | wanted.tags | tags | {"mlflow.user": _user()}
        tags |= {"run": wanted.path, "content": wanted.content}
        key = client.create_run(self.store.experiment, wanted.began_ms, tags, wanted.name).info.run_id
        metrics = [Metric(one.name, one.value, one.time_ms, one.step) for one in wanted.metrics]
        params = [Param(name, value) for name, value in wanted.params.items()]
        while metrics or params:
            client.log_batch(key, metrics[:METRICS], params[:PARAMS])
            metrics, params = metrics[METRICS:], params[PARAMS:]
        if wanted.dataset:
            context = [InputTag("mlflow.data.context", "training and test")]
            client.log_inputs(key, [DatasetInput(Dataset(**wanted.dataset), context)])
        if fill and self.store.folder:
            fill(self.store.folder / key / "artifacts")
        elif fill:
            with tempfile.TemporaryDirectory() as folder:
                fill(Path(folder))
                client.log_artifacts(key, folder)
        client.set_terminated(key, end_time=wanted.ended_ms)
        return key


def _configuration(one: tuple[Spec, Path]) -> str:
    return configuration_of(one[0])


def _folder_id(path: Path) -> str:
    """A random name of a results folder. Together with its path it differs from every copy's and other machine's."""
    if not path.exists():
        replace(path, uuid.uuid4().hex + "\n")
    return path.read_text().strip()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return "unknown"
