"""A figure's command line and its files.

`save` writes PDF, SVG and PNG of stable bytes, and the plotted numbers as CSV. The SVG and the PDF carry a title and a
description for readers who cannot see the figure.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from repobe.report.canvas import mark_empty, theme

NOTHING = "Nothing of this figure has run."


def arguments() -> tuple[Path, Path]:
    """(RESULTS, FIGURES_DIR) from the command line; makes FIGURES_DIR."""
    if len(sys.argv) != 3:
        sys.exit(f"usage: python -m figures.{Path(sys.argv[0]).stem} RESULTS FIGURES_DIR")
    out = Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    return Path(sys.argv[1]), out


def save_empty(stem: Path, numbers: pd.DataFrame, title: str) -> None:
    """Writes a figure that says that nothing of it has run."""
    theme()
    figure, axes = plt.subplots(figsize=(5.2, 2.0), layout="constrained")
    mark_empty(axes)
    axes.set_title(title)
    save(figure, stem, numbers.iloc[:0], title, NOTHING)


def save(figure, stem: Path, numbers: pd.DataFrame, title: str, alt: str) -> None:
    """Writes <stem>.pdf, .svg and .png of stable bytes (no dates, a fixed salt) and the plotted numbers as <stem>.csv.

    title and alt (what the figure shows, in words) go into the SVG and the PDF, where the report reads them.
    """
    figure.savefig(stem.with_suffix(".pdf"), metadata={"CreationDate": None, "Title": title, "Subject": alt})
    figure.savefig(stem.with_suffix(".svg"), metadata={"Date": None, "Title": title, "Description": alt})
    figure.savefig(stem.with_suffix(".png"), dpi=200)
    plt.close(figure)
    numbers.to_csv(stem.with_suffix(".csv"), index=False)
