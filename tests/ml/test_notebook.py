from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image

NOTEBOOK = Path(__file__).resolve().parents[2] / "ml" / "notebooks" / "explore.ipynb"


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Execute the notebook on a data set, in a process of this environment that leaves nothing behind."""
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(tmp_path / "jupyter"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def execute(source: str) -> NotebookNode:
        monkeypatch.setenv("EXPLORE_SOURCE", source)
        book = nbformat.read(NOTEBOOK, as_version=4)
        place = {"metadata": {"path": str(NOTEBOOK.parent)}}
        return NotebookClient(book, timeout=120, kernel_name="python3", resources=place).execute()

    return execute


def figures(book: NotebookNode) -> int:
    return sum("image/png" in output.get("data", {}) for cell in book.cells for output in cell.get("outputs", []))


def printed(book: NotebookNode) -> str:
    return "".join(output.get("text", "") for cell in book.cells for output in cell.get("outputs", []))


def test_the_notebook_is_kept_without_outputs():
    book = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(book)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert len(code) > 10
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)


@pytest.mark.slow
def test_the_notebook_runs_without_any_data(run):
    book = run("")
    assert figures(book) == 9
    assert "40 faces" in printed(book)


@pytest.mark.slow
def test_the_notebook_runs_on_coarse_labels_of_one_attribute(run, tmp_path):
    for number, group in enumerate(("White", "Black", "Asian", "Indian") * 3):
        (tmp_path / "faces" / group).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "faces" / group / f"{number}.png")
    book = run(f"--data {tmp_path / 'faces'} --reader folders --taxonomy utkface-4")
    assert figures(book) == 9
    assert "12 faces" in printed(book)
