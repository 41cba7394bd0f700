"""The JAX backend: graphs compiled by XLA."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable

from graphs.backends.base import ArrayFunction, Backend, CompiledStep, as_arrays
from graphs.errors import BackendError
from graphs.step import StepGraph

try:
    import jax
    import jax.numpy as jnp

    from graphs.backends.jax.callback import reraising
    from graphs.backends.jax.lowering import jax_callable
except ModuleNotFoundError as error:
    raise BackendError(
        f"The jax backend needs {error.name}: pip install 'rvgraph[jax]', or use backend=\"numba\".", "jax"
    ) from error

__all__ = ["JaxBackend", "JaxStep", "jax_callable", "jax_key"]

# Draws mapped at once are limited so that their intermediate arrays stay within about a quarter of a gigabyte.
LARGEST_BATCH_VALUES = 2**25


class JaxBackend(Backend):
    """Compile graphs with JAX and XLA, for the CPU or whatever accelerator JAX finds.

    Draws come from JAX's own generator, keyed from the NumPy generator that is passed: they differ from those of the
    other backends. Without a JAX implementation are, among others, loops of unknown length and sizes that depend on
    values: they raise `BackendError`.
    """

    name = "jax"

    def function(
        self, inputs: Sequence[TensorVariable], outputs: Sequence[TensorVariable], rng: Variable | None = None
    ) -> ArrayFunction:
        """Compile a graph into a function of arrays; with ``rng``, of a NumPy generator followed by arrays."""
        compiled = jax.jit(jax_callable(inputs, outputs, rng))
        return _with_generator(compiled, rng)

    def map(
        self, inputs: Sequence[TensorVariable], outputs: Sequence[TensorVariable], rng: Variable | None = None
    ) -> ArrayFunction:
        """Compile a graph into a function of arrays that have one more axis, of draws, in front."""
        function = jax_callable(inputs, outputs, rng)
        batch_size = max(1, LARGEST_BATCH_VALUES // _num_values(outputs))

        def over_draws(*arrays: Any) -> list[jax.Array]:
            return jax.lax.map(lambda row: function(*row), arrays, batch_size=batch_size)

        def over_drawing(key: jax.Array, *arrays: Any) -> tuple[jax.Array, list[jax.Array]]:
            keys = jax.random.split(key, jnp.shape(arrays[0])[0])
            return key, jax.lax.map(lambda row: function(*row)[1], (keys, *arrays), batch_size=batch_size)

        return _with_generator(jax.jit(over_draws if rng is None else over_drawing), rng)

    def step(self, step_graph: StepGraph) -> JaxStep:
        """Compile a Markov transition."""
        return JaxStep(step_graph)


class JaxStep(CompiledStep):
    """A Markov transition compiled by JAX.

    Parameters
    ----------
    step_graph : StepGraph
        The transition.
    """

    def __init__(self, step_graph: StepGraph):
        self.step_graph = step_graph
        outputs = [*step_graph.next_state, *step_graph.info.values()]
        self._names = tuple(str(variable.name) for variable in step_graph.state)
        self._step = jax_callable(step_graph.state, outputs, step_graph.rng)
        self._compiled_step = jax.jit(self._step)
        self._compiled_run = jax.jit(self._run, static_argnums=(2, 3))

    def __call__(
        self, rng: np.random.Generator, state_values: Sequence[Any]
    ) -> tuple[list[NDArray], dict[str, NDArray]]:
        """Make one step from ``state_values``."""
        _, results = self._compiled_step(jax_key(rng), *as_arrays(state_values, self.step_graph.state))
        results = [np.array(result) for result in results]
        num_values = len(self._names)
        return results[:num_values], dict(zip(self.step_graph.info, results[num_values:], strict=True))

    def run(
        self, rng: np.random.Generator, state_values: Sequence[Any], num_steps: int, thin: int = 1
    ) -> tuple[list[NDArray], dict[str, NDArray], dict[str, NDArray]]:
        """Make ``num_steps`` steps in one compiled loop.

        Parameters
        ----------
        rng : numpy.random.Generator
            Keys JAX's generator.
        state_values : sequence of array
            Where to start, in the order of the graph's state.
        num_steps : int
            Number of steps; each new number compiles once.
        thin : int
            Keep the state after every so many steps.

        Returns
        -------
        final : list of array
            The state after the last step.
        draws : dict of str to array
            The states kept, (num_steps // thin, ...).
        info : dict of str to array
            The diagnostics averaged over all steps.
        """
        final, draws, info = self._compiled_run(
            jax_key(rng), as_arrays(state_values, self.step_graph.state), num_steps, thin
        )
        means = {
            name: np.array(total) / max(num_steps, 1) for name, total in zip(self.step_graph.info, info, strict=True)
        }
        return (
            [np.array(value) for value in final],
            {name: np.array(value) for name, value in zip(self._names, draws, strict=True)},
            means,
        )

    def _run(self, key: jax.Array, state_values: list, num_steps: int, thin: int) -> tuple[Any, Any, Any]:
        num_values = len(self._names)

        def one_step(carry: tuple) -> tuple:
            key, values, totals = carry
            key, results = self._step(key, *values)
            return key, results[:num_values], [t + r for t, r in zip(totals, results[num_values:], strict=True)]

        def many_steps(number: int, carry: tuple) -> tuple:
            return jax.lax.fori_loop(0, number, lambda _, carry: one_step(carry), carry)

        def one_draw(carry: tuple, _: None) -> tuple[tuple, Any]:
            carry = one_step(carry) if thin == 1 else many_steps(thin, carry)
            return carry, carry[1]

        totals = [jnp.zeros(v.type.shape, "float64") for v in self.step_graph.info.values()]
        carry, draws = jax.lax.scan(one_draw, (key, state_values, totals), None, length=num_steps // thin)
        _, final, info = many_steps(num_steps % thin, carry)
        return final, draws, info


def jax_key(rng: np.random.Generator) -> jax.Array:
    """Return a JAX key made from 64 bits of a NumPy generator, which advances."""
    return jax.random.wrap_key_data(rng.integers(0, 2**32, size=2, dtype=np.uint32))


def _with_generator(function: Callable[..., Any], rng: Variable | None) -> ArrayFunction:
    """Return NumPy arrays; with ``rng``, take a NumPy generator first."""

    def call(*arrays: Any) -> list[NDArray]:
        with reraising():
            results = function(*arrays) if rng is None else function(jax_key(arrays[0]), *arrays[1:])[1]
            return [np.array(result) for result in results]

    return call


def _num_values(outputs: Sequence[TensorVariable]) -> int:
    """Return the number of elements of all arrays in a graph, a bound of the memory that it needs."""
    shapes = [getattr(variable.type, "shape", ()) for variable in ancestors(outputs)]
    return max(1, sum(prod(length or 1 for length in shape) for shape in shapes))
