"""Probabilities of ordered categories, written as exponentials of what holds far out.

PyMC computes them as differences of cumulative probabilities, which are zero where both are near zero or near one, or
by branches whose slopes are infinite where they are not taken. Its graphs are recognised as such: around the same
arguments PyMC itself makes the same graph. Of an outcome the one category that occurs is computed, between its two
cutpoints, and not all of which one is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.scalar as ps
import pytensor.tensor as pt
import pytensor.tensor.random.basic as ptr
from pymc.logprob.abstract import _logprob
from pymc.logprob.utils import CheckParameterValue
from pytensor.compile.ops import ViewOp
from pytensor.graph.basic import Apply, Variable, equal_computations
from pytensor.graph.op import Op
from pytensor.graph.traversal import toposort
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.variable import TensorVariable

from graphs.surgery.rebuilding import rebuild, substitute
from graphs.tails.small_probabilities import log1mexp, log_normal_lower

_LOGITS = (0, 0, 1, 0)
"""The way up PyMC's graph of ordered logits: difference, its first part, cumulative probabilities, the middle ones."""
_PROBITS, _SCALE = (0,) * 8, (0, 0, 0, 0, 0, 1)
"""Of ordered probits: exponential, all categories, the first, its branches, their condition, difference over scale."""
_STABLE = (0,) * 6
"""Up what is made here: all categories, the first, and what it is a function of."""

FAR = 1e15
"""Beyond every cutpoint, in scales of a normal variable; its square is a number in single precision, too."""


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
    between = _log_normal_between(z[..., :-1], z[..., 1:])
    return pt.concatenate([log_normal_lower(-z[..., :1]), between, log_normal_lower(z[..., -1:])], axis=-1)


def _log_normal_between(high: TensorVariable, low: TensorVariable) -> TensorVariable:
    is_right = pt.gt(high + low, 0.0)
    larger = log_normal_lower(pt.switch(is_right, -low, high))
    smaller = log_normal_lower(pt.switch(is_right, -high, low))
    return larger + _log_share(smaller - larger)


class OrderedProbabilities(Op):
    """Probabilities of ordered categories while an outcome's log-probability is derived: never computed.

    Parameters
    ----------
    of_outcome, of_all : callable
        The log-probability of given categories, and of all along the last axis, by predictor, cutpoints and scale; the
        predictor and the scale have a last axis of length one.
    """

    __props__ = ("of_outcome", "of_all")

    def __init__(self, of_outcome: Callable[..., TensorVariable], of_all: Callable[..., TensorVariable]):
        self.of_outcome, self.of_all = of_outcome, of_all

    def make_node(self, *parts: TensorVariable) -> Apply:
        """Return a node of the type of what it stands for."""
        return Apply(self, list(parts), [pt.exp(self.of_all(*parts)).type()])

    def perform(self, *_: Any) -> None:
        """Refuse: `with_all_categories` has to be called."""
        # PyTensor asks every operation for this; none of these is left when a graph is compiled.
        raise NotImplementedError("probabilities that stand for a graph are not computed")


def with_outcomes(graphs: Sequence[Variable]) -> list[Variable]:
    """Let the log-probabilities of ordered outcomes be those of the one category that occurs.

    Parameters
    ----------
    graphs : sequence of Variable
        Of random variables, fit for derivation; what is derived from them goes through `with_all_categories`.
    """
    memo = rebuild(graphs, _with_outcome)
    return [memo.get(g, g) for g in graphs]


def with_all_categories(graphs: Sequence[TensorVariable]) -> list[TensorVariable]:
    """Write probabilities of ordered categories that `with_outcomes` set apart, where they are left, as they were."""
    memo = rebuild(graphs, _of_all)
    return [memo.get(g, g) for g in graphs]


def _with_outcome(node: Apply, inputs: list[Variable]) -> list[Variable] | None:
    ordered = _ordered(inputs[-1]) if isinstance(node.op, ptr.CategoricalRV) else None
    return None if ordered is None else list(node.op.make_node(*inputs[:-1], ordered).outputs)


def _of_all(node: Apply, inputs: list[Variable]) -> list[Variable] | None:
    return [pt.exp(node.op.of_all(*inputs))] if isinstance(node.op, OrderedProbabilities) else None


