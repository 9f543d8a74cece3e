"""The command line: one subcommand a stage of the workflow, each of which also runs by hand.

python -m repobe train results/runs/digits/awgn/repobe/seed0/spec.yaml
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

from repobe.runs.files import about, arrays, replace, table
from repobe.runs.spec import Audit, Spec, from_plain
from repobe.tables.schema import KEYS, VALUES

# The headers of tables that may have no rows.
AUDIT, INVERSION = (KEYS[name] + VALUES[name] for name in ("audit", "inversion"))
CODE = ("repobe", "baselines", "workflow", "pyproject.toml")  # what a run's figures hang on, new files included
HELP = {
    "name": "a dataset, as configs name it; of show, an id: n21, c04, D7",
    "json": "what the config says of it, as JSON",
    "data": "<results>/data/<dataset>.safetensors",
    "out": "the file to write; of merge, the folder",
    "spec": "<results>/runs/<dataset>/<channel>/<method>/seed<k>/spec.yaml",
    "specs": "every run's spec.yaml",
    "sources": "folders that hold tables/",
    "results": "the folder that holds tables/",
    "figures": "the folder of the figures",
}


def main(arguments: list[str] | None = None) -> int:
    """Runs one subcommand; what the user can mend is one line on stderr and exit code 2."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except (ValueError, OSError) as error:
        print(f"repobe: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def data(o: argparse.Namespace) -> None:
    """Writes a dataset's file from its source."""
    from repobe.images.datasets import build

    folder = o.data_dir or os.environ.get("REPOBE_DATA") or None
    build(o.name, Path(folder) if folder else None, o.out)


def judge(o: argparse.Namespace) -> None:
    """Trains the classifier that attackers' pictures are shown to."""
    import safetensors.torch

    from repobe.images.datasets import load
    from repobe.training import evaluation_classifier as room

    device = _device(o.device, o.threads)
    loaded = load(o.data, device)
    trained = room.train(loaded, o.epochs or (7 if len(loaded.train[0]) < 10_000 else 4))
    weights = {name: value.cpu().contiguous() for name, value in trained.state_dict().items()}
    replace(o.out, safetensors.torch.save(weights, {"judge": o.data.stem}))


def spec(o: argparse.Namespace) -> None:
    """Writes spec.yaml, unless it says the same already: an unchanged run keeps its file's time."""
    described = Spec.from_dict(_json(o.json))
    o.out.parent.mkdir(parents=True, exist_ok=True)
    replace(o.out, described.dump())


def train(o: argparse.Namespace) -> None:
    """Trains a run, from its last whole epoch where it was interrupted."""
    from repobe.training import loop as training

    described, run, loaded = _open(o)
    teacher = None
    if described.after:
        teacher = _sibling(described.teacher, run, loaded)
    began = time.time()
    training.train(described, loaded, run, teacher)
    _provenance(run, described, loaded, time.time() - began)


def evaluate(o: argparse.Namespace) -> None:
    """Writes evasion.csv, accuracy at every SNR, natural and attacked, and outcomes.parquet, image by image.

    A killed one goes on where it was.
    """
    from repobe.runs.partial import Partial
    from repobe.runs.progress import Progress
    from repobe.stages.evaluate import evasion, evasion_steps
    from repobe.tables import outcomes
    from repobe.training.loop import restore

    described, run, loaded = _open(o)
    surrogates = {label: _sibling(path, run, loaded) for label, path in described.surrogates.items()}
    with Progress(described, run, "evaluate", evasion_steps(described)) as progress:
        models = [_run(path, run) / "model.safetensors" for path in [described.path, *described.surrogates.values()]]
        partial = Partial(run / "partial_evasion", o.spec, *models, told=progress.step)
        trained = restore(described, loaded, run)
        rows, counts = evasion(trained, described, loaded, surrogates, partial)
        if trained.system.digital:
            lost = trained.system.codec.failures
            print(f"{described.path}: {lost} messages that the codec could not decode", file=sys.stderr)
        outcomes.write(outcomes.rows(described, counts, loaded.test_number.numpy()), run / "outcomes.parquet")
        table(run / "evasion.csv", rows)
        partial.clear()


def invert(o: argparse.Namespace) -> None:
    """Writes inversion.csv and reconstructions.npz: what every attacker rebuilds; without attackers, nothing.

    A killed one goes on where it was.
    """
    run = o.spec.parent
    if not Spec.load(o.spec).inversion.attackers:
        return _rebuilt(run, [], {})

    from repobe.runs.partial import Partial
    from repobe.runs.progress import Progress
    from repobe.stages.invert import inversion, inversion_steps
    from repobe.training import evaluation_classifier as room
    from repobe.training.loop import restore

    described, run, loaded = _open(o)
    judged_by = _data(run, described).with_suffix(".judge.safetensors")
    trained, classifier = restore(described, loaded, run), room.load(loaded, judged_by)
    with Progress(described, run, "invert", inversion_steps(described)) as progress:
        partial = Partial(run / "partial_inversion", o.spec, run / "model.safetensors", judged_by, told=progress.step)
        rows, pictures = inversion(trained, described, loaded, classifier, partial)
        _rebuilt(run, rows, {name: picture.cpu().numpy() for name, picture in pictures.items()})
        partial.clear()


def _rebuilt(run: Path, rows: list[dict], pictures: dict) -> None:
    arrays(run / "reconstructions.npz", pictures)
    table(run / "inversion.csv", rows, INVERSION)


def audit(o: argparse.Namespace) -> None:
    """Writes audit.csv: the cipher under attack; its header alone for a method without a key."""
    out, rows = o.spec.parent / "audit.csv", []
    if about(o.spec.parent / "model.safetensors").get("shuffles", True):
        from repobe.stages.audit import audit as measured
        from repobe.training.loop import restore

        described, run, loaded = _open(o)
        rows = measured(restore(described, loaded, run), described, loaded)
    table(out, rows, AUDIT)


def white(o: argparse.Namespace) -> None:
    """Writes the audit that concerns no encoder: the key space, the round trip, white features."""
    from repobe.attacks import cryptanalysis

    _device("cpu", 1)
    table(o.out, cryptanalysis.white(from_plain(Audit, _json(o.json), "audit")), AUDIT)


def blocks(o: argparse.Namespace) -> None:
    """Simulates the table of LDPC block error rates that the real digital link is chosen from."""
    from repobe.phy import block_errors as room

    _device("cpu", 1)
    replace(o.out, room.simulate(o.blocks).to_csv(index=False))


def layers(o: argparse.Namespace) -> None:
    """Writes the layers of the paper's system at S = 224 with their shapes: what the block diagram is drawn from."""
    from repobe.systems import layer_table as room

    _device("cpu", 1)
    table(o.out, room.layers(), room.COLUMNS)


def tables(o: argparse.Namespace) -> None:
    """Gathers the runs' tables."""
    from repobe.tables import results

    results.tables(o.results, o.specs)


def merge(o: argparse.Namespace) -> None:
    """Makes one folder's tables of several folders': of a run in more than one, the last counts."""
    from repobe.tables import merging

    merging.merge(o.results, o.sources)


def summary(o: argparse.Namespace) -> None:
    """Means and 95 % intervals over seeds."""
    from repobe.tables import results

    results.summary(o.results)


def compare(o: argparse.Namespace) -> None:
    """Ours beside every printed number."""
    from repobe.verdicts import comparison

    comparison.compare(o.results)


def claims(o: argparse.Namespace) -> None:
    """A verdict for every sentence of the paper that claims something."""
    from repobe.verdicts import claims as room

    room.judge(o.results)


def decisions(o: argparse.Namespace) -> None:
    """What each decision weighs: every variant beside its reference."""
    from repobe.verdicts import decisions as room

    room.weigh(o.results)


def verify(o: argparse.Namespace) -> int:
    """Whether the tables that are there follow from their raw rows; exit code 1 and a line for each that does not."""
    from repobe.verdicts import verification

    said = verification.verify(o.results)
    for line, _ in said:
        print(line)
    return 0 if all(agrees for _, agrees in said) else 1


def show(o: argparse.Namespace) -> None:
    """All that is known of one printed number (n21), claim (c04) or decision (D7)."""
    from repobe.verdicts import show as room

    print(room.show(o.name, o.results))


def status(o: argparse.Namespace) -> None:
    """What of a config's grid is done, running, failed, not started; reads only."""
    from repobe.runs import status as room

    print(room.status(o.config))


def report(o: argparse.Namespace) -> None:
    """One self-contained page."""
    from repobe.report import page as room

    room.write(o.results, o.figures, o.configfile)


def track(o: argparse.Namespace) -> None:
    """Shows the runs to MLflow."""
    from repobe.report import tracking

    tracking.track(o.results, o.figures, o.specs, o.uri)


def _json(text: str) -> dict:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"the argument is not JSON ({error})") from None


