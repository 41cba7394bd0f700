"""What is made once is one thing for all threads, however they meet.

Answers: the objects themselves.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from graphs.once import once


def test_threads_that_make_it_at_the_same_time_get_the_same() -> None:
    meet = Barrier(4, timeout=60)

    @once
    def made(name: str) -> object:
        meet.wait()
        return object()

    with ThreadPoolExecutor(4) as pool:
        found = [result.result(60) for result in [pool.submit(made, "a") for _ in range(4)]]
    assert all(one is found[0] for one in found)
    assert made("a") is found[0]


def test_what_fails_is_made_again() -> None:
    tries = []

    @once
    def made() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("not yet")
        return len(tries)

    with pytest.raises(ValueError, match="not yet"):
        made()
    assert made() == made() == 2


def test_arguments_are_told_apart_by_name_and_place() -> None:
    @once
    def made(one: int = 0, two: int = 0) -> list[int]:
        return [one, two]

    assert made(1) == [1, 0]
    assert made(two=1) == [0, 1]
    assert made(1) is not made(two=1)
    assert made(two=1) is made(two=1)
