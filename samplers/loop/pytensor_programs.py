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
from pytensor.tensor.variable import TensorVariable

from graphs.backends.c import COMPILED, settle_blas
from graphs.backends.failures import checked
from graphs.density import LogDensity, gradients
from graphs.layout import Layout
from graphs.surgery.interpreting import INTERPRETED
from graphs.surgery.random_graph import depends_on
from samplers.blocks import Block, DrawBlock, NUTSBlock, SliceBlock, Sweep
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
    makers = [_program(block, sweep.variables, layout, MODES[backend]) for block in sweep.blocks]

    def bind(seed: np.random.SeedSequence) -> Programs:
        rng = np.random.default_rng(seed)
        return Programs([make(rng) for make in makers])

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


def logdensity_function(
    logdensity: LogDensity,
    variables: Sequence[TensorVariable],
    context: Sequence[TensorVariable] = (),
    mode: Mode = MODES["c"],
) -> Callable[[NDArray, NDArray, NDArray], float]:
    """Compile a log-density and its gradient to a Python function with C code.

    Parameters
    ----------
    logdensity : LogDensity
        The log-density.
    variables : sequence of TensorVariable
        What is differentiated.
    context : sequence of TensorVariable
        The joint state.
    mode : Mode or str
        PyTensor's mode.

    Returns
    -------
    callable
        ``(position, context, gradient) -> float`` as in ``samplers.chain.programs.evaluate``.
    """
    positions, contexts = Layout.of(variables), Layout.of(context)
    used = [i for i, v in enumerate(context) if v in logdensity.inputs and v not in variables]
    inputs = [*variables, *(context[i] for i in used)]
    function = checked(_function(inputs, [logdensity.total, *gradients(logdensity, variables)], mode))

    def call(position: NDArray, context: NDArray, gradient: NDArray) -> float:
        others = _unpack(context, contexts)
        value, *parts = function(*_unpack(position, positions), *(others[i] for i in used))
        _flatten(parts, gradient)
        return float(value)

    return call


def _program(block: Block, variables: Sequence[TensorVariable], layout: Layout, mode: Mode) -> Callable[[Any], Any]:
    """Compile a block of any kind."""
    if isinstance(block, DrawBlock):
        return _draw(block, variables, layout, mode)
    if isinstance(block, SliceBlock):
        return _logprobs(block, variables, mode)
    return _logdensity(block, variables, mode)


def logprobs_function(block: SliceBlock, variables: Sequence[TensorVariable], mode: Mode = MODES["c"]) -> Any:
    """Compile the log-probabilities of a slice block to a Python function.

    Parameters
    ----------
    block : SliceBlock
        The block.
    variables : sequence of TensorVariable
        The joint state.
    mode : Mode or str
        PyTensor's mode.

    Returns
    -------
    callable
        ``(position, context, out) -> float`` as in ``samplers.chain.programs.evaluate``.
    """
    own, contexts = Layout.of([block.variable]), Layout.of(variables)
    used = [i for i, v in enumerate(variables) if v is not block.variable and depends_on(block.logprobs, [v])]
    function = checked(_function([block.variable, *(variables[i] for i in used)], [block.logprobs], mode))

    def call(position: NDArray, context: NDArray, out: NDArray) -> float:
        others = _unpack(context, contexts)
        [logprobs] = function(*_unpack(position, own), *(others[i] for i in used))
        out[:] = logprobs
        return 0.0

    return call


def _logprobs(block: SliceBlock, variables: Sequence[TensorVariable], mode: Mode) -> Callable[[Any], Any]:
    """Compile a slice block; the generator of the loop is used."""
    function = logprobs_function(block, variables, mode)
    return lambda rng: function


def _logdensity(block: NUTSBlock, variables: Sequence[TensorVariable], mode: Mode) -> Callable[[Any], Any]:
    """Compile a NUTS block; the generator is not used."""
    function = logdensity_function(block.logdensity, block.variables, variables, mode)
    return lambda rng: function


def _draw(block: DrawBlock, variables: Sequence[TensorVariable], layout: Layout, mode: Mode) -> Callable[[Any], Any]:
    """Compile a draw block; each chain brings its generator."""
    outputs: list[Variable] = [block.next_rng, *block.outputs]
    if block.acceptance_rate is not None:
        outputs.append(block.acceptance_rate)
    function = _function([In(block.rng, mutable=True, borrow=True), *variables], outputs, mode)
    num_draws = len(block.outputs)

    def bind(rng: np.random.Generator) -> Callable[[NDArray, NDArray, NDArray], float]:
        def call(state: NDArray, out: NDArray, _: NDArray) -> float:
            nonlocal rng
            try:
                rng, *parts = function(rng, *_unpack(state, layout))
            except ValueError:
                # NumPy's generator refuses parameters outside of their domain.
                out[:] = np.nan
                return 0.0
            _flatten(parts[:num_draws], out)
            return float(parts[num_draws]) if len(parts) > num_draws else 0.0

        return call

    return bind
