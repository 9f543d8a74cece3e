"""Opening an MLflow database or server; why one cannot be used, in one line without the password."""

import logging
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from repobe.runs.locks import alone
from repobe.runs.mlflow_uri import masked

if TYPE_CHECKING:
    from mlflow.entities import Experiment
    from mlflow.tracking import MlflowClient

EXPERIMENT = "repobe"
ARTIFACTS = "mlflow-artifacts:/repobe"  # relative to where `mlflow ui` runs, so that a moved folder works
# Without this tag, MLflow opens the page for language models instead of runs and charts.
KIND = {"mlflow.experimentKind": "custom_model_development"}
NOTE = {
    "mlflow.note.content": "A run for each configuration, its seeds below it, and one run with the figures and the "
    "report. `tags.level` is configuration, seed or grid. See docs/tracking.md of the suite."
}
SCHEMES = "http://, https:// or sqlite:///"
PATIENCE = 20  # seconds, for another program to let go of the database
# (what the error says, what it means, the fix)
FAULTS = [
    (r"locked", "another program holds the database", "close it"),
    (r"not a database|malformed|disk image", "the file is damaged or no database", "move it away"),
    (r"out-of-date|Can't locate revision", "another version of MLflow made it", "run `mlflow db upgrade` on a copy"),
    (r"already exists|no such table|no such column", "it is half made or not MLflow's", "move it away"),
    (r"\b40[13]\b", "it refuses the login", "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
    (r"No module named '?(\w+)", "its driver is not installed", "install it"),
    (r"refused|Max retries|timed out|resolve|getaddrinfo|\b50\d\b", "no server answers", "start it or correct the URI"),
    (r"mlflow-artifacts", "its files go through its server", "give the server's http address"),
    (r"readonly|unable to open|[Pp]ermission denied", "it cannot be written", "fix its folder's permissions"),
    (r"[Ii]nvalid URL|[Uu]nsupported|parse SQL|maintenance|dialect", "no store's address", f"begin it with {SCHEMES}"),
]


class Unavailable(ValueError):
    """MLflow cannot be used; the message is one line with the fix, without the password."""


@dataclass(frozen=True)
class Store:
    """An open store. experiment: its id; own: whether it lies in the results folder, so that it has only its runs.

    folder: where this process writes artifacts itself; None: MLflow's client sends them.
    """

    client: "MlflowClient"
    experiment: str
    own: bool
    folder: Path | None


@contextmanager
def opened(own: Path, uri: str | None) -> Iterator[Store]:
    """The store at `uri`, else at MLFLOW_TRACKING_URI, else the database in the folder `own`.

    Meanwhile, no other process of this suite writes to the same database. Unavailable and OSError say what to fix.
    """
    _quiet()
    home = f"sqlite:///{own.absolute() / 'mlflow.db'}"
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or home
    if uri == home and "?" in home:
        raise Unavailable(f"{own.absolute()}: MLflow finds no database where a folder's name has a ?; rename it")
    file = Path(uri.partition("?")[0].removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None
    with ExitStack() as stack:
        for folder in sorted({own.absolute(), *([file.parent.absolute()] if file else [])}):
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(alone(folder, "mlflow"))
        stack.enter_context(_explained(uri))
        if uri == home:
            stack.enter_context(_unsynchronised(file))
        if file:
            _make(file)
        client, experiment = _open(uri, ARTIFACTS if file else (own.absolute() / "mlartifacts").as_uri())
        ours = file and experiment.artifact_location.startswith("mlflow-artifacts:")
        folder = file.parent / "mlartifacts" / EXPERIMENT if ours else None
        yield Store(client, experiment.experiment_id, uri == home, folder)


def _open(uri: str, artifacts: str) -> tuple["MlflowClient", "Experiment"]:
    """artifacts: where those of a new experiment go; a server decides for itself."""
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    server = uri.startswith(("http://", "https://", "databricks"))
    if not server:
        _probe(uri)
    client = MlflowClient(uri)
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is None:
        try:
            client.create_experiment(EXPERIMENT, None if server else artifacts, tags=KIND | NOTE)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another process was faster
                raise
        found = client.get_experiment_by_name(EXPERIMENT)
    if found.lifecycle_stage == "deleted":
        raise Unavailable(
            f"{masked(uri)}: somebody deleted the experiment {EXPERIMENT}; bring it back with "
            f"`mlflow experiments restore --experiment-id {found.experiment_id}`, and track again"
        )
    return client, found


def _make(file: Path) -> None:
    """Makes the database under another name: if MLflow is killed while it makes one, nobody can open that file."""
    if file.exists() and file.stat().st_size:
        return
    part = file.with_name(file.name + ".part")
    for old in file.parent.glob(f"{part.name}*"):  # SQLite's journals too
        old.unlink()
    _open(f"sqlite:///{part}", ARTIFACTS)
    os.replace(part, file)


def _probe(uri: str) -> None:
    """Connects once: MLflow itself would try for minutes."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    timeout = {"timeout": PATIENCE} if uri.startswith("sqlite") else {}
    with create_engine(uri, poolclass=NullPool, connect_args=timeout).connect() as connection:
        if uri.startswith("sqlite"):
            if (said := connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()) != "ok":
                raise sqlite3.DatabaseError(f"malformed: {said}")
            tables = {*connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars()}
            if tables and "experiments" not in tables:
                raise sqlite3.DatabaseError("no such table: experiments")
            connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def _unsynchronised(file: Path) -> Iterator[None]:
    """Waits for the disk once, at the end, instead of at each of MLflow's seven steps for a run: four times as fast.

    A killed process still loses nothing. After a power cut the database may be damaged: it is a copy of the results.
    """
    from sqlalchemy import Engine, event

    def connected(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", connected)
    try:
        yield
        with file.open("rb") as written:
            os.fsync(written.fileno())
    finally:
        event.remove(Engine, "connect", connected)


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    """Turns what MLflow and its libraries raise into one line."""
    from alembic.util import CommandError
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    libraries = (MlflowException, SQLAlchemyError, CommandError, RequestException, sqlite3.Error, ImportError)
    try:
        yield
    except libraries as error:
        said = " ".join(str(getattr(error, "orig", None) or error).split()).rpartition("Caused by ")[2]
        told = [(means, fix) for pattern, means, fix in FAULTS if re.search(pattern, said)]
        means, fix = told[0] if told else ("MLflow cannot use it", "see its message")
        raise Unavailable(f"{masked(uri)}: {means} ({masked(said)[:150]}); {fix}, and track again") from None


def _quiet() -> None:
    """Call it before importing MLflow. A server that does not answer is given up after one minute instead of ten."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    os.environ["MLFLOW_LOGGING_LEVEL"] = "ERROR"
    for name in ("alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)
