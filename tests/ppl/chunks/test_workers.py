"""Rows read by workers of a cluster.

Answers: the statistics of the same rows, read in this process.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time

import dask.array as da
import numpy as np
import pytest

from tests.ppl.chunks.models import DATA, MODELS, N
from tests.ppl.chunks.test_reduction import IN_MEMORY, assert_same

distributed = pytest.importorskip("distributed")
QUIET = {"dashboard_address": ":0", "silence_logs": logging.CRITICAL}


REPEATS, BLOCKS = 200, 25


def repeated(block: np.ndarray) -> np.ndarray:
    """Make the rows of a block where it is computed: in a graph that holds them all, each task would be sent them."""
    time.sleep(0.2)
    return np.concatenate([block] * REPEATS)


@pytest.mark.slow
def test_a_worker_that_dies_costs_its_blocks():
    rows = {name: DATA[name] for name in ("real", "X", "group")}
    _, make = MODELS["groups"]
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, memory_limit=0, **QUIET) as cluster,
        distributed.Client(cluster) as client,
    ):
        given = {
            n: da.concatenate([da.from_array(a, chunks=a.shape)] * BLOCKS).map_blocks(
                repeated, dtype=a.dtype, chunks=((N * REPEATS,) * BLOCKS, *((k,) for k in a.shape[1:]))
            )
            for n, a in rows.items()
        }
        model = make(given.__getitem__)
        victim = client.submit(os.getpid, pure=False).result()
        killer = threading.Timer(4.0, lambda: os.kill(victim, signal.SIGKILL))
        killer.start()
        [compressed] = model.reduced.compressed
        killer.join()
    assert compressed.rows == N * REPEATS * BLOCKS
    assert_same(model, make(lambda name: np.concatenate([rows[name]] * (REPEATS * BLOCKS))))


def test_workers_compute_the_same():
    _, make = MODELS["groups"]
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, **QUIET) as cluster,
        distributed.Client(cluster),
    ):
        model = make(lambda name: da.from_array(DATA[name], chunks=(50, *DATA[name].shape[1:])))
        assert model.reduced.compressed
    assert_same(model, make(IN_MEMORY))
