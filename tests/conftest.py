"""What every test runs under: the CPU, no window, the same examples each time, less search for garbage."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")
# Threads of BLAS wait for each other where the tests use every core: a triangular solve of three unknowns then takes
# milliseconds. It is read when NumPy and SciPy are imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytensor
import pytest
from hypothesis import settings
from hypothesis.internal.conjecture import providers
from pytensor.link.basic import PerformLinker

from graphs.backends.base import Backend, as_arrays
from graphs.backends.c import CBackend
from graphs.backends.numba.backend import NumbaBackend
from graphs.optional import FAILURES
from graphs.surgery.interpreting import interpret, without_c
from ppl.planning.comparing.decisions import Question

collect_ignore = ["typed/user_code.py"]  # it is read by type checkers, and has mistakes in it
settings.register_profile("rvgraph", derandomize=True, deadline=None, max_examples=30, database=None)
settings.load_profile("rvgraph")
# Else hypothesis reads our files for numbers to try: examples would change with each of them, and it takes a seventh of
# the time of collecting the tests.
providers._get_local_constants = lambda: providers._local_constants

# Derivations make and drop millions of small objects: at Python's settings a tenth of the time of the tests went into
# walking through all that is alive, over and over.
gc.set_threshold(20_000, 10, 10)


def pytest_collection_finish() -> None:
    """Take what has been imported, a million objects, out of that search: it lives as long as the process."""
    gc.collect()
    gc.freeze()


def _interpreted(backend: NumbaBackend, inputs: Any, outputs: Any, rng: Any = None) -> Any:
    """Return what ``NumbaBackend.function`` does, without machine code."""
    function = interpret([*inputs] if rng is None else [rng, *inputs], outputs)

    def call(*arrays: Any) -> list[np.ndarray]:
        generators, values = arrays[: len(arrays) - len(inputs)], arrays[len(arrays) - len(inputs) :]
        given = [np.random.default_rng(g.integers(2**63, size=4)) for g in generators]
        return [np.asarray(out) for out in function(*given, *as_arrays(values, inputs))]

    return call


_link = PerformLinker.make_all


def _linked_without_c(linker: PerformLinker, *arguments: Any, **options: Any) -> Any:
    """Link a graph that is interpreted; PyTensor would have gcc compile the bodies of its loops all the same."""
    with without_c():
        return _link(linker, *arguments, **options)


@pytest.fixture(autouse=True)
def _what_is_interpreted_is_not_compiled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """In `make test`, whose flags say so; for seconds each, and the answers of many tests come from loops.

    But for tests of what is compiled where users are.
    """
    if pytensor.config.linker == "py" and "as_users_have_it" not in request.fixturenames:
        monkeypatch.setattr(PerformLinker, "make_all", _linked_without_c)


@pytest.fixture
def as_users_have_it() -> None:
    """Let PyTensor compile what it would compile for users."""


@pytest.fixture(params=["interpreted", pytest.param("compiled", marks=pytest.mark.slow)])
def few_calls(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions that a test calls a hundred times are interpreted, maps row by row; in the long tests compiled, too.

    To compile them takes ten times as long as all else. It is for tests of what is derived: another one beside them has
    to compile functions of the same kind.
    """
    if request.param == "interpreted":
        monkeypatch.setattr(NumbaBackend, "function", _interpreted)
        monkeypatch.setattr(NumbaBackend, "map", CBackend.map)
        monkeypatch.setattr(NumbaBackend, "shared_map", Backend.shared_map)
        monkeypatch.setattr(NumbaBackend, "fill", Backend.fill)


@pytest.fixture
def unforeseen() -> Counter[str]:
    """Derivations that failed during a test, for tests in which they are made to."""
    return FAILURES


@pytest.fixture(autouse=True)
def _no_unforeseen_failure(request: pytest.FixtureRequest) -> Iterator[None]:
    before = FAILURES.copy()
    yield
    if "unforeseen" not in request.fixturenames:
        failed = FAILURES - before
        assert not failed, f"{dict(failed)} failed; --log-level=DEBUG shows where"
    FAILURES.clear()


@pytest.fixture(autouse=True)
def _plans_are_decided_anew(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another run of the tests has decided is not read, but for tests of that."""
    if "decisions" not in request.fixturenames:
        monkeypatch.setattr("ppl.planning.comparing.decisions.Question.about", lambda *_: Question(None))


@pytest.fixture
def without_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few numbers are planned for as many are."""
    monkeypatch.setattr(import_module("samplers.tables.block"), "MOST_AXES", 0)
