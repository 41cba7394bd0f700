"""A PyTensor graph as a pure function that JAX can trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, nan
from typing import Any

import jax
import jax.numpy as jnp
import pytensor.tensor as pt
from pytensor.compile.mode import JAX, Mode
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.graph.replace import clone_replace
from pytensor.graph.rewriting.basic import in2out, node_rewriter
from pytensor.graph.traversal import graph_inputs
from pytensor.link.jax.dispatch import jax_funcify
from pytensor.link.jax.dispatch.random import jax_sample_fn
from pytensor.raise_op import CheckAndRaise
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.random.type import RandomType
from pytensor.tensor.variable import TensorVariable

from graphs.backends.jax import random as jax_random  # noqa: F401  (lowerings)
from graphs.backends.jax.callback import CalledBack
from graphs.errors import BackendError
from graphs.limits import jax_lowering as jax_masked_slopes  # noqa: F401  (lowerings)
from graphs.limits.constants import folded
from graphs.limits.masked_slopes import has_masked_slopes, with_masked_slopes
from graphs.recursion import jax_lowering as jax_recursion  # noqa: F401  (lowerings)
from graphs.sparse import jax_lowering as jax_sparse  # noqa: F401  (lowerings)
from graphs.surgery.traces import FORGET
from graphs.tails import jax_lowering as jax_tails  # noqa: F401  (lowerings)

# PyTensor's own import sets this from floatX; our log-densities are float64 whatever floatX says.
jax.config.update("jax_enable_x64", True)

LONGEST_NAME = 60
LONGEST_REASON = 120
ALTERNATIVE = 'Use backend="numba" for this graph.'


@node_rewriter([CheckAndRaise])
def replace_check(fgraph: FunctionGraph, node: Apply) -> list[Variable] | None:
    """Turn a check, which cannot raise in compiled JAX code, into a value that shows the failure.

    A log-density becomes minus infinity, any other real value NaN. Integers can show nothing: their checks (mostly
    of shapes, which are static here) go.
    """
    value, *conditions = node.inputs
    dtype = getattr(value.type, "dtype", "")
    if not dtype.startswith("float"):
        return [value]
    failure = -inf if getattr(node.op, "can_be_replaced_by_ninf", False) else nan
    condition = pt.all(conditions) if len(conditions) > 1 else conditions[0]
    return [pt.switch(condition, value, failure).astype(dtype)]


# A mode, and not a rewrite of the outer graph alone, because PyTensor hands the mode down to inner graphs (Scan).
JAX_MODE: Mode = JAX.register((in2out(replace_check, name="replace_check"), -1))


def jax_callable(
    inputs: Sequence[TensorVariable], outputs: Sequence[TensorVariable], rng: Variable | None = None
) -> Callable[..., Any]:
    """Convert a graph into a pure function of arrays that JAX can trace, differentiate, batch and compile.

    Importing this module sets ``jax_enable_x64``: JAX computes in float32 otherwise, which loses the digits that
    log-densities of many observations need. Data (constants, shared variables) become constants of the function.

    Parameters
    ----------
    inputs : sequence of TensorVariable
        The arguments of the function.
    outputs : sequence of TensorVariable
        What it computes.
    rng : Variable, optional
        The generator that the graph draws with. The function then takes a JAX key first: JAX cannot use NumPy's
        generators. Shared generators in the graph are keyed from the same key.

    Returns
    -------
    callable
        ``(*arrays) -> list of arrays``; with ``rng``: ``(key, *arrays) -> (next key, list of arrays)``.

    Raises
    ------
    BackendError
        If an operation has no JAX implementation, or if the graph draws and ``rng`` is not given.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> x = pt.vector("x", shape=(3,))
    >>> [float(total) for total in jax_callable([x], [x.sum()])([1.0, 2.0, 3.5])]
    [6.5]
    """
    generators = _generators(outputs, rng)
    graph_function = _lower([*generators, *inputs], _without_shared_data(folded(outputs)))
    input_dtypes = [variable.type.dtype for variable in inputs]
    output_dtypes = [variable.type.dtype for variable in outputs]

    def evaluate(states: list[dict], arrays: tuple) -> list[jax.Array]:
        values = [jnp.asarray(array, dtype) for array, dtype in zip(arrays, input_dtypes, strict=True)]
        results = _trace(graph_function, [*states, *values])
        return [jnp.asarray(result, dtype) for result, dtype in zip(results, output_dtypes, strict=True)]

    if rng is None:
        return lambda *arrays: evaluate([], arrays)

    def draw(key: jax.Array, *arrays: Any) -> tuple[jax.Array, list[jax.Array]]:
        next_key, *keys = jax.random.split(key, 1 + len(generators))
        return next_key, evaluate([{"jax_state": key} for key in keys], arrays)

    return draw


def _generators(outputs: Sequence[TensorVariable], rng: Variable | None) -> list[Variable]:
    """Return ``rng`` followed by the other generators that the graph draws with."""
    found = [variable for variable in graph_inputs(outputs) if isinstance(variable.type, RandomType)]
    others = [variable for variable in dict.fromkeys(found) if variable is not rng]
    if rng is None:
        if others:
            raise BackendError("The graph draws random variables: pass its generator as rng.", "jax")
        return []
    return [rng, *others]


def _without_shared_data(outputs: Sequence[TensorVariable]) -> list[TensorVariable]:
    """Replace shared data by constants of their present value."""
    shared = [
        variable
        for variable in graph_inputs(outputs)
        if isinstance(variable, SharedVariable) and not isinstance(variable.type, RandomType)
    ]
    constants = {v: pt.constant(v.get_value(), dtype=v.type.dtype) for v in shared}
    return clone_replace(list(outputs), constants) if constants else list(outputs)


def _lower(inputs: list[Variable], outputs: list[TensorVariable]) -> Callable[..., Any]:
    """Rewrite the graph for JAX and convert it node by node; what JAX lacks is called back in Python."""
    fgraph = FunctionGraph(inputs, outputs, clone=True, features=[FORGET])
    JAX_MODE.optimizer.rewrite(fgraph)
    if has_masked_slopes(outputs):
        # The rewrites took the masks off, but JAX may yet differentiate what it is given.
        fgraph = FunctionGraph(fgraph.inputs, with_masked_slopes(fgraph.outputs), clone=True, features=[FORGET])
    for node in fgraph.toposort():
        reason = _missing(node)
        if reason is None:
            continue
        if type(node.op).perform is Op.perform:
            op = _short_name(node.op)
            raise BackendError(f"{op} has no JAX implementation ({reason}). {ALTERNATIVE}", "jax", op)
        called = CalledBack(node, _lower).make_node(*node.inputs).outputs
        pairs = [(old, new) for old, new in zip(node.outputs, called, strict=True) if fgraph.clients.get(old)]
        fgraph.replace_all(pairs, reason="call back", import_missing=True)
    return jax_funcify(fgraph)


def _missing(node: Apply) -> str | None:
    """Return why PyTensor cannot convert a node, None if it can."""
    try:
        jax_funcify(node.op, node=node)
        if isinstance(node.op, RandomVariable):
            jax_sample_fn(node.op, node=node)
    except NotImplementedError as error:
        return " ".join(str(error).split())[:LONGEST_REASON]
    return None


def _short_name(op: Op) -> str:
    """Return what the operation calls itself, or its class where that would print an inner graph."""
    name = str(op)
    return name if len(name) <= LONGEST_NAME else type(getattr(op, "scalar_op", op)).__name__


def _trace(function: Callable[..., Any], arguments: list[Any]) -> Sequence[Any]:
    """Call the converted graph; name what only shows while tracing, such as a shape that depends on values."""
    try:
        return function(*arguments)
    except (NotImplementedError, TypeError, jax.errors.JAXIndexError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BackendError(f"The graph cannot be traced by JAX: {reason} {ALTERNATIVE}", "jax") from error
