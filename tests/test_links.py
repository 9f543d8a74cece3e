"""Every link of the documents leads somewhere; nothing is fetched, so of other sites only the form is checked."""

import re
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from test_documents import DOCUMENTS, ROOT

NOTEBOOKS = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "examples").glob("*.ipynb"))]
LINK = re.compile(r"!?\[(?:[^\[\]]|!\[[^\]]*\]\([^)]*\))*\]\(([^()\s]+)\)|<(\w+://[^>\s]+)>")
LOCAL = "127.0.0.1"  # MLflow's address on one's own machine has no https


def prose(document: str) -> str:
    """The text of a document without its blocks and spans of code, which may hold brackets that are no links."""
    if document.endswith(".ipynb"):
        cells = nbformat.read(ROOT / document, as_version=4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    else:
        text = (ROOT / document).read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^(?: {4,}|\t).*$", "", text, flags=re.MULTILINE)
    return re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)


def links(text: str) -> list[str]:
    return [one or other for one, other in LINK.findall(re.sub(r"(?<!\[)`[^`\n]+`(?!\])", "code", text))]


def anchors(document: str) -> set[str]:
    """The anchors of a document's headings, as forges make them: small letters, no punctuation, - for a blank."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", prose(document), re.MULTILINE):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", heading).replace(" ", "-")
        found[name] = found.get(name, -1) + 1
        if found[name]:
            found[f"{name}-{found[name]}"] = 0
    return set(found)


def fault(document: str, link: str) -> str:
    """What is wrong with a link; empty if it leads somewhere."""
    parts = urlsplit(link)
    if parts.scheme:
        if parts.hostname == LOCAL:
            return ""
        return "" if parts.scheme == "https" and "." in (parts.hostname or "") else "not an https address"
    target = (ROOT / document).parent / unquote(parts.path) if parts.path else ROOT / document
    if not target.exists():
        return "no such file"
    if not target.resolve().is_relative_to(ROOT):
        return "outside of the repository"
    if parts.fragment and parts.fragment not in anchors(str(target.resolve().relative_to(ROOT))):
        return "no such heading"
    return ""


@pytest.mark.parametrize("document", [*DOCUMENTS, *NOTEBOOKS])
def test_every_link_of_a_document_leads_somewhere(document):
    faults = {link: fault(document, link) for link in links(prose(document))}
    assert {link: what for link, what in faults.items() if what} == {}


def test_the_documents_have_links_and_wrong_ones_are_found():
    assert {"docs/architecture.md", "LICENSE", "docs/report.png"} <= set(links(prose("README.md")))
    assert links("[![a](b.png)](c.md) `[no](link.md)` [`x`](d.md#e) <https://example.org>") == [
        "c.md",
        "d.md#e",
        "https://example.org",
    ]
    assert "adding-something-of-your-own" in anchors("docs/extending.md")
    for link, what in [
        ("docs/nothing.md", "no such file"),
        ("docs/extending.md#a-dream", "no such heading"),
        ("http://example.org", "not an https address"),
        ("https://nowhere", "not an https address"),
        ("../", "outside of the repository"),
    ]:
        assert fault("README.md", link) == what
    assert fault("README.md", "docs/extending.md#a-method") == ""
    assert fault("docs/scale.md", "../benchmarks/README.md#counted") == ""


def test_each_document_is_linked_from_the_readme_or_a_page_that_it_links():
    seen, left = set(), ["README.md"]
    while left:
        document = left.pop()
        if document in seen or not document.endswith(".md"):
            continue
        seen.add(document)
        for link in links(prose(document)):
            path = (ROOT / document).parent / urlsplit(link).path
            if not urlsplit(link).scheme and path.is_file():
                left.append(str(path.resolve().relative_to(ROOT)))
    assert set(DOCUMENTS) - seen == set()
