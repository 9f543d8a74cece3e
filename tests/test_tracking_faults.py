"""MLflow that cannot be used: one line with the fix, no password in it, and no harm to what is there."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tracked_runs import make_run

from repobe.__main__ import main
from repobe.report.tracking import store
from repobe.runs.mlflow_uri import masked, without_password

ROOT = Path(__file__).parent.parent
CLOSED = "127.0.0.1:9"  # nothing listens on this port


@pytest.fixture
def results(beside_mlflow) -> Path:
    return beside_mlflow


@pytest.fixture(autouse=True)
def no_address_and_no_pauses(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name in ("FACTOR", "JITTER"):  # MLflow tries as often as ever, without waiting in between
        monkeypatch.setenv(f"MLFLOW_HTTP_REQUEST_BACKOFF_{name}", "0")


def command(results: Path, *options: str) -> list[str]:
    return ["track", str(results), str(results / "figures"), str(make_run(results)), *options]


def refused(capsys, results: Path, *options: str) -> str:
    """The one line of a `track` that fails; the same with --lenient is no failure, and leaves the line behind."""
    assert main(command(results, *options)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert not (results / "tracked.json").exists()
    assert main(command(results, "--lenient", *options)) == 0
    (said,) = capsys.readouterr().out.splitlines()
    assert said.endswith(line.removeprefix("repobe: "))
    assert json.loads((results / "tracked.json").read_text()) == {"not tracked": line.removeprefix("repobe: ")}
    return line


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100_000])


def other_file(path: Path) -> None:
    path.write_text("a page of text, which is no database\n" * 100)


def of_another_mlflow(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = 'abcdef012345'")


def of_another_program(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE addresses (name TEXT)")


def half_made(path: Path) -> None:
    """What a killed MLflow leaves."""
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE experiments (name TEXT)")
        database.execute("CREATE TABLE _alembic_tmp_params (name TEXT)")


def deleted_experiment(path: Path) -> None:
    """As the button of MLflow's page does."""
    from mlflow.tracking import MlflowClient

    there = MlflowClient(f"sqlite:///{path}")
    there.delete_experiment(there.get_experiment_by_name("repobe").experiment_id)


