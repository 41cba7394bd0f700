"""Threads that run chains keep to a processor for a moment only, and leave the process as it was."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from samplers import workers
from samplers.workers import _Settled, processors_for

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system does not bind threads")


def in_a_thread(function):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def test_a_thread_is_let_go_in_time(monkeypatch):
    allowed = os.sched_getaffinity(0)
    processor = min(allowed)

    def run():
        seen = []
        with _Settled(processor) as settled:
            monkeypatch.setattr(workers, "SETTLED_SECONDS", 1e9)
            settled.release_in_time()
            seen.append(os.sched_getaffinity(0))
            monkeypatch.setattr(workers, "SETTLED_SECONDS", 0.0)
            settled.release_in_time()
            seen.append(os.sched_getaffinity(0))
        return seen

    assert in_a_thread(run) == [{processor}, allowed]
    assert os.sched_getaffinity(0) == allowed


def test_a_thread_is_let_go_where_a_chain_fails():
    allowed = os.sched_getaffinity(0)

    def run():
        try:
            with _Settled(min(allowed)):
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            return os.sched_getaffinity(0)

    assert in_a_thread(run) == allowed


def test_a_processor_that_is_not_there_is_no_error():
    allowed = os.sched_getaffinity(0)

    def run():
        with _Settled(10_000):
            return os.sched_getaffinity(0)

    assert in_a_thread(run) == allowed


def test_each_thread_has_a_processor_or_none_has():
    allowed = os.sched_getaffinity(0)
    found = processors_for(len(allowed)) if len(allowed) > 1 else []
    assert set(found) == (allowed if len(allowed) > 1 else set())
    assert processors_for(1) == [None]
    assert processors_for(len(allowed) + 1) == [None] * (len(allowed) + 1)
