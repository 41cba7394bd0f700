"""How far starting values are displaced."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pytensor.graph.basic import Constant
from pytensor.graph.traversal import graph_inputs

from graphs.centring import is_located, located
from graphs.surgery.evaluating import evaluate
from ppl.planning.plans import Plan

MOST_SCALES = 3.0
"""Values more than so many scales from the location of their prior are further out than starts need to be: a period of
1 with a scale of 0.05 that starts at 0.1 stays at another mode for good."""


def displacements(plan: Plan) -> dict[str, NDArray[np.float64]]:
    """Return how far variables are displaced at most where that is less than 1, as they are sampled.

    These have a location and a scale, and the scale is a number.

    Parameters
    ----------
    plan : Plan
        What is sampled.

    Returns
    -------
    dict of str to array
        By the names of the joint state; numbers of at most 1, of a shape that goes with that of the variable.
    """
    found = {}
    for name, value in plan.mixed.values.items():
        rv = plan.mixed.graph.latent[name]
        # What is transformed has another scale.
        if str(value.name) != name or not is_located(rv):
            continue
        scale = located(rv, rv.owner.inputs).scale
        is_number = all(isinstance(v, Constant) for v in graph_inputs([scale]))
        numbers = evaluate([scale], {}) if is_number else None
        if numbers is not None and np.any(MOST_SCALES * numbers[0] < 1.0):
            found[name] = np.minimum(MOST_SCALES * numbers[0], 1.0)
    return found
