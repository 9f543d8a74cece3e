"""How fast, beside what: one table of ratios, measured side by side in one run.

python -m benchmarks                              # all but memory and overhead, about 12 minutes of one core
python -m benchmarks --only training,limits       # parts
python -m benchmarks --only memory                # of every stage, an hour of one core
python -m benchmarks --only overhead --overhead config/config.yaml
python -m benchmarks --readme                     # the README's tables from results/benchmarks/*.csv
"""

import argparse
import importlib
import os
import sys
from pathlib import Path

from benchmarks import table, workflow
from benchmarks.table import TABLES
from repobe.runs.console import in_a_line

PARTS = ("training", "resizing", "shuffle", "sweep", "attacks", "limits", "scaling", "recovery", "jpeg2000")
PARTS += ("memory", "overhead")
ON_REQUEST = ("memory", "overhead")
README = Path(__file__).parent / "README.md"


def main(arguments: list[str] | None = None) -> int:
    """Measures, prints and writes; what the user can fix is one line on stderr and exit code 2."""
    options = _parser().parse_args(arguments)
    try:
        if not options.readme:
            _measure(options)
        if options.readme or not (options.quick or options.out):
            table.into(README, readme())
        return 0
    except (ValueError, OSError) as error:
        print(f"benchmarks: {in_a_line(error)}", file=sys.stderr)
        return 2


def readme() -> str:
    """The README's tables: of every machine, and of every config whose cost is committed."""
    cost = importlib.import_module("benchmarks.cost")
    tables = sorted(TABLES.glob(f"{table.CONFIGS}*.csv"))
    costs = [cost.markdown(path.stem.removeprefix(table.CONFIGS), table.read(path)) for path in tables]
    return "\n".join([table.markdown(TABLES, about()), *(["## Counted", "", *costs] if costs else [])])


def about() -> dict[str, str]:
    """What each part measures: its module's first line."""
    return {name: importlib.import_module(f"benchmarks.{name}").__doc__.splitlines()[0] for name in PARTS}


def chosen(only: str | None, overhead: bool) -> list[str]:
    """The parts to run, in the table's order; memory and overhead only where they are asked for."""
    if only is None:
        return [name for name in PARTS if name not in ON_REQUEST or (overhead and name == "overhead")]
    names = only.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        raise ValueError(f"--only: no part is called '{unknown[0]}'; there are {', '.join(PARTS)}")
    return [name for name in PARTS if name in names]


def _measure(options: argparse.Namespace) -> None:
    import torch

    from benchmarks import machine, overhead
    from benchmarks.setup import Setup

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    setup = Setup(device, options.quick)
    origin = machine.provenance(device)
    print(f"{origin['machine']}, {origin['threads']}, torch {origin['torch']}, commit {origin['commit']}")
    for part in chosen(options.only, options.overhead is not None):
        if part == "overhead":
            rows = overhead.rows(options.overhead or workflow.MINIATURE, options.cores)
        else:
            rows = importlib.import_module(f"benchmarks.{part}").rows(setup)
        print(f"\n{part}", flush=True)
        measured = []
        for row in rows:
            measured.append(table.plain(row) | origin)
            print("  " + table.line(measured[-1]), flush=True)
        if options.out or not options.quick:  # after each part, because a later one may fail
            table.merge((options.out or TABLES) / f"{machine.stem(origin['machine'])}.csv", measured, PARTS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", help=f"parts, separated by commas: {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="a smoke test: tiny, once, and nothing written")
    parser.add_argument("--out", type=Path, help="folder of the machines' files; default: results/benchmarks")
    parser.add_argument("--device", help="cpu, cuda …; default: a GPU where there is one")
    parser.add_argument("--threads", type=int, default=1, help="of torch; default: 1")
    parser.add_argument(
        "--overhead",
        type=Path,
        nargs="?",
        const=workflow.MINIATURE,
        help="measure the workflow too: of a config, which is run (default: the miniature), or of a results folder",
    )
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="that the workflow has; default: all")
    parser.add_argument("--readme", action="store_true", help="only write the README's tables from the files")
    return parser


if __name__ == "__main__":
    sys.exit(main())
