import resource

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
