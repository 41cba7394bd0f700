"""Variables that have a support and no density of their own."""

from __future__ import annotations

from math import inf, isfinite, lgamma, log, prod
from typing import TYPE_CHECKING, Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.continuous import FlatRV, HalfFlatRV
from pymc.distributions.multivariate import ICARRV
from pymc.distributions.transforms import Interval
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.supports import Support, as_support
from ppl.declaring.declaration import Axes, Declaration, Dims, check_axes, declare, read_dims

if TYPE_CHECKING:
    from ppl.modelling.model import Model


def flat_variable(
    name: str, support: Support | str | tuple[float, float], shape: Any, dims: Dims | None
) -> tuple[TensorVariable, Any]:
    """Return a latent variable of a given support, and the term that makes its log-density vanish there.

    A bounded variable is a uniform one, a simplex a uniform Dirichlet: the term takes their constant away. On a
    half-line that does not start at zero PyMC has no flat distribution: the term is minus infinity outside.

    Raises
    ------
    ModelError
        If the support is unknown, empty or infinitely discrete, or the shape is not known.
    """
    chosen = _read_support(support, name)
    axes = read_dims(dims, name)
    lengths = _read_shape(shape, axes, chosen, name)
    rv, correction, transform = _distribution(chosen, lengths)
    check_axes(rv, axes, name)
    declaration = Declaration(name, axes.dims if axes else None, transform, coords=axes.coords if axes else {})
    rv.tag.stands_for_support = True
    return declare(rv, declaration), correction


def has_flat_prior(rv: TensorVariable) -> bool:
    """Whether a variable's own density is constant."""
    return rv.owner is not None and isinstance(rv.owner.op, FlatRV | HalfFlatRV)


def is_flat(rv: TensorVariable) -> bool:
    """Whether a variable has no proper distribution of its own."""
    if getattr(rv.tag, "stands_for_support", False):
        return True
    return has_flat_prior(rv) or (rv.owner is not None and isinstance(rv.owner.op, ICARRV))


def flat_priors(model: Model) -> list[str]:
    """Return the latent variables whose prior is flat; a potential that depends on one may be its prior."""
    elsewhere = set(ancestors([*model.potentials.values()]))
    return [name for name, rv in model.latent.items() if has_flat_prior(rv) and rv not in elsewhere]


def _distribution(support: Support, shape: tuple[int, ...]) -> tuple[TensorVariable, Any, Any]:
    lower, upper = np.float64(support.lower), np.float64(support.upper)
    if support.kind == "simplex":
        return pm.Dirichlet.dist(np.ones(shape)), np.float64(-prod(shape[:-1]) * lgamma(shape[-1])), "default"
    if support.is_discrete:
        rv = pm.DiscreteUniform.dist(np.int64(lower), np.int64(upper), shape=shape)
        return rv, np.float64(prod(shape) * log(upper - lower + 1)), "default"
    if isfinite(lower) and isfinite(upper):
        return pm.Uniform.dist(lower, upper, shape=shape), np.float64(prod(shape) * log(upper - lower)), "default"
    if (lower, upper) == (0.0, inf):
        return pm.HalfFlat.dist(shape=shape), np.float64(0.0), "default"
    rv = pm.Flat.dist(shape=shape)
    if not (isfinite(lower) or isfinite(upper)):
        return rv, np.float64(0.0), "default"
    outside = pt.switch((rv > lower) & (rv < upper), np.float64(0.0), np.float64(-inf)).sum()
    return rv, outside, Interval(lower=lower, upper=upper)


def _read_support(given: Support | str | tuple[float, float], name: str) -> Support:
    try:
        support = as_support(given)
    except ValueError as error:
        raise ModelError(f"{name}: {error}", name) from error
    if support.kind in ("positive_definite", "other") or not support.lower < support.upper:
        raise ModelError(f"{name} cannot have the support {support}.", name)
    if support.is_discrete and not support.is_finite:
        raise ModelError(
            f"{name} has infinitely many values, {support}: give both bounds, integers(lower, upper).", name
        )
    return support


def _read_shape(shape: Any, axes: Axes | None, support: Support, name: str) -> tuple[int, ...]:
    if shape is None:
        shape = () if axes is None else axes.shape
    if shape is None:
        raise ModelError(f"The shape of {name} is not known: give its length, shapes={{{name!r}: 8}}.", name)
    lengths = (int(shape),) if isinstance(shape, int | np.integer) else tuple(int(n) for n in shape)
    if support.kind == "simplex" and not lengths:
        raise ModelError(f"{name} is a vector that sums to one: give its length, shapes={{{name!r}: 3}}.", name)
    return lengths