def _open(o: argparse.Namespace):
    """(spec, its folder, its data with the training split that the spec allows) on the device."""
    from repobe.images.datasets import load

    described = Spec.load(o.spec)
    run = o.spec.parent
    if len(run.resolve().parents) < 5 or not run.resolve().as_posix().endswith("runs/" + described.path):
        raise ValueError(f"{o.spec} does not lie in its own folder, <results>/runs/{described.path}")
    device = _device(o.device, described.threads)
    return described, run, load(_data(run, described), device).limit(described.train_images)


def _sibling(path: str, run: Path, loaded):
    """Another run of the same results, trained."""
    from repobe.training.loop import restore

    folder = _run(path, run)
    return restore(Spec.load(folder / "spec.yaml"), loaded, folder)


def _run(path: str, run: Path) -> Path:
    """The folder of a run of the same results, by its spec's path."""
    return run.resolve().parents[3] / path


def _data(run: Path, described: Spec) -> Path:
    """<results>/data/<dataset>.safetensors for a run in <results>/runs/<dataset>/<channel>/<label>/<seed>."""
    return run.resolve().parents[4] / "data" / f"{described.dataset}.safetensors"


def _device(name: str, threads: int):
    import torch

    torch.set_num_threads(threads)  # weights differ in their last bits between thread counts
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"--device {name}: {str(error).splitlines()[0]}; use cpu or leave it out") from None


