"""Slice sampling of single elements: blocks of a sweep.

Elements that share no term of the log-density are independent given the others, so that they are moved at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from graphs.marginal.elimination.factor_tables import Family, columns_of, on_atoms
from graphs.marginal.elimination.parts import element_factors
from graphs.supports import REAL, Support
from graphs.surgery.random_graph import depends_on
from graphs.surgery.rebuilding import substitute
from samplers.blocks import SliceBlock
from samplers.conditionals.coloured import coloured


def slice_block(
    terms: Sequence[TensorVariable], variable: TensorVariable, scale: TensorVariable, support: Support = REAL
) -> SliceBlock:
    """Return the block of a sweep that moves each element of a variable by slice sampling.

    Parameters
    ----------
    terms : sequence of TensorVariable
        The terms of the joint log-probability.
    variable : TensorVariable
        A variable of the joint state: real numbers, between bounds or not, or integers.
    scale : TensorVariable
        Shape (), float64: the width of the first interval, a variable of the joint state.
    support : Support
        Where it lies. The log-probability of integers is not evaluated elsewhere.

    References
    ----------
    .. [1] Neal (2003). Slice sampling. Annals of Statistics 31.
    """
    count = int(np.prod(variable.type.shape, dtype=int))
    families = element_factors(terms, [variable])
    if families is None:
        total: TensorVariable = pt.add(0.0, *(t.sum() for t in terms if depends_on(t, [variable])))
        logprobs, groups = total.reshape((1,)), [np.array([i]) for i in range(count)]
    else:
        parts = [part for f in families for part in _by_atom(f, count)]
        logprobs = pt.add(0.0, *parts)
        groups = coloured(families, count)
    return SliceBlock(variable, _inside(logprobs, variable, support), tuple(groups), scale)


def _by_atom(part: Family, count: int) -> list[TensorVariable]:
    """Return the factors laid out by each of the elements that they depend on; shape (count,)."""
    if part.width == 1:
        return [on_atoms(part, count)[0]]
    table = columns_of(part.table, part.columns).reshape((-1,))
    return [pt.zeros(count)[atoms].inc(table) for atoms in part.atoms.T]


def _inside(logprobs: TensorVariable, variable: TensorVariable, support: Support) -> TensorVariable:
    """Let values outside of their bounds be impossible; at integers there nothing is evaluated."""
    if support.lower == -np.inf and support.upper == np.inf:
        return logprobs
    if not support.is_discrete:
        is_inside = ((variable > np.float64(support.lower)) & (variable < np.float64(support.upper))).reshape((-1,))
        return pt.switch(pt.all(is_inside) if logprobs.type.shape == (1,) else is_inside, logprobs, -np.inf)
    low = -(2**62) if support.lower == -np.inf else int(support.lower)
    high = 2**62 if support.upper == np.inf else int(support.upper)
    clipped = pt.cast(pt.clip(variable, low, high), variable.type.dtype)
    [evaluated] = substitute([logprobs], {variable: clipped})
    is_inside = pt.eq(variable, clipped).reshape((-1,))
    is_inside = pt.all(is_inside) if logprobs.type.shape == (1,) else is_inside
    return pt.switch(is_inside, evaluated, -np.inf)
