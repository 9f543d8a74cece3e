"""A figure's command line and its files.

`save` writes PDF, SVG and PNG of stable bytes, and the plotted numbers as CSV. The SVG and the PDF carry a title and a
description for readers who cannot see the figure.
"""

import html
import io
import json
import re
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from repobe.report.canvas import VALUES, break_titles, mark_empty, theme
from repobe.report.headings import NOTHING
from repobe.runs import checksums
from repobe.runs.files import replace
from repobe.runs.grid import HALF
from repobe.tables.results import read, write
from repobe.tables.schema import CONFIGURATION

NUMBERS = "SHA-256 of the plotted numbers"  # the name of a PNG's text


def arguments() -> tuple[Path, Path]:
    """(RESULTS, FIGURES_DIR) from the command line; makes FIGURES_DIR."""
    if len(sys.argv) != 3:
        module = f"figures.{Path(sys.argv[0]).stem}".removesuffix(".__main__")
        sys.exit(f"usage: python -m {module} RESULTS FIGURES_DIR")
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

    title and alt (what the figure shows, in words) go into the SVG and the PDF, where the report reads them. The
    SHA-256 of the numbers goes into the PNG, so that a copy elsewhere can be compared with the tables.
    """
    break_titles(figure)
    pdf, svg, png = io.BytesIO(), io.StringIO(), io.BytesIO()
    figure.savefig(pdf, format="pdf", metadata={"CreationDate": None, "Title": title, "Subject": alt})
    figure.savefig(svg, format="svg", metadata={"Date": None, "Title": title, "Description": alt})
    plotted = stem.with_suffix(".csv")
    write(numbers, plotted)
    figure.savefig(png, format="png", dpi=200, metadata={NUMBERS: checksums.of(plotted)})
    plt.close(figure)
    # Replaced, never overwritten: MLflow's copy of an older figure may be a link to the same file.
    replace(stem.with_suffix(".pdf"), pdf.getvalue())
    replace(stem.with_suffix(".svg"), with_titles(svg.getvalue()))
    replace(stem.with_suffix(".png"), png.getvalue())


def summary(results: Path, name: str) -> pd.DataFrame:
    """The rows of <results>/summary/<name>.csv that figures draw."""
    return leading(read(results / "summary" / f"{name}.csv"))


def leading(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that figures and leaderboards show; if there are several folders (see `collect`), those that lead.

    Leaves out half trainings (`HALF`), which only tell a gate whether more training could change a verdict (D32).
    """
    table = table[~table["method"].str.endswith(HALF)]
    return table[table["leads"]] if "leads" in table else table


def on_one_device(cost: pd.DataFrame) -> pd.DataFrame:
    """One row a method and setting, with training times of one device alone.

    Seconds of a GPU and of a CPU compare devices, not methods. So each dataset and channel keeps the times of the
    device that trained most of its methods; a method that was trained elsewhere has NaN.
    """
    usual = cost.groupby(["dataset", "channel"])["device"].transform(lambda devices: devices.mode().iloc[0])
    elsewhere = cost["device"] != usual
    cost = cost.copy()
    cost.loc[elsewhere, ["train_seconds", "images_per_second"]] = np.nan
    usual_first = elsewhere.sort_values(kind="stable").index  # a method that ran on both keeps the usual one's row
    return cost.loc[usual_first].drop_duplicates(CONFIGURATION).sort_index()


def with_titles(svg: str) -> str:
    """The SVG with a title in each marker of the groups that `say_values` marked."""
    # Three parts a group: the quotation mark of the id, its texts, and all that follows up to the next group.
    first, *parts = re.split(rf"<g id=(['\"]){VALUES}(.*?)\1>", svg)
    return first + "".join(_with_titles(texts, rest) for texts, rest in zip(parts[1::3], parts[2::3], strict=True))


def _with_titles(texts: str, rest: str) -> str:
    titles = iter(json.loads(html.unescape(texts)))
    end = rest.index("</g>")  # the markers lie in one inner group

    def titled(found: re.Match) -> str:
        return f"<use{found[1]}><title>{html.escape(next(titles))}</title></use>"

    markers = re.sub(r"<use([^>]*?)/>", titled, rest[:end])
    assert next(titles, None) is None, "a line has more values than markers"
    return f"<g>{markers}{rest[end:]}"
