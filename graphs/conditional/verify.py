"""Check a law against the log-density it was derived from: their difference must not depend on the variable."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

import numpy as np
from numpy.typing import NDArray
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import explicit_graph_inputs
from pytensor.scalar.basic import AND
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import All
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.evaluate import evaluate
from graphs.conditional.law import Law
from graphs.supports import Support

_SEED = 20240607
_LENGTH_OF_UNKNOWN_AXIS = 3
_RELATIVE_TOLERANCE = 1e-8


def find_discrepancy(
    total: TensorVariable,
    law: Law,
    supports: Mapping[Variable, Support],
    *,
    num_points: int = 2,
    num_values: int = 3,
) -> str | None:
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
    num_points : int
        Number of points of the other variables.
    num_values : int
        Number of values of the variable at each.

    Returns
    -------
    str or None
    """
    x = law.variable
    outputs = [total, law.logprob(x).sum(), law.condition]
    inputs = [
        i for i in explicit_graph_inputs(outputs) if not isinstance(i, Constant | SharedVariable) and i.owner is None
    ]
    others = [i for i in inputs if i is not x]
    rng = np.random.default_rng(_SEED)
    found, was_proper = 0, False
    for attempt in range(12):
        assumed = ("real", "positive", "unit")[attempt % 3]
        rest = {i: draw_in_support(rng, i, supports.get(i), assumed) for i in others}
        points = [{**rest, x: draw_in_support(rng, x, supports.get(x), assumed)} for _ in range(num_values)]
        values = [evaluate(outputs, point) for point in points]
        usable = [(float(v[0]), float(v[1])) for v in values if v is not None and bool(np.all(v[2]))]
        was_proper = was_proper or bool(usable)
        if len(usable) < num_values or not np.isfinite(usable).all():
            continue
        joint, logprob = np.array(usable).T
        differences = joint - logprob
        tolerance = _RELATIVE_TOLERANCE * (1 + np.abs(joint).max() + np.abs(logprob).max())
        if np.abs(differences - differences[0]).max() > tolerance:
            return f"the law {law.family} that was found differs from the log-density"
        found += 1
        if found == num_points:
            return None
    if not was_proper:
        return _improper(law)
    return f"the law {law.family} that was found could not be checked: no point with a finite log-density was found"


IMPROPER = "its density is improper"
"""How the reason begins where there is no doubt about it."""


def _improper(law: Law) -> str:
    """Say that a law was improper at every point, for certain if that does not depend on the point."""
    formula = str(law).split(" ~ ", 1)[-1]
    if any(_is_false(part) for part in _conjuncts(law.condition)):
        return f"{IMPROPER}: {formula} needs {law.domain}"
    return f"the law that was found, {formula}, is improper at every point tried: it needs {law.domain}"


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
    if any(not isinstance(i, Constant | SharedVariable) for i in explicit_graph_inputs([condition])):
        return False
    value = evaluate([condition], {})
    return value is not None and not np.all(value[0])


def draw_in_support(
    rng: np.random.Generator, variable: Variable, support: Support | None, assumed: str = "real"
) -> NDArray:
    """Return a generic value of a variable in its support.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    variable : Variable
        The variable; axes of unknown length get length 3.
    support : Support or None
        Its support, where declared.
    assumed : {"real", "positive", "unit"}
        Where to draw when it is not.

    Returns
    -------
    array
    """
    shape = tuple(n if n is not None else _LENGTH_OF_UNKNOWN_AXIS for n in variable.type.shape)
    dtype = variable.type.dtype
    is_integer = np.dtype(dtype).kind in "iub"
    is_square = len(shape) > 1 and shape[-1] == shape[-2] and not is_integer
    if support is not None and is_square and support.kind in ("positive_definite", "other"):
        # Of the other sets the usual one, too.
        factor = rng.normal(size=shape)
        return np.asarray(factor @ np.swapaxes(factor, -1, -2) + np.eye(shape[-1]), dtype=dtype)
    if support is None or support.kind == "other":
        bounds = {"real": (-inf, inf), "positive": (0.0, inf), "unit": (0.0, 1.0)}[assumed]
        support = Support("integers", 0, 1) if is_integer else Support("interval", *bounds)
    if support.kind == "simplex":
        return np.asarray(rng.dirichlet(np.full(shape[-1], 2.0), size=shape[:-1]), dtype=dtype)
    lower, upper = support.lower, support.upper
    if support.kind == "integers":
        low = lower if lower > -inf else max(0.0, upper - 5) if upper < inf else 0.0
        return np.asarray(rng.integers(int(low), int(upper if upper < inf else low + 5) + 1, size=shape), dtype=dtype)
    if lower > -inf and upper < inf:
        return np.asarray(lower + (upper - lower) * rng.uniform(0.1, 0.9, size=shape), dtype=dtype)
    if lower == -inf and upper == inf:
        return np.asarray(rng.normal(size=shape), dtype=dtype)
    positive = rng.gamma(3.0, 0.4, size=shape)
    return np.asarray(lower + positive if lower > -inf else upper - positive, dtype=dtype)
