"""Images that attackers rebuild, beside the originals, as in Figs. 3d and 3e."""

from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from repobe.report.canvas import theme
from repobe.report.headings import NOTE, dataset_shown, image_count, panel_title
from repobe.report.saving import arguments, save, save_empty, summary
from repobe.report.styles import style, user_methods
from repobe.tables.results import pictures_of

# The columns of Figs. 3d and 3e in the paper's order: {title: (method, who sees its images)}.
COLUMNS = {
    "Keyless attacker:\nIBAL": ("ibal_reconstruction", "keyless"),
    "Keyless attacker:\nNECST": ("necst_reconstruction", "keyless"),
    "Keyless attacker:\nNECST-DP0.9": ("necst_dp_09_reconstruction", "keyless"),
    "Keyless attacker:\nRepObE": ("repobe_reconstruction", "keyless"),
    "Legitimate user:\nRepObE": ("repobe_reconstruction", "legitimate"),
}


class Column(NamedTuple):
    """One attacker's images, uint8 [n, c, h, w], and their labels (both None if not run), and the rows of SSIM."""

    title: str
    images: np.ndarray | None
    labels: np.ndarray | None
    rows: pd.DataFrame

    @property
    def ssim(self) -> float | None:
        """Mean SSIM over the test images, where it was measured."""
        return self.rows["mean"].iloc[0] if len(self.rows) else None


def gallery(name: str, dataset: str, classes: tuple[int, int], columns: dict[str, tuple[str, str]]) -> None:
    """Draws one figure from the RESULTS and FIGURES_DIR of the command line: two images, one for each of `classes`.

    columns: {title: (method, attacker)}; the attacker `legitimate` is the receiver. The first column shows the
    originals; systems of the user's own come next. A column that has not run is an empty frame that says so.
    """
    results, out = arguments()
    table = summary(results, "inversion")
    pictures = pictures_of(results / "summary" / "reconstructions.npz")
    shown = dataset_shown(dataset, set(table["dataset"]))
    # Every run holds the same originals, so the first run that has pictures provides them.
    attacked = table[(table["dataset"] == shown) & (table["attacker"] == "keyless")]["method"]
    own = [name for name in user_methods(attacked) if name.endswith("_reconstruction")]
    columns = {
        f"Keyless attacker:\n{style(name.removesuffix('_reconstruction')).label}": (name, "keyless") for name in own
    } | columns
    drawn = [_column(table, pictures, shown, "Original", None, "original")]
    drawn += [_column(table, pictures, shown, title, *chosen) for title, chosen in columns.items()]
    if all(column.images is None for column in drawn):
        return save_empty(out / name, table, f"Fig. {name.removeprefix('fig')}")
    theme()
    figure, axes = plt.subplots(2, len(drawn), figsize=(1.3 * len(drawn), 3.5), layout="constrained")
    for place, column in enumerate(drawn):
        for row, wanted in enumerate(classes):
            _draw_picture(axes[row, place], column, wanted, first=row == 0)
    numbers = pd.concat([column.rows for column in drawn])
    over = f"; SSIM over {image_count(numbers)} test images" if len(numbers) else ""
    over += _floor(table[table["dataset"] == shown])
    figure.suptitle(panel_title(shown) + over, fontsize=9)
    alt = (
        f"Two test images of {panel_title(shown)} as attackers and the legitimate user see them{over}. "
        f"{'; '.join(_in_words(column) for column in drawn[1:])}."
    ) + _beaten(drawn, columns)
    save(figure, out / name, numbers, f"Fig. {name.removeprefix('fig')}", alt)


def _floor(table: pd.DataFrame) -> str:
    """The SSIM of the mean image, which needs no message: what lies at or below it shows nothing."""
    rows = table[(table["attacker"] == "mean_image") & (table["metric"] == "ssim")]
    return f", of the mean image {rows['mean'].iloc[0]:.2f}" if len(rows) else ""


def _beaten(drawn: list[Column], columns: dict[str, tuple[str, str]]) -> str:
    """A note where an attacker of any method rebuilds better than the legitimate user shown beside it."""
    ssim = {column.title: column.ssim for column in drawn[1:] if column.ssim is not None}
    user = next((title for title in ssim if columns[title][1] == "legitimate"), None)
    if user is None:
        return ""
    value = ssim.pop(user)
    better = [f"{title.replace(chr(10), ' ')} ({other:.2f})" for title, other in ssim.items() if other > value]
    if not better:
        return ""
    return (
        f"{NOTE}the SSIM of {' and of '.join(better)} exceeds the legitimate user's ({value:.2f}). These are other "
        "systems: what hides nothing can be rebuilt better than RepObE's receiver rebuilds."
    )


def _column(table: pd.DataFrame, pictures: dict, dataset: str, title: str, method: str | None, attacker: str) -> Column:
    """The images that `attacker` rebuilt for `method` (None: any), preferably over AWGN and from the first seed."""
    # A run's name is <dataset>/<channel>/<method>/seed<k>.
    runs = sorted({name.rsplit("/", 1)[0] for name in pictures if name.startswith(f"{dataset}/")})
    runs = [run for run in runs if method in (None, run.split("/")[2])]
    if not runs or f"{runs[0]}/{attacker}" not in pictures:
        return Column(title, None, None, table.iloc[:0])
    channel = runs[0].split("/")[1]
    rows = table[(table["dataset"] == dataset) & (table["method"] == method) & (table["attacker"] == attacker)]
    rows = rows[(rows["channel"] == channel) & (rows["metric"] == "ssim")]
    rows = rows[rows["snr_tap_db"] == rows["snr_tap_db"].max()]  # the pictures were rebuilt at the highest SNR
    return Column(title, pictures[f"{runs[0]}/{attacker}"], pictures[f"{runs[0]}/label"], rows)


def _draw_picture(axes, column: Column, wanted: int, first: bool) -> None:
    """Draws the first image of class `wanted`; the title stands above the first row, the SSIM below the second."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color("#999999")
    if first:
        axes.set_title(column.title, fontsize=8)
    if column.images is None:
        axes.text(0.5, 0.5, "not run", ha="center", va="center", fontsize=8, transform=axes.transAxes)
        axes.set_aspect("equal")
        return
    index = int(np.flatnonzero(column.labels == wanted)[0])
    picture = column.images[index].transpose(1, 2, 0)
    axes.imshow(picture.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    if not first and column.ssim is not None:
        axes.set_xlabel(f"SSIM {column.ssim:.2f}", fontsize=8)


def _in_words(column: Column) -> str:
    said = "not run" if column.images is None else "shown" if column.ssim is None else f"SSIM {column.ssim:.2f}"
    return f"{column.title.replace(chr(10), ' ')}: {said}"
