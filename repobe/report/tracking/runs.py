"""Brings a results folder to MLflow: a run for each seed, one for each configuration above its seeds, one for all."""

import dataclasses
import getpass
import hashlib
import json
import shutil
import tempfile
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

from repobe.report.tracking import artifacts
from repobe.report.tracking.contents import Contents, Seed, configuration, configuration_of, digest, grid
from repobe.report.tracking.store import Store, Unavailable, opened
from repobe.runs.files import replace
from repobe.runs.mlflow_uri import without_password
from repobe.runs.spec import Spec

PARENT = "mlflow.parentRunId"
SOURCE = {"mlflow.source.name": "repobe", "mlflow.source.type": "LOCAL"}
# MLflow takes 1,000 entries in one request, at most 100 of them parameters.
METRICS, PARAMS = 900, 100
Fill = Callable[[Path], None]
UNTRACKED = "not tracked"  # in tracked.json, before the reason


def track(
    results: Path, figures: Path, specs: list[Path], uri: str | None, weights: bool = False, lenient: bool = False
) -> None:
    """Brings every run to MLflow once: a run with the same content stays, one with other content is replaced.

    weights: also send them to a server; a database on this machine always has them, as links. Writes tracked.json, the
    id of every run by its path. Unavailable and OSError say in one line why MLflow cannot be used. lenient: print that
    line to stdout and write it into tracked.json instead; no result suffers.
    """
    without_password(uri)
    groups: dict[str, list[Seed]] = {}
    for file in specs:
        spec = Spec.load(file)
        groups.setdefault(configuration_of(spec), []).append(Seed(spec, file.parent))
    try:
        with opened(results / "mlflow", uri) as store:
            sender = Sender.to(store, results)
            for path, seeds in sorted(groups.items()):
                sender.send_configuration(path, seeds, weights or store.folder is not None)
            sender.send_grid(results, figures, [seed for seeds in groups.values() for seed in seeds])
            told = dict(sorted(sender.sent.items()))
    except (Unavailable, OSError) as error:
        if not lenient:
            raise
        told = {UNTRACKED: str(error)}
        print(f"repobe: the results are complete, but not in MLflow: {error}", flush=True)
    replace(results / "tracked.json", json.dumps(told, indent=1) + "\n")


@dataclasses.dataclass
class Sender:
    """Sends the runs of one results folder. folder: the tags that distinguish them from another folder's runs.

    known: its runs in MLflow, by path; sent: the id of each run that is there now, by path.
    """

    store: Store
    folder: dict[str, str]
    known: dict[str, list]
    sent: dict[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def to(cls, store: Store, results: Path) -> "Sender":
        """Asks the store what it holds of this results folder."""
        folder = {"results_id": "here"}
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

    def send_configuration(self, path: str, seeds: list[Seed], weights: bool) -> None:
        """A configuration and, below it, its seeds."""
        content = hashlib.sha256(" ".join(seed.digest for seed in seeds).encode()).hexdigest()
        above = partial(configuration, seeds)
        parent = self._send(path, content, {"level": "configuration"}, above)
        for seed in seeds:
            content = seed.digest + (" and weights" if weights else "")
            tags = {"level": "seed", PARENT: parent}
            fill = partial(artifacts.of_seed, seed.run, weights)
            self._send(seed.spec.path, content, tags, lambda seed=seed: seed.contents, fill)

    def send_grid(self, results: Path, figures: Path, seeds: list[Seed]) -> None:
        """The figures, the report and the verdicts of all runs together."""
        files = artifacts.grid_files(results, figures)
        self._send("grid", digest(files), {"level": "grid"}, partial(grid, seeds), partial(artifacts.share, files))

    def _send(
        self, path: str, content: str, tags: dict[str, str], read: Callable[[], Contents], fill: Fill | None = None
    ) -> str:
        """The id of the finished run of that path and content. Makes it if there is none; deletes its predecessors.

        read: gives what MLflow shows of the run; fill: fills a folder with its artifacts.
        """
        olds = self.known.get(path, [])
        same = [old for old in olds if old.info.status == "FINISHED" and old.data.tags["content"] == content]
        if same:
            key = same[0].info.run_id
            for name in (name for name in tags if same[0].data.tags.get(name) != tags[name]):
                self.store.client.set_tag(key, name, tags[name])
        else:
            key = self._create(read(), tags | {"run": path, "content": content}, fill)
        for old in olds:
            if old.info.run_id != key:
                self.store.client.delete_run(old.info.run_id)
                if self.store.folder:
                    shutil.rmtree(self.store.folder / old.info.run_id, ignore_errors=True)
        self.sent[path] = key
        return key

    def _create(self, wanted: Contents, tags: dict[str, str], fill: Fill | None) -> str:
        """If this process is killed, the run stays RUNNING and is replaced the next time."""
        from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

        client = self.store.client
        tags = self.folder | SOURCE | wanted.tags | tags | {"mlflow.user": _user()}
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


def _folder_id(path: Path) -> str:
    """A random name of a results folder. With the path, it distinguishes the folder from copies and other machines."""
    if not path.exists():
        replace(path, uuid.uuid4().hex + "\n")
    return path.read_text(encoding="utf-8").strip()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return "unknown"
