"""Draws of a run in JAX, gathered chunk by chunk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from samplers.chain.result import STATUS_DONE


class Chunk(NamedTuple):
    """Consecutive draws of all chains."""

    draws: NDArray[np.float64]  # (num, chains, size)
    status: NDArray[np.int64]  # (num, chains), as in SweepResult
    stats: dict[str, NDArray]  # each (num, chains)
    gradients: NDArray[np.float64]  # (num, chains, d): of NUTS blocks whose metric is learnt in Python


class DrawRecord:
    """Draws and statistics of all chains as they come.

    Parameters
    ----------
    num_chains : int
        Number of chains.
    kept : array, shape (num_kept,), int64
        Elements of the joint state that are kept.
    names : sequence of str
        The statistics.
    """

    def __init__(self, num_chains: int, kept: NDArray[np.int64], names: Sequence[str]):
        self._kept = kept
        self._chunks = [
            Chunk(
                np.empty((0, num_chains, kept.size)),
                np.empty((0, num_chains), np.int64),
                {name: np.empty((0, num_chains), bool) for name in names},
                np.empty((0, num_chains, 0)),
            )
        ]

    def add(self, chunk: Chunk) -> None:
        """Append a chunk."""
        self._chunks.append(chunk._replace(draws=chunk.draws[..., self._kept], gradients=chunk.gradients[..., :0]))

    def num_draws(self) -> NDArray[np.int64]:
        """Return the number of draws of each chain before it failed, if it did."""
        return (~self._has_failed()).sum(axis=1)

    def draws(self) -> NDArray[np.float64]:
        """Return all draws, (chains, draws, size); NaN where a chain had failed."""
        draws = np.concatenate([chunk.draws for chunk in self._chunks]).swapaxes(0, 1).copy()
        draws[self._has_failed()] = np.nan
        return draws

    def stats(self) -> dict[str, NDArray]:
        """Return the statistics, each (chains, draws); NaN or zero where a chain had failed."""
        stats = {}
        for name in self._chunks[0].stats:
            values = np.concatenate([chunk.stats[name] for chunk in self._chunks]).T.copy()
            values[self._has_failed()] = np.nan if values.dtype.kind == "f" else 0
            stats[name] = values
        return stats

    def _has_failed(self) -> NDArray[np.bool_]:
        return np.concatenate([chunk.status for chunk in self._chunks]).T != STATUS_DONE
