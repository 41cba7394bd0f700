"""The law of full conditionals: the joint log-density minus that of the law is constant in the variable.

And of laws of one number: the density integrates to one, and moments and draws are those of the density.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytensor
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable
from scipy import integrate, stats

from graphs.conditional import Law
from graphs.density import LogDensity
from graphs.supports import Support
from graphs.surgery.interpreting import INTERPRETED


def assert_is_full_conditional(
    logdensity: LogDensity,
    x: TensorVariable,
    law: Law,
    *,
    givens: Mapping[TensorVariable, Any] | None = None,
    num_points: int = 3,
    num_values: int = 5,
    seed: int = 1,
) -> None:
    """Assert that the joint log-density minus that of the law does not depend on x.

    Both are compiled as they are. The other variables take generic values: all different, none of them 0 or 1 where
    their supports allow it; ``givens`` fixes some of them.
    """
    rng = np.random.default_rng(seed)
    others = [v for v in logdensity.inputs if v is not x]
    logprob = law.logprob(x)
    core = {
        "Dirichlet": 1,
        "Wishart": 2,
        "InverseWishart": 2,
        "MultivariateNormal": x.type.ndim,
        "SparseNormal": x.type.ndim,
    }
    batch = x.type.ndim - core.get(law.family, 0)
    batch = 0 if law.family.endswith("]") and "x MultivariateNormal" in law.family else batch
    assert logprob.type.ndim == batch, "one log-density for each independent element"
    outputs = [logdensity.total, logprob.sum(), law.condition]
    evaluate = pytensor.function([*others, x], outputs, mode=INTERPRETED, on_unused_input="ignore")
    for _ in range(num_points):
        rest = [(givens or {}).get(v, generic_value(rng, v, logdensity.supports.get(v))) for v in others]
        differences = []
        for _ in range(num_values):
            joint, own, is_proper = evaluate(*rest, generic_value(rng, x, logdensity.supports.get(x)))
            assert is_proper, f"{law} is improper"
            assert np.isfinite(joint), "the joint log-density is not finite: the test is void"
            assert np.isfinite(own), f"the log-density of {law} is not finite"
            differences.append(joint - own)
        magnitude = 1.0 + np.abs(differences).max() + abs(own)
        np.testing.assert_allclose(differences, differences[0], rtol=0, atol=1e-9 * magnitude, err_msg=str(law))


def generic_value(rng: np.random.Generator, variable: Variable, support: Support | None) -> NDArray:
    """Return a value inside the support of a variable, its elements all different and none of them 0 or 1."""
    shape, dtype = variable.type.shape, variable.type.dtype
    support = support or Support("integers" if dtype.startswith("int") else "interval")
    lower, upper = support.lower, support.upper
    if support.kind == "simplex":
        return rng.dirichlet(np.full(shape[-1], 3.0), size=shape[:-1])
    if support.kind == "positive_definite":
        factor = rng.normal(0.1, 1.3, size=shape)
        return np.asarray(factor @ np.swapaxes(factor, -1, -2) + 0.3 * np.eye(shape[-1]))
    if support.kind == "integers":
        upper = upper if np.isfinite(upper) else 9
        return np.asarray(rng.integers(int(lower) if np.isfinite(lower) else 0, int(upper) + 1, size=shape), dtype)
    if np.isfinite(lower) and np.isfinite(upper):
        return np.asarray(lower + (upper - lower) * rng.uniform(0.05, 0.95, size=shape))
    if np.isfinite(lower):
        return np.asarray(lower + rng.gamma(2.0, 0.8, size=shape) + 0.05)
    return np.asarray(rng.normal(0.3, 1.7, size=shape))


FALSE_ALARM = 1e-6


def assert_draws_follow(draws: NDArray, density: Callable[[float], float], support: tuple[float, float]) -> None:
    """Assert that independent draws of one number have a density, by their ranks: uniform, and by quadrature.

    Parameters
    ----------
    draws : (n,) float64 array
        The draws.
    density : callable
        The density, up to a constant.
    support : pair of float
        Where it is positive.
    """
    draws = np.sort(draws)
    assert ((draws > support[0]) & (draws < support[1])).all()
    # From each draw to the next, not from the end of the support to each.
    parts = [
        integrate.quad(density, low, high)[0] for low, high in itertools.pairwise([support[0], *draws, support[1]])
    ]
    ranks = np.cumsum(parts)
    assert stats.kstest(ranks[:-1] / ranks[-1], "uniform").pvalue > FALSE_ALARM


def assert_is_distribution(
    density: Callable[[float], float],
    mean: float,
    support: tuple[float, float],
    *,
    mass: float = 1.0,
    points: list[float] | None = None,
    rtol: float = 1e-7,
) -> None:
    """Assert that a density of one number integrates to its mass, and has its mean, by quadrature.

    Parameters
    ----------
    density : callable
        The density.
    mean : float
        What the law says of its mean.
    support : pair of float
        Where it is positive.
    mass : float
        What the density integrates to.
    points : list of float, optional
        Where it is large.
    rtol : float
        Of the mass; of the mean ten times as much.
    """
    options = {"limit": 200, "epsabs": 1e-11 * mass} | ({"points": points} if points else {})
    total, _ = integrate.quad(density, *support, **options)
    first, _ = integrate.quad(lambda v: v * density(v), *support, **options)
    np.testing.assert_allclose(total, mass, rtol=rtol)
    np.testing.assert_allclose(mean, first / mass, rtol=10 * rtol)
