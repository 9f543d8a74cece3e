"""The order in which the files of the tests go to the cores."""

from pathlib import Path
from types import SimpleNamespace

from conftest import LONGEST, pytest_collection_modifyitems


def test_the_longest_files_come_first_whole_and_the_others_keep_their_order():
    collected = ["test_b.py::1", "test_methods.py::1", "test_methods.py::2", "test_a.py::1", "test_workflow.py::1"]
    items = [SimpleNamespace(path=Path(name.split(":")[0]), name=name) for name in collected]
    pytest_collection_modifyitems(items)
    assert [item.name for item in items] == [
        "test_workflow.py::1", "test_methods.py::1", "test_methods.py::2", "test_b.py::1", "test_a.py::1"
    ]  # fmt: skip


def test_each_file_that_comes_first_is_there():
    assert {*LONGEST} <= {path.name for path in Path(__file__).parent.rglob("test_*.py")}
