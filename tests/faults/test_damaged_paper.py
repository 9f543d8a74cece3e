"""workflow/paper and the figures: a file that is missing, cut or altered is one line that names it and the fix."""

import shutil

import pytest

from repobe.report.drawings import drawing
from repobe.verdicts import paper

YAML = ("claims", "decisions", "readings", "contradictions")


@pytest.fixture
def facts(tmp_path, monkeypatch):
    """A copy of workflow/paper that the suite reads in place of its own."""
    folder = tmp_path / "paper"
    shutil.copytree(paper.FOLDER, folder)
    monkeypatch.setattr(paper, "FOLDER", folder)
    readers = [paper.numbers, *(getattr(paper, name) for name in YAML)]
    for reader in readers:
        reader.cache_clear()
    yield folder
    for reader in readers:
        reader.cache_clear()


def refusal(name: str) -> str:
    with pytest.raises(ValueError, match=r"restore it: git checkout -- workflow/paper$") as error:
        getattr(paper, name)()
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", YAML)
def test_half_of_a_file_is_noticed_though_it_is_valid_yaml(name, facts):
    """Cut where an entry ends: without the end mark, half of the decisions would vanish in silence."""
    path = facts / f"{name}.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: text.index("\n- id", len(text) // 2) + 1], encoding="utf-8")
    assert f"{path} is cut: its last line is not '...'" in refusal(name)


@pytest.mark.parametrize("name", YAML)
@pytest.mark.parametrize(
    ("content", "words"), [(None, "cannot be read"), (b"", "is cut"), (b"\xff\xfe", "cannot be read")]
)
def test_a_missing_an_empty_and_a_binary_file_are_named(name, content, words, facts):
    path = facts / f"{name}.yaml"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert f"{path} {words}" in refusal(name)


def test_an_entry_that_lost_a_key_and_a_file_that_is_no_yaml_are_named(facts):
    path = facts / "claims.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("  parts:", "  perts:", 1), encoding="utf-8")
    assert f"{path}, entry 1 has no key 'parts'" in refusal("claims")
    path.write_text(text.replace("- id: c02", "- id: c02: c03", 1), encoding="utf-8")
    assert f"{path} cannot be read (mapping values are not allowed here" in refusal("claims")


@pytest.mark.parametrize(
    "damage", [lambda t: t[: t.rindex("n31")], lambda t: "", lambda t: t.replace("0.6656", "0.66x6")]
)
def test_numbers_that_are_cut_emptied_or_no_numbers_are_named(damage, facts):
    path = facts / "numbers.csv"
    path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
    assert str(path) in refusal("numbers")


@pytest.mark.parametrize("content", ["", "<html></html>", "<svg viewBox='0 0 1 1'><metadata>"])
def test_a_figure_that_is_cut_is_named(content, tmp_path):
    path = tmp_path / "fig3a.svg"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"fig3a\.svg is cut or is no figure; delete it and run again"):
        drawing(path, tmp_path, tmp_path)
