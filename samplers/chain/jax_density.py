"""A PyTensor log-density as the function of a flat position that Hamiltonian samplers in JAX want."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import log
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import pytensor.tensor as pt
from blackjax.mcmc import metrics
from blackjax.mcmc.hmc import HMCState
from blackjax.mcmc.integrators import IntegratorState, velocity_verlet
from pytensor.tensor.variable import TensorVariable

from graphs.backends.jax.lowering import jax_callable
from graphs.density import LogDensity
from graphs.errors import BackendError
from graphs.layout import Layout
from graphs.warned import filtered

LogDensityFunction = Callable[[jax.Array, Any], jax.Array]

LOG_FIRST_ACCEPTANCE = log(0.8)
MAX_DOUBLINGS = 60


def logdensity_function(
    logdensity: LogDensity, variables: Sequence[TensorVariable], context: Layout, precision: str = "float64"
) -> LogDensityFunction:
    """Return ``(position, context vector) -> log-density`` on flat vectors, with PyTensor's gradient.

    PyTensor's gradient is the one that the other backends use, and has been rewritten for numerical stability. Where
    it holds an operation that JAX lacks (loops in derivatives of special functions), JAX differentiates.

    Parameters
    ----------
    logdensity : LogDensity
        The log-density.
    variables : sequence of TensorVariable
        The inputs that ``position`` holds, in order; the others come from the context vector.
    context : Layout
        How the context vector is laid out.
    precision : {"float64", "float32"}
        In which the log-density and its gradient are computed; they are returned in double precision.

    Returns
    -------
    callable
        Differentiable in its first argument.
    """
    position = Layout.of(variables)

    def values_at(x: jax.Array, context_vector: jax.Array) -> list[jax.Array]:
        values = unpack(context_vector, context) | unpack(x, position)
        return [values[variable.name] for variable in logdensity.inputs]

    gradients = pt.grad(logdensity.total, list(variables), disconnected_inputs="ignore")
    try:
        function = jax_callable(logdensity.inputs, [logdensity.total, *gradients])
    except BackendError:
        alone = jax_callable(logdensity.inputs, [logdensity.total])

        def value(x: jax.Array, context_vector: jax.Array) -> jax.Array:
            with computing_in(precision):
                total = alone(*values_at(x, context_vector))[0]
            return total.astype("float64")

        return value

    def value_and_gradient(x: jax.Array, context_vector: jax.Array) -> tuple[jax.Array, jax.Array]:
        with computing_in(precision):
            total, *gradient = function(*values_at(x, context_vector))
        return total.astype("float64"), pack(gradient)

    @jax.custom_vjp
    def evaluate(x: jax.Array, context_vector: jax.Array) -> jax.Array:
        return value_and_gradient(x, context_vector)[0]

    def backward(gradient: jax.Array, cotangent: jax.Array) -> tuple[jax.Array, None]:
        return cotangent * gradient, None

    evaluate.defvjp(value_and_gradient, backward)
    return evaluate


@contextmanager
def computing_in(precision: str) -> Iterator[None]:
    """Let what is traced here be computed in a precision."""
    if precision == "float64":
        yield
        return
    # One for each constant and dtype of the graph: they are to be cut.
    with jax.enable_x64(False), filtered("ignore", "Explicitly requested dtype"):
        yield


def unpack(vector: jax.Array, layout: Layout) -> dict[str, jax.Array]:
    """Return the named arrays of a flat vector."""
    return {
        name: vector[offset : offset + size].reshape(shape).astype(dtype)
        for name, shape, dtype, offset, size in zip(
            layout.names, layout.shapes, layout.dtypes, layout.offsets, layout.sizes, strict=True
        )
    }


def pack(arrays: Sequence[jax.Array]) -> jax.Array:
    """Return the arrays as one flat float64 vector."""
    return jnp.concatenate([jnp.ravel(array).astype("float64") for array in arrays])


class StepSizeSearch(NamedTuple):
    """A search for a step size."""

    attempt: jax.Array  # () int64
    step_size: jax.Array  # () float64
    is_growing: jax.Array  # () bool: the first attempt was accepted
    is_crossed: jax.Array  # () bool: the last attempt ended otherwise than the first


def find_step_size(
    key: jax.Array, state: HMCState, logdensity: Callable[[jax.Array], jax.Array], inverse_mass_matrix: jax.Array
) -> jax.Array:
    """Double or halve a step size until one leapfrog step is accepted with probability 0.8, or no longer is.

    References
    ----------
    Hoffman and Gelman (2014), The No-U-Turn Sampler, JMLR 15, algorithm 4; with Stan's threshold.
    """
    metric = metrics.default_metric(inverse_mass_matrix)
    momentum = metric.sample_momentum(key, state.position)
    start = IntegratorState(state.position, momentum, state.logdensity, state.logdensity_grad)
    integrate = velocity_verlet(logdensity, metric.kinetic_energy)

    def is_accepted(step_size: jax.Array) -> jax.Array:
        end = integrate(start, step_size)
        log_ratio = end.logdensity - start.logdensity
        log_ratio += metric.kinetic_energy(start.momentum) - metric.kinetic_energy(end.momentum)
        return log_ratio > LOG_FIRST_ACCEPTANCE

    # One place that evaluates the log-density, in the loop: each more is compiled once more.
    def go_on(search: StepSizeSearch) -> jax.Array:
        return (search.attempt < MAX_DOUBLINGS) & ~search.is_crossed

    def try_next(search: StepSizeSearch) -> StepSizeSearch:
        is_now = is_accepted(search.step_size)
        is_growing = jnp.where(search.attempt == 0, is_now, search.is_growing)
        is_crossed = is_now != is_growing
        factor = jnp.where(is_crossed, 1.0, jnp.where(is_growing, 2.0, 0.5))
        return StepSizeSearch(search.attempt + 1, search.step_size * factor, is_growing, is_crossed)

    first = StepSizeSearch(jnp.zeros((), "int64"), jnp.ones(()), jnp.zeros((), bool), jnp.zeros((), bool))
    return jax.lax.while_loop(go_on, try_next, first).step_size
