"""Clusters that have no workers, or none any more, and what is no client: waited for so long, and said.

Answers: what the errors are to name.
"""

from __future__ import annotations

import logging
import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest

import ppl
from graphs.errors import SamplingError
from ppl.distributing import clients
from ppl.distributing import run as cluster_run
from ppl.distributing.futures import WorkersFailed
from ppl.running import compiled
from tests.ppl.keeping.stored_models import CASES, Prepared, few

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return Prepared(CASES["nuts"], chains=5)


def test_a_cluster_without_workers_is_waited_for_and_said(prepared: Prepared, monkeypatch: Any) -> None:
    monkeypatch.setattr(clients, "WAIT_SECONDS", 0.2)
    with (
        distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as idle,
        pytest.raises(SamplingError, match=r"no worker, after 0\.2 seconds: start workers"),
    ):
        prepared.compiled.sample(**prepared.options, client=idle)


def test_a_run_whose_workers_are_gone_ends(prepared: Prepared, monkeypatch: Any) -> None:
    monkeypatch.setattr(cluster_run, "LOST_SECONDS", 0.3)
    monkeypatch.setattr(compiled, "check_client", lambda client: None)
    with (
        distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as idle,
        pytest.raises(WorkersFailed, match=r"no worker for 0\.3 seconds"),
    ):
        prepared.compiled.sample(**prepared.options, client=idle)


def test_what_a_worker_has_done_may_be_gone_with_it(prepared: Prepared, monkeypatch: Any) -> None:
    """Known to be done, and lost before it was fetched: it is waited for as long as there is nobody to do it again."""
    monkeypatch.setattr(cluster_run, "LOST_SECONDS", 0.3)
    plain = cluster_run.ready_of
    with (
        distributed.LocalCluster(
            n_workers=1, processes=False, dashboard_address=":0", silence_logs=logging.CRITICAL
        ) as cluster,
        distributed.Client(cluster) as lost,
    ):

        def ready_of(*arguments: Any) -> list[Any]:
            found = plain(*arguments)
            if found:
                cluster.scale(0)
                while lost.nthreads():
                    time.sleep(0.01)
            return found

        monkeypatch.setattr(cluster_run, "ready_of", ready_of)
        with pytest.raises(WorkersFailed, match=r"no worker for 0\.3 seconds"):
            prepared.compiled.sample(**prepared.options, client=lost)


def test_what_is_no_client_is_refused(prepared: Prepared, monkeypatch: Any) -> None:
    model = few()
    for wrong in ("tcp://127.0.0.1:8786", 3, SimpleNamespace(submit=None)):
        with pytest.raises(SamplingError, match=f"client is a dask.distributed.Client, not {type(wrong).__name__}"):
            ppl.sample(model, client=wrong, progress=False)
    with distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as cluster:
        closed = distributed.Client(cluster)
        closed.close()
    with pytest.raises(SamplingError, match="The client is closed: connect one"):
        prepared.compiled.sample(**prepared.options, client=closed)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SamplingError, match=r"pip install 'rvgraph\[cluster\]'"):
        ppl.sample(model, client=3, progress=False)
