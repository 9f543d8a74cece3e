"""Opens a run from its spec.yaml: the spec, the folder, the data, and trained models of the same results."""

from dataclasses import dataclass
from pathlib import Path

from repobe.attacks.evasion import COMPARED
from repobe.images.datasets import Data, load
from repobe.runs.devices import choose
from repobe.runs.folders import data_file, results_of, run_folder
from repobe.runs.spec import Spec
from repobe.stages.evaluate import attacks_at
from repobe.training.loop import restore
from repobe.training.method import Method


@dataclass(frozen=True)
class Opened:
    """A run, with its data on a device.

    folder: <results>/runs/<spec.path>; data: its training split holds at most as many images as the spec allows.
    """

    spec: Spec
    folder: Path
    results: Path
    data: Data

    def model_file(self, path: str) -> Path:
        """The weights of a run of the same results; path: its spec's `path`."""
        return run_folder(self.results, path) / "model.safetensors"

    def trained(self) -> Method:
        """The run's own model in evaluation mode; ValueError if it is missing or damaged."""
        return restore(self.spec, self.data, self.folder)

    def sibling(self, path: str) -> Method:
        """The trained model of another run of the same results, dataset and channel; errors as in `trained`."""
        folder = run_folder(self.results, path)
        return restore(Spec.load(folder / "spec.yaml"), self.data, folder)


def open_run(spec_file: Path, device: str) -> Opened:
    """Opens the run that spec.yaml describes. ValueError names the file that is missing, misplaced or damaged, or an
    attack for which the dataset has too few classes: before anything is trained.
    """
    spec = Spec.load(spec_file)
    results = results_of(spec_file, spec)
    chosen = choose(device, spec.threads)
    file = data_file(results, spec.dataset)
    data = load(file, chosen).limit(spec.train_images)
    if data.name != spec.dataset:
        raise ValueError(f"{file} holds the dataset {data.name}; delete it and run again")
    for name, attack, _ in (one for snr_db in spec.snr_db for one in attacks_at(spec, snr_db)):
        if data.classes < COMPARED.get(attack.kind, 0):
            least = f"{attack.kind} compares {COMPARED[attack.kind]} classes, and {spec.dataset} has {data.classes}"
            raise ValueError(f"evaluation.attacks.{name}: {least}; leave it out for this dataset (`only`)")
    return Opened(spec, spec_file.parent, results, data)
