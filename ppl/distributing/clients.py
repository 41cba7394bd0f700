"""Clients of clusters: whether something is one, and whether anybody works for it."""

from __future__ import annotations

from typing import Any

from graphs.errors import SamplingError

WAIT_SECONDS = 30.0
"""For the first worker: a batch system may take longer to start one, and then the user has to wait for it."""


def check_client(client: Any) -> None:
    """Raise if chains cannot be given to the workers of a client; None is no client, and nothing is asked.

    Raises
    ------
    SamplingError
        If dask.distributed is not installed, this is no client, it is closed or asynchronous, or there is no worker,
        who is waited for.
    """
    if client is None:
        return
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise SamplingError(
            f"client= needs {error.name}: pip install 'rvgraph[cluster]', or leave client out."
        ) from error
    if not isinstance(client, Client):
        raise SamplingError(
            f"client is a dask.distributed.Client, not {type(client).__name__}: "
            "client = dask.distributed.Client(address), with the address of a scheduler, or without for this machine."
        )
    if client.asynchronous:
        raise SamplingError("The client is asynchronous: give client= one that was made with asynchronous=False.")
    if client.status != "running":
        raise SamplingError(f"The client is {client.status}: connect one to the cluster, dask.distributed.Client(...).")
    try:
        client.wait_for_workers(1, timeout=WAIT_SECONDS)
    except TimeoutError as error:
        raise SamplingError(
            f"The cluster of the client has no worker, after {WAIT_SECONDS:g} seconds: start workers "
            "(dask worker ADDRESS, or cluster.scale(n)), or leave client out."
        ) from error


def num_threads_of(client: Any) -> int:
    """Return how many threads the workers have together."""
    return max(sum(client.nthreads().values()), 1)
