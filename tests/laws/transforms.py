"""The law of transforms: forward undoes backward, and the log-Jacobian is the one that autodiff gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from numpy.typing import NDArray

from graphs.surgery.interpreting import INTERPRETED, interpret, without_c
from graphs.variables.transforms import constrain, log_jacobian


def assert_is_transform(rv: Any, transform: Any, given: NDArray[np.float64]) -> None:
    """Assert the law of the transform of a random variable, and that its image is possible.

    Parameters
    ----------
    rv : TensorVariable
        The variable.
    transform : Transform
        From its support to the real line.
    given : (n,) float64 array
        A point of the real line.
    """
    inputs = rv.owner.inputs
    value = pt.tensor("v", dtype="float64", shape=given.shape)
    natural = constrain(transform, value, inputs)
    there, back = interpret([value], [natural, transform.forward(natural, *inputs)])(given)
    np.testing.assert_allclose(back, given, atol=1e-10)
    assert np.isfinite(pm.logp(rv, there).eval(mode=INTERPRETED)).all()
    jacobian, _ = log_jacobian(transform, value, inputs, None)
    # A simplex has one coordinate less than elements.
    square = pytensor.gradient.jacobian(natural[: given.size], value)
    with without_c():  # PyTensor's Jacobian is a loop
        found, matrix = interpret([value], [pt.sum(jacobian), square])(given)
    np.testing.assert_allclose(found, np.linalg.slogdet(matrix)[1], atol=1e-9)
