"""Check a law against the log-density it was derived from: their difference must not depend on the variable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import toposort
from pytensor.scalar.basic import AND
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import All
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.expanding.expansion import Obstacle, ObstacleKind
from graphs.conditional.families.counts import CountLaw
from graphs.conditional.law import Law
from graphs.conditional.points import PointSearch, are_close, draw_in_support, inputs_of, random_points, summands_with
from graphs.supports import Support
from graphs.surgery.evaluating import evaluate

_SEED = 20240607
_NUM_POINTS, _NUM_VALUES = 2, 3
"""Of the other variables, and values of the variable at each."""
_LARGEST_COUNT = 6
_MOST_OUTSIDE = 4
_UNBOUNDED = 2**62


def find_discrepancy(
    total: TensorVariable,
    law: Law,
    supports: Mapping[Variable, Support],
) -> Obstacle | None:
    """Return why a law is not the full conditional of its variable, or None where it is.

    At random points of the other variables, the log-density less that of the law is compared at several values of
    the variable. No draws are needed: the difference is constant up to rounding, or the law is wrong.

    Parameters
    ----------
    total : TensorVariable
        The log-density; shape ().
    law : Law
        The law in question.
    supports : mapping of Variable to Support
        Supports of the variables, that of the law's own included.

    Returns
    -------
    Obstacle or None
    """
    x = law.variable
    # What does not contain the variable cancels, and may well be impossible at random points.
    summands = summands_with(x, total)
    total = pt.add(*(summand.sum() for summand in summands), 0.0)
    outputs = [total, law.logprob(x).sum(), law.condition]
    others = [i for i in inputs_of(outputs) if i is not x]
    unmoved = _unmoved(outputs, x)
    rng = np.random.default_rng(_SEED)
    search = PointSearch(summands, supports, np.random.default_rng(_SEED))
    found, was_proper, was_possible = 0, False, True
    for rest, assumed, least in random_points(others, supports, rng, 12):
        if not was_possible:
            start = draw_in_support(rng, x, supports.get(x), assumed, least)
            rest = {i: v for i, v in search.possible({**rest, x: start}).items() if i is not x}
        points = [{**rest, x: value} for value in _values(law, rest, rng, supports, assumed)]
        known = evaluate(unmoved, rest)
        if known is not None:
            # Loops over which the variable has no power are run once.
            rest |= dict(zip(unmoved, known, strict=True))
            points = [{**rest, **point} for point in points]
        values = [None if known is None else evaluate(outputs, point) for point in points]
        usable = [(float(v[0]), float(v[1])) for v in values if v is not None and bool(np.all(v[2]))]
        was_proper = was_proper or bool(usable)
        was_possible = len(usable) == len(points) > 0 and bool(np.isfinite(usable).all())
        if not was_possible:
            continue
        difference = _difference(total, law, points, np.array(usable), supports)
        if difference is not None:
            return Obstacle(f"the law {law.family} that was found {difference}")
        found += 1
        if found == _NUM_POINTS:
            return None
    if not was_proper:
        return _improper(law)
    reason = "could not be checked: no point with a finite log-density was found"
    return Obstacle(f"the law {law.family} that was found {reason}")


def _difference(
    total: TensorVariable,
    law: Law,
    points: Sequence[Mapping[Variable, NDArray]],
    values: NDArray[np.float64],
    supports: Mapping[Variable, Support],
) -> str | None:
    """Say how a law differs from a log-density, given both at some points (columns); None if it does not."""
    joint, logprob = values.T
    if not are_close(joint - logprob, joint, logprob):
        return "differs from the log-density"
    x = law.variable
    if isinstance(law, CountLaw) and any(_is_outside(point[x], supports.get(x)) for point in points):
        return "has values outside of its support"
    for outside in _values_outside(law, points[0], supports):
        value = evaluate([total], {**points[0], x: outside})
        if value is None or value[0] != -inf:
            return "ends where the log-density does not"
    return None


def _unmoved(outputs: Sequence[Variable], x: Variable) -> list[Variable]:
    """Return what does not depend on a variable, where it meets what does."""
    moved, ends = {x}, dict.fromkeys(outputs)
    for node in toposort(list(outputs)):
        if not moved.isdisjoint(node.inputs):
            moved.update(node.outputs)
            ends.update(dict.fromkeys(node.inputs))
    return [v for v in ends if v not in moved and v.owner is not None]


def _values(
    law: Law,
    rest: Mapping[Variable, NDArray],
    rng: np.random.Generator,
    supports: Mapping[Variable, Support],
    assumed: str,
) -> list[NDArray]:
    """Return values of the variable of a law in its support given the rest; none where there are none."""
    x = law.variable
    if not isinstance(law, CountLaw):
        return [draw_in_support(rng, x, supports.get(x), assumed) for _ in range(_NUM_VALUES)]
    # Where the length of an axis is unknown, the ends are as long as the value.
    ends = _ends(law, {**rest, x: draw_in_support(rng, x, supports.get(x), assumed)})
    if ends is None or np.any(ends[1] < ends[0]):
        return []
    lowest, highest = ends
    highest = np.minimum(highest, lowest + _LARGEST_COUNT)
    return [np.asarray(rng.integers(lowest, highest, endpoint=True), x.type.dtype) for _ in range(2 * _NUM_VALUES)]


def _is_outside(value: NDArray, support: Support | None) -> bool:
    return support is not None and bool(np.any((value < support.lower) | (value > support.upper)))


def _values_outside(law: Law, point: Mapping[Variable, NDArray], supports: Mapping[Variable, Support]) -> list[NDArray]:
    """Return values of a count of which one element lies beyond the ends of its law, but in its support."""
    x = law.variable
    ends = _ends(law, point) if isinstance(law, CountLaw) else None
    if ends is None:
        return []
    support, inside = supports.get(x, Support("integers")), np.asarray(point[x])
    values = []
    for index in list(np.ndindex(inside.shape))[:_MOST_OUTSIDE]:
        for beyond in (ends[0][index] - 1, ends[1][index] + 1):
            if support.lower <= beyond <= support.upper and beyond < _UNBOUNDED:
                value = inside.copy()
                value[index] = beyond
                values.append(value)
    return values


def _ends(law: CountLaw, rest: Mapping[Variable, NDArray]) -> tuple[NDArray, NDArray] | None:
    """Return the smallest and the largest value of a count by its law."""
    graphs = [law.shift] if law.highest is None else [law.shift, law.highest]
    values = evaluate(graphs, rest)
    if values is None or not np.isfinite(values).all():
        return None
    shape = np.broadcast_shapes(np.shape(rest[law.variable]), *(np.shape(v) for v in values))
    ends = [np.broadcast_to(np.asarray(v).round().astype("int64"), shape) for v in values]
    return ends[0], ends[-1] if len(ends) > 1 else np.full_like(ends[0], _UNBOUNDED)


def _improper(law: Law) -> Obstacle:
    """Say that a law was improper at every point, for certain if that does not depend on the point."""
    formula = str(law).split(" ~ ", 1)[-1]
    if any(_is_false(part) for part in _conjuncts(law.condition)):
        return Obstacle(f"its density is improper: {formula} needs {law.domain}", ObstacleKind.IMPROPER)
    reason = f"the law that was found, {formula}, is improper at every point tried: it needs {law.domain}"
    return Obstacle(reason, ObstacleKind.SEEMS_IMPROPER)


def _conjuncts(condition: Variable) -> list[Variable]:
    """Return the conditions that one is made of."""
    node = condition.owner
    if node is None:
        return [condition]
    is_and = isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, AND)
    if is_and or isinstance(node.op, All | DimShuffle):
        return [part for i in node.inputs for part in _conjuncts(i)]
    return [condition]


def _is_false(condition: Variable) -> bool:
    """Whether a condition is false somewhere, whatever the values of variables."""
    if inputs_of([condition]):
        return False
    value = evaluate([condition], {})
    return value is not None and not np.all(value[0])
