"""The C backend: PyTensor's own C linker, for operations that the others lack, and as their reference."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytensor
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.backends.base import ArrayFunction, Backend, CompiledStep, as_arrays, row_by_row
from graphs.backends.failures import checked
from graphs.limits.constants import folded
from graphs.step import StepGraph
from graphs.surgery.traces import forgetting
from graphs.warned import filtered

COMPILED = forgetting("CVM")

BLAS_MESSAGE = (
    "PyTensor's C backend found no BLAS library: large matrix products will be slow. Install one, for example by "
    "`conda install libblas` or `apt install libopenblas-dev` with PYTENSOR_FLAGS=blas__ldflags=-lopenblas, or use "
    'backend="numba", which brings its own.'
)


@cache
def settle_blas() -> str:
    """Let PyTensor look for BLAS once, without its own warning; return the linker flags, empty if there is none."""
    with filtered("ignore"):
        try:
            return str(pytensor.config.blas__ldflags)
        except (AttributeError, KeyError, ValueError):
            pytensor.config.blas__ldflags = ""
            return ""


def blas_notice() -> str | None:
    """Return how to get a BLAS library for the C backend, or None if there is one."""
    return None if settle_blas() else BLAS_MESSAGE


class CBackend(Backend):
    """Functions compiled by PyTensor to C, driven from Python."""

    name = "c"

    def function(
        self, inputs: Sequence[TensorVariable], outputs: Sequence[TensorVariable], rng: Variable | None = None
    ) -> ArrayFunction:
        """Compile a graph to a function of arrays; see :meth:`graphs.backends.base.Backend.function`."""
        settle_blas()
        generators = [] if rng is None else [rng]
        compiled = checked(
            pytensor.function([*generators, *inputs], folded(outputs), mode=COMPILED, on_unused_input="ignore")
        )

        def call(*arrays: Any) -> list[NDArray]:
            if rng is None:
                return [np.asarray(out) for out in compiled(*as_arrays(arrays, inputs))]
            return [np.asarray(out) for out in compiled(_spawn(arrays[0]), *as_arrays(arrays[1:], inputs))]

        return call

    def map(
        self, inputs: Sequence[TensorVariable], outputs: Sequence[TensorVariable], rng: Variable | None = None
    ) -> ArrayFunction:
        """Compile a graph to a function over a leading axis; see :meth:`graphs.backends.base.Backend.map`."""
        return row_by_row(self.function(inputs, outputs, rng), 0 if rng is None else 1)

    def step(self, step_graph: StepGraph) -> CStep:
        """Compile a step graph to a function that Python calls once a step."""
        return CStep(step_graph)


def _spawn(rng: np.random.Generator) -> np.random.Generator:
    """Return a generator of its own for one call: PyTensor copies what it is given, and advances the copy."""
    return np.random.default_rng(rng.integers(0, 2**64, size=4, dtype=np.uint64))


class CStep(CompiledStep):
    """A step graph compiled by PyTensor.

    Parameters
    ----------
    step_graph : StepGraph
        The step.
    """

    def __init__(self, step_graph: StepGraph):
        settle_blas()
        self.step_graph = step_graph
        outputs = [*step_graph.next_state, *step_graph.info.values(), step_graph.next_rng]
        self._function = pytensor.function(
            [step_graph.rng, *step_graph.state], folded(outputs), mode=COMPILED, on_unused_input="ignore"
        )

    def _advance(
        self, rng: np.random.Generator, values: Sequence[NDArray]
    ) -> tuple[np.random.Generator, list[NDArray], list[NDArray]]:
        """Make one step with a generator that is passed on."""
        *arrays, next_rng = self._function(rng, *values)
        num_state = len(self.step_graph.state)
        return next_rng, [np.asarray(a) for a in arrays[:num_state]], [np.asarray(a) for a in arrays[num_state:]]

    def __call__(
        self, rng: np.random.Generator, state_values: Sequence[Any]
    ) -> tuple[list[NDArray], dict[str, NDArray]]:
        """Make one step; see :meth:`graphs.backends.base.CompiledStep.__call__`."""
        _, state, info = self._advance(_spawn(rng), as_arrays(state_values, self.step_graph.state))
        return state, dict(zip(self.step_graph.info, info, strict=True))

    def run(
        self, rng: np.random.Generator, state_values: Sequence[Any], num_steps: int, thin: int = 1
    ) -> tuple[list[NDArray], dict[str, NDArray], dict[str, NDArray]]:
        """Make many steps; see :meth:`graphs.backends.base.CompiledStep.run`."""
        generator = _spawn(rng)
        state = as_arrays(state_values, self.step_graph.state)
        kept: list[list[NDArray]] = []
        totals: list[Any] = [0.0] * len(self.step_graph.info)
        for i in range(num_steps):
            generator, state, info = self._advance(generator, state)
            totals = [total + value for total, value in zip(totals, info, strict=True)]
            if (i + 1) % thin == 0:
                kept.append(state)
        draws = {
            str(variable.name): np.array([row[k] for row in kept], dtype=variable.type.dtype).reshape(
                len(kept), *state[k].shape
            )
            for k, variable in enumerate(self.step_graph.state)
        }
        means = {
            name: np.asarray(total / max(num_steps, 1))
            for name, total in zip(self.step_graph.info, totals, strict=True)
        }
        return state, draws, means
