"""The notebooks are those of their scripts and run, each to its assertions; so does the README's example."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "notebooks"
spec = importlib.util.spec_from_file_location("notebooks_build", FOLDER / "build.py")
assert spec is not None
assert spec.loader is not None
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)

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
def test_notebook_runs(name):
    if name in NEEDS_JAX:
        pytest.importorskip("blackjax", reason="this notebook compares backends, and JAX is an extra")
    assert "assert" in build.notebook_of(name).cells[-1].source
    build.execute(build.notebook_of(name))


def summary_of(lines):
    """Return mean and Monte Carlo error of each variable of a printed summary."""
    rows = (re.match(r"(\w+\[\d\]) (.*)", line) for line in lines)
    numbers = {row[1]: [float(n) for n in row[2].split()] for row in rows if row}
    return {name: (columns[0], columns[7]) for name, columns in numbers.items()}


def test_readme_example_prints_what_it_shows(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    readme = (ROOT / "README.md").read_text()
    code, output = re.search(r"```python\n(.*?)```\n```\n(.*?)```", readme, re.DOTALL).groups()
    exec(code, {})  # the progress bar goes to the same stream: only the lines of the output are looked for
    printed, shown = capsys.readouterr().out.splitlines(), output.splitlines()
    plan = [line for line in shown if not re.match(r"\w+\[\d\] | +mean", line)]
    assert len(plan) == 8  # the plan, an empty line, what the sum costs
    assert [line for line in plan if line.rstrip() not in map(str.rstrip, printed)] == []
    found, expected = summary_of(printed), summary_of(shown)
    assert found.keys() == expected.keys()
    assert len(found) == 6
    # Draws may differ from one platform to the next: the means agree within 5 Monte Carlo errors, and a last digit.
    for name, (mean, error) in found.items():
        digit = 10.0 ** -min(2, len(f"{expected[name][0]}".partition(".")[2]))
        assert abs(mean - expected[name][0]) <= 5 * np.hypot(error, expected[name][1]) + digit, name
