"""Probabilities of ordered categories, written as exponentials of what holds far out.

PyMC computes them as differences of cumulative probabilities, which are zero where both are near zero or near one, or
by branches whose slopes are infinite where they are not taken. Its graphs are recognised as such: around the same
arguments PyMC itself makes the same graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pymc as pm
import pytensor.scalar as ps
import pytensor.tensor as pt
from pytensor.graph.basic import Variable, equal_computations
from pytensor.graph.traversal import toposort
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.variable import TensorVariable

from graphs.surgery.rebuilding import substitute
from graphs.tails.small_probabilities import log1mexp, log_normal_lower

_LOGITS = (0, 0, 1, 0)
"""The way up PyMC's graph of ordered logits: difference, its first part, cumulative probabilities, the middle ones."""
_PROBITS, _SCALE = (0,) * 8, (0, 0, 0, 0, 0, 1)
"""Of ordered probits: exponential, all categories, the first, its branches, their condition, difference over scale."""


def with_stable_categories(graphs: Sequence[Variable]) -> list[Variable]:
    """Write the probabilities of ordered categories as exponentials of stable log-probabilities.

    Parameters
    ----------
    graphs : sequence of Variable
        In which PyMC's ``OrderedLogistic``, ``OrderedProbit`` and ``OrderedMultinomial`` may occur.

    Examples
    --------
    >>> p = pm.OrderedLogistic.compute_p(-60.0, [0.0, 1.0])
    >>> [stable] = with_stable_categories([p])
    >>> p.eval()[-1].item(), round(np.log(stable.eval()[-1]).item(), 6)
    (0.0, -61.0)
    """
    found: dict[Variable, Variable] = {}
    for node in toposort([v for v in graphs if v.owner is not None]):
        if isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, ps.Sub | ps.Exp):
            [p] = node.outputs
            log_p = _log_probabilities(p)
            if log_p is not None:
                found[p] = pt.exp(log_p)
    # What is above may hold others: parents come first.
    replaced: dict[Variable, Variable] = {}
    for old, new in found.items():
        [replaced[old]] = substitute([new], replaced)
    return substitute(graphs, replaced) if replaced else list(graphs)


def _log_probabilities(p: TensorVariable) -> TensorVariable | None:
    """Return the log-probabilities of ordered categories; None of other graphs."""
    logits = _above(p, _LOGITS)
    if logits is not None and _is_pymcs(p, lambda *x: pm.OrderedLogistic.compute_p(*x), _LOGITS, logits):
        return _log_logistic(logits)
    probits, scale = _above(p, _PROBITS), _above(p, _SCALE)
    if probits is not None and scale is not None:
        for sigma in _unexpanded(scale):
            if _is_pymcs(p, lambda *x, s=sigma: pm.OrderedProbit.compute_p(*x, s), _PROBITS, probits):
                return _log_probit(probits / pt.shape_padright(sigma))
    return None


def _above(variable: Variable, way: Sequence[int]) -> TensorVariable | None:
    """Return the variable that is reached by these inputs, one after the other."""
    for place in way:
        node = variable.owner
        if node is None or place >= len(node.inputs):
            return None
        variable = node.inputs[place]
    return variable if isinstance(variable, TensorVariable) else None


def _unexpanded(variable: TensorVariable) -> Iterator[TensorVariable]:
    """Return a variable, and what it has further axes of."""
    yield variable
    if variable.owner is not None and isinstance(variable.owner.op, DimShuffle):
        yield variable.owner.inputs[0]


def _is_pymcs(
    p: TensorVariable, compute_p: Callable[..., TensorVariable], way: Sequence[int], differences: TensorVariable
) -> bool:
    """Return whether PyMC makes the same graph of the same differences of predictor and cutpoints."""
    shape, dtype = differences.type.shape, differences.type.dtype
    # Of booleans there are no differences.
    if not shape or dtype == "bool":
        return False
    made = compute_p(pt.tensor(shape=shape[:-1], dtype=dtype), pt.tensor(shape=shape, dtype=dtype))
    own = _above(made, way)
    return own is not None and equal_computations([p], [made], [differences], [own])


def _log_logistic(logits: TensorVariable) -> TensorVariable:
    """Take out of ``F(b) - F(a)``, for a below b, ``F(b) F(-a)``: there is ``1 - exp(a - b)`` left."""
    below, beyond = -pt.softplus(-logits), -pt.softplus(logits)
    share = _log_share(-_steps(logits))
    between = below[..., 1:] + beyond[..., :-1] + share
    return pt.concatenate([below[..., :1], between, beyond[..., -1:]], axis=-1)


def _steps(logits: TensorVariable) -> TensorVariable:
    """Return the distances of neighbours, of cutpoints themselves: beside a large predictor they lose digits."""
    cutpoints = logits.owner.inputs[0]
    return cutpoints[..., 1:] - cutpoints[..., :-1]


def _log_probit(z: TensorVariable) -> TensorVariable:
    """Take the difference of the smaller tails of what falls along the last axis."""
    high, low = z[..., :-1], z[..., 1:]
    is_right = pt.gt(high + low, 0.0)
    larger = log_normal_lower(pt.switch(is_right, -low, high))
    smaller = log_normal_lower(pt.switch(is_right, -high, low))
    between = larger + _log_share(smaller - larger)
    return pt.concatenate([log_normal_lower(-z[..., :1]), between, log_normal_lower(z[..., -1:])], axis=-1)


def _log_share(gap: TensorVariable) -> TensorVariable:
    """Return ``log(1 - exp(gap))``; cutpoints out of order give no probability at all."""
    return pt.switch(pt.gt(gap, 0.0), np.nan, log1mexp(gap))
