"""Gibbs sampling of integers without bounds: draws from the full conditional within windows at random places.

A window of a fixed number of values, ``stride`` apart, is laid around the current value so that each of its places is
equally probable to be the current one's. Seen from any other of its values the same window is as probable, so that a
draw from the full conditional restricted to it leaves the distribution as it is, without tuning or rejections. A window
of stride one makes every value reachable; another one, of a random stride, crosses distributions of any width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from graphs.marginal.elimination.factor_tables import Integers
from samplers.blocks import DrawBlock
from samplers.conditionals.coloured import logits_of_group

WINDOW = 16
"""Number of values of a window."""
LARGEST_STRIDE = 20
"""Base-2 logarithm of the widest stride: sixteen million values across."""


def window_block(
    terms: Sequence[TensorVariable],
    variable: TensorVariable,
    groups: Sequence[Integers],
    lower: float = -np.inf,
    upper: float = np.inf,
) -> DrawBlock:
    """Return the block of a sweep that draws an array of integers without bounds, or with bounds far apart.

    Parameters
    ----------
    terms : sequence of TensorVariable
        The terms of the joint log-probability.
    variable : TensorVariable
        A variable of the joint state.
    groups : sequence of int64 array
        As `samplers.conditionals.coloured.find_groups` returns them, whatever the states.
    lower, upper : float
        No value is less or greater. A value at which the log-probability is not a number counts as impossible.
    """
    start = pt.random.rng("rng")
    rng = start
    shape = tuple(int(n) for n in variable.type.shape)
    steps = pt.constant(np.arange(WINDOW).reshape((-1, *(1,) * len(shape))))
    current: TensorVariable = pt.cast(variable, "int64")
    for is_wide in (True, False):
        stride: TensorVariable = pt.constant(1)
        if is_wide:
            rng, exponent = rng.integers(1, LARGEST_STRIDE + 1)
            stride = pt.constant(2) ** pt.cast(exponent, "int64")
        for group in groups:
            rng, place = rng.integers(0, WINDOW, size=shape)
            states = current + (steps - place) * pt.cast(stride, "int64")
            states = pt.specify_shape(states, (WINDOW, *shape))
            is_possible = (states >= lower) & (states <= upper)
            inside = pt.switch(is_possible, states, current)
            logits = logits_of_group(terms, variable, pt.cast(current, variable.type.dtype), inside, group)
            is_valid = is_possible.reshape((WINDOW, -1))[:, group] & ~pt.isnan(logits)
            logits = pt.switch(is_valid, logits, -np.inf)
            rng, index = rng.categorical(pt.special.softmax(logits.dimshuffle(1, 0), axis=-1))
            chosen = states.reshape((WINDOW, -1))[index, group]
            current = pt.set_subtensor(current.reshape((-1,))[group], chosen).reshape(shape)
    return DrawBlock("gibbs", (variable,), start, rng, (pt.cast(current, variable.type.dtype),))
