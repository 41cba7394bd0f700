"""What log-probabilities of counts are made of: logarithms of factorials, and bounds that other variables set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable, equal_computations
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.expanding.coefficients import filled, number, plus
from graphs.conditional.expanding.expansion import CONSTANT, Expansion, Obstacle, add, scaled
from graphs.conditional.expanding.formula import formula
from graphs.conditional.expanding.simplify import simplify
from graphs.conditional.expanding.views import ElementView

if TYPE_CHECKING:
    from graphs.conditional.expanding.expander import Expander


@dataclass(frozen=True, eq=False)
class Offset:
    """What is added to x, or to minus x.

    Parameters
    ----------
    sign : int
        1 for ``x + value``, -1 for ``value - x``.
    value : TensorVariable
        Simplified, of the shape of x or of one element.
    """

    sign: int
    value: TensorVariable

    @property
    def shown(self) -> str:
        """What is added, in a formula."""
        constant = number(self.value)
        return f"{constant:g}" if constant is not None else formula(self.value, max_length=40)

    def __str__(self) -> str:
        """Write the sum."""
        if self.sign < 0:
            return f"{self.shown} - x"
        return "x" if self.shown == "0" else f"x + {self.shown}"

    def is_same(self, other: Offset) -> bool:
        """Whether two sums are the same by their graphs."""
        return self.sign == other.sign and is_same(self.value, other.value)


def is_same(a: TensorVariable, b: TensorVariable) -> bool:
    """Whether two simplified graphs have the same values; numbers may differ in how they are repeated."""
    numbers = number(a), number(b)
    if None not in numbers:
        return numbers[0] == numbers[1]
    if isinstance(a, Constant) and isinstance(b, Constant):
        return a.type.shape == b.type.shape and bool(np.array_equal(a.data, b.data))
    return equal_computations([a], [b])


def expand_log_gamma(expander: Expander, node: Apply, inputs: Sequence[Expansion]) -> Expansion | Obstacle:
    """Make a feature of ``log(gamma(x + c))`` and of ``log(gamma(c - x))`` for a count x."""
    given = _without_zeros(inputs[0])
    if given.is_free:
        return Expansion({CONSTANT: pt.gammaln(given.terms[CONSTANT])})
    found = _offset(expander, given)
    if found is None or not expander.is_discrete:
        return Obstacle(f"{expander.show(node.outputs[0])} is no sum of features of it")
    view, offset = found
    name = next((name for name, known in expander.offsets.items() if known.is_same(offset)), None)
    if name is None:
        name = f"log(gamma({offset}))"
        name = f"{name}#{len(expander.offsets)}" if name in expander.offsets else name
        expander.offsets[name] = offset
    return Expansion({(view, ((name, 1.0),)): filled(1.0, node.outputs[0].type.ndim)})


def expand_guard(
    expander: Expander, node: Apply, inputs: Sequence[Expansion | Obstacle]
) -> Expansion | Obstacle | None:
    """Expand a switch to minus infinity where a count is too small or too large, and note the bound."""
    condition = node.inputs[0]
    if not expander.is_discrete:
        return None
    for branch, other in ((1, 2), (2, 1)):
        if number(node.inputs[branch]) == -np.inf:
            bounds = [_bound(expander, part, is_outside=branch == 1) for part in _parts(expander, condition, branch)]
            if None not in bounds and bounds:
                expander.bounds += [b for b in bounds if b is not None]
                return inputs[other]
    return None


def expand_power_of_zero(
    expander: Expander, node: Apply, inputs: Sequence[Expansion | Obstacle]
) -> Expansion | Obstacle | None:
    """Expand ``switch(q == 0, switch(k == 0, 0, -inf), k log(q))``, which is ``k log(q)`` and its limit."""
    if not (expander.is_discrete and _is_scalar_op(node.inputs[0], ps.EQ)):
        return None
    degenerate = node.inputs[1]
    if not _is_scalar_op(degenerate, ps.Switch) or not expander.depends(degenerate):
        return None
    inner, at_zero, elsewhere = degenerate.owner.inputs
    is_limit = _is_scalar_op(inner, ps.EQ) and number(at_zero) == 0 and number(elsewhere) == -np.inf
    return inputs[2] if is_limit else None


def _is_scalar_op(variable: Variable, kind: type) -> bool:
    node = variable.owner
    return node is not None and isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, kind)


def _parts(expander: Expander, condition: Variable, branch: int) -> Iterator[Variable]:
    """Go through what is joined by ``or`` outside of the bounds, by ``and`` inside; free parts leave x without law."""
    if _is_scalar_op(condition, ps.OR if branch == 1 else ps.AND):
        for part in condition.owner.inputs:
            yield from _parts(expander, part, branch)
    elif expander.depends(condition):
        yield condition


def _bound(expander: Expander, condition: Variable, *, is_outside: bool) -> Offset | None:
    """Return the sum that must not be negative, or None where the condition does not compare one."""
    node = condition.owner
    if node is None or not isinstance(node.op, Elemwise) or type(node.op.scalar_op) not in _COMPARISONS:
        return None
    left, right = (_expansion(expander, i) for i in node.inputs)
    if left is None or right is None:
        return None
    is_less, is_strict = _COMPARISONS[type(node.op.scalar_op)]
    # Inside the bounds left <= right; integers turn a strict inequality into one of the next.
    is_less, is_strict = (not is_less, not is_strict) if is_outside else (is_less, is_strict)
    low, high = (left, right) if is_less else (right, left)
    found = _offset(expander, _without_zeros(add(high, scaled(-1.0, low))))
    if found is None or found[0] != ElementView.of_base(expander.x):
        return None
    offset = found[1]
    [value] = simplify([plus(offset.value, filled(-1.0, offset.value.type.ndim))]) if is_strict else [offset.value]
    return Offset(offset.sign, value)


def _expansion(expander: Expander, variable: Variable) -> Expansion | None:
    if not isinstance(variable, TensorVariable):
        return None
    found = expander.results[variable] if expander.depends(variable) else None
    if found is None:
        return Expansion({CONSTANT: expander.coefficient(variable)})
    return found if isinstance(found, Expansion) else None


def _without_zeros(expansion: Expansion) -> Expansion:
    """Drop what cancels: PyMC writes the logarithm of a binomial coefficient with ``n + x - x``."""
    terms = {key: c for key, c in expansion.terms.items() if key == CONSTANT or number(c) != 0}
    return Expansion(terms, expansion.linear)


def _offset(expander: Expander, expansion: Expansion) -> tuple[ElementView, Offset] | None:
    """Return the view and what is added to it, where there is one element of x in each place."""
    terms = dict(expansion.terms)
    constant = terms.pop(CONSTANT, None)
    if expansion.linear is not None or len(terms) != 1:
        return None
    [((view, monomial), slope)] = terms.items()
    sign = number(slope)
    if view is None or monomial != (("x", 1.0),) or sign not in (1.0, -1.0):
        return None
    if constant is None:
        return view, Offset(int(sign), filled(0.0, expander.x.type.ndim))
    [value] = simplify([constant])
    if number(value) is not None:
        return view, Offset(int(sign), filled(number(value) or 0.0, expander.x.type.ndim))
    own = expander.x.type.shape
    fits = len(own) == value.type.ndim and all(n == 1 or m != 1 for n, m in zip(value.type.shape, own, strict=True))
    return (view, Offset(int(sign), value)) if view == ElementView.of_base(expander.x) and fits else None


_COMPARISONS: dict[type, tuple[bool, bool]] = {
    ps.LT: (True, True),
    ps.LE: (True, False),
    ps.GT: (False, True),
    ps.GE: (False, False),
}
"""Whether an inequality says that the left side is less, and whether it is strict."""
