"""Each stage from files to files: opens a run, does the work, writes the run's tables. A killed stage resumes.

Torch takes seconds to import, so a stage imports what needs it only once it knows that there is work to do.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from repobe.runs import checksums, plugins
from repobe.runs.code_digest import measured_by
from repobe.runs.console import tell
from repobe.runs.files import about, arrays, table
from repobe.runs.locks import alone
from repobe.runs.spec import Spec
from repobe.runs.status import STAGES
from repobe.tables.schema import columns

if TYPE_CHECKING:
    from repobe.stages.opening import Opened

# The columns of tables that may have no rows.
AUDIT, INVERSION = (columns(name) for name in ("audit", "inversion"))


def train(spec_file: Path, device: str) -> None:
    """Trains a run and writes its model, history.csv, cost.csv and provenance.json.

    Its resume.pt stays until the run is measured. So nothing is trained twice if a later step fails: if the provenance
    cannot be written, or if Snakemake is killed or misses an output before it has noted that the job is done.
    """
    from repobe.runs import provenance
    from repobe.stages.opening import open_run
    from repobe.training import loop

    run = open_run(spec_file, device)
    with alone(run.folder):
        teacher = run.sibling(run.spec.teacher) if run.spec.teacher else None
        seconds = loop.train(run.spec, run.data, run.folder, teacher)
        provenance.write(run.folder, run.spec, run.data.device, seconds, run.data.sha256)
        checksums.record(run.folder, "train", STAGES["train"])


def measure(spec_file: Path, device: str) -> None:
    """Evaluates, inverts and audits a trained run in one process, which imports torch and reads the data once.

    The parts of each stage stay beside the run. Snakemake deletes the tables before a job and where it fails; so
    neither a job that fails nor one that adds an attack measures again what was measured on the same kind of device.
    """
    from repobe.stages.opening import open_run

    run = open_run(spec_file, device)
    with alone(run.folder):
        _evaluate(run)
        _invert(run)
        _audit(run)
        (run.folder / "resume.pt").unlink(missing_ok=True)


def evaluate(spec_file: Path, device: str) -> None:
    """Writes evasion.csv, and outcomes.parquet with the number of correct draws of each image."""
    from repobe.stages.opening import open_run

    run = open_run(spec_file, device)
    with alone(run.folder):
        _evaluate(run)


def invert(spec_file: Path, device: str) -> None:
    """Writes inversion.csv and reconstructions.npz; without attackers, both are empty and torch is not imported."""
    if not Spec.load(spec_file).inversion.attackers:
        with alone(spec_file.parent):
            return _write_inversion(spec_file.parent, [], {})

    from repobe.stages.opening import open_run

    run = open_run(spec_file, device)
    with alone(run.folder):
        return _invert(run)


def audit(spec_file: Path, device: str) -> None:
    """Writes audit.csv; it has no rows for a method that does not shuffle, and torch is not imported."""
    if not _shuffles(spec_file.parent):
        with alone(spec_file.parent):
            return _write_audit(spec_file.parent, [])

    from repobe.stages.opening import open_run

    run = open_run(spec_file, device)
    with alone(run.folder):
        return _audit(run)


def _evaluate(run: "Opened") -> None:
    from repobe.runs.progress import Progress
    from repobe.runs.result_cache import ResultCache
    from repobe.stages import evaluate as measuring
    from repobe.tables import outcomes

    spec, folder = run.spec, run.folder
    surrogates = {label: run.sibling(path) for label, path in spec.surrogates.items()}
    with Progress(spec, folder, "evaluate", measuring.evasion_steps(spec)) as progress:
        weights = {label: checksums.of(run.model_file(path)) for label, path in spec.surrogates.items()}
        model = run.model_file(spec.path)
        cache = ResultCache(folder / "partial_evasion", model, code=_measuring(run), told=progress.step)
        trained = run.trained()
        rows, counts = measuring.evasion(trained, spec, run.data, surrogates, cache, weights)
        if trained.system.digital:
            lost = trained.system.codec.failures
            tell(f"{spec.path}: {lost} messages that the codec could not decode")
        outcomes.write(outcomes.rows(spec, counts, run.data.test_number.numpy()), folder / "outcomes.parquet")
        table(folder / "evasion.csv", _with_code(rows, spec))
        checksums.record(folder, "evaluate", ("evasion.csv", "outcomes.parquet"))
        cache.pack()


def _invert(run: "Opened") -> None:
    from repobe.runs.folders import classifier_file
    from repobe.runs.progress import Progress
    from repobe.runs.result_cache import ResultCache
    from repobe.stages import invert as measuring
    from repobe.training import evaluation_classifier

    spec, folder, rows, pictures = run.spec, run.folder, [], {}
    if spec.inversion.attackers:
        weights = classifier_file(run.results, spec.dataset)
        trained, classifier = run.trained(), evaluation_classifier.load(run.data, weights)
        with Progress(spec, folder, "invert", measuring.inversion_steps(spec)) as progress:
            sources = (run.model_file(spec.path), weights)
            cache = ResultCache(folder / "partial_inversion", *sources, code=_measuring(run), told=progress.step)
            rows, pictures = measuring.inversion(trained, spec, run.data, classifier, cache)
    _write_inversion(
        folder, _with_code(rows, spec), {name: picture.cpu().numpy() for name, picture in pictures.items()}
    )
    if spec.inversion.attackers:
        cache.pack()


def _write_inversion(folder: Path, rows: list[dict], pictures: dict) -> None:
    arrays(folder / "reconstructions.npz", pictures)
    table(folder / "inversion.csv", rows, INVERSION)
    checksums.record(folder, "invert", ("inversion.csv", "reconstructions.npz"))


def _audit(run: "Opened") -> None:
    from repobe.runs.result_cache import ResultCache
    from repobe.stages import audit as measuring

    spec, folder, rows = run.spec, run.folder, []
    shuffles = _shuffles(folder)
    if shuffles:
        cache = ResultCache(folder / "partial_audit", run.model_file(spec.path), code=_measuring(run))
        inversion = {name: value for name, value in asdict(spec.inversion).items() if name != "attackers"}
        settings = asdict(spec.audit) | {"inversion": inversion}
        rows = cache("audit", lambda: {"rows": measuring.audit(run.trained(), spec, run.data)}, **settings)["rows"]
    _write_audit(folder, _with_code(rows, spec))
    if shuffles:
        cache.pack()


def _write_audit(folder: Path, rows: list[dict]) -> None:
    table(folder / "audit.csv", rows, AUDIT)
    checksums.record(folder, "audit", ("audit.csv",))


def _shuffles(folder: Path) -> bool:
    """Whether the trained method has a key that an audit can attack; reads the model's header alone."""
    checksums.check(folder / "model.safetensors")
    return about(folder / "model.safetensors").get("shuffles", True)


def _measuring(run: "Opened") -> str:
    """What every measurement of a run depends on besides its weights: its training, its data, the channel, the code.

    And the kind of device, because a GPU draws other noise from the same seed.
    """
    spec = run.spec
    channel = (plugins.ROOT / spec.channel_source).read_text(encoding="utf-8") if spec.channel_source else ""
    return json.dumps([measured_by(spec.method), spec.as_trained(), run.data.sha256, channel, run.data.device.type])


def _with_code(rows: list[dict], spec: Spec) -> list[dict]:
    """Each row with the digest of the code that measured it."""
    code = measured_by(spec.method)
    return [row | {"code": code} for row in rows]
