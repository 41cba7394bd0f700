"""Declare random matrices that PyMC has no distribution for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Constant
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.surgery.random_graph import static_shape
from graphs.variables.inverse_wishart import InverseWishartRV
from ppl.declaring.declaration import Declaration, check_axes, check_name, declare, read_dims
from ppl.declaring.transforms import resolve_transform


def InverseWishart(
    name: str,
    nu: Any,
    scale: Any,
    *,
    size: Any = None,
    dims: Any = None,
    transform: Any = "default",
    initval: Any = None,
) -> TensorVariable:
    r"""Declare a covariance matrix whose inverse has a Wishart distribution.

    .. math:: p(X) \propto |X|^{-(\nu + d + 1) / 2} \exp\{-\operatorname{tr}(\mathrm{scale}\, X^{-1}) / 2\}

    The conjugate prior of the covariance of a multivariate normal: Gibbs draws it from its full conditional, for NUTS
    it is moved to the real line by the logarithm of its Cholesky factor.

    Parameters
    ----------
    name : str
        Name of the variable.
    nu : float or TensorVariable
        Degrees of freedom, more than d - 1; shape (...).
    scale : array or TensorVariable
        Positive definite; shape (..., d, d). The mean is ``scale / (nu - d - 1)`` for ``nu > d + 1``.
    size : int or tuple of int, optional
        Shape of a batch of independent matrices.
    dims, transform, initval
        As for every distribution.

    Returns
    -------
    TensorVariable
        Shape (..., d, d).

    Raises
    ------
    ModelError
        If the scale is no symmetric positive definite matrix, or nu too small, where they are numbers.

    References
    ----------
    Gelman et al., Bayesian Data Analysis, 3rd edition, section 3.6 and appendix A.

    Examples
    --------
    >>> import numpy as np, ppl
    >>> cov = ppl.InverseWishart("cov", 4, np.eye(2))
    >>> y = ppl.MvNormal("y", np.zeros(2), cov, size=5)
    >>> model = ppl.Model({y: np.arange(10.0).reshape(5, 2)})
    >>> ppl.plan(model, sampler="gibbs").laws["cov"].family
    'InverseWishart'
    """
    check_name(name, "InverseWishart")
    axes = read_dims(dims, name)
    degrees, matrix = pt.as_tensor(nu), pt.as_tensor(scale)
    shape = static_shape(matrix)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ModelError(f"scale of {name} has shape {shape}; (..., d, d) is needed.", name)
    _check_constants(name, degrees, matrix, int(shape[-1]))
    rv = InverseWishartRV.rv_op(degrees, matrix, size=(int(size),) if isinstance(size, int | np.integer) else size)
    check_axes(rv, axes, name)
    declared_dims, coords = (axes.dims, axes.coords) if axes else (None, {})
    return declare(
        rv, Declaration(name, declared_dims, resolve_transform(rv, transform, "default", name), initval, coords)
    )


def _check_constants(name: str, degrees: TensorVariable, matrix: TensorVariable, length: int) -> None:
    if isinstance(degrees, Constant) and not np.all(np.asarray(degrees.data) > length - 1):
        raise ModelError(f"nu of {name} is more than d - 1 = {length - 1}; it was {np.asarray(degrees.data)}.", name)
    if isinstance(matrix, Constant):
        data = np.asarray(matrix.data, dtype="float64")
        is_symmetric = np.allclose(data, np.swapaxes(data, -1, -2), rtol=1e-10, atol=0)
        if not (is_symmetric and (np.linalg.eigvalsh(data) > 0).all()):
            raise ModelError(f"scale of {name} is no symmetric positive definite matrix.", name)
