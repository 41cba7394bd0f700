"""Filters of warnings are put back as they were, whatever another thread does meanwhile.

Answers: the filters that there were.
"""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import sleep
from typing import Any

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


def test_a_filter_of_the_user_stays() -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="mine")
        before = list(warnings.filters)
        with filtered("ignore", "mine"), filtered("ignore", "mine"):
            warnings.warn("mine", stacklevel=1)
        assert list(warnings.filters) == before


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("leaves_first", [True, False])
@pytest.mark.parametrize("other", [lambda: filtered("ignore", "one"), warnings.catch_warnings])
def test_threads_that_overlap_leave_filters_as_they_were(is_first: bool, leaves_first: bool, other: Any) -> None:
    before = list(warnings.filters)
    steps = [[Event(), Event()], [Event(), Event()]]
    enters = [0, 1] if is_first else [1, 0]
    leaves = [0, 1] if leaves_first else [1, 0]

    def work(number: int, context: Any) -> None:
        enter, leave = steps[number]
        assert enter.wait(60)
        with context:
            enter.clear()
            assert leave.wait(60)
        leave.clear()

    with ThreadPoolExecutor(2) as pool:
        results = [pool.submit(work, 0, filtered("ignore", "one")), pool.submit(work, 1, other())]
        for order, kind in ((enters, 0), (leaves, 1)):
            for number in order:
                steps[number][kind].set()
                while steps[number][kind].is_set():
                    sleep(0.001)
        for result in results:
            result.result(60)
    assert list(warnings.filters) == before
