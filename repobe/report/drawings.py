"""The figures that were drawn, and their SVGs prepared for the page."""

import html
import re
import shlex
from pathlib import Path

from repobe.report.headings import NOTE, NOTHING
from repobe.runs.plugins import ROOT


def drawn(figures: Path, suffix: str) -> list[Path]:
    """The files of this kind that the suite's own figures left in the folder, where others may lie too."""
    files = [figures / f"{script.stem}{suffix}" for script in sorted((ROOT / "figures").glob("fig*.py"))]
    return [path for path in files if path.exists()]


def drawing(path: Path, results: Path, figures: Path) -> dict:
    """The SVG with its title, its description and the command that draws it; ids get the figure's name as a prefix.

    Two SVGs inside one page must not share ids. ValueError names a file that is cut.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    if "<svg" not in text or not text.rstrip().endswith("</svg>"):
        raise ValueError(f"{path} is cut or is no figure; delete it and run again")
    title = _words(text, "title")
    alt, _, note = _words(text, "description").partition(NOTE)
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], count=1, flags=re.DOTALL)
    prefix = path.stem + "-"
    for before, after in [(' id="', f' id="{prefix}'), ('href="#', f'href="#{prefix}'), ("url(#", f"url(#{prefix}")]:
        text = text.replace(before, after)
    opening = text[: text.index(">")]
    box = re.search(r'viewBox="(0 0 ([\d.]+) [\d.]+)"', opening)
    named = re.sub(r' (?:width|height)="[^"]*"', "", opening)
    named += f' role="img" aria-label="{html.escape(alt or path.stem, quote=True)}"'
    about = alt.partition(". ")[0].rstrip(".") + "."
    return {
        "name": path.stem,
        "empty": NOTHING in alt,
        "title": title or path.stem,
        "alt": alt,
        "note": note,
        "about": "" if about.startswith(title) else about,
        "svg": text.replace(opening, named, 1),
        "width": float(box[2]),
        "viewbox": box[1],
        "root": f"{prefix}figure_1",  # matplotlib's outermost group, which thumbnails draw again
        "command": f"python -m figures.{path.stem} {shlex.join(map(str, (results, figures)))}",
        "numbers": path.with_suffix(".csv"),
    }


def _words(svg: str, tag: str) -> str:
    """The text of a Dublin Core element of the SVG's metadata; empty where it has none."""
    found = re.search(rf"<dc:{tag}>(.*?)</dc:{tag}>", svg, re.DOTALL)
    return html.unescape(found.group(1)) if found else ""
