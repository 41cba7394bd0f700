"""Graphs at all states of discrete variables at once, element by element.

A discrete variable of n elements with K states has K**n configurations, but a graph in which element i depends on
``k[i]`` alone needs K evaluations of n elements, one in which it depends on ``s[i]`` and ``s[i - 1]`` needs K*K.
Lifting replaces each element of the variables by its states on a new leading axis and rebuilds the graph above it,
node by node; beside each array it keeps, for every such axis (slot) and element, *which* element of which variable has
its states there. Whatever is done with constant positions (slices, shifts, groups, joins) is done to these numbers too.

An operation on whole vectors (a sum along the plate, softmax, a product of matrices) is evaluated at the joint states
of all the atoms in a vector, as long as these are not too many.

Limits: axes along which only the atoms differ have length one after lifting, so that ``mu[k]`` becomes ``mu[:, None]``,
a view, and not a gather of K times n elements.
"""

from __future__ import annotations

from graphs.marginal.lifting import batched, elementwise, indexing, moving
from graphs.marginal.lifting.engine import MOST_STATES, RULES, lift, lift_nodes, of_states
from graphs.marginal.lifting.state import ABSENT, Lifted, MixingError, Slot, TooLargeError

__all__ = ["ABSENT", "MOST_STATES", "Lifted", "MixingError", "Slot", "TooLargeError", "lift", "lift_nodes", "of_states"]

for _rules in (elementwise.RULES, indexing.RULES, moving.RULES, batched.RULES):
    RULES.update(_rules)
