"""The files of a run that MLflow shows. Imports no MLflow."""

import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from repobe.report.drawings import drawn
from repobe.report.tracking.contents import TABLES
from repobe.tables.results import pictures_of

STRIP = 8  # images side by side


def of_seed(run: Path, weights: bool, folder: Path) -> None:
    """Fills `folder` with a run's spec, provenance, tables and pictures, and with its weights where asked."""
    names = ["spec.yaml", "provenance.json", *(["model.safetensors"] if weights else [])]
    share([run / name for name in names], folder)
    share([run / name for name in TABLES], folder / "tables")
    for name, images in pictures_of(run / "reconstructions.npz").items():
        if images.ndim == 4:  # not the labels
            (folder / "pictures").mkdir(exist_ok=True)
            strip(images[:STRIP]).save(folder / "pictures" / f"{name}.png")


def grid_files(results: Path, figures: Path) -> list[Path]:
    """The figures, the report and the tables of verdicts."""
    named = [results / name for name in ("report.html", "claims.csv", "comparison.csv", "decisions.csv")]
    return [*drawn(figures, ".png"), *(path for path in named if path.exists())]


def strip(images: np.ndarray) -> Image.Image:
    """uint8 images (n, colours, height, width) side by side."""
    row = np.concatenate(images.transpose(0, 2, 3, 1), axis=1)
    return Image.fromarray(row.squeeze(-1) if row.shape[-1] == 1 else row)


def share(files: list[Path], folder: Path) -> None:
    """Puts hard links of the files into `folder`, which take no space; copies where the file system has no links.

    The suite never writes into a file but replaces it, so that a link keeps what it showed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in files:
        try:
            os.link(path, folder / path.name)
        except FileNotFoundError:
            raise ValueError(f"{path} does not exist; run snakemake to make it") from None
        except OSError:
            shutil.copy2(path, folder / path.name)
