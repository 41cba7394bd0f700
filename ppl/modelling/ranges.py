"""Check that known bounds leave a variable a value, before anything is derived."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.marginal.finite import bounds_of, nearest_random
from graphs.surgery.random_graph import is_random
from ppl.modelling.data_supports import known_bounds
from ppl.reading.arrays import first


def check_ranges(variables: Mapping[str, TensorVariable]) -> None:
    """Raise if the range of a latent variable ends before it begins.

    Ranges that depend on other discrete variables are looked at when a plan is made.

    Parameters
    ----------
    variables : mapping of str to TensorVariable
        Latent variables by name.

    Raises
    ------
    ModelError
        Names the variable.
    """
    discrete = {rv for rv in variables.values() if not str(rv.type.dtype).startswith("float")}
    for name, rv in variables.items():
        if not is_random(rv):
            continue
        if rv not in discrete:
            _check_interval(name, rv)
        elif not any(above in discrete for given in rv.owner.inputs for above in nearest_random(given)):
            bounds_of(rv)


def _check_interval(name: str, rv: TensorVariable) -> None:
    lower, upper = known_bounds(rv) or (None, None)
    if lower is None or upper is None:
        return
    lower, upper = np.broadcast_arrays(lower, upper)
    is_bad = lower >= upper
    if is_bad.any():
        where = first(is_bad)
        at = f" of element {list(where)}" if where else ""
        raise ModelError(
            f"{name} has no value that is possible: the lower bound{at} is {lower[where]}, the upper one "
            f"{upper[where]}. Give a lower bound that is below the upper one.",
            name,
        )
