"""Check integrals at random points: what is left is the log-density less that of the law, whatever the variable is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.conditional import MultivariateNormal, Obstacle, ObstacleKind, SparseNormal
from graphs.conditional.families.row_normal import RowNormal
from graphs.conditional.points import are_close, draw_in_support, finite_values, inputs_of, random_points
from graphs.density import LogDensity
from graphs.integral.step import Step, innermost
from graphs.integral.whitened import WhitenedNormal
from graphs.joint.joint_logprob import LogProb
from graphs.supports import Support
from graphs.surgery.evaluating import evaluate

_SEED = 20261201
_POINTS = 2
_ATTEMPTS = 12
_ROUNDINGS = 16
"""So many of each element are what elimination leaves of a singular matrix."""
_DIRECTIONS = 3
_CHANGED = 1e-6
"""Second differences of sums of thousands of numbers are rounded by less."""


def find_fault(
    before: TensorVariable, after: TensorVariable, step: Step, supports: Mapping[TensorVariable, Support]
) -> Obstacle | None:
    """Return why an integral is wrong, or None where it is right at random points.

    Parameters
    ----------
    before, after : TensorVariable
        The log-density with the variables of the integral, and without; shape ().
    step : Step
        The integral.
    supports : mapping of TensorVariable to Support
        Supports of all.
    """
    density = _density(step)
    pivot = _least_pivot(step)
    outputs = [before - density - after, before, density, pivot]
    rest = [i for i in inputs_of(outputs) if i not in step.at]
    rng = np.random.default_rng(_SEED)
    found, was_proper = 0, False
    for point, assumed, _ in random_points(rest, supports, rng, _ATTEMPTS):
        point |= _values(step, point, supports, rng, assumed)
        proper = evaluate([step.law.condition], point)
        was_proper = was_proper or (proper is not None and bool(np.all(proper[0])))
        values = evaluate(outputs, point)
        if values is None or not all(np.isfinite(v).all() for v in values):
            continue
        difference, total, logprob, least_pivot = map(float, values)
        if least_pivot < _ROUNDINGS * step.num_elements * np.finfo("float64").eps:
            return _improper(step, "the data do not tell its elements apart")
        if not are_close(np.array([0.0, difference]), total, logprob):
            return Obstacle(f"its law, {step.law.family}, does not leave what it should")
        found += 1
        if found == _POINTS:
            return None
    if not found and not was_proper:
        return _improper(step, f"it needs {step.law.domain}")
    return None if found else Obstacle("the integral could not be checked: no point with a finite density was found")


def has_changing_factor(density: LogDensity, variables: Sequence[TensorVariable]) -> bool:
    """Whether the precision matrix of variables changes with the others, and not only by a number that it is times.

    Seen in second differences along random directions at two random points; where these cannot be evaluated it is not
    known, and not said.

    Parameters
    ----------
    density : LogDensity
        Quadratic in the variables.
    variables : sequence of TensorVariable
        They.
    """
    rng = np.random.default_rng(_SEED)
    rest = [i for i in inputs_of([density.total]) if i not in variables]
    shapes = [tuple(int(n) for n in v.type.shape) for v in variables]
    directions = [[rng.normal(size=shape) for shape in shapes] for _ in range(_DIRECTIONS)]
    found = []
    for _ in range(_POINTS):
        point = {i: draw_in_support(rng, i, _get(density.supports, i)) for i in rest}
        along = [[0.0 * d for d in directions[0]], *directions, *([-d for d in each] for each in directions)]
        values = [evaluate([density.total], {**point, **dict(zip(variables, each, strict=True))}) for each in along]
        totals = np.array([np.nan if value is None else float(value[0]) for value in values])
        found.append(totals[1 : 1 + _DIRECTIONS] + totals[1 + _DIRECTIONS :] - 2.0 * totals[0])
    with np.errstate(all="ignore"):
        first, second = (f / np.abs(f).max() for f in found)
    return bool(np.abs(first - second).max() > _CHANGED)


def are_the_same(one: TensorVariable, other: TensorVariable, joint: LogProb) -> bool:
    """Whether two log-densities are the same at a random point where both are finite.

    Parameters
    ----------
    one, other : TensorVariable
        They; shape ().
    joint : LogProb
        Which knows the supports.
    """
    rng = np.random.default_rng(_SEED)
    values = next(finite_values([one, other], dict(joint.logdensity.supports), rng, _ATTEMPTS), None)
    return values is not None and are_close(np.array([float(v) for v in values]), *values)


def _improper(step: Step, why: str) -> Obstacle:
    reason = f"its law given the rest, {step.law.family}, is improper at every point tried: {why}"
    return Obstacle(reason, ObstacleKind.SEEMS_IMPROPER)


def _least_pivot(step: Step) -> TensorVariable:
    """Return what elimination leaves of the precision of an element, at least, where nothing keeps it from zero."""
    law = step.law
    is_bounded = isinstance(law, WhitenedNormal) and all(c.is_whitened for c in law.coordinates)
    inner = innermost(law)
    if is_bounded or not isinstance(inner, MultivariateNormal | SparseNormal | RowNormal):
        return pt.constant(1.0)
    return inner.least_pivot()


def _values(
    step: Step,
    point: Mapping[Variable, NDArray],
    supports: Mapping[TensorVariable, Support],
    rng: np.random.Generator,
    assumed: str,
) -> dict[Variable, NDArray]:
    """Return random values of what is integrated out; of counts, values near those at which terms are evaluated."""
    drawn = {v: draw_in_support(rng, v, supports.get(v), assumed) for v in step.at}
    counts = [v for v in step.at if v.type.dtype.startswith("int")]
    known = evaluate([step.at[v] for v in counts], point) if counts else None
    for value, array in zip(counts, known or [], strict=False):
        drawn[value] = np.asarray(array + 1, value.type.dtype)
    return dict(drawn)


def _get(supports: Mapping[TensorVariable, Support], variable: Variable) -> Support | None:
    return next((support for value, support in supports.items() if value is variable), None)


def _density(step: Step) -> TensorVariable:
    """Return the log-density of the law of an integral at the values of its variables; shape ()."""
    law = step.law
    density: TensorVariable = (
        law.logprob_of_parts() if isinstance(law, WhitenedNormal) else pt.sum(law.logprob(law.variable))
    )
    return density
