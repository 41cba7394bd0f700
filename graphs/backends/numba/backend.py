"""The Numba backend: functions, maps over draws and Markov steps, all built on programs."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import pytensor
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.backends.base import (
    ArrayFunction,
    Backend,
    CompiledStep,
    Filling,
    Part,
    SharedMap,
    as_arrays,
    row_by_row,
    words_of,
)
from graphs.backends.c import settle_blas
from graphs.backends.numba.compiler.compiling import compile_program
from graphs.backends.numba.machine_code.kept import njit
from graphs.backends.numba.mapping import run_parts, run_rows, run_shared
from graphs.backends.numba.program import Program, call_program
from graphs.step import StepGraph
from graphs.surgery.traces import forgetting


@njit(nogil=True, cache=True)
def _run_steps(
    row: Any, state: Any, out: Any, rng: Any, num_steps: int, thin: int, draws: Any, info_means: Any
) -> None:
    """Run a program that makes a step, again and again; ``out`` holds the new state, then the diagnostics."""
    size = state.size
    kept = 0
    for i in range(num_steps):
        call_program(row, state, state, out, rng)
        state[:] = out[:size]
        for k in range(info_means.size):
            info_means[k] += (out[size + k] - info_means[k]) / (i + 1)
        if (i + 1) % thin == 0:
            draws[kept] = state
            kept += 1


def _packed(arrays: Sequence[NDArray]) -> NDArray[np.float64]:
    """Return arrays as one flat vector."""
    return np.concatenate([np.zeros(0), *(np.ravel(a).astype(np.float64) for a in arrays)])


def _check_shapes(arrays: Sequence[NDArray], variables: Sequence[TensorVariable], skip: int = 0) -> None:
    """Refuse arrays that would be read out of bounds."""
    for array, variable in zip(arrays, variables, strict=True):
        if array.shape[skip:] != tuple(variable.type.shape):
            raise ValueError(
                f"The value of {variable.name} has shape {array.shape[skip:]}; its shape is {variable.type.shape}."
            )


class NumbaBackend(Backend):
    """Functions compiled by Numba; graphs without static shapes are left to PyTensor's own Numba linker."""

    name = "numba"

    def function(
        self, inputs: Sequence[TensorVariable], outputs: Sequence[TensorVariable], rng: Variable | None = None
    ) -> ArrayFunction:
        """Compile a graph to a function of arrays; see :meth:`graphs.backends.base.Backend.function`."""
        if any(None in variable.type.shape for variable in inputs):
            return _pytensor_function(inputs, outputs, rng)
        program = compile_program(_named(inputs), outputs, rng=rng)
        num_generators = 0 if rng is None else 1

        def call(*arrays: Any) -> list[NDArray]:
            values = as_arrays(arrays[num_generators:], inputs)
            _check_shapes(values, inputs)
            words = words_of(arrays[0]) if num_generators else None
            return program.unpack(program(_packed(values), rng=words)[1])

        return call

    def map(
        self, inputs: Sequence[TensorVariable], outputs: Sequence[TensorVariable], rng: Variable | None = None
    ) -> ArrayFunction:
        """Compile a graph to a function over a leading axis; see :meth:`graphs.backends.base.Backend.map`."""
        if any(None in variable.type.shape for variable in inputs):
            return row_by_row(self.function(inputs, outputs, rng), 0 if rng is None else 1)
        program = compile_program(_named(inputs), outputs, rng=rng)
        num_generators = 0 if rng is None else 1

        def call(*arrays: Any) -> list[NDArray]:
            values = _batches(arrays[num_generators:], inputs)
            outs = np.empty((len(values[0]), program.num_outputs))
            words = words_of(arrays[0]) if num_generators else np.ones(4, np.uint64)
            run_rows(program, values, outs, words)
            return program.unpack(outs)

        return call

    def shared_map(self, inputs: Sequence[TensorVariable], outputs: Sequence[TensorVariable]) -> SharedMap:
        """Compile a graph over a leading axis for threads; see :meth:`graphs.backends.base.Backend.shared_map`."""
        if any(None in variable.type.shape for variable in inputs):
            return super().shared_map(inputs, outputs)
        program = compile_program(_named(inputs), outputs)

        def call(arrays: Sequence[NDArray], num_threads: int) -> list[NDArray]:
            values = _batches(arrays, inputs)
            outs = np.empty((len(values[0]), program.num_outputs))
            run_shared(program, values, outs, num_threads)
            return program.unpack(outs)

        return call

    def fill(self, inputs: Sequence[TensorVariable], outputs: Sequence[TensorVariable], rng: Variable) -> Filling:
        """Compile a graph of draws that fills rows; see :meth:`graphs.backends.base.Backend.fill`."""
        # Whole numbers may be missing, which `map` knows of.
        if any(None in v.type.shape for v in inputs) or {v.type.dtype for v in outputs} != {"float64"}:
            return super().fill(inputs, outputs, rng)
        program = compile_program(_named(inputs), outputs, rng=rng)

        def call(out: NDArray[np.float64], arrays: Sequence[NDArray], parts: Sequence[Part], num_threads: int) -> None:
            run_parts(program, _batches(arrays, inputs), out, parts, num_threads)

        return call

    def step(self, step_graph: StepGraph) -> NumbaStep:
        """Compile a step graph."""
        return NumbaStep(step_graph)


