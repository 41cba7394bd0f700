"""Operations that JAX lacks: compiled functions call back their Python implementation.

The gradient, where the operation defines one, is that of PyTensor, called back where it has to be.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.null_type import NullType
from pytensor.graph.op import Op
from pytensor.link.jax.dispatch import jax_funcify
from pytensor.tensor.random.type import RandomType

from graphs.backends.failures import failed_in
from graphs.errors import BackendError, SamplingError
from graphs.surgery.examples import EXAMPLES, example_array

type Lower = Callable[[list[Variable], list[Variable]], Callable[..., Any]]

_FAILURES: deque[SamplingError] = deque(maxlen=1)
"""What Python code raised last: JAX passes on no more than its text."""


class CalledBack(Op):
    """A node that is evaluated in Python, as an operation that JAX can trace.

    Parameters
    ----------
    node : Apply
        What is evaluated.
    lower : callable
        Converts a graph, given by inputs and outputs, to a function that JAX can trace: for the gradient.
    """

    def __init__(self, node: Apply, lower: Lower):
        self.node = node
        self.lower = lower

    def __str__(self) -> str:
        return str(self.node.op)

    def make_node(self, *inputs: Variable) -> Apply:
        """Make a node with outputs of the types that the operation gives."""
        return Apply(self, list(inputs), [v.type() for v in self.node.outputs])

    def perform(self, node: Apply, inputs: list[Any], output_storage: list[list[Any]]) -> None:
        """Evaluate in Python."""
        self.node.op.perform(self.node, inputs, output_storage)


@jax_funcify.register(CalledBack)
def jax_called_back(op: CalledBack, node: Apply, **kwargs: Any) -> Callable[..., Any]:
    """Return a function that JAX can trace."""
    given = [i for i, v in enumerate(node.inputs) if not isinstance(v, Constant) and not isinstance(v.type, RandomType)]
    generators = [i for i, v in enumerate(node.inputs) if isinstance(v.type, RandomType)]
    evaluate = _differentiable(op, given) if not generators else _called(op.node, given)

    def call(*inputs: Any) -> Any:
        arrays = [jnp.asarray(inputs[i], op.node.inputs[i].type.dtype) for i in given]
        if not generators:
            found = iter(evaluate(*arrays))
            results = [next(found) for _ in op.node.outputs]
        else:
            key, own = jax.random.split(inputs[generators[0]]["jax_state"])
            words = jax.random.bits(own, (2,), "uint32")
            found = iter(evaluate(*arrays, words=words))
            results = [{"jax_state": key} if isinstance(v.type, RandomType) else next(found) for v in op.node.outputs]
        return results[0] if len(results) == 1 else tuple(results)

    return call


def _called(node: Apply, given: Sequence[int]) -> Callable[..., Sequence[jax.Array]]:
    """Return a function of traced arrays, and of two words if the node draws, that evaluates a node in Python."""
    outputs = [v for v in node.outputs if not isinstance(v.type, RandomType)]

    def evaluate(*arrays: jax.Array, words: Any = None) -> Sequence[jax.Array]:
        shapes = _shapes(node, given, arrays)
        kinds = [jax.ShapeDtypeStruct(s, v.type.dtype) for s, v in zip(shapes, outputs, strict=True)]

        def host(*given_values: Any) -> tuple[NDArray, ...]:
            *values, seed = given_values if words is not None else (*given_values, None)
            try:
                results = _performed(node, given, values, seed)
                for result, shape in zip(results, shapes, strict=True):
                    if result.shape != shape:
                        raise ValueError(f"it gave an array of shape {result.shape}, not {shape}")
            except Exception as error:  # operations may raise anything
                failure = failed_in(str(node.op), error)
                failure.__cause__ = error
                _FAILURES.append(failure)
                raise failure from error
            return tuple(results)

        arguments = arrays if words is None else (*arrays, words)
        return tuple(jax.pure_callback(host, tuple(kinds), *arguments, vmap_method="sequential"))

    return evaluate


def _performed(node: Apply, given: Sequence[int], values: Sequence[Any], words: Any) -> list[NDArray]:
    """Evaluate a node on arrays."""
    inputs: list[Any] = [v.data if isinstance(v, Constant) else None for v in node.inputs]
    for i, value in zip(given, values, strict=True):
        array = np.array(value, node.inputs[i].type.dtype)
        inputs[i] = array if hasattr(node.inputs[i].type, "broadcastable") else array[()]
    for i, variable in enumerate(node.inputs):
        if isinstance(variable.type, RandomType):
            inputs[i] = np.random.default_rng(np.asarray(words))
    storage: list[list[Any]] = [[None] for _ in node.outputs]
    node.op.perform(node, inputs, storage)
    return [
        np.asarray(cell[0], v.type.dtype)
        for cell, v in zip(storage, node.outputs, strict=True)
        if not isinstance(v.type, RandomType)
    ]


def _shapes(node: Apply, given: Sequence[int], arrays: Sequence[jax.Array]) -> list[tuple[int, ...]]:
    """Return the shapes of the results, by evaluating the node on examples where its types do not tell."""
    types = [v.type for v in node.outputs if not isinstance(v.type, RandomType)]
    known = [getattr(kind, "shape", ()) for kind in types]
    if not any(None in shape for shape in known):
        return known
    found = set()
    for example in EXAMPLES:
        values = [example_array(example, np.shape(a), str(a.dtype)) for a in arrays]
        try:
            with np.errstate(all="ignore"):
                results = _performed(node, given, values, np.zeros(2, "uint32"))
        except Exception:  # what an operation raises on an example tells nothing of its shape
            continue
        found.add(tuple(result.shape for result in results))
    if len(found) != 1:
        raise BackendError(
            f"JAX needs to know the shape of the result of {node.op}: fix it with pytensor.tensor.specify_shape, or "
            'use backend="numba".',
            "jax",
            str(node.op),
        )
    return list(found.pop())


def _differentiable(op: CalledBack, given: Sequence[int]) -> Callable[..., Sequence[jax.Array]]:
    """Return the evaluation of a node as a function with the gradient that PyTensor has."""
    node = op.node
    call = jax.custom_vjp(_called(node, given))

    def backward(arrays: Sequence[jax.Array], cotangents: Sequence[Any]) -> tuple[Any, ...]:
        is_real = [str(v.type.dtype).startswith("float") for v in node.outputs]
        given_by = [v.type() if r else DisconnectedType()() for v, r in zip(node.outputs, is_real, strict=True)]
        terms = node.op.pullback(node.inputs, node.outputs, given_by)
        wanted = {i: terms[i] for i in given if not isinstance(terms[i].type, DisconnectedType | NullType)}
        seen = [v for v, r in zip(given_by, is_real, strict=True) if r]
        function = op.lower([*(node.inputs[i] for i in given), *seen], list(wanted.values()))
        found = dict(
            zip(wanted, function(*arrays, *(c for c, r in zip(cotangents, is_real, strict=True) if r)), strict=True)
        )
        return tuple(_cotangent(found.get(i), array) for i, array in zip(given, arrays, strict=True))

    call.defvjp(lambda *arrays: (call(*arrays), arrays), backward)
    evaluate: Callable[..., Sequence[jax.Array]] = call
    return evaluate


def _cotangent(found: Any, array: jax.Array) -> Any:
    """Return a gradient in the form that JAX wants: integers have none."""
    if not jnp.issubdtype(array.dtype, jnp.floating):
        return np.zeros(array.shape, jax.dtypes.float0)
    return jnp.full(array.shape, jnp.nan) if found is None else jnp.asarray(found, array.dtype)


@contextmanager
def reraising() -> Iterator[None]:
    """Turn JAX's error, where Python code that it called has failed, into that of the code.

    Raises
    ------
    SamplingError
        Names the operation.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError:
        if not _FAILURES:
            raise
        failure = _FAILURES.pop()
        raise failure from failure.__cause__
