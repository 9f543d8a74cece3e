"""Where a run's files lie: <results>/runs/<dataset>/<channel>/<label>/seed<k>, and its data in <results>/data."""

import os
from pathlib import Path

from repobe.runs.spec import Spec


def results_of(spec_file: Path, spec: Spec) -> Path:
    """The results folder of a run; ValueError if its spec.yaml lies elsewhere than the spec says."""
    run = Path(os.path.abspath(spec_file.parent))  # noqa: PTH100 - resolve() follows links, and runs may be one
    if len(run.parents) < 5 or not run.as_posix().endswith("runs/" + spec.path):
        raise ValueError(f"{spec_file} does not lie in <results>/runs/{spec.path}, its own folder; move it there")
    return run.parents[4]


def run_folder(results: Path, path: str) -> Path:
    """The folder of a run; path: its spec's `path`."""
    return results / "runs" / path


def zoo_models(zoo: Path) -> dict[str, Path]:
    """The folders of a zoo's models by their names, <config>/<channel>/<method>; ValueError for two of one name."""
    found: dict[str, Path] = {}
    for path in sorted(zoo.glob("*/runs/*/*/*/seed*/spec.yaml")):
        name = f"{path.relative_to(zoo).parts[0]}/{path.parts[-4]}/{path.parts[-3]}"
        if name in found:
            raise ValueError(f"{found[name]} and {path.parent} are both {name}; move one to another folder of {zoo}")
        found[name] = path.parent
    return found


def data_file(results: Path, dataset: str) -> Path:
    """The dataset's images and labels."""
    return results / "data" / f"{dataset}.safetensors"


def classifier_file(results: Path, dataset: str) -> Path:
    """The weights of the dataset's evaluation classifier, which reads the pictures that attackers rebuild."""
    return results / "data" / f"{dataset}.classifier.safetensors"
