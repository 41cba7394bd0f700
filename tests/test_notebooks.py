"""The notebooks are those of their scripts and run, each to its assertions.

Answers: the assertions at the end of each notebook.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import KernelManager

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "notebooks"
spec = importlib.util.spec_from_file_location("notebooks_build", FOLDER / "build.py")
assert spec is not None
assert spec.loader is not None
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)


@pytest.fixture(scope="session")
def kernel():
    """One process for all notebooks that a worker of the tests runs: each would import the same for five seconds."""
    manager = KernelManager(kernel_name="python3")
    with pytest.MonkeyPatch.context() as environment:
        # They run long enough for optimised code, which `make test` does without.
        environment.delenv("XLA_FLAGS", raising=False)
        manager.start_kernel(cwd=str(FOLDER))
    yield manager
    manager.shutdown_kernel(now=True)


NEEDS_JAX = {"mixture_rmh", "line_fit_nuts"}


def test_every_script_is_built():
    assert {p.stem for p in FOLDER.glob("*.py")} - {"build"} == set(build.NAMES)
    assert {p.stem for p in FOLDER.glob("*.ipynb")} == set(build.NAMES)


@pytest.mark.parametrize("name", build.NAMES)
def test_notebook_has_the_cells_of_its_script(name):
    stored = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    fresh = build.notebook_of(name)
    assert [(c.cell_type, c.source) for c in stored.cells] == [(c.cell_type, c.source) for c in fresh.cells]
    assert any(output for cell in stored.cells if cell.cell_type == "code" for output in cell.outputs)
    assert (FOLDER / f"{name}.ipynb").stat().st_size < 300_000


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", build.NAMES)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_notebook_runs(name, kernel):
    if name in NEEDS_JAX:
        pytest.importorskip("blackjax", reason="this notebook compares backends, and JAX is an extra")
    assert "assert" in build.notebook_of(name).cells[-1].source
    notebook = build.notebook_of(name)
    # No name is left from another notebook, and garbage is looked for as seldom as in the tests (`conftest.py`).
    notebook.cells.insert(0, nbformat.v4.new_code_cell("%reset -f\nimport gc\ngc.set_threshold(20_000, 10, 10)"))
    build.execute(notebook, kernel)
