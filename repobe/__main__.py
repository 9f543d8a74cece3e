"""The command line: `show`, `status` and `verify` answer you; the others are stages of the workflow, run by hand."""
# PYTHON_ARGCOMPLETE_OK: argcomplete looks for this word before it completes `python -m repobe …`.

import argparse
import os
import sys
from pathlib import Path

from repobe.report import answers
from repobe.runs import gpus, isolation, reading
from repobe.runs.console import in_a_line, tell
from repobe.runs.spec import Audit, Spec, from_plain
from repobe.stages import pipeline, standalone

HELP = {
    "name": "a dataset, as configs name it",
    "json": "what the config says of it, as JSON",
    "data": "<results>/data/<dataset>.safetensors",
    "out": "the file to write",
    "spec": "<results>/runs/<dataset>/<channel>/<method>/seed<k>/spec.yaml",
    "specs": "every run's spec.yaml",
    "sources": "folders that hold tables/",
    "results": "the folder that holds tables/",
    "figures": "the folder of the figures",
}


def main(arguments: list[str] | None = None) -> int:
    """Runs one subcommand; what the user can fix is one line on stderr and exit code 2."""
    parser = _parser()
    if "_ARGCOMPLETE" in os.environ:  # the shell asks how the line may go on
        import argcomplete

        argcomplete.autocomplete(parser)
    options = parser.parse_args(arguments)
    try:
        isolation.refuse_shadows()
        if getattr(options, "gpus", None) is not None:
            gpus.take(options.gpus, options.device)
        return options.run(options) or 0
    except KeyboardInterrupt:
        tell("repobe: interrupted")
        return 130  # as a shell counts it: 128 + SIGINT
    except BrokenPipeError:  # whoever reads has what they wanted, as in `… | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains again when it ends
        return 0
    except (ValueError, OSError) as error:
        tell(f"repobe: {in_a_line(error)}")
        return 2


def data(o: argparse.Namespace) -> None:
    """Writes a dataset's file from its source."""
    from repobe.images.datasets import build

    folder = o.data_dir or os.environ.get("REPOBE_DATA") or None
    build(o.name, Path(folder) if folder else None, o.out, o.source)


def classifier(o: argparse.Namespace) -> None:
    """Trains the classifier that attackers' pictures are shown to."""
    standalone.train_classifier(o.data, o.out, o.epochs, o.device, o.threads)


def spec(o: argparse.Namespace) -> None:
    """Writes spec.yaml from the config's description of a run."""
    standalone.write_spec(Spec.from_dict(reading.parsed(o.json)), o.out)


def train(o: argparse.Namespace) -> None:
    """Trains a run, from its last whole epoch where it was interrupted."""
    pipeline.train(o.spec, o.device)


def evaluate(o: argparse.Namespace) -> None:
    """Writes evasion.csv, accuracy at every SNR, and outcomes.parquet, image by image; a killed one resumes."""
    pipeline.evaluate(o.spec, o.device)


def invert(o: argparse.Namespace) -> None:
    """Writes inversion.csv and reconstructions.npz, what every attacker rebuilds; a killed one resumes."""
    pipeline.invert(o.spec, o.device)


def audit(o: argparse.Namespace) -> None:
    """Writes audit.csv: the cipher under attack; its header alone for a method without a key."""
    pipeline.audit(o.spec, o.device)


def measure(o: argparse.Namespace) -> None:
    """Evaluates, inverts and audits in one process: what the workflow runs; a killed one resumes."""
    pipeline.measure(o.spec, o.device)


def cipher_audit(o: argparse.Namespace) -> None:
    """Audits the cipher without an encoder: the key space, the round trip, and recovery from random features."""
    standalone.cipher_audit(from_plain(Audit, reading.parsed(o.json), "audit"), o.out)


def block_error_rates(o: argparse.Namespace) -> None:
    """Simulates the table of LDPC block error rates that the real digital link is chosen from."""
    standalone.block_error_rates(o.blocks, o.out)


def layer_table(o: argparse.Namespace) -> None:
    """Writes the layers of the paper's system at S = 224 with their shapes: what the block diagram is drawn from."""
    standalone.layer_table(o.out)


def tables(o: argparse.Namespace) -> None:
    """Gathers the runs' tables."""
    from repobe.tables import results

    results.tables(o.results, o.specs)


