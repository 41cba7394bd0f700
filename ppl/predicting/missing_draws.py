"""Functions over the draws of a trace some of which are missing: what is computed from a missing draw is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from pytensor.graph.basic import Variable

from graphs.errors import ModelError


def in_one_row(draws: NDArray) -> NDArray:
    """Return the draws (chains, draws, ...) of one chain after the other; there may be no number in a draw."""
    chains, length, *shape = draws.shape
    return draws.reshape(chains * length, *shape)


def over_draws(
    function: Callable[..., Sequence[NDArray]], variables: Sequence[Variable], draws: Sequence[NDArray]
) -> list[NDArray]:
    """Return the results of a function of draws, over a leading axis.

    A draw is missing where one of its numbers is NaN, as after a chain has stopped. The function does not see it: its
    results are NaN there, and floats even if they are integers or truth values, which could not say that they are
    missing.

    Parameters
    ----------
    function : callable
        Of arrays with an axis of draws before their own.
    variables : sequence of Variable
        Its inputs, which say in what type it takes each.
    draws : sequence of array, shape (draws, ...)
        Values of each.

    Raises
    ------
    ModelError
        If every draw is missing.
    """
    is_present = present_draws(draws) if draws else np.array(True)
    rows = slice(None) if is_present.all() else is_present
    found = function(*(d[rows].astype(v.type.dtype) for d, v in zip(draws, variables, strict=True)))
    arrays = [np.asarray(array) for array in found]
    return arrays if is_present.all() else [_scattered(array, is_present) for array in arrays]


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
