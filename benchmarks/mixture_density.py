"""A normal mixture's log-density and gradient: the index declared and summed out, against marginalised by hand."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from numba import njit
from numpy.typing import NDArray

import graphs
import ppl
from benchmarks.measure import Row, is_installed, missing_rows, rows_of, timed
from benchmarks.processes import compile_rows
from graphs.backends.numba import Program, call_program, compile_program

TITLE = "Mixture log-density and gradient: per evaluation, inside compiled code, one core"
SIZES = ((272, 2), (2000, 4))
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


def marginalised_automatically(points: NDArray[np.float64], num_components: int) -> Any:
    """Return the PyMC model with an index that pymc-extras sums out."""
    import pymc as pm
    from pymc_extras.marginal import marginalize

    with pm.Model() as model:
        weights = pm.Dirichlet("w", np.ones(num_components))
        mu, sigma = pm.Normal("mu", 70, 20, shape=num_components), pm.HalfNormal("sigma", 10, shape=num_components)
        index = pm.Categorical("k", weights, shape=points.size)
        pm.Normal("y", mu[index], sigma[index], observed=points)
    return marginalize(model, ["k"])


def declared_density(model: ppl.Model) -> tuple[Any, list[Any]]:
    density = graphs.logprob(model, space="unconstrained").logdensity
    return density.total, list(density.inputs)


def pymc_density(model: Any) -> tuple[Any, list[Any]]:
    return model.logp(), list(model.value_vars)


def point(inputs: list[Any], num_components: int) -> NDArray[np.float64]:
    """Return where the density is evaluated, near the mode: PyMC's transforms, in the order of the inputs."""
    values = {
        "w": np.zeros(num_components - 1),
        "mu": 54.0 + 25.0 * np.arange(num_components),
        "sigma": np.log(np.full(num_components, 6.0)),
    }
    return np.concatenate([values[v.name.split("_")[0]] for v in inputs])


def as_program(total: Any, inputs: list[Any]) -> Program:
    return compile_program(inputs, pytensor.grad(total, inputs), value=total)


@njit
def _repeat_program(row: Any, x: Any, out: Any, rng: Any, count: int) -> float:
    total = 0.0
    for _ in range(count):
        total += call_program(row, x, x, out, rng)
        # The next point depends on this one.
        x[0] += 1e-12 * out[0]
    return total


def by_program(program: Program, start: NDArray[np.float64], count: int) -> Callable[[], float]:
    """Return a function that evaluates a program many times."""
    bound = program.bind()
    out, rng = np.empty(program.num_outputs), np.ones(4, np.uint64)
    return lambda: _repeat_program(bound.row, start.copy(), out, rng, count)


def by_pytensor(total: Any, inputs: list[Any], at: NDArray[np.float64], count: int) -> Callable[[], float]:
    """Return a function that evaluates PyTensor's own Numba function many times, from compiled code."""
    vector = pt.vector("x", shape=at.shape)
    parts, start = {}, 0
    for v in inputs:
        size = int(np.prod(v.type.shape))
        parts[v] = vector[start : start + size].reshape(v.type.shape)
        start += size
    [total] = pytensor.graph.replace.graph_replace([total], parts, strict=False)
    function = pytensor.function([vector], [total, pytensor.grad(total, vector)], mode="NUMBA", trust_input=True)
    evaluate = function.vm.jit_fn

    @njit
    def repeat(x: Any) -> float:
        result = 0.0
        for _ in range(count):
            value, gradient = evaluate(x)
            result += value.item()
            x[0] += 1e-12 * gradient[0]
        return result

    return lambda: repeat(at.copy())


def by_jax(
    points: NDArray[np.float64], num_components: int, at: NDArray[np.float64], count: int
) -> Callable[[], float]:
    """Return a function that evaluates the density written by hand in JAX many times, from compiled code."""
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

    @jax.jit
    def repeat(x: Any) -> Any:
        def body(_: int, carry: tuple[Any, Any]) -> tuple[Any, Any]:
            x, total = carry
            value, gradient = jax.value_and_grad(logdensity)(x)
            return x.at[0].add(1e-12 * gradient[0]), total + value

        return jax.lax.fori_loop(0, count, body, (x, 0.0))[1]

    return lambda: float(repeat(jnp.asarray(at)))


def contenders(num_points: int, num_components: int, count: int) -> dict[str, Callable[[], float]]:
    """Return functions that evaluate the density so many times and return the sum."""
    points = data(num_points, num_components)
    declared = declared_density(declare(points, num_components))
    by_mixture = pymc_density(marginalised(points, num_components))
    at = point(declared[1], num_components)
    at_mixture = point(by_mixture[1], num_components)
    runs = {
        "rvgraph: index declared": by_program(as_program(*declared), at, count),
        "rvgraph on the graph of pm.NormalMixture": by_program(as_program(*by_mixture), at_mixture, count),
        "PyTensor's Numba on our graph": by_pytensor(*declared, at, count),
        "PyTensor's Numba on pm.NormalMixture": by_pytensor(*by_mixture, at_mixture, count),
    }
    if is_installed("pymc_extras"):
        summed = pymc_density(marginalised_automatically(points, num_components))
        runs[PEERS["pymc_extras"]] = by_pytensor(*summed, point(summed[1], num_components), count)
    if is_installed("jax"):
        at_jax = point(by_mixture[1], num_components)
        runs[PEERS["jax"]] = by_jax(points, num_components, at_jax, count)
    return runs


def first_call() -> None:
    as_program(*declared_density(declare(data(272, 2), 2)))(np.zeros(5))


def rows(repeats: int, compile_repeats: int) -> Iterator[Row]:
    warnings.filterwarnings("ignore", category=FutureWarning)
    for num_points, num_components in SIZES:
        what, count = f"n={num_points}, K={num_components}", 2_000_000 // (num_points * num_components)
        runs = contenders(num_points, num_components, count)
        yield from rows_of(what, {who: timed(run, count) for who, run in runs.items()}, repeats, "us", 1e6)
        yield from missing_rows(what, PEERS)
    yield from compile_rows("mixture_density", compile_repeats)
