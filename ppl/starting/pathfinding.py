"""Starting points by Pathfinder."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.errors import ModelError
from samplers.tuning.pathfinder import pathfinder

_STREAM = 21  # apart from the streams of starting points and of the chains themselves


def found_paths(sweep: Any, starts: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Return joint states that Pathfinder finds, each from a start of its own.

    Parameters
    ----------
    sweep : CompiledSweep or JaxSweep
        The compiled sweep; what NUTS does not move is held.
    starts : array, shape (chains, size), float64
        Where paths begin.
    seed : int
        Of the draws.

    Raises
    ------
    ModelError
        If no variable is moved by NUTS.
    SamplingError
        If a path leads nowhere.
    """
    states = np.array(starts, np.float64)
    generators = [np.random.default_rng(s) for s in np.random.SeedSequence([seed, _STREAM]).spawn(len(states))]
    for state, generator in zip(states, generators, strict=True):
        evaluators = sweep.evaluators(state.copy())
        if not evaluators:
            raise ModelError(
                "init='pathfinder' is for variables that NUTS moves, and there are none; use init='jitter'."
            )
        for where, evaluate in evaluators:
            state[where] = pathfinder(evaluate, state[where].copy(), generator)
    return states
