"""Filters of warnings are put back as they were, whatever another thread does meanwhile.

Answers: the filters that there were.
"""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from graphs.warned import filtered


def test_only_what_is_named_is_ignored() -> None:
    with filtered("ignore", "of little", UserWarning):
        warnings.warn("of little use", UserWarning, stacklevel=1)
        with pytest.warns(UserWarning, match="of much use"):
            warnings.warn("of much use", UserWarning, stacklevel=1)


def test_filters_nest_in_one_thread() -> None:
    with filtered("ignore", "one"), filtered("error", "other"):
        warnings.warn("one", stacklevel=1)
        with pytest.raises(UserWarning, match="other"):
            warnings.warn("other", stacklevel=1)


def test_a_second_thread_waits_and_all_is_as_before() -> None:
    before = list(warnings.filters)
    entered, begun, go_on = Event(), Event(), Event()

    def first() -> None:
        with filtered("error", "first"):
            entered.set()
            go_on.wait(60)

    def second() -> bool:
        begun.set()
        with filtered("error", "second"):
            return go_on.is_set()

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(first)
        assert entered.wait(60)
        other = pool.submit(second)
        assert begun.wait(60)
        go_on.set()
        assert other.result(60)
        one.result(60)
    assert list(warnings.filters) == before
