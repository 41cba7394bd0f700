"""Logarithms of functions that reach zero, or come too near one, before their argument is large."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log
from typing import Any

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.extra_ops import CumOp
from pytensor.tensor.math import Max, Min, Prod, Sum
from pytensor.tensor.special import Softmax
from pytensor.tensor.variable import TensorVariable

from graphs.bounds.signs import Signs
from graphs.limits.masked_slopes import MaskedSlope
from graphs.log_scale.arithmetic import (
    COMPLEMENTS,
    LOGARITHMS,
    Log,
    added,
    log_bound,
    log_none_of,
    log_other_shares,
    log_sum,
    negated,
    negative,
    number_of,
)
from graphs.log_scale.arrangements import arranged, arranged_places
from graphs.log_scale.expansion import KnownFactor, LogExpansion
from graphs.log_scale.polynomials import factors_in
from graphs.log_scale.quotients import Quotients
from graphs.log_scale.shares import as_chance, find_share
from graphs.log_scale.weighted import as_sum, as_weighted
from graphs.supports import Support
from graphs.tails.small_probabilities import log1mexp, log_distinct, log_positive

type Stable = Callable[[Variable], TensorVariable | None]
type Plain = Callable[[Variable], TensorVariable]


class Logarithms:
    """Logarithms of graphs, and of one minus them, in a form that holds for all arguments.

    One recursion over the graph: the logarithm of a product is a sum of logarithms, that of a sum is taken of a
    polynomial in which nothing cancels, known functions have their own, and what only arranges elements arranges
    logarithms. None where nothing is known, and where the plain logarithm is as good.

    Parameters
    ----------
    supports : mapping of Variable to Support
        Supports of the inputs; others are real numbers.

    Examples
    --------
    >>> x = pt.dscalar("x")
    >>> logarithms = Logarithms({})
    >>> round(float(logarithms.of(1 + pt.erf(x)).eval({x: -30.0})), 4)
    -903.9741
    >>> float(logarithms.complement(pt.sigmoid(x) * pt.sigmoid(x + 1000)).eval({x: 800.0}))
    -800.0
    """

    def __init__(self, supports: Mapping[Variable, Support]):
        self._signs = Signs(supports)
        self._quotients = Quotients(lambda vector: self._signs.simplex_axis(vector) == 0)
        self._expansion = LogExpansion(self._factor)
        self._factors: dict[int, KnownFactor] = {}
        self._logs: dict[Variable, TensorVariable | None] = {}
        self._complements: dict[Variable, TensorVariable | None] = {}

    def of(self, x: Variable) -> TensorVariable | None:
        """Return ``log(x)``; None where no other form is known, or needed."""
        if x not in self._logs:
            self._logs[x] = None  # What is met again on the way is taken as it is.
            is_open = x.owner is not None and isinstance(x, TensorVariable) and number_of(x) is None
            self._logs[x] = _like(self._of_node(x.owner, x), x) if is_open else None
        return self._logs[x]

    def complement(self, p: Variable) -> TensorVariable | None:
        """Return ``log(1 - p)``; None where no other form is known, or needed."""
        if p not in self._complements:
            self._complements[p] = None
            is_open = p.owner is not None and isinstance(p, TensorVariable) and number_of(p) is None
            # Nothing cancels in one minus a half.
            is_open = is_open and self._signs.of(p).upper > 0.5
            self._complements[p] = _like(self._complement_of_node(p.owner, p), p) if is_open else None
        return self._complements[p]

    def of_one_plus(self, x: Variable) -> TensorVariable | None:
        """Return ``log(1 + x)``; None where no other form is known, or needed."""
        negative = negated(x)
        found = None if negative is None else self.complement(negative)
        if found is not None or not isinstance(x, TensorVariable) or x.owner is None:
            return found
        return self.of(1.0 + x)

    def chance(self, x: TensorVariable) -> TensorVariable | None:
        """Return a share of exponentials as a sigmoid or softmax; None for what is none."""
        return as_chance(self._quotients, x)

    def _of_node(self, node: Apply, x: TensorVariable) -> Log | None:
        if arranged_places(x):
            found = arranged(x, self.of, _plain_log)
            return self._expansion.of(self._quotients.of(x)) if found is None else found
        if isinstance(node.op, Softmax):
            return pt.special.log_softmax(node.inputs[0], axis=node.op.axis)
        if isinstance(node.op, Sum):
            found = self._along_axis(node, lambda logs: pt.logsumexp(logs, axis=node.op.axis))
            return self._expansion.of(self._quotients.of(x)) if found is None else found
        if isinstance(node.op, Max | Min):
            return self._along_axis(node, node.op)
        if (total := as_sum(x, self._signs)) is not None and (found := self.of(total)) is not None:
            return found
        if isinstance(node.op, Prod):
            return self._along_axis(node, lambda logs: pt.sum(logs, axis=node.op.axis))
        if isinstance(node.op, CumOp) and node.op.mode == "mul":
            return self._along_axis(node, lambda logs: pt.cumsum(logs, axis=node.op.axis))
        return self._of_elementwise(node, x) if isinstance(node.op, Elemwise) else None

    def _of_elementwise(self, node: Apply, x: TensorVariable) -> Log | None:
        kind = type(node.op.scalar_op)
        if kind in LOGARITHMS:
            return LOGARITHMS[kind](*node.inputs)
        if kind in _MONOTONE:
            return self._bounded(node, node.op, self.of, _plain_log, log_bound)
        if kind is ps.Mul:
            found = self._of_product(node)
            return self._expansion.of(self._quotients.of(x)) if found is None else found
        if kind in (ps.Pow, ps.Sqr, ps.Sqrt):
            base = self.of(node.inputs[0]) if self._is_positive(node.inputs[0]) else None
            power = node.inputs[1] if kind is ps.Pow else 2.0 if kind is ps.Sqr else 0.5
            return None if base is None else base * power
        if kind is ps.Sub and number_of(node.inputs[0]) == 1.0:
            found = self.complement(node.inputs[1])
            return self._expansion.of(self._quotients.of(x)) if found is None else found
        if kind is ps.TrueDiv and (found := self._of_share(node, pt.special.log_softmax)) is not None:
            return found
        found = self._expansion.of(self._quotients.of(x)) if kind in _ALGEBRAIC else None
        return self._of_ratio(node) if found is None and kind is ps.TrueDiv else found

    def _complement_of_node(self, node: Apply, p: TensorVariable) -> Log | None:
        if arranged_places(p):
            found = arranged(p, self.complement, _plain_complement)
            return self._complement_by_expansion(p) if found is None else found
        if isinstance(node.op, Sum):
            found = self._complement_of_sum(node)
            return self._complement_by_expansion(p) if found is None else found
        if (total := as_sum(p, self._signs)) is not None and (found := self.complement(total)) is not None:
            return found
        if isinstance(node.op, Max | Min) and self._is_chance(node.inputs[0]):
            found = self.complement(node.inputs[0])
            reduction = pt.min if isinstance(node.op, Max) else pt.max
            return None if found is None else reduction(found, axis=node.op.axis)
        if isinstance(node.op, Softmax):
            axes = range(p.type.ndim) if node.op.axis is None else np.atleast_1d(node.op.axis)
            return log_other_shares(node.inputs[0], int(axes[0])) if len(axes) == 1 else None
        if isinstance(node.op, Prod) or (isinstance(node.op, CumOp) and node.op.mode == "mul"):
            return self._complement_of_products(node)
        return self._complement_of_elementwise(node, p) if isinstance(node.op, Elemwise) else None

    def _complement_of_elementwise(self, node: Apply, p: TensorVariable) -> Log | None:
        kind = type(node.op.scalar_op)
        if kind in COMPLEMENTS:
            return COMPLEMENTS[kind](*node.inputs)
        if kind in _MONOTONE:
            return self._bounded(
                node, _MONOTONE[kind], self.complement, _plain_complement, lambda number: log_bound(1.0 - number)
            )
        if kind is ps.Sub and number_of(node.inputs[0]) == 1.0:
            return self.of(node.inputs[1])
        if kind is ps.TrueDiv and (found := self._of_share(node, log_other_shares)) is not None:
            return found
        if self._quotients.of(p) != self._quotients.factor(p):
            return self._complement_by_expansion(p)
        if kind is ps.Mul:
            return self._complement_of_product(node)
        if kind in (ps.Pow, ps.Sqrt):
            return self._complement_of_power(node)
        return self._of_distance(node.inputs[0]) if kind is ps.Exp else None

    def _complement_by_expansion(self, p: TensorVariable) -> Log | None:
        quotient = self._quotients.of(p)
        return None if quotient == self._quotients.factor(p) else self._expansion.of(quotient.one_minus())

    def _complement_of_sum(self, total: Apply) -> TensorVariable | None:
        """Return the logarithm of the sum of weights times ``1 - p``, and of what the weights lack of one."""
        found = as_weighted(total, self._signs, self._quotients)
        if found is None or not self._is_chance(found.parts):
            return None
        if self.complement(found.parts) is None and self.of(found.parts) is None and self.of(found.weights) is None:
            return None
        small = self._log_or_plain(found.weights) + self._complement_or_plain(found.parts)
        rest = pt.logsumexp(small, axis=found.axes)
        return rest if not found.lost.any() else log_sum([rest, _plain_log(pt.constant(found.lost))], may_vanish=True)

    def _of_product(self, node: Apply) -> Log | None:
        """Add up the logarithms of factors; what has none, or may be negative, is multiplied as it is."""
        numbers = [number_of(i) for i in node.inputs]
        whole = float(np.prod([number for number in numbers if number is not None]))
        graphs = [i for i, number in zip(node.inputs, numbers, strict=True) if number is None]
        found = {i: form for i in graphs if (form := self.of(i)) is not None}
        unsure = [i for i in graphs if not self._is_positive(i)]
        # One factor alone has the sign of the product.
        rest = unsure if len(unsure) > 1 or whole < 0 else []
        kept = [i for i in graphs if i in found and i not in rest]
        left = [i for i in graphs if i not in kept]
        if whole == 0 or not kept or (whole < 0 and not left):
            return None
        if whole < 0:
            left, whole = [*left, pt.constant(whole)], 1.0
        plain = [_plain_log(pt.mul(*left) if len(left) > 1 else left[0])] if left else []
        return added([*(found[i] for i in kept), *plain, log(whole)])

    def _of_ratio(self, node: Apply) -> Log | None:
        """Subtract the logarithms of the two sides."""
        above, below = self.of(node.inputs[0]), self.of(node.inputs[1])
        are_sure = self._is_positive(node.inputs[0]) or self._is_positive(node.inputs[1])
        if (above is None and below is None) or not are_sure:
            return None
        sides = [_plain_log(i) if side is None else side for side, i in zip((above, below), node.inputs, strict=True)]
        return sides[0] - sides[1]

    def _of_share(self, node: Apply, function: Callable[..., TensorVariable]) -> TensorVariable | None:
        """Return a function of the logarithms of an array that is divided by its sum."""
        share = find_share(self._quotients, *node.inputs)
        form = None if share is None else self.of(share.array)
        return None if share is None or form is None else share.of(function, form)

    def _complement_of_product(self, node: Apply) -> Log | None:
        """Return the logarithm of ``(1 - a) + a (1 - b) + a b (1 - c) + ...``."""
        if not all(self._is_chance(i) for i in node.inputs) or all(self.of(i) is None for i in node.inputs):
            return None
        terms: list[Log] = []
        before: list[Log] = []
        for i in node.inputs:
            terms.append(added([*before, self._complement_or_plain(i)]))
            before.append(self._log_or_plain(i))
        return log_sum(terms, may_vanish=True)

    def _complement_of_products(self, node: Apply) -> Log | None:
        """Return the logarithm of one minus a product along an axis."""
        [factors] = node.inputs
        total, small = self.of(node.outputs[0]), self.complement(factors)
        if total is None or small is None:
            return None
        if isinstance(node.op, Prod):
            return log_none_of(total, pt.logsumexp(small, axis=node.op.axis))
        most = pt.max(small, axis=node.op.axis, keepdims=True)
        return log_none_of(total, _plain_log(pt.cumsum(pt.exp(small - most), axis=node.op.axis)) + most)

    def _complement_of_power(self, node: Apply) -> Log | None:
        base, power = node.inputs if len(node.inputs) == 2 else (node.inputs[0], pt.constant(0.5))
        total = self.of(base)
        if total is not None and self._signs.of(base).lower >= 1 and self._signs.of(power).upper <= 0:
            return self._of_distance(-(total * negative(pt.as_tensor(power))))
        small = self.complement(base)
        if total is None or small is None or not self._is_positive(power):
            return None
        return log_none_of(total * power, log_positive(power) + small)

    def _of_distance(self, x: TensorVariable) -> TensorVariable:
        """Return ``log(1 - exp(x))``: of ``-r``, it is about log(r) where r is small."""
        rate = negated(x)
        log_rate = None if rate is None else self.of(rate)
        return log1mexp(x) if log_rate is None else log_distinct(log_rate)

    def _along_axis(self, node: Apply, reduction: Callable[[TensorVariable], TensorVariable]) -> Log | None:
        """Take the elements of a positive array together."""
        found = self.of(node.inputs[0])
        return None if found is None or not self._is_positive(node.inputs[0]) else reduction(found)

    def _bounded(
        self, node: Apply, op: Any, stable: Stable, plain: Plain, of_number: Callable[[float], float]
    ) -> Log | None:
        """Apply a bound to a monotone function of what it was applied to."""
        numbers = [number_of(i) for i in node.inputs]
        found = [None if number is not None else stable(i) for i, number in zip(node.inputs, numbers, strict=True)]
        if all(form is None for form in found):
            return None
        parts: list[Log] = []
        for i, number, form in zip(node.inputs, numbers, found, strict=True):
            # Below zero there is nothing to compare.
            if number is None and not self._is_positive(i) and not self._is_never_nan(i):
                return None
            parts.append(of_number(number) if number is not None else plain(i) if form is None else form)
        bounded: TensorVariable = op(*parts)
        return bounded

    def _is_positive(self, x: Variable) -> bool:
        return self._signs.of(x).lower >= 0

    def _is_chance(self, x: Variable) -> bool:
        bounds = self._signs.of(x)
        return bounds.lower >= 0 and bounds.upper <= 1

    def _is_never_nan(self, x: Variable) -> bool:
        """Whether the form of a logarithm is minus infinity where there is none."""
        quotient = self._quotients.of(x)
        factors = {*factors_in(quotient.above), *factors_in(quotient.below)}
        return all(self._factor(factor).kind != "unknown" for factor in factors)

    def _log_or_plain(self, x: Variable) -> TensorVariable:
        found = self.of(x)
        return _plain_log(x) if found is None else found

    def _complement_or_plain(self, p: Variable) -> TensorVariable:
        found = self.complement(p)
        return _plain_complement(p) if found is None else found

    def _factor(self, number: int) -> KnownFactor:
        """Return what is known of a factor."""
        if number not in self._factors:
            value = self._quotients.factors[number]
            known = self._quotients.logarithms.get(number)
            self._factors[number] = KnownFactor(
                value,
                "chance"
                if known is not None or self._is_chance(value)
                else "positive"
                if self._is_positive(value)
                else "unknown",
                known is not None or self.of(value) is not None or self.complement(value) is not None,
                not self._signs.of(value).excludes_zero,
                lambda: self._log_or_plain(value) if known is None else known[0],
                lambda: self._complement_or_plain(value) if known is None else known[1],
            )
        return self._factors[number]


def _plain_log(x: Variable) -> TensorVariable:
    """Return the logarithm; where it has no weight its infinite slope counts nothing."""
    return MaskedSlope(ps.log)(_as_float(x))


def _plain_complement(p: Variable) -> TensorVariable:
    return MaskedSlope(ps.log1p)(-_as_float(p))


def _as_float(x: Variable) -> TensorVariable:
    """Return a number as float: comparisons have no negative, and that of an unsigned integer wraps."""
    number: TensorVariable = pt.as_tensor(x)
    return number if number.type.dtype.startswith("float") else pt.cast(number, "float64")


def _like(form: Log | None, x: TensorVariable) -> TensorVariable | None:
    """Give a form the shape and type of the graph: factors that are numbers may have had more axes."""
    if form is None:
        return None
    graph: TensorVariable = pt.as_tensor(form)
    if graph.type.dtype != x.type.dtype and str(x.type.dtype).startswith("float"):
        graph = pt.cast(graph, x.type.dtype)
    if graph.type.broadcastable == x.type.broadcastable:
        return graph
    return pt.second(x, graph) if None in x.type.shape else pt.alloc(graph, *x.type.shape)


_ALGEBRAIC = (ps.Add, ps.Sub, ps.Neg, ps.TrueDiv, ps.Reciprocal, ps.Expm1)
_MONOTONE: dict[type, Callable[..., TensorVariable]] = {
    ps.Clip: lambda x, lower, upper: pt.clip(x, upper, lower),
    ps.ScalarMaximum: pt.minimum,
    ps.ScalarMinimum: pt.maximum,
}
"""Bounds, and what they are of one minus their arguments."""