@_logprob.register(ptr.CategoricalRV)
def _outcome_logprob(_: Any, values: Any, *inputs: Any, **__: Any) -> TensorVariable:
    [value], p = values, inputs[-1]
    if p.owner is None or not isinstance(p.owner.op, OrderedProbabilities):
        return pm.Categorical.logp(value, p)
    _, cutpoints, *_ = p.owner.inputs
    is_category = pt.and_(pt.ge(value, 0), pt.le(value, cutpoints.shape[-1]))
    category = pt.cast(pt.switch(is_category, value, 0), "int64")
    log_probability = pt.switch(is_category, p.owner.op.of_outcome(category, *p.owner.inputs), -np.inf)
    steps = cutpoints[..., 1:] - cutpoints[..., :-1]
    return CheckParameterValue("cutpoints are in order")(log_probability, pt.all(pt.ge(steps, 0.0)))


def _ordered(p: TensorVariable) -> TensorVariable | None:
    """Return probabilities that `with_stable_categories` made, set apart; None of others."""
    while p.owner is not None and isinstance(p.owner.op, ViewOp):
        # PyMC gives them a name.
        [p] = p.owner.inputs
    of = _above(p, _STABLE)
    if of is None or not _is(p, ps.Exp):
        return None
    if _is(of, ps.Sub):
        cutpoints, predictor = of.owner.inputs
        found = OrderedProbabilities(_log_logistic_of, _all_logistic)(predictor, cutpoints)
    elif _is(of, ps.TrueDiv) and _is(_above(of, (0,)), ps.Sub):
        difference, scale = of.owner.inputs
        predictor, cutpoints = difference.owner.inputs
        found = OrderedProbabilities(_log_probit_of, _all_probit)(predictor, cutpoints, scale)
    else:
        return None
    with ps.autocast_float_as("float64"):
        [made] = with_all_categories([found])
    return found if equal_computations([p], [made], [of], [_above(made, _STABLE)]) else None


def _is(variable: TensorVariable | None, kind: type) -> bool:
    node = None if variable is None else variable.owner
    return node is not None and isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, kind)


def _neighbours(category: TensorVariable, cutpoints: TensorVariable) -> tuple[TensorVariable, TensorVariable]:
    """Return the cutpoints below and above each category; any of them where there is none."""
    last = cutpoints.shape[-1] - 1
    return _taken(cutpoints, pt.maximum(category - 1, 0)), _taken(cutpoints, pt.minimum(category, last))


def _taken(array: TensorVariable, index: TensorVariable) -> TensorVariable:
    """Take an element along the last axis for each place of what its other axes are broadcast with."""
    kept = [axis for axis in range(array.type.ndim - 1) if array.type.shape[axis] != 1]
    num_axes = max(index.type.ndim, array.type.ndim - 1)
    offset = num_axes - (array.type.ndim - 1)
    rows = [
        pt.arange(array.shape[axis]).dimshuffle(*["x"] * (offset + axis), 0, *["x"] * (num_axes - offset - axis - 1))
        for axis in kept
    ]
    dense = array.dimshuffle(*kept, array.type.ndim - 1)
    return dense[(*rows, pt.atleast_Nd(index, n=num_axes))]


def _all_logistic(predictor: TensorVariable, cutpoints: TensorVariable) -> TensorVariable:
    return _log_logistic(cutpoints - predictor)


def _all_probit(predictor: TensorVariable, cutpoints: TensorVariable, scale: TensorVariable) -> TensorVariable:
    return _log_probit((predictor - cutpoints) / scale)


def _log_logistic_of(category: TensorVariable, predictor: TensorVariable, cutpoints: TensorVariable) -> TensorVariable:
    low, high = _neighbours(category, cutpoints)
    is_first, is_last = pt.eq(category, 0), pt.eq(category, cutpoints.shape[-1])
    below = pt.switch(is_last, 0.0, -pt.softplus(predictor[..., 0] - high))
    beyond = pt.switch(is_first, 0.0, -pt.softplus(low - predictor[..., 0]))
    is_between = pt.invert(pt.or_(is_first, is_last))
    return below + beyond + pt.switch(is_between, _log_share(pt.switch(is_between, low - high, -1.0)), 0.0)


def _log_probit_of(
    category: TensorVariable, predictor: TensorVariable, cutpoints: TensorVariable, scale: TensorVariable
) -> TensorVariable:
    low, high = _neighbours(category, cutpoints)
    beyond_low = (predictor[..., 0] - low) / scale[..., 0]
    beyond_high = (predictor[..., 0] - high) / scale[..., 0]
    is_first, is_last = pt.eq(category, 0), pt.eq(category, cutpoints.shape[-1])
    return _log_normal_between(pt.switch(is_first, FAR, beyond_low), pt.switch(is_last, -FAR, beyond_high))


def _log_share(gap: TensorVariable) -> TensorVariable:
    """Return ``log(1 - exp(gap))``; cutpoints out of order give no probability at all."""
    return pt.switch(pt.gt(gap, 0.0), np.nan, log1mexp(gap))
