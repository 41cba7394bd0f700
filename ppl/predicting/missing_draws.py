"""Graphs over the draws of a trace some of which are missing: what is computed from a missing draw is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.backends import get_backend
from graphs.errors import ModelError
from ppl.running.memory import check_memory_of_draws

NUMBER: TensorVariable = pt.dscalar("number of a draw")
"""An input that nothing depends on, so that there is one where nothing is given."""


def in_one_row(draws: NDArray) -> NDArray:
    """Return the draws (chains, draws, ...) of one chain after the other; there may be no number in a draw."""
    chains, length, *shape = draws.shape
    return draws.reshape(chains * length, *shape)


def over_draws(
    graphs: Mapping[str, TensorVariable],
    draws: Mapping[TensorVariable, NDArray],
    count: int,
    backend: str,
    *,
    rng: Variable | None = None,
    seed: int | None = None,
    check: Callable[[Mapping[str, NDArray]], None] | None = None,
    remedy: str = "",
) -> dict[str, NDArray]:
    """Return the values of graphs at draws of the variables that they depend on, over a leading axis.

    A draw is missing where one of its numbers is NaN, as after a chain has stopped. Nothing is computed of it: what
    would be is NaN, and floats even if these are integers or truth values, which could not say that they are missing.

    Parameters
    ----------
    graphs : mapping of str to TensorVariable
        What is computed of each draw.
    draws : mapping of TensorVariable to array, shape (count, ...)
        Values of what the graphs depend on, maybe of nothing.
    count : int
        Number of draws.
    backend : {"numba", "c", "jax"}
        What makes machine code.
    rng : Variable, optional
        The generator that graphs draw with.
    seed : int, optional
        Its seed.
    check : callable, optional
        Of the values that are not missing; raises where these are none.
    remedy : str
        How there would be less to compute, for the message that there is no memory.

    Raises
    ------
    ModelError
        If every draw is missing.
    SamplingError
        If there is no memory for the values.
    """
    check_memory_of_draws(graphs, count, remedy)
    inputs, rows = [*draws, NUMBER], [*draws.values(), np.zeros(count)]
    function = get_backend(backend).map(inputs, list(graphs.values()), rng=rng)
    generator = () if rng is None else (np.random.default_rng(seed),)
    is_present = present_draws(rows)
    is_whole = bool(is_present.all())
    present = rows if is_whole else [row[is_present] for row in rows]
    arrays = function(*generator, *(row.astype(v.type.dtype) for row, v in zip(present, inputs, strict=True)))
    found = dict(zip(graphs, map(np.asarray, arrays), strict=True))
    if check is not None:
        check(found)
    return found if is_whole else {name: _scattered(array, is_present) for name, array in found.items()}


def present_draws(draws: Sequence[NDArray]) -> NDArray[np.bool_]:
    """Return which draws are there; raise if none is."""
    is_missing = [np.isnan(d).any(axis=tuple(range(1, d.ndim))) for d in draws]
    is_present: NDArray[np.bool_] = ~np.any(is_missing, axis=0)
    if not is_present.any():
        raise ModelError("Every draw of the trace is missing (NaN): there is nothing to compute from.")
    return is_present


def _scattered(array: NDArray, is_present: NDArray[np.bool_]) -> NDArray:
    whole = np.full((len(is_present), *array.shape[1:]), np.nan, np.result_type(array.dtype, np.float64))
    whole[is_present] = array
    return whole
