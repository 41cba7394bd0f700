"""Machine code is freed with what refers to it, and not before.

Answers: sums of squares in NumPy, and counts of the engines that were closed.
"""

from __future__ import annotations

import gc
import linecache
import sys
import threading
import weakref
from types import SimpleNamespace

import llvmlite.binding as llvm
import numpy as np
import pytensor.tensor as pt
import pytest
from llvmlite.binding import newpassmanagers
from numba.core.compiler_lock import global_compiler_lock
from numba.core.serialize import dumps

from graphs.backends.numba import compile_program
from graphs.backends.numba.compiler import parts
from graphs.backends.numba.machine_code import c_functions, engines
from graphs.disk import kept_files


def _compiled(number, size=3):
    """Return a program of the sum of squares and its gradient; its source depends on a number."""
    x = pt.tensor("x", shape=(size,))
    total = (x**2).sum()
    for _ in range(number):
        total = pt.sqrt(total**2 + 1) - 1 / (pt.sqrt(total**2 + 1) + total)  # total, written otherwise
    return compile_program([x], [2 * x], value=total)


def _is_sum_of_squares(compiled, size=3):
    x = np.arange(1.0, size + 1)
    value, out = compiled(x)
    np.testing.assert_allclose(value, (x**2).sum(), rtol=1e-12)
    np.testing.assert_array_equal(out, 2 * x)


@pytest.fixture(params=["compiled", "read"])
def made(request):
    """Return what makes a program anew, or reads its machine code from disk."""

    def make(number):
        if request.param == "read":
            _compiled(number)
            gc.collect()
        return _compiled(number)

    return make


@pytest.fixture
def closed(monkeypatch):
    """Return the list of engines that have been closed."""
    engines_closed = []
    close = llvm.ExecutionEngine._dispose

    def dispose(engine):
        engines_closed.append(engine)
        close(engine)

    monkeypatch.setattr(llvm.ExecutionEngine, "_dispose", dispose)
    return engines_closed


def test_what_nothing_refers_to_is_freed_and_what_is_in_use_goes_on(made, closed):
    first, second = made(1), made(2)
    bound = first.bind()
    gone, kept = weakref.ref(second.function), weakref.ref(first.function)
    digests = set(c_functions._FUNCTIONS)
    closed.clear()
    del second, first
    gc.collect()
    assert gone() is None
    assert len(closed) == 1
    assert kept() is bound.program.function
    assert len(digests - set(c_functions._FUNCTIONS)) == 1
    others = [made(number) for number in range(3, 6)]
    for other in [bound.program, *others]:
        _is_sum_of_squares(other)
    del bound, other, others
    gc.collect()
    assert kept() is None


def test_programs_of_the_same_graph_share_machine_code():
    assert _compiled(1).function is not None
    first, second = _compiled(1), _compiled(1)
    assert first.function is second.function
    del first
    gc.collect()
    _is_sum_of_squares(second)


def test_an_engine_that_is_freed_while_another_thread_compiles_waits(closed):
    compiled = _compiled(1)
    closed.clear()
    is_held, may_go = threading.Event(), threading.Event()

    def hold():
        with global_compiler_lock:
            is_held.set()
            may_go.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    is_held.wait()
    del compiled
    gc.collect()
    assert not closed
    may_go.set()
    thread.join()
    assert _compiled(2)
    assert closed
    assert not engines._UNUSED


def test_the_sources_of_programs_are_forgotten():
    modules, lines = set(sys.modules), set(linecache.cache)
    compiled = _compiled(6)
    assert not [name for name in {*sys.modules} - modules if name.startswith("rvgraph_program")]
    assert not [name for name in {*linecache.cache} - lines if "rvgraph_program" in name]
    _is_sum_of_squares(compiled)


def test_parts_of_long_programs_are_freed_once_the_program_is_made(monkeypatch, tmp_path):
    monkeypatch.setattr(kept_files, "pytensor", SimpleNamespace(config=SimpleNamespace(compiledir=tmp_path)))
    monkeypatch.setattr(parts, "MOST_LINES", 2)
    monkeypatch.setattr(parts, "LINES_OF_A_PART", 4)
    made, kind = [], c_functions.Called

    class Watched(kind):
        def add_overload(self, result):
            super().add_overload(result)
            made.append(result.library)

    monkeypatch.setattr(c_functions, "Called", Watched)
    compiled = _compiled(7)
    assert len(made) > 1
    assert all(library._final_module.closed for library in made)
    _is_sum_of_squares(compiled)


@pytest.mark.parametrize("name", ["ModulePassManager", "FunctionPassManager"])
def test_pass_managers_are_freed(name):
    assert getattr(newpassmanagers, name)._dispose is not llvm.ffi.ObjectRef._dispose


def test_a_file_that_holds_no_machine_code_is_made_again(monkeypatch, tmp_path):
    monkeypatch.setattr(kept_files, "pytensor", SimpleNamespace(config=SimpleNamespace(compiledir=tmp_path)))
    _compiled(8)
    gc.collect()
    [file] = (tmp_path / "rvgraph").glob("*.object")
    for wrong in (b"contents", dumps((b"no object file", "entry", (), ())), dumps((b"too few",))):
        kept_files.write(file.name, wrong)
        _is_sum_of_squares(_compiled(8))
        gc.collect()
        assert kept_files.read(file.name) not in (None, wrong)
