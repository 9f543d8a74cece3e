"""The pictures that the READMEs show, against the committed tables."""

import re
import runpy
import sys
from pathlib import Path

import pytest
from PIL import Image

from repobe.report.saving import NUMBERS
from repobe.runs import checksums
from repobe.verdicts.collection import collect

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "results" / "reference"
MAKEFILE = (ROOT / "Makefile").read_text()
PICTURES = sorted(REFERENCE.glob("*.png"))


@pytest.fixture(scope="module")
def collected(tmp_path_factory) -> Path:
    """All committed sets together, as `make tables` collects them."""
    folder = tmp_path_factory.mktemp("collected")
    sets = re.search(r"^REFERENCE \?= (.*)$", MAKEFILE, re.MULTILINE)[1].split()
    collect(folder, [REFERENCE / name for name in sets])
    return folder


def test_make_pictures_draws_every_picture():
    assert re.search(r"^PICTURES = (.*)$", MAKEFILE, re.MULTILINE)[1].split() == [path.stem for path in PICTURES]


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_a_picture_shows_the_numbers_of_the_tables(picture, collected, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", [picture.stem, str(collected), str(tmp_path)])
    monkeypatch.delitem(sys.modules, f"figures.{picture.stem}", raising=False)  # else runpy warns
    runpy.run_module(f"figures.{picture.stem}", run_name="__main__")
    plotted = checksums.of(tmp_path / f"{picture.stem}.csv")
    assert Image.open(picture).text[NUMBERS] == plotted, "`make pictures` draws it anew"