@pytest.mark.parametrize(
    ("harm", "fix"),
    [
        (cut, "the file is damaged.*move it away"),
        (other_file, "the file is damaged.*move it away"),
        (of_another_mlflow, "another version of MLflow.*mlflow db upgrade"),
        (of_another_program, "not MLflow's.*move it away"),
        (half_made, "half made.*move it away"),
        (deleted_experiment, "deleted the experiment repobe.*mlflow experiments restore --experiment-id 1"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_line_and_stays_as_it_is(harm, fix, results, capsys):
    database = results / "mlflow" / "mlflow.db"
    harm(database)
    before = database.read_bytes()
    assert re.search(fix, refused(capsys, results))
    assert harm is half_made or database.read_bytes() == before


def test_a_locked_database_is_one_line(results, capsys, monkeypatch):
    monkeypatch.setattr(store, "PATIENCE", 0.1)
    holder = sqlite3.connect(results / "mlflow" / "mlflow.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert "another program holds the database" in refused(capsys, results)
    holder.close()


@pytest.mark.parametrize(
    ("uri", "line"),
    [
        ("htp://localhost:5000", "begin it with http://"),
        ("localhost:5000", "begin it with http://"),
        ("./mlruns", "begin it with http://"),
        (f"http://{CLOSED}", "no server answers .*refused.*; start it or correct the URI"),
        ("postgresql://localhost/runs", "its driver is not installed .*psycopg2"),
    ],
)
def test_a_mistyped_address_is_one_line(uri, line, results, capsys):
    said = refused(capsys, results, "--uri", uri)
    assert f"repobe: {uri}: " in said
    assert re.search(line, said)


@contextmanager
def server(status: int, body: bytes) -> Iterator[str]:
    """One that answers every request alike."""

    class Alike(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_) -> None:
            pass

    serving = ThreadingHTTPServer(("127.0.0.1", 0), Alike)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{serving.server_port}"
    serving.shutdown()


@pytest.mark.parametrize(
    ("status", "body", "line"),
    [
        (401, b"who are you?", "it refuses the login .*; set MLFLOW_TRACKING_USERNAME"),
        (500, b"out of order", "no server answers"),
        (200, b"<html>a page</html>", "MLflow cannot use it"),
        (200, b"{}", "MLflow cannot use it"),
        (404, b"no such page", "MLflow cannot use it"),
    ],
)
def test_a_server_that_does_not_play_along_is_one_line(status, body, line, results, capsys):
    with server(status, body) as uri:
        assert re.search(line, refused(capsys, results, "--uri", uri))


def test_a_password_from_the_environment_is_shown_nowhere(results, capsys, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:s3cret@{CLOSED}")
    said = refused(capsys, results)
    assert f"http://me:***@{CLOSED}" in said
    for path in results.rglob("*"):
        assert path.is_dir() or b"s3cret" not in path.read_bytes()


@pytest.mark.parametrize(
    "uri",
    [
        "http://me:s3cret@host", "postgresql://me:s3cret@host/db", "http://:s3cret@host",
        "postgresql://host/db?user=me&password=s3cret", "http://host?access_token=s3cret",
        "postgresql://me:s3cret/1@host/db", "postgresql://me:s3cret?1@host/db", "postgresql://me:s3cret#1@host/db",
        "http://host?api_key=s3cret", "http://host?api-key=s3cret", "http://host?key=s3cret",
        "http://host?pass=s3cret", "http://host#token=s3cret",
    ],
)  # fmt: skip
def test_a_password_on_the_command_line_is_refused_and_not_repeated(uri, results, capsys):
    assert main(command(results, "--uri", uri)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "MLFLOW_TRACKING_PASSWORD" in line
    assert "s3cret" not in line


@pytest.mark.parametrize(
    "uri", [None, "http://host:5000", "sqlite:////a/b.db", "http://me@host", "sqlite:///my & runs.db"]
)
def test_an_address_without_a_password_passes(uri):
    assert without_password(uri) == uri


def test_every_password_of_a_text_is_masked():
    text = "http://a:b@c failed, then postgresql+psycopg2://me:p:w@d:5/e"
    assert masked(text) == "http://a:***@c failed, then postgresql+psycopg2://me:***@d:5/e"
    assert masked("http://me:p@ss@h") == "http://me:***@h"
    assert masked("https://me:pa/ss@h, mysql://h/d?user=me&passwd=s3cret&a=1") == (
        "https://me:***@h, mysql://h/d?user=me&passwd=***&a=1"
    )


def test_an_empty_file_is_no_database_yet(tmp_path):
    """What a full disk left of one."""
    (tmp_path / "results" / "mlflow").mkdir(parents=True)
    (tmp_path / "results" / "mlflow" / "mlflow.db").touch()
    assert main(command(tmp_path / "results")) == 0


def test_signs_in_the_name_of_a_folder(tmp_path, empty_database, capsys):
    for name in ("100 % of #1; it's mine", "why?"):
        (tmp_path / name / "mlflow").mkdir(parents=True)
        shutil.copy(empty_database, tmp_path / name / "mlflow")
    assert main(command(tmp_path / "100 % of #1; it's mine")) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"100 % of #1; it's mine", "why?"}
    assert "rename it" in refused(capsys, tmp_path / "why?")


def process(results: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "repobe", *command(results)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def test_a_database_is_whole_or_not_there_whenever_track_is_killed(tmp_path):
    """Killed where the file under its other name has just appeared, and ended as a cluster does it a little later."""
    for pause, sent in ((0.0, signal.SIGKILL), (0.5, signal.SIGTERM)):
        results = tmp_path / f"after {pause}"
        running = process(results)
        part = results / "mlflow" / "mlflow.db.part"
        until = time.monotonic() + 60
        while not part.exists() and running.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(pause)
        os.killpg(running.pid, sent)
        running.wait()
        assert main(command(results)) == 0, pause
        assert not part.exists()


@pytest.mark.slow
def test_thirteen_kills_in_a_tracks_first_seconds_leave_a_store_that_opens(tmp_path):
    for kill in range(13):
        results = tmp_path / str(kill)
        running = process(results)
        with suppress(subprocess.TimeoutExpired):
            running.wait(0.5 + 0.5 * kill)
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        assert main(command(results)) == 0, kill


@pytest.mark.slow
def test_eight_at_once_on_a_fresh_store_all_succeed(tmp_path):
    results = tmp_path / "results"
    make_run(results)
    running = [process(results) for _ in range(8)]
    said = [one.communicate(timeout=300)[0] for one in running]
    assert [one.returncode for one in running] == [0] * 8, said
    with sqlite3.connect(results / "mlflow" / "mlflow.db") as database:
        kept = database.execute("SELECT count(*) FROM runs WHERE lifecycle_stage = 'active'").fetchone()
    assert kept == (3,)
