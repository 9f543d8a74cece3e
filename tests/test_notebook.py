"""The notebook of examples/: committed without outputs, and executed on a tiny trained run."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples" / "one_image.ipynb"


@pytest.fixture
def suite(tmp_path) -> Path:
    """A folder with the suite's packages, in which nothing was trained."""
    for name in ("repobe", "baselines", "examples"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def executed(suite: Path) -> nbformat.NotebookNode:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    return NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(suite)}}).execute()


def test_the_notebook_is_valid_small_and_has_no_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert [cell for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")] == []
    assert NOTEBOOK.stat().st_size < 10_000


def test_the_notebook_draws_what_a_trained_run_sends(results, suite):
    """`results`: one run of RepObE, trained for a few epochs."""
    *_, picture = executed(suite).cells
    (shown,) = [output for output in picture.outputs if output.output_type == "display_data"]
    assert len(shown.data["image/png"]) > 10_000


def test_without_a_trained_run_the_notebook_names_the_command_that_trains_some(suite):
    with pytest.raises(CellExecutionError, match=f"no trained run under {suite}/results/runs: `make demo` trains some"):
        executed(suite)