def merge(o: argparse.Namespace) -> None:
    """Makes one folder's tables of several folders'; if a run is in more than one, the last wins and a line says so."""
    from repobe.tables import merging

    sys.stderr.writelines(f"{line}\n" for line in merging.merge(o.results, o.sources))


def collect(o: argparse.Namespace) -> None:
    """Puts several folders' summaries and verdicts side by side for one report; unlike `merge`, it mixes no runs."""
    from repobe.verdicts import collection

    collection.collect(o.results, o.sources)


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


def readings(o: argparse.Namespace) -> None:
    """The claims again, under every reading that the paper allows."""
    from repobe.verdicts import readings as room

    room.judge(o.results)


def adopt(o: argparse.Namespace) -> None:
    """Takes over finished results whose times a copy has lost, so that the workflow makes nothing again."""
    from repobe.runs import adopting

    print(adopting.adopt(*o.configs))


def report(o: argparse.Namespace) -> None:
    """One self-contained page."""
    from repobe.report import page as room

    room.write(o.results, o.figures, [*map(str, o.configfile)])


def track(o: argparse.Namespace) -> None:
    """Brings the runs to MLflow; docs/tracking.md says how they look there."""
    from repobe.report.tracking import runs

    runs.track(o.results, o.figures, o.specs, o.uri, o.weights, o.lenient)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m repobe", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(run, *positional: str, device: bool = False, as_json: bool = False, **help_: str):
        first = run.__doc__.splitlines()[0].replace("%", "%%")  # argparse formats it
        added = commands.add_parser(run.__name__, help=first, description=run.__doc__)
        added.set_defaults(run=run)
        for name in positional:
            kind = str if name in ("name", "json") else Path
            added.add_argument(
                name, type=kind, nargs="+" if name in ("specs", "sources") else None, help=(HELP | help_)[name]
            )
        if device:
            said = "cpu, cuda, cuda:1 …; default: REPOBE_DEVICE, else auto: a GPU if there is one"
            added.add_argument("--device", default=os.environ.get("REPOBE_DEVICE", "auto"), help=said)
            said = "1: one GPU of this machine, which the fewest jobs hold; 0: none; default: all"
            added.add_argument("--gpus", type=int, choices=(0, 1), help=said)
        if as_json:
            added.add_argument("--json", dest="as_json", action="store_true", help="as JSON, for programs")
        return added

    making = command(data, "name", "out")
    making.add_argument("--data-dir", help="folder with the files; default: REPOBE_DATA")
    making.add_argument("--source", type=Path, help="of a dataset of your own: a folder of class folders, or an .npz")
    classifying = command(classifier, "data", "out", device=True)
    classifying.add_argument("--epochs", type=int, help="default: 7, or 4 from 10,000 training images up")
    classifying.add_argument("--threads", type=int, default=1, help="default: 1")
    command(spec, "json", "out")
    command(cipher_audit, "json", "out")
    command(block_error_rates, "out").add_argument("--blocks", type=int, default=1000, help="a row; default: 1000")
    command(layer_table, "out")
    for stage in (train, measure, evaluate, invert, audit):
        command(stage, "spec", device=True)
    command(tables, "results", "specs")
    for joining in (merge, collect):
        command(joining, "results", "sources", results="the folder to write")
    for stage in (summary, compare, claims, decisions, readings):
        command(stage, "results")
    where = {"type": Path, "default": Path("results"), "help": "the folder that holds tables/; default: results"}
    command(answers.verify, as_json=True).add_argument("results", nargs="?", **where)
    command(answers.show, "name", as_json=True, name="an id: n21, c04, D7, p01").add_argument("--results", **where)
    configs = {"nargs": "*", "type": Path, "default": [Path("config/config.yaml")]}
    for stage in (answers.status, adopt):
        said = "default: the demo's; the last wins"
        command(stage, as_json=stage is answers.status).add_argument("configs", metavar="config", help=said, **configs)
    command(report, "results", "figures").add_argument("--configfile", help="what its commands name", **configs)
    tracking = command(track, "results", "figures", "specs")
    tracking.add_argument("--uri", help="default: MLFLOW_TRACKING_URI, else mlflow/mlflow.db in the results")
    for name, what in (("weights", "send weights to a server too"), ("lenient", "no failure if MLflow cannot be used")):
        tracking.add_argument(f"--{name}", action="store_true", help=what)
    return parser


if __name__ == "__main__":
    isolation.speak_utf8()
    sys.exit(main())
