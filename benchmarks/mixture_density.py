"""A normal mixture's log-density and gradient: the index declared and summed out, against marginalised by hand."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ppl
from benchmarks.evaluation import (
    Repeated,
    as_program,
    by_jax,
    by_program,
    by_pytensor,
    declared_density,
    pymc_density,
)
from benchmarks.measure import Row, is_installed, missing_rows, rows_of, timed
from benchmarks.processes import compile_rows

TITLE = "Mixture log-density and gradient: per evaluation, inside compiled code, one core"
SIZES = ((272, 2), (1000, 2), (2000, 4))
REACHES = {(1000, 2): 15.0, (2000, 4): 40.0}
PEERS = {"pymc_extras": "PyTensor's Numba on pymc-extras marginalize", "jax": "JAX, written by hand"}


def data(num_points: int, num_components: int) -> NDArray[np.float64]:
    """Return points of components of equal standard deviation; with two of them, like Old Faithful's waiting times."""
    rng = np.random.default_rng(1)
    component = rng.choice(num_components, num_points)
    return 54.6 + 25.5 * component + 5.9 * rng.standard_normal(num_points)


def declare(points: NDArray[np.float64], num_components: int) -> ppl.Model:
    weights = ppl.Dirichlet("w", np.ones(num_components))
    mu = ppl.Normal("mu", 70, 20, size=num_components)
    sigma = ppl.HalfNormal("sigma", 10, size=num_components)
    index = ppl.Categorical("k", weights, size=points.size)
    return ppl.Model({ppl.Normal("y", mu[index], sigma[index]): points})


def marginalised(points: NDArray[np.float64], num_components: int) -> Any:
    """Return the PyMC model that one writes to avoid the index."""
    import pymc as pm

    with pm.Model() as model:
        weights = pm.Dirichlet("w", np.ones(num_components))
        mu, sigma = pm.Normal("mu", 70, 20, shape=num_components), pm.HalfNormal("sigma", 10, shape=num_components)
        pm.NormalMixture("y", weights, mu, sigma, observed=points)
    return model


def automatic(points: NDArray[np.float64], num_components: int) -> Any:
    """Return the PyMC model with an index that pymc-extras can sum out."""
    import pymc as pm

    with pm.Model() as model:
        weights = pm.Dirichlet("w", np.ones(num_components))
        mu, sigma = pm.Normal("mu", 70, 20, shape=num_components), pm.HalfNormal("sigma", 10, shape=num_components)
        index = pm.Categorical("k", weights, shape=points.size)
        pm.Normal("y", mu[index], sigma[index], observed=points)
    return model


def point(inputs: list[Any], num_components: int) -> NDArray[np.float64]:
    """Return where the density is evaluated, near the mode: PyMC's transforms, in the order of the inputs."""
    values = {
        "w": np.zeros(num_components - 1),
        "mu": 54.0 + 25.0 * np.arange(num_components),
        "sigma": np.log(np.full(num_components, 6.0)),
    }
    return np.concatenate([values[v.name.split("_")[0]] for v in inputs])


def in_jax(points: NDArray[np.float64], num_components: int) -> Callable[[Any], Any]:
    """Return the density written by hand in JAX."""
    import jax
    import jax.numpy as jnp
    from jax.scipy import stats

    def logdensity(x: Any) -> Any:
        free, mu, log_sigma = x[: num_components - 1], x[num_components - 1 : -num_components], x[-num_components:]
        log_weights = jax.nn.log_softmax(jnp.append(free, -jnp.sum(free)))
        sigma = jnp.exp(log_sigma)
        terms = log_weights + stats.norm.logpdf(points[:, None], mu, sigma)
        prior = stats.norm.logpdf(mu, 70, 20).sum() + stats.norm.logpdf(sigma, 0, 10).sum()
        return jax.nn.logsumexp(terms, axis=1).sum() + prior + log_sigma.sum() + log_weights.sum()

    return logdensity


def contenders(num_points: int, num_components: int) -> dict[str, Repeated]:
    points = data(num_points, num_components)
    declared = declared_density(declare(points, num_components))
    by_mixture = pymc_density(marginalised(points, num_components))
    at = point(declared[1], num_components)
    at_mixture = point(by_mixture[1], num_components)
    runs = {
        "rvgraph: index declared": by_program(as_program(*declared), at),
        "rvgraph on the graph of pm.NormalMixture": by_program(as_program(*by_mixture), at_mixture),
        "PyTensor's Numba on our graph": by_pytensor(*declared, at),
        "PyTensor's Numba on pm.NormalMixture": by_pytensor(*by_mixture, at_mixture),
    }
    if is_installed("pymc_extras"):
        from pymc_extras.marginal import marginalize

        summed = pymc_density(marginalize(automatic(points, num_components), ["k"]))
        runs[PEERS["pymc_extras"]] = by_pytensor(*summed, point(summed[1], num_components))
    if is_installed("jax"):
        runs[PEERS["jax"]] = by_jax(in_jax(points, num_components), point(by_mixture[1], num_components))
    return runs


def first_call() -> None:
    as_program(*declared_density(declare(data(272, 2), 2)))(np.zeros(5))


def rows(repeats: int, compile_repeats: int) -> Iterator[Row]:
    warnings.filterwarnings("ignore", category=FutureWarning)
    for num_points, num_components in SIZES:
        what, count = f"n={num_points}, K={num_components}", 2_000_000 // (num_points * num_components)
        runs = contenders(num_points, num_components)
        timed_runs = {who: timed(partial(run, count), count) for who, run in runs.items()}
        reach = REACHES.get((num_points, num_components))
        yield from rows_of(what, timed_runs, repeats, "us", 1e6, reach)
        yield from missing_rows(what, PEERS)
    yield from compile_rows("mixture_density", compile_repeats)
