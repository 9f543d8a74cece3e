"""Each stage from files to files: opens a run, does the work, writes the run's tables. A killed stage resumes.

Torch takes seconds to import, so a stage imports what needs it only once it knows that there is work to do.
"""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from repobe.runs.code import measured_by
from repobe.runs.files import about, arrays, table
from repobe.runs.spec import Spec
from repobe.tables.schema import KEYS, VALUES

if TYPE_CHECKING:
    from repobe.runs.partial import Partial
    from repobe.stages.opening import Opened

# The columns of tables that may have no rows.
AUDIT, INVERSION = (KEYS[name] + VALUES[name] for name in ("audit", "inversion"))


def train(spec_file: Path, device: str) -> None:
    """Trains a run and writes its model, history.csv, cost.csv and provenance.json."""
    from repobe.runs import provenance
    from repobe.stages.opening import open_run
    from repobe.training import loop

    run = open_run(spec_file, device)
    teacher = run.sibling(run.spec.teacher) if run.spec.teacher else None
    began = time.time()
    loop.train(run.spec, run.data, run.folder, teacher)
    provenance.write(run.folder, run.spec, run.data.device, time.time() - began, run.data.sha256)


def measure(spec_file: Path, device: str) -> None:
    """Evaluates, inverts and audits a trained run in one process, which imports torch and reads the data once.

    The finished parts of a stage stay in its partial folder until all three stages have written their tables, because
    Snakemake deletes the tables of a job that fails.
    """
    from repobe.stages.opening import open_run

    run = open_run(spec_file, device)
    kept = [_evaluate(run), *_invert(run), *_audit(run)]
    for partial in kept:
        partial.clear()


def evaluate(spec_file: Path, device: str) -> None:
    """Writes evasion.csv, and outcomes.parquet with the number of correct draws of each image."""
    from repobe.stages.opening import open_run

    _evaluate(open_run(spec_file, device)).clear()


def invert(spec_file: Path, device: str) -> None:
    """Writes inversion.csv and reconstructions.npz; without attackers, both are empty and torch is not imported."""
    if not Spec.load(spec_file).inversion.attackers:
        return _write_inversion(spec_file.parent, [], {})

    from repobe.stages.opening import open_run

    for partial in _invert(open_run(spec_file, device)):
        partial.clear()
    return None


def audit(spec_file: Path, device: str) -> None:
    """Writes audit.csv; it has no rows for a method that does not shuffle, and torch is not imported."""
    if not about(spec_file.parent / "model.safetensors").get("shuffles", True):
        return table(spec_file.parent / "audit.csv", [], AUDIT)

    from repobe.stages.opening import open_run

    for partial in _audit(open_run(spec_file, device)):
        partial.clear()
    return None


def _evaluate(run: "Opened") -> "Partial":
    from repobe.runs.partial import Partial
    from repobe.runs.progress import Progress
    from repobe.stages import evaluate as measuring
    from repobe.tables import outcomes

    spec, folder = run.spec, run.folder
    surrogates = {label: run.sibling(path) for label, path in spec.surrogates.items()}
    with Progress(spec, folder, "evaluate", measuring.evasion_steps(spec)) as progress:
        models = [run.model_file(path) for path in (spec.path, *spec.surrogates.values())]
        partial = Partial(folder / "partial_evasion", folder / "spec.yaml", *models, told=progress.step)
        trained = run.trained()
        rows, counts = measuring.evasion(trained, spec, run.data, surrogates, partial)
        if trained.system.digital:
            lost = trained.system.codec.failures
            print(f"{spec.path}: {lost} messages that the codec could not decode", file=sys.stderr)
        outcomes.write(outcomes.rows(spec, counts, run.data.test_number.numpy()), folder / "outcomes.parquet")
        table(folder / "evasion.csv", _signed(rows, spec))
    return partial


def _invert(run: "Opened") -> list["Partial"]:
    from repobe.runs.folders import classifier_file
    from repobe.runs.partial import Partial
    from repobe.runs.progress import Progress
    from repobe.stages import invert as measuring
    from repobe.training import evaluation_classifier

    spec, folder, rows, pictures, kept = run.spec, run.folder, [], {}, []
    if spec.inversion.attackers:
        weights = classifier_file(run.results, spec.dataset)
        trained, classifier = run.trained(), evaluation_classifier.load(run.data, weights)
        with Progress(spec, folder, "invert", measuring.inversion_steps(spec)) as progress:
            sources = (folder / "spec.yaml", run.model_file(spec.path), weights)
            kept.append(Partial(folder / "partial_inversion", *sources, told=progress.step))
            rows, pictures = measuring.inversion(trained, spec, run.data, classifier, kept[0])
    _write_inversion(folder, _signed(rows, spec), {name: picture.cpu().numpy() for name, picture in pictures.items()})
    return kept


def _write_inversion(folder: Path, rows: list[dict], pictures: dict) -> None:
    arrays(folder / "reconstructions.npz", pictures)
    table(folder / "inversion.csv", rows, INVERSION)


def _audit(run: "Opened") -> list["Partial"]:
    from repobe.runs.partial import Partial
    from repobe.stages import audit as measuring

    spec, folder, rows, kept = run.spec, run.folder, [], []
    if about(folder / "model.safetensors").get("shuffles", True):
        kept.append(Partial(folder / "partial_audit", folder / "spec.yaml", run.model_file(spec.path)))
        rows = kept[0]("audit", lambda: {"rows": measuring.audit(run.trained(), spec, run.data)})["rows"]
    table(folder / "audit.csv", _signed(rows, spec), AUDIT)
    return kept


def _signed(rows: list[dict], spec: Spec) -> list[dict]:
    """Each row with the digest of the code that measured it."""
    code = measured_by(spec.method)
    return [row | {"code": code} for row in rows]
