import resource
from pathlib import Path

import pytest

from repobe.runs import files


def test_a_full_disk_is_one_line_that_names_the_file_and_leaves_what_was_there(tmp_path):
    table = tmp_path / "evasion.csv"
    files.replace(table, "before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # the system's own refusal, as of a full disk
    try:
        with pytest.raises(OSError, match=r"evasion.csv cannot be written \(File too large\); free some space"):
            files.replace(table, "after" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert table.read_text() == "before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["evasion.csv"]


def test_a_file_in_the_place_of_a_folder_is_named_with_the_fix(tmp_path):
    (tmp_path / "folder").touch()
    with pytest.raises(OSError, match=r"folder/x.csv cannot be written \(Not a directory\); free some space or fix"):
        files.replace(tmp_path / "folder" / "x.csv", "text")


def test_a_folder_is_replaced_as_a_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "new" / "tables"
    for content in ("first", "second"):
        with files.whole_folder(folder) as part:
            (part / content).write_text(content)
        assert [path.name for path in folder.iterdir()] == [content]

    def fail() -> None:
        with files.whole_folder(folder) as part:
            (part / "second").write_text("half")
            raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        fail()
    assert (folder / "second").read_text() == "second"
    assert [path.name for path in folder.parent.iterdir()] == ["tables"]


@pytest.mark.parametrize("fault", [OSError("Input/output error"), KeyboardInterrupt()])
def test_a_swap_of_folders_that_breaks_off_puts_the_old_one_back(fault, tmp_path, monkeypatch):
    folder, rename = tmp_path / "tables", Path.rename
    folder.mkdir()
    (folder / "only copy").touch()

    def broken(path, target):
        if path.suffix == ".part":
            raise fault
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", broken)
    with pytest.raises(type(fault)), files.whole_folder(folder):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["tables", "only copy"]


def test_a_folder_that_two_processes_write_keeps_what_both_wrote_and_says_where(tmp_path, monkeypatch):
    folder, rename = tmp_path / "tables", Path.rename
    folder.mkdir()
    (folder / "before").touch()

    def raced(path, target):
        if path.suffix == ".part":  # between the two steps of the swap another process writes the folder
            folder.mkdir()
            (folder / "theirs").touch()
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", raced)
    with pytest.raises(OSError, match="was written by another process, too; what it held") as raised:  # noqa: SIM117
        with files.whole_folder(folder) as part:
            (part / "ours").touch()
    (kept,) = tmp_path.glob("*.old")
    assert str(raised.value).endswith(f"is in {kept}; keep one of the two")
    assert [path.name for path in (*folder.iterdir(), *kept.iterdir())] == ["theirs", "before"]


def test_an_interruption_right_after_a_swap_of_folders_blames_no_other_process(tmp_path, monkeypatch):
    folder, rename = tmp_path / "tables", Path.rename
    folder.mkdir()
    (folder / "before").touch()

    def interrupted(path, target):
        rename(path, target)
        if path.suffix == ".part":
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), files.whole_folder(folder) as part:
        (part / "ours").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["tables", "ours"]
