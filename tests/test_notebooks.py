from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import nbformat
    from jupyter_client.manager import KernelManager

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EACH = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])


# Jupyter is imported where it is used: what checks its format takes a second to be imported, in each process.
def _read(path: Path) -> nbformat.NotebookNode:
    import nbformat

    document: nbformat.NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    return document


#: Forgets what the notebook before made, and goes to where the next one stands.
_ANEW: Final = """
import os, ipywidgets
ipywidgets.Widget.close_all()
os.chdir({folder!r})
get_ipython().reset()
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KernelManager]:
    """One kernel for all of them: to start it, and to import what notebooks do, costs more than most of them."""
    from jupyter_client.manager import KernelManager

    home = tmp_path_factory.mktemp("kernel")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
            patch.setenv(name, str(home / name.lower()))
        manager = KernelManager(kernel_name="python3")
        manager.start_kernel()
        yield manager
        manager.shutdown_kernel(now=True)


def _run(document: nbformat.NotebookNode, kernel: KernelManager, folder: Path, saved: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    first = nbformat.v4.new_code_cell(_ANEW.format(folder=str(folder)))  # type: ignore[no-untyped-call]
    document.cells.insert(0, first)
    NotebookClient(document, km=kernel, timeout=180).execute()
    del document.cells[0]
    nbformat.write(document, saved)  # type: ignore[no-untyped-call]


def test_there_are_notebooks() -> None:
    """The folder that the other tests look at is not empty."""
    assert "triage" in [path.stem for path in NOTEBOOKS]


@EACH
def test_notebooks_run(notebook: Path, tmp_path: Path, kernel: KernelManager) -> None:
    """Every cell runs in a copy that sees only the samples; saved, it is small and has a picture of each widget."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    shutil.copy(notebook, folder)
    (tmp_path / "data").symlink_to(ROOT / "data")
    document = _read(folder / notebook.name)
    saved = tmp_path / "saved.ipynb"
    _run(document, kernel, folder, saved)
    outputs = [output for cell in document.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("text/html" in output.get("data", {}) for output in outputs)
    assert [output for output in outputs if output.output_type == "stream" and output.name == "stderr"] == []
    assert [path.name for path in folder.iterdir()] == [notebook.name]
    shown = [output.get("data", {}) for output in outputs]
    live = [data for data in shown if "application/vnd.jupyter.widget-view+json" in data]
    still = [data for data in shown if 'class="rm-static' in data.get("text/html", "")]
    assert len(still) == len(live)
    assert not [kind for data in shown for kind in data if kind.startswith("application/vnd.vega")], "it asks a network"
    assert saved.stat().st_size < 3_000_000


@EACH
def test_notebooks_are_stored_without_outputs(notebook: Path) -> None:
    """A stored notebook holds no output, no count and no trace of who ran it."""
    import nbformat

    document = _read(notebook)
    nbformat.validate(document)
    code = [cell for cell in document.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert set(document.metadata) <= {"kernelspec", "language_info"}


@EACH
def test_notebooks_open_with_what_they_answer(notebook: Path) -> None:
    """The first cell is a heading that asks the question, and the text says where the data comes from."""
    first = _read(notebook).cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert "?" in first.source.splitlines()[0]
    assert "../data/samples" in first.source


@EACH
def test_notebooks_use_no_output_widget(notebook: Path) -> None:
    """Output widgets hang in Voilà, so no notebook has one."""
    assert "Output(" not in notebook.read_text(encoding="utf-8")


#: All dashboards over the recorded services, one of which has a heap profile.
DASHBOARDS = [
    """
from pathlib import Path
import rmtoolkit as rm

data = Path("data")
recording = rm.read(data / "samples")
found = rm.assess(recording)
heap = {"iris/warm-jackdaw": rm.read_heap(data / "heap" / "warm-jackdaw.heaptrack.zst")}
""",
    "rm.Triage(found, heap, workload='warm-jackdaw')",
    "rm.LimitExplorer(recording, 'young-raven')",
    "rm.Fleet(found, samples_from=recording)",
]


def test_a_notebook_saved_with_all_dashboards_stays_small(tmp_path: Path, kernel: KernelManager) -> None:
    """With the state of every widget inside, the file is smaller than 3 MB."""
    import nbformat
    from nbconvert import HTMLExporter

    cells = [nbformat.v4.new_code_cell(cell) for cell in DASHBOARDS]  # type: ignore[no-untyped-call]
    document = nbformat.v4.new_notebook(cells=cells)  # type: ignore[no-untyped-call]
    saved = tmp_path / "saved.ipynb"
    _run(document, kernel, ROOT, saved)
    state = document.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    kept = "".join(str(model["state"].get("value")) for model in state.values())
    for part in ("Who calls it", "Chance of an OOM kill in 7 days at", "rm-fleet"):
        assert part in kept
    page = HTMLExporter().from_notebook_node(document)[0]
    for part in ("Memory of warm-jackdaw", "Recorded past at a limit of", "rm-fleet", "leaks::Leak::tick"):
        assert part in page, "what no kernel and no network can draw has a picture"
    size = saved.stat().st_size
    print(f"A notebook with all dashboards: {size / 1e6:.2f} MB, {len(state):,} widgets.")  # noqa: T201 - seen with -s, or when it fails
    assert size < 3_000_000
