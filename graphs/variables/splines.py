"""SciPy's splines, which PyMC calls from Python, as graphs that every backend has."""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
from pymc.distributions.dist_math import SplineWrapper
from pytensor.gradient import disconnected_grad
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

_EXTRAPOLATED, _ZERO = 0, 1
"""What SciPy's splines are beyond their first and last knots."""


def as_piecewise_polynomial(op: SplineWrapper, x: Variable) -> list[Variable] | None:
    """Return the value of a spline as polynomials between knots, gathered by the place of ``x`` among these.

    None where the spline is constant or an error beyond its knots.

    Examples
    --------
    >>> from scipy.interpolate import InterpolatedUnivariateSpline
    >>> spline = InterpolatedUnivariateSpline([0, 1, 3], [2.0, 4.0, 1.0], k=1, ext="zeros")
    >>> [value] = as_piecewise_polynomial(SplineWrapper(spline), pt.constant([0.5, 2.0, 7.0]))
    >>> value.eval().tolist()
    [3.0, 2.5, 0.0]
    """
    knots, coefficients, degree = op.spline._eval_args
    if op.spline.ext not in (_EXTRAPOLATED, _ZERO) or not isinstance(x, TensorVariable):
        return None
    # Imported where it is used: it takes a tenth of what `import ppl` does.
    from scipy.interpolate import PPoly

    pieces = PPoly.from_spline((knots, coefficients, degree))
    # Repeated knots enclose nothing.
    is_piece = np.diff(pieces.x) > 0
    starts, last = pieces.x[:-1][is_piece], pieces.x[-1]
    place = disconnected_grad(x)
    index = pt.clip(pt.searchsorted(starts, place, side="right") - 1, 0, len(starts) - 1)
    distance = x - pt.constant(starts)[index]
    value = pt.zeros_like(distance)
    for powers in pieces.c[:, is_piece]:
        value = value * distance + pt.constant(powers)[index]
    if op.spline.ext == _ZERO:
        value = pt.switch((place >= starts[0]) & (place <= last), value, 0.0)
    return [pt.cast(value, x.type.dtype)]
