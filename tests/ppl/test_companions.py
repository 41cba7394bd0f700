"""Whatever else is called `graphs` or `samplers`, importing ppl works or says in one sentence what is wrong.

Answers: messages written beside each case.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _imported(folder: Path, *before: str) -> str:
    """Import ppl where a folder comes first; return the last line of the error."""
    code = f"import sys; sys.path[:0] = {[str(folder), str(ROOT)]!r}; {'; '.join((*before, 'import ppl.companions'))}"
    # In place of the whole package, so that only the check runs.
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr.strip().split("\n")[-1]


def _file(folder: Path, name: str) -> None:
    (folder / f"{name}.py").write_text("def plot(): ...\n")


def _package(folder: Path, name: str) -> None:
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text("")


def _module_made_by_hand(folder: Path, name: str) -> None:
    (folder / "made.py").write_text(f"import sys, types; sys.modules[{name!r}] = types.ModuleType({name!r})\n")


@pytest.mark.parametrize("name", ["graphs", "samplers"])
@pytest.mark.parametrize("make", [_file, _package, _module_made_by_hand])
def test_another_module_of_that_name_is_named(tmp_path, make, name):
    make(tmp_path, name)
    said = _imported(tmp_path, *(["import made"] if make is _module_made_by_hand else []))
    assert said.startswith(f"ImportError: ppl needs the package {name!r} that it is installed with")
    assert make is _module_made_by_hand or str(tmp_path / name) in said
    assert "rename that" in said


def test_files_that_were_written_over_are_said(tmp_path):
    for name in ("graphs", "samplers", "ppl"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "graphs" / "errors.py").write_text("")
    said = _imported(tmp_path)
    assert said.startswith("ImportError: The package 'graphs' in")
    assert "uninstall it and install rvgraph again" in said
