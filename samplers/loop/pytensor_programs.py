"""Blocks as Python functions, compiled by PyTensor to C, or interpreted where they run only briefly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytensor
from numpy.typing import NDArray
from pytensor.compile.io import In
from pytensor.compile.mode import Mode
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import explicit_graph_inputs
from pytensor.tensor.variable import TensorVariable

from graphs.backends.c import COMPILED, settle_blas
from graphs.backends.failures import checked
from graphs.layout import Layout
from graphs.surgery.interpreting import INTERPRETED
from samplers.blocks import BlockProgram, Sweep
from samplers.centring.coordinates import CentredFunction
from samplers.chain.programs import BindPrograms, Programs

MODES: dict[str, Mode] = {"c": COMPILED, "interpreter": INTERPRETED}


def compile_functions(sweep: Sweep, backend: str) -> BindPrograms:
    """Compile each block to a PyTensor function.

    Draws come from NumPy's generator, one for each state. The functions are shared: chains must not run at once.

    Parameters
    ----------
    sweep : Sweep
        The blocks.
    backend : {"c", "interpreter"}
        Whether to compile C code, or to evaluate graphs node by node.

    Returns
    -------
    callable
        Gives each chain its own programs.
    """
    layout = sweep.layout
    mode = MODES[backend]
    makers = [_program(block.program, sweep.variables, layout, mode) for block in sweep.blocks]
    found = {number: own for number, block in enumerate(sweep.blocks) if (own := block.coordinates(sweep)) is not None}
    parameters = {n: evaluated_function(own.parameters, sweep.variables, mode) for n, own in found.items()}

    def bind(seed: np.random.SeedSequence) -> Programs:
        rng = np.random.default_rng(seed)
        functions = [make(rng) for make in makers]
        centred = {n: CentredFunction(functions[n], parameters[n], own.where) for n, own in found.items()}
        return Programs([centred.get(n, function) for n, function in enumerate(functions)], coordinates=centred)

    return bind


def _unpack(vector: NDArray[np.float64], layout: Layout) -> list[NDArray]:
    """Return the arrays of a flat vector, in order, without copying the floating ones."""
    return [
        np.asarray(vector[start : start + size].reshape(shape), dtype)
        for start, size, shape, dtype in zip(layout.offsets, layout.sizes, layout.shapes, layout.dtypes, strict=True)
    ]


def _flatten(arrays: Sequence[NDArray], out: NDArray[np.float64]) -> None:
    """Write arrays one after the other."""
    start = 0
    for array in arrays:
        out[start : start + array.size] = array.ravel()
        start += array.size


def _function(inputs: Sequence[Any], outputs: Sequence[Variable], mode: Mode) -> Any:
    """Compile graphs to a function of arrays that are what their variables say."""
    if mode is not INTERPRETED:
        settle_blas()
    return pytensor.function(list(inputs), list(outputs), mode=mode, on_unused_input="ignore", trust_input=True)


def evaluated_function(
    program: BlockProgram, variables: Sequence[TensorVariable], mode: Mode = MODES["c"]
) -> Callable[[NDArray, NDArray, NDArray], float]:
    """Compile what a block evaluates, and draws nothing, to a Python function with C code.

    Parameters
    ----------
    program : BlockProgram
        What is evaluated.
    variables : sequence of TensorVariable
        The joint state, which is the context of a program that has none of its own.
    mode : Mode or str
        PyTensor's mode.

    Returns
    -------
    callable
        ``(position, context, out) -> float`` as in ``samplers.chain.programs.evaluate_density``.
    """
    variables = variables if program.context is None else program.context
    own, contexts = Layout.of(program.moving), Layout.of(variables)
    values = [] if program.value is None else [program.value]
    graphs = [*values, *program.outputs]
    needed = set(explicit_graph_inputs(graphs)) - set(program.moving)
    used = [i for i, v in enumerate(variables) if v in needed]
    function = checked(_function([*program.moving, *(variables[i] for i in used)], graphs, mode))

    def call(position: NDArray, context: NDArray, out: NDArray) -> float:
        others = _unpack(context, contexts)
        found = function(*_unpack(position, own), *(others[i] for i in used))
        _flatten(found[len(values) :], out)
        return float(found[0]) if values else 0.0

    return call


def _program(
    program: BlockProgram, variables: Sequence[TensorVariable], layout: Layout, mode: Mode
) -> Callable[[Any], Any]:
    """Compile a block; each chain brings its generator, if that is used."""
    if program.rng is not None:
        return _draw(program, variables, layout, mode)
    function = evaluated_function(program, variables, mode)
    return lambda rng: function


def _draw(
    program: BlockProgram, variables: Sequence[TensorVariable], layout: Layout, mode: Mode
) -> Callable[[Any], Any]:
    """Compile a draw block; each chain brings its generator."""
    outputs: list[Variable] = [program.next_rng, *program.outputs]
    if program.value is not None:
        outputs.append(program.value)
    function = _function([In(program.rng, mutable=True, borrow=True), *variables], outputs, mode)
    num_draws = len(program.outputs)

    return lambda rng: DrawFunction(function, layout, num_draws, rng)


class DrawFunction:
    """A draw block of one chain as a Python function ``(state, out, _) -> float``.

    Parameters
    ----------
    function : callable
        ``(rng, *arrays) -> rng, *draws``, and the acceptance rate where there is one.
    layout : Layout
        Of the joint state.
    num_draws : int
        Number of arrays that are drawn.
    rng : Generator
        Of the chain.
    """

    def __init__(self, function: Any, layout: Layout, num_draws: int, rng: np.random.Generator):
        self._function = function
        self._layout = layout
        self._num_draws = num_draws
        self.rng = rng

    def __call__(self, state: NDArray, out: NDArray, _: NDArray) -> float:
        """Draw."""
        try:
            self.rng, *parts = self._function(self.rng, *_unpack(state, self._layout))
        except ValueError:
            # NumPy's generator refuses parameters outside of their domain.
            out[:] = np.nan
            return 0.0
        _flatten(parts[: self._num_draws], out)
        return float(parts[self._num_draws]) if len(parts) > self._num_draws else 0.0
