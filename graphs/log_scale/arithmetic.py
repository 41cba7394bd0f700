"""Sums, differences and complements of numbers whose logarithms are known, and the logarithms of special functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from math import log, sqrt

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.graph.basic import Constant, Variable
from pytensor.tensor.basic import Alloc
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.variable import TensorVariable

from graphs.limits.masked_slopes import MaskedSlope
from graphs.tails.ops import log_betainc, log_betaincc, log_gammainc, log_gammaincc
from graphs.tails.small_probabilities import SMALL, log1mexp, log_normal_lower

type Log = TensorVariable | float
"""The logarithm of a graph or of a number."""

_NEAR_ONE = -1e-17
"""The logarithm of a product whose factors differ so little from one that the differences add up."""


def log_erfc(x: TensorVariable) -> TensorVariable:
    """Return ``log(erfc(x))``."""
    return log(2.0) + log_normal_lower(-sqrt(2.0) * x)


def log_erf(x: TensorVariable) -> TensorVariable:
    """Return ``log(erf(x))``, for x not below zero."""
    is_large = pt.gt(x, 0.5)
    small = MaskedSlope(ps.log)(pt.erf(pt.minimum(x, 0.5)))
    return pt.switch(is_large, pt.log1p(-pt.erfc(pt.maximum(x, 0.5))), small)


def log_softplus(x: TensorVariable) -> TensorVariable:
    """Return ``log(log(1 + exp(x)))``: x itself where exp(x) makes no difference beside one."""
    is_small = pt.lt(x, SMALL)
    return pt.switch(is_small, x, pt.log(pt.softplus(pt.switch(is_small, 0.0, x))))


def negated(x: Variable) -> TensorVariable | None:
    """Return y of ``-y``; None for what is not written so."""
    if is_elementwise(x, ps.Neg):
        return pt.as_tensor(x.owner.inputs[0])
    if not is_elementwise(x, ps.Mul):
        return None
    numbers = [number_of(i) for i in x.owner.inputs]
    if sum(number is not None and number < 0 for number in numbers) != 1:
        return None
    pairs = zip(x.owner.inputs, numbers, strict=True)
    rest = [i if number is None else pt.as_tensor(abs(number)) for i, number in pairs if number != -1]
    return pt.mul(*rest) if len(rest) > 1 else pt.as_tensor(rest[0]) if rest else None


def negative(x: TensorVariable) -> TensorVariable:
    """Return ``-x``, of ``-y`` y itself."""
    found = negated(x)
    return -x if found is None else found


def number_of(variable: Variable | float) -> float | None:
    """Return the number of which every element of a constant is."""
    while isinstance(variable, Variable) and variable.owner is not None:
        if isinstance(variable.owner.op, DimShuffle | Alloc) or is_elementwise(variable, ps.Cast, ps.Identity):
            variable = variable.owner.inputs[0]
        elif is_elementwise(variable, ps.Second):
            variable = variable.owner.inputs[1]
        else:
            return None
    if isinstance(variable, float):
        return variable
    if not isinstance(variable, Constant) or np.size(variable.data) == 0:
        return None
    data = np.asarray(variable.data)
    return float(data.flat[0]) if np.all(data == data.flat[0]) else None


LOGARITHMS: dict[type, Callable[..., TensorVariable]] = {
    psm.Sigmoid: lambda x: -pt.softplus(negative(x)),
    psm.Softplus: log_softplus,
    psm.Erfc: log_erfc,
    psm.GammaInc: log_gammainc,
    psm.GammaIncC: log_gammaincc,
    psm.BetaInc: log_betainc,
    ps.Exp: lambda x: x,
}
"""The logarithms of functions."""
COMPLEMENTS: dict[type, Callable[..., TensorVariable]] = {
    psm.Sigmoid: lambda x: -pt.softplus(x),
    psm.Erfc: log_erf,
    psm.GammaInc: log_gammaincc,
    psm.GammaIncC: log_gammainc,
    psm.BetaInc: log_betaincc,
}
"""The logarithms of one minus them."""


def is_elementwise(variable: Variable, *kinds: type) -> bool:
    """Whether this is an outcome of one of these scalar operations."""
    node = variable.owner
    return node is not None and isinstance(node.op, Elemwise) and type(node.op.scalar_op) in kinds


def added(terms: Sequence[Log]) -> Log:
    """Return the sum of logarithms, numbers taken together."""
    number = sum(term for term in terms if isinstance(term, float))
    graphs = [term for term in terms if not isinstance(term, float)]
    total: Log = pt.add(*graphs) if len(graphs) > 1 else graphs[0] if graphs else 0.0
    return total if number == 0 and graphs else total + number


def scaled(term: Log, power: float) -> Log:
    """Return the logarithm of a power."""
    return term if power == 1 else -term if power == -1 else power * term


def log_sum(terms: Sequence[Log], *, may_vanish: bool = False) -> Log | None:
    """Return the logarithm of a sum; None for no terms.

    Parameters
    ----------
    terms : sequence of TensorVariable or float
        The logarithms of what is added up.
    may_vanish : bool
        Whether two may be minus infinity at once.

    Examples
    --------
    >>> x = pt.dscalar("x")
    >>> float(log_sum([x, 2 * x, 0.0]).eval({x: -900.0}))
    0.0
    """
    numbers = [term for term in terms if isinstance(term, float)]
    graphs = [term for term in terms if not isinstance(term, float)]
    whole = float(np.logaddexp.reduce(numbers)) if numbers else None
    if not graphs:
        return whole
    total = reduce(lambda a, b: _log_sum_of_two(a, b, may_vanish), graphs)
    if whole is None:
        return total
    # With a number it is finite whatever becomes of the rest.
    return pt.softplus(total) if whole == 0 else whole + pt.softplus(total - whole)


def _log_sum_of_two(a: TensorVariable, b: TensorVariable, may_vanish: bool) -> TensorVariable:
    """Add the smaller to the larger: the slope of the smaller is then right however small it is."""
    gap = pt.switch(pt.eq(b, -np.inf), -np.inf, b - a) if may_vanish else b - a
    return pt.switch(pt.lt(gap, 0.0), a + pt.softplus(gap), b + pt.softplus(-gap))


def log_gap(larger: Log, smaller: Log) -> Log:
    """Return ``log(exp(a) - exp(b))``: minus infinity where there is none."""
    return added([larger, log1mexp(pt.as_tensor(added([smaller, scaled(larger, -1)])))])


def log_none_of(total: TensorVariable, small: TensorVariable) -> TensorVariable:
    """Return ``log(1 - exp(total))``, which is ``small`` where exp(total) is one but for rounding."""
    is_near = pt.gt(total, _NEAR_ONE)
    return pt.switch(is_near, small, log1mexp(pt.switch(is_near, -1.0, total)))


def log_other_shares(logits: TensorVariable, axis: int) -> TensorVariable:
    """Return ``log(1 - softmax(x))``."""
    shares = pt.special.log_softmax(logits, axis=axis)
    # At most one share is above one half, and then the others are added up.
    is_most = pt.gt(shares, -log(2.0))
    others = pt.switch(is_most, -np.inf, logits)
    rest = pt.logsumexp(others, axis=axis, keepdims=True) - pt.logsumexp(logits, axis=axis, keepdims=True)
    return pt.switch(is_most, rest, log1mexp(pt.switch(is_most, -1.0, shares)))


def log_bound(number: float) -> float:
    """Return the logarithm of a bound, minus infinity where it is not positive."""
    return log(number) if number > 0 else -np.inf