def _batches(arrays: Sequence[Any], variables: Sequence[TensorVariable]) -> list[NDArray]:
    """Return arrays with a leading axis, of the dtypes of variables."""
    values = [np.asarray(value, dtype=v.type.dtype) for value, v in zip(arrays, variables, strict=True)]
    _check_shapes(values, variables, skip=1)
    return values


def _named(variables: Sequence[TensorVariable]) -> Sequence[TensorVariable]:
    """Check nothing, but name what has no name: a layout needs names."""
    for i, variable in enumerate(variables):
        if variable.name is None:
            variable.name = f"input_{i}"
    return variables


def _pytensor_function(
    inputs: Sequence[TensorVariable], outputs: Sequence[TensorVariable], rng: Variable | None
) -> ArrayFunction:
    """Compile a graph whose shapes are not known by PyTensor's own Numba linker."""
    settle_blas()
    generators = [] if rng is None else [rng]
    compiled = pytensor.function(
        [*generators, *inputs], list(outputs), mode=forgetting("NUMBA"), on_unused_input="ignore"
    )

    def call(*arrays: Any) -> list[NDArray]:
        if rng is None:
            return [np.asarray(out) for out in compiled(*as_arrays(arrays, inputs))]
        generator = np.random.default_rng(words_of(arrays[0]))
        return [np.asarray(out) for out in compiled(generator, *as_arrays(arrays[1:], inputs))]

    return call


class NumbaStep(CompiledStep):
    """A step graph as a program.

    Parameters
    ----------
    step_graph : StepGraph
        The step.

    Attributes
    ----------
    program : Program
        Its inputs are the state, its outputs the new state and then the diagnostics.
    """

    def __init__(self, step_graph: StepGraph):
        self.step_graph = step_graph
        self.program: Program = compile_program(
            step_graph.state,
            [*step_graph.next_state, *step_graph.info.values()],
            rng=step_graph.rng,
            next_rng=step_graph.next_rng,
            name="step",
        )

    def _start(self, state_values: Sequence[Any]) -> NDArray[np.float64]:
        """Return the state as a flat vector."""
        values = as_arrays(state_values, self.step_graph.state)
        _check_shapes(values, self.step_graph.state)
        return _packed(values)

    def _info(self, values: NDArray[np.float64]) -> dict[str, NDArray]:
        """Return flat diagnostics by name."""
        info, start = {}, 0
        for name, shape in zip(
            self.step_graph.info, self.program.output_shapes[len(self.step_graph.state) :], strict=True
        ):
            info[name] = values[start : start + prod(shape)].reshape(shape)
            start += prod(shape)
        return info

    def __call__(
        self, rng: np.random.Generator, state_values: Sequence[Any]
    ) -> tuple[list[NDArray], dict[str, NDArray]]:
        """Make one step; see :meth:`graphs.backends.base.CompiledStep.__call__`."""
        _, out = self.program(self._start(state_values), rng=words_of(rng))
        arrays = self.program.unpack(out)
        num_state = len(self.step_graph.state)
        return arrays[:num_state], dict(zip(self.step_graph.info, arrays[num_state:], strict=True))

    def run(
        self, rng: np.random.Generator, state_values: Sequence[Any], num_steps: int, thin: int = 1
    ) -> tuple[list[NDArray], dict[str, NDArray], dict[str, NDArray]]:
        """Make many steps in one compiled loop; see :meth:`graphs.backends.base.CompiledStep.run`."""
        state = self._start(state_values)
        bound = self.program.bind()
        draws = np.empty((num_steps // thin, state.size))
        means = np.zeros(self.program.num_outputs - state.size)
        out = np.empty(self.program.num_outputs)
        _run_steps(bound.row, state, out, words_of(rng), num_steps, thin, draws, means)
        self.program.reraise()
        layout = self.program.inputs
        return list(layout.unpack(state).values()), layout.unpack(draws), self._info(means)
