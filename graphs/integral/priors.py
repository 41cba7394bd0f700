"""What a term of a variable has besides the density of its law given the rest: nothing, where it is that density."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import graph_inputs
from pytensor.tensor.variable import TensorVariable

from graphs.conditional import Law
from graphs.conditional.points import finite_values
from graphs.supports import Support

_SEED = 20261201
_TOLERANCE = 1e-9
_ATTEMPTS = 6


def besides(own: TensorVariable, prior: Law, supports: Mapping[TensorVariable, Support]) -> TensorVariable:
    """Return a term less the density of the law that was read off it: zero, where it is normalised and has no bounds.

    Parameters
    ----------
    own : TensorVariable
        The term; shape ().
    prior : Law
        The law of its variable in it.
    supports : mapping of TensorVariable to Support
        Of the variables.
    """
    difference: TensorVariable = own - pt.sum(prior.logprob(prior.variable))
    if _has_bounds(own):
        return difference
    known: Mapping[Variable, Support] = dict(supports)
    rng = np.random.default_rng(_SEED)
    values = list(finite_values([difference, own], known, rng, _ATTEMPTS))
    is_density = bool(values) and all(abs(float(d)) <= _TOLERANCE * (1.0 + abs(float(o))) for d, o in values)
    return pt.constant(0.0) if is_density else difference


def _has_bounds(graph: Variable) -> bool:
    """Whether a graph is minus infinity somewhere."""
    constants = (i.data for i in graph_inputs([graph]) if isinstance(i, Constant))
    return any(
        np.isneginf(np.asarray(data, "float64")).any() for data in constants if np.asarray(data).dtype.kind == "f"
    )
