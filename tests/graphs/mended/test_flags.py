"""Flags of PyTensor are changed for one thread, and put back when that ends, whatever others do meanwhile.

Answers: values that were set; a sum of squares by NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from graphs.backends import get_backend
from graphs.surgery.interpreting import interpret, without_c

config = pytensor.config


@contextmanager
def meanwhile(work: Callable[[Event, Event], None]) -> Iterator[Event]:
    """Let another thread work until it says that it is there; at the end it is told to go on, and waited for."""
    there, go_on = Event(), Event()
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(work, there, go_on)
        assert there.wait(60)
        try:
            yield go_on
        finally:
            go_on.set()
            result.result(60)


def test_two_threads_that_overlap_leave_flags_as_they_were() -> None:
    before = config.cxx, config.mode

    def first(there: Event, go_on: Event) -> None:
        with config.change_flags(cxx="", mode="FAST_COMPILE"):
            there.set()
            go_on.wait(60)
            assert (config.cxx, config.mode) == ("", "FAST_COMPILE")

    with meanwhile(first) as go_on:
        assert (config.cxx, config.mode) == before
        with config.change_flags(mode="JAX"):
            assert (config.cxx, config.mode) == (before[0], "JAX")
            go_on.set()
        assert (config.cxx, config.mode) == before
    assert (config.cxx, config.mode) == before


def test_changes_of_one_thread_nest() -> None:
    before = config.traceback__limit
    with config.change_flags(traceback__limit=1):
        with config.change_flags(traceback__limit=2):
            config.traceback__limit = 3
            assert config.traceback__limit == 3
        assert config.traceback__limit == 1
    assert config.traceback__limit == before


def test_an_object_may_be_entered_again() -> None:
    @config.change_flags(traceback__limit=77)
    def down(depth: int) -> int:
        return config.traceback__limit if depth == 0 else down(depth - 1)

    before = config.traceback__limit
    assert down(3) == 77
    assert config.traceback__limit == before


def test_what_is_set_outside_is_set_for_all_threads() -> None:
    before = config.traceback__limit
    try:
        config.traceback__limit = before + 5
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(lambda: config.traceback__limit).result() == before + 5
    finally:
        config.traceback__limit = before


def test_what_flags_refuse_changes_nothing() -> None:
    before = config.traceback__limit, config.floatX
    with pytest.raises(ValueError, match="float80"), config.change_flags(traceback__limit=1, floatX="float80"):
        pass
    assert (config.traceback__limit, config.floatX) == before


def test_c_is_compiled_while_another_thread_interprets() -> None:
    """Without the compiler, PyTensor's fused sum of squares begins with the first number and not with its square."""
    x = pt.vector("x")

    def interpreting(there: Event, go_on: Event) -> None:
        with without_c():
            interpret([x], [(x**2).sum()])
            there.set()
            go_on.wait(60)

    values = np.array([3.0, 4.0, 12.0])
    with meanwhile(interpreting) as go_on:
        with config.change_flags(traceback__limit=0):
            go_on.set()
        (total,) = get_backend("c").function([x], [(x**2).sum()])(values)
    assert total == 169.0
    assert get_backend("c").function([x], [(x**2).sum() + 1])(values)[0] == 170.0
