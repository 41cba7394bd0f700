"""How well Gibbs steps can mix at most, seen in draws that another sampler made.

Let a sweep draw `x` once from its full conditional. Whatever else it does, and in whatever order, the correlation of
`x` with its next value is ``1 - E Var(x | rest) / Var(x)``, and so much or more is lost where auxiliary variables are
part of the rest. Draws by NUTS give the variance, and their log-density along a line what the full conditional
leaves of it: Gibbs steps need not be compiled to see that variables hang together.

References
----------
Liu, Wong and Kong, "Covariance structure of the Gibbs sampler with applications to the comparisons of estimators and
augmentation schemes", Biometrika 81, 1994.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from math import prod

import numpy as np
from numpy.typing import NDArray

from ppl.planning.comparing.pilot import Pilot
from ppl.planning.plans import Plan
from samplers.loop.run import CompiledSweep

NUM_PLACES = 12
"""Draws at which full conditionals are looked at."""
MOST_VARIABLES, MOST_SEEN = 6, 3
"""Variables, and elements of each, that are looked at."""
STEP = 1e-3
"""Of the differences of gradients, in standard deviations."""
GRID = np.linspace(-5.0, 5.0, 17)
"""Where a full conditional is integrated, in standard deviations that its curvature tells, from a draw."""
ALLOWANCE = 1.3
"""So much more effective Gibbs steps may be: that much both this and what a pilot run of theirs shows may be off."""


def most_effective(nuts: Pilot, by_nuts: Plan, by_laws: Plan) -> float:
    """Return about how many effective draws a sweep with Gibbs steps gives at most; 1 where nothing says less.

    Parameters
    ----------
    nuts : Pilot
        Of the first plan.
    by_nuts : Plan
        All continuous variables by NUTS.
    by_laws : Plan
        By Gibbs steps those that have full conditionals.
    """
    if len(by_nuts.sweep.blocks) > 1 or not by_nuts.sweep.blocks[0].has_metric:
        return 1.0
    spread = nuts.draws.std(axis=0)
    places = nuts.draws[np.linspace(0, len(nuts.draws) - 1, NUM_PLACES).astype(int)]
    effective = 1.0
    for elements in islice(_drawn_alone(by_nuts, by_laws), MOST_VARIABLES):
        left = [_left_variance(nuts.compiled, places, i, STEP * spread[i]) for i in elements]
        share = min(float(np.mean(left) / np.mean(spread[elements] ** 2)), 1.0)
        if share > 0.0:
            # The effective draws of correlations that fall geometrically.
            effective = min(effective, ALLOWANCE * share / (2.0 - share))
    return effective


def _left_variance(compiled: CompiledSweep, places: NDArray[np.float64], element: int, step: float) -> float:
    """Return the mean variance of an element given all others, over some places."""
    if not step > 0.0:
        return float("nan")
    direction = np.zeros(places.shape[1])
    direction[element] = 1.0
    ahead, behind = (compiled.logdensities(places + side * direction)[1][:, element] for side in (step, -step))
    curvature = float(np.mean(behind - ahead)) / (2.0 * step)
    if not curvature > 0.0:
        return float("nan")
    distances = GRID / np.sqrt(curvature)
    variances = []
    for place in places:
        logs, _ = compiled.logdensities(place + distances[:, None] * direction)
        logs = np.where(np.isfinite(logs), logs, -np.inf)
        if not np.isfinite(logs.max()):
            return float("nan")
        weights = np.exp(logs - logs.max())
        mean = np.average(distances, weights=weights)
        variances.append(np.average((distances - mean) ** 2, weights=weights))
    return float(np.mean(variances))


def _drawn_alone(by_nuts: Plan, by_laws: Plan) -> Iterator[list[int]]:
    """Yield, variable by variable, elements that Gibbs steps draw given all others, scalars first."""
    layout = by_nuts.sweep.layout
    for assignment in sorted(by_laws.assignments, key=lambda a: prod(a.shape)):
        law = by_laws.laws.get(assignment.name)
        value = by_nuts.mixed.values.get(assignment.name)
        if law is None or value is None or value.name not in layout.names or assignment.support.kind != "interval":
            continue
        is_shared = sum(other is law for other in by_laws.laws.values()) > 1
        # What is normal may be so together; scales are drawn one by one.
        if not is_shared and (prod(assignment.shape) == 1 or assignment.support.is_positive):
            where = layout.slice_of(str(value.name))
            count = min(where.stop - where.start, MOST_SEEN)
            yield np.linspace(where.start, where.stop - 1, count).astype(int).tolist()
