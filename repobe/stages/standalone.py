"""Stages that need no trained run: specs, the evaluation classifier, the cipher, LDPC's error rates, the layer table.

Each imports what it needs when it is called, because torch takes seconds to import.
"""

import json
from pathlib import Path

from repobe.runs import checksums, code_digest
from repobe.runs.files import replace, table
from repobe.runs.locks import alone
from repobe.runs.spec import Audit, Spec
from repobe.tables.schema import columns


def train_classifier(data_file: Path, out: Path, epochs: int | None, device: str, threads: int) -> None:
    """Trains a dataset's evaluation classifier. epochs: by default 7, or 4 from 10,000 training images on."""
    import safetensors.torch

    from repobe.images.datasets import load
    from repobe.runs.devices import choose
    from repobe.training import evaluation_classifier

    data = load(data_file, choose(device, threads))
    trained = evaluation_classifier.train(data, epochs or (7 if len(data.train[0]) < 10_000 else 4))
    weights = {name: value.cpu().contiguous() for name, value in trained.state_dict().items()}
    # One entry, because safetensors writes several in no fixed order.
    told = {"about": json.dumps({"classifier": data_file.stem, "code": code_digest.of_classifier()})}
    replace(out, safetensors.torch.save(weights, told))
    checksums.record(out.parent, out.stem, [out.name])


def write_spec(described: Spec, out: Path) -> None:
    """Writes a run's spec.yaml, once no other process works on that run."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with alone(out.parent):
        replace(out, described.dump())
        checksums.record(out.parent, out.stem, [out.name])


def cipher_audit(described: Audit, out: Path) -> None:
    """Audits the cipher without an encoder, on random features."""
    from repobe.attacks import cryptanalysis
    from repobe.runs.devices import choose

    choose("cpu", 1)
    table(out, cryptanalysis.cipher_audit(described), columns("audit"))
    checksums.record(out.parent, out.stem, [out.name])


def block_error_rates(blocks: int, out: Path) -> None:
    """Simulates block error rates of LDPC codes; blocks: the most for each row."""
    from repobe.phy import block_errors
    from repobe.runs.devices import choose

    choose("cpu", 1)
    replace(out, block_errors.simulate(blocks).to_csv(index=False))


def layer_table(out: Path) -> None:
    """Writes the layers of the paper's system at S = 224 with their shapes."""
    from repobe.runs.devices import choose
    from repobe.systems import layer_table as described

    choose("cpu", 1)
    table(out, described.layers(), described.COLUMNS)
    checksums.record(out.parent, out.stem, [out.name])
