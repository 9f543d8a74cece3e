"""Runs one stage of the workflow, or answers a question about results: `show`, `status`, `verify`, `zoo`."""
# PYTHON_ARGCOMPLETE_OK: argcomplete looks for this word before it completes `python -m repobe …`.

import argparse
import os
import sys
import traceback
from pathlib import Path

from repobe import commands
from repobe.report import answers
from repobe.runs import gpus, isolation, plugin_errors
from repobe.runs.console import in_a_line, tell

HELP = {
    "name": "a dataset, as configs name it",
    "json": "what the config says of it, as JSON",
    "data": "<results>/data/<dataset>.safetensors",
    "out": "the file to write",
    "spec": "<results>/runs/<dataset>/<channel>/<method>/seed<k>/spec.yaml",
    "specs": "every run's spec.yaml",
    "sources": "folders that hold tables/",
    "model": "the folder of a run, or the name of a model of the zoo",
    "images": "a .npz that holds one array [n, c, S, S]",
    "results": "the folder that holds tables/",
    "figures": "the folder of the figures",
}


def main(arguments: list[str] | None = None) -> int:
    """Runs one subcommand; what the user can fix is one line on stderr and exit code 2."""
    parser = _parser()
    if "_ARGCOMPLETE" in os.environ:  # the shell asks for completions
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
    except BrokenPipeError:  # the reader has closed the pipe, as in `… | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python reports the error again at exit
        return 0
    except (ValueError, OSError) as error:
        tell(f"repobe: {plugin_errors.blamed(error, getattr(options, 'spec', None))}{in_a_line(error)}")
        return 2
    except Exception as error:
        said = plugin_errors.told(error, getattr(options, "spec", None))
        if not said:
            raise
        traceback.print_exc()  # for the author of that file
        tell(f"repobe: {said}")
        return 1


def positive(text: str) -> int:
    """A whole number, 1 or more, of the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} should be a whole number, 1 or more")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m repobe", description=__doc__.splitlines()[0])
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(stage, *positional: str, device: bool = False, as_json: bool = False, **help_: str):
        first = stage.__doc__.splitlines()[0].replace("%", "%%")  # argparse formats it
        added = subparsers.add_parser(stage.__name__, help=first, description=stage.__doc__)
        added.set_defaults(run=stage)
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

    making = command(commands.data, "name", "out")
    making.add_argument("--data-dir", help="folder with the files; default: REPOBE_DATA")
    making.add_argument("--source", type=Path, help="of a dataset of your own: a folder of class folders, or an .npz")
    classifying = command(commands.classifier, "data", "out", device=True)
    classifying.add_argument("--epochs", type=positive, help="default: 7, or 4 from 10,000 training images up")
    classifying.add_argument("--threads", type=positive, default=1, help="default: 1")
    command(commands.spec, "json", "out")
    command(commands.cipher_audit, "json", "out")
    blocks = command(commands.block_error_rates, "out")
    blocks.add_argument("--blocks", type=positive, default=1000, help="a row; default: 1000")
    command(commands.layer_table, "out")
    for stage in (commands.train, commands.measure, commands.evaluate, commands.invert, commands.audit):
        command(stage, "spec", device=True)
    gathering = command(commands.tables, "results", "specs")
    gathering.add_argument("--config-sha256", default="", help="of the specs that the config describes")
    merging = command(commands.merge, "results", "sources", results="the folder to write")
    said = 'runs to leave out, for instance "mnist/*/escst/seed1"; more than once adds up'
    merging.add_argument("--without", action="append", default=[], help=said)
    command(commands.collect, "results", "sources", results="the folder to write")
    for stage in (commands.summary, commands.compare, commands.claims, commands.decisions, commands.readings):
        command(stage, "results")
    where = {"type": Path, "default": Path("results"), "help": "the folder that holds tables/; default: results"}
    command(answers.verify, as_json=True).add_argument("results", nargs="?", **where)
    command(answers.show, "name", as_json=True, name="an id: n21, c04, D7, p01").add_argument("--results", **where)
    configs = {"nargs": "*", "type": Path, "default": [Path("config/config.yaml")]}
    for stage in (answers.status, commands.adopt):
        said = "default: the demo's; the last wins"
        command(stage, as_json=stage is answers.status).add_argument("configs", metavar="config", help=said, **configs)
    command(commands.publish, "spec", "results", results="the folder in the zoo, results/zoo/<config>")
    scoring = command(commands.rescore, "model", "images", device=True)
    scoring.add_argument("--eps", type=float, required=True, help="the radius of the attack, L∞ in [0, 1] pixels")
    scoring.add_argument("--snr-db", type=float, required=True, help="the SNR at which it is scored")
    where = {"type": Path, "default": Path("results/zoo"), "help": "the folder of the zoo; default: results/zoo"}
    command(answers.zoo, as_json=True).add_argument("zoo", nargs="?", **where)
    reporting = command(commands.report, "results", "figures")
    reporting.add_argument("--configfile", help="what its commands name", **configs)
    tracking = command(commands.track, "results", "figures", "specs")
    tracking.add_argument("--uri", help="default: MLFLOW_TRACKING_URI, else mlflow/mlflow.db in the results")
    for name, what in (("weights", "send weights to a server too"), ("lenient", "no failure if MLflow cannot be used")):
        tracking.add_argument(f"--{name}", action="store_true", help=what)
    return parser


if __name__ == "__main__":
    isolation.speak_utf8()
    sys.exit(main())
