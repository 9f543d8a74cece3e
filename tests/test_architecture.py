"""docs/architecture.md is true of the code: its paths and names exist, and its rooms and steps are all there are."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "architecture.md").read_text()
QUOTED = re.findall(r"`([^`\n]+)`", PAGE)
TOP = "repobe|baselines|figures|workflow|config|profiles|tests|benchmarks|docs|examples|results/reference"
PATHS = sorted({text for text in QUOTED if re.match(rf"({TOP})/", text) or text == "pyproject.toml"})
PATHS += sorted(f"docs/{target}" for target in re.findall(r"\]\(([^)#]+)\)", PAGE))
LAWS = re.findall(r"^\| [^|]+ \| `(test_\w+)` \|$", PAGE, re.MULTILINE)
PLACES = re.findall(r"^\| [^|]+ \| `([^`]+\.py)` \| `(\w+)` \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("path", PATHS)
def test_every_path_on_the_page_exists(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize(("path", "name"), PLACES)
def test_every_name_on_the_page_is_defined_in_its_file(path, name):
    defined = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            defined.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            defined |= {target.id for target in targets if isinstance(target, ast.Name)}
    assert name in defined


def test_the_page_names_many_places_and_paths():
    """The tests of each of them would pass on a page that they cannot read."""
    assert len(PLACES) >= 25
    assert len(PATHS) >= 45
    assert len(LAWS) >= 11


def test_the_page_describes_every_room_and_no_other():
    rooms = {path.parent.name for path in (ROOT / "repobe").glob("*/__init__.py")}
    assert set(re.findall(r"^\| `repobe/(\w+)/` \|", PAGE, re.MULTILINE)) == rooms
    assert len(rooms) == 11


def test_the_order_of_the_rooms_is_the_contracts():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    drawn = PAGE.split("    __main__ ")[1].split("\n\n")[0].splitlines()[1:]
    rooms = [re.match(r" *(\w+(  \|  \w+)?)", line)[1].split() for line in drawn]
    assert rooms == [layer.split() for layer in layers[1:]]


@pytest.mark.parametrize("law", LAWS)
def test_every_law_on_the_page_is_a_test(law):
    assert any(f"def {law}(" in path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))


def test_the_datas_way_has_every_rule_of_the_workflow():
    way = PAGE.split("## The way of the data")[1].split("`<run>`")[0]
    rules = {
        name
        for path in (ROOT / "workflow" / "rules").glob("*.smk")
        for name in re.findall(r"^rule (\w+):", path.read_text(), re.MULTILINE)
    }
    assert set(re.findall(r"^    (\w+)  +\S", way, re.MULTILINE)) == rules


def test_no_module_is_longer_than_a_reader_holds_in_mind():
    """CONTRIBUTING.md, law 1: 250 lines."""
    modules = [path for room in ("repobe", "baselines", "figures") for path in (ROOT / room).rglob("*.py")]
    assert len(modules) > 100
    assert [path.name for path in modules if len(path.read_text().splitlines()) > 250] == []