def _provenance(run: Path, described: Spec, loaded, seconds: float) -> None:
    import subprocess
    from importlib.metadata import version

    import torch

    from repobe.runs.progress import digest

    git = ["git", "-C", str(Path(__file__).parent.parent)]
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    changed = subprocess.run([*git, "status", "--porcelain", "--", *CODE], capture_output=True, text=True, check=False)
    about = {
        "run": described.path,
        "spec_sha256": digest(described),
        "commit": commit.stdout.strip() + ("+changes" if changed.stdout.strip() else "") or "not in git",
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "torchvision": version("torchvision"),
        "device": torch.cuda.get_device_name() if loaded.device.type == "cuda" else "cpu",
        "threads": described.threads,
        "train_wall_seconds": round(seconds, 1),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    replace(run / "provenance.json", json.dumps(about, indent=1) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="repobe", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(run, *positional: str, device: bool = False) -> argparse.ArgumentParser:
        first = run.__doc__.splitlines()[0].replace("%", "%%")  # argparse formats it
        added = commands.add_parser(run.__name__, help=first, description=run.__doc__)
        added.set_defaults(run=run)
        for name in positional:
            kind = str if name in ("name", "json") else Path
            added.add_argument(name, type=kind, nargs="+" if name in ("specs", "sources") else None, help=HELP[name])
        if device:
            added.add_argument(
                "--device", default="auto", help="cpu, cuda, cuda:1 …; default: a GPU where there is one"
            )
        return added

    command(data, "name", "out").add_argument("--data-dir", help="folder with the files; default: REPOBE_DATA")
    judging = command(judge, "data", "out", device=True)
    judging.add_argument("--epochs", type=int, help="default: 7, or 4 from 10,000 training images up")
    judging.add_argument("--threads", type=int, default=1)
    command(spec, "json", "out")
    command(white, "json", "out")
    command(blocks, "out").add_argument("--blocks", type=int, default=1000, help="at most so many a row; default: 1000")
    command(layers, "out")
    for stage in (train, evaluate, invert, audit):
        command(stage, "spec", device=True)
    command(tables, "results", "specs")
    command(merge, "results", "sources")
    for stage in (summary, compare, claims, decisions):
        command(stage, "results")
    command(verify).add_argument("results", type=Path, nargs="?", default=Path("results"), help="default: results")
    command(show, "name").add_argument("--results", type=Path, default=Path("results"), help="default: results")
    asking = command(status)
    asking.add_argument("config", type=Path, nargs="?", default=Path("config/config.yaml"), help="default: the demo's")
    command(report, "results", "figures").add_argument(
        "--configfile",
        default="config/config.yaml",
        help="what described the runs, for the commands that the page shows",
    )
    command(track, "results", "figures", "specs").add_argument("--uri", help="default: mlruns.db in the results")
    return parser


if __name__ == "__main__":
    sys.exit(main())
