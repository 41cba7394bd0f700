"""One thread derives at a time; a process that was forked meanwhile is free to.

Answers: the order of events.
"""

from __future__ import annotations

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from graphs.deriving import deriving


def test_a_second_thread_waits() -> None:
    begun, go_on = Event(), Event()

    def second() -> bool:
        begun.set()
        with deriving():
            return go_on.is_set()

    with ThreadPoolExecutor(1) as pool:
        with deriving(), deriving():
            result = pool.submit(second)
            assert begun.wait(60)
            go_on.set()
        assert result.result(60)


def test_a_fork_is_free() -> None:
    there, go_on = Event(), Event()

    def first() -> None:
        with deriving():
            there.set()
            go_on.wait(60)

    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(first)
        assert there.wait(60)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that threads are lost, which is what is tried
            child = os.fork()
        if not child:
            with deriving():
                os._exit(7)
        try:
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        finally:
            go_on.set()
        result.result(60)
