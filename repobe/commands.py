"""The subcommands, as Snakemake and people call them: each takes the parsed arguments and calls one room.

The first line of a docstring is the help. Torch and pandas take seconds to import, so each stage imports what it needs.
"""

import argparse
import os
import sys
from pathlib import Path

import yaml

from repobe.runs import config_files
from repobe.runs.spec import Audit, Spec, from_plain
from repobe.stages import pipeline, standalone


def data(o: argparse.Namespace) -> None:
    """Writes a dataset's file from its source."""
    from repobe.images.datasets import build

    folder = o.data_dir or os.environ.get("REPOBE_DATA") or None
    try:
        build(o.name, Path(folder) if folder else None, o.out, o.source)
    except ValueError as error:
        raise ValueError(f"datasets.{o.name}.source: {error}" if o.source else str(error)) from None


def classifier(o: argparse.Namespace) -> None:
    """Trains the classifier that attackers' pictures are shown to."""
    standalone.train_classifier(o.data, o.out, o.epochs, o.device, o.threads)


def spec(o: argparse.Namespace) -> None:
    """Writes spec.yaml from the config's description of a run."""
    standalone.write_spec(Spec.from_dict(config_files.parsed(o.json)), o.out)


def train(o: argparse.Namespace) -> None:
    """Trains a run, from its last validation where it was interrupted."""
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
    standalone.cipher_audit(from_plain(Audit, config_files.parsed(o.json), "audit"), o.out)


def block_error_rates(o: argparse.Namespace) -> None:
    """Simulates the table of LDPC block error rates that the real digital link is chosen from."""
    standalone.block_error_rates(o.blocks, o.out)


def layer_table(o: argparse.Namespace) -> None:
    """Writes the layers of the paper's system at S = 224 with their shapes: what the block diagram is drawn from."""
    standalone.layer_table(o.out)


def tables(o: argparse.Namespace) -> None:
    """Gathers the tables of the runs."""
    from repobe.tables import results

    results.tables(o.results, o.specs, o.config_sha256)


def merge(o: argparse.Namespace) -> None:
    """Merges the tables of several folders; if a run is in more than one, the last folder wins and a line says so."""
    from repobe.tables import merging

    sys.stderr.writelines(f"{line}\n" for line in merging.merge(o.results, o.sources, " ".join(o.without)))


def collect(o: argparse.Namespace) -> None:
    """Puts several folders' summaries and verdicts side by side for one report; unlike `merge`, it mixes no runs."""
    from repobe.verdicts import collection

    collection.collect(o.results, o.sources)


def summary(o: argparse.Namespace) -> None:
    """Writes means and 95 % intervals over seeds."""
    from repobe.tables import summaries

    summaries.summary(o.results)


def compare(o: argparse.Namespace) -> None:
    """Compares our numbers with the printed ones."""
    from repobe.verdicts import comparison

    comparison.compare(o.results)


def claims(o: argparse.Namespace) -> None:
    """Judges each claim of the paper."""
    from repobe.verdicts import claims as verdicts_on_claims

    verdicts_on_claims.judge(o.results)


def decisions(o: argparse.Namespace) -> None:
    """Measures the effect of each decision: every variant is compared with its reference."""
    from repobe.verdicts import decisions as effects_of_decisions

    effects_of_decisions.weigh(o.results)


def readings(o: argparse.Namespace) -> None:
    """Judges the claims again, under every reading that the paper allows."""
    from repobe.verdicts import readings as claims_by_reading

    claims_by_reading.judge(o.results)


def adopt(o: argparse.Namespace) -> None:
    """Takes over finished results whose times a copy has lost, so that the workflow makes nothing again."""
    from repobe.runs import adopting

    print(adopting.adopt(*o.configs))


def publish(o: argparse.Namespace) -> None:
    """Copies a trained run into a folder of the model zoo, its weights rounded to bfloat16."""
    from repobe.zoo import publish as copied

    print(copied(o.spec, o.results))


def rescore(o: argparse.Namespace) -> None:
    """Scores adversarial images of your own as the suite scores its own; prints an entry of best_known.yaml.

    The images are of the first test images, as `run.test` gives them (docs/attack-it.md).
    """
    from repobe import zoo

    found = zoo.rescored(zoo.folder_of(o.model), zoo.stored_images(o.images), o.eps, o.snr_db, o.device)
    print(yaml.safe_dump([{"model": str(o.model), **found}], sort_keys=False), end="")


def report(o: argparse.Namespace) -> None:
    """Writes the report, one self-contained page."""
    from repobe.report import page

    page.write(o.results, o.figures, [*map(str, o.configfile)])


def track(o: argparse.Namespace) -> None:
    """Writes the runs to MLflow; docs/tracking.md says how they look there."""
    from repobe.report.tracking import runs

    runs.track(o.results, o.figures, o.specs, o.uri, o.weights, o.lenient)
