"""Evaluate graphs on arrays without compiling them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import reduce
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from pytensor.compile.builders import OpFromGraph
from pytensor.compile.inner_function import link_only_mode
from pytensor.compile.mode import Mode
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.graph.rewriting.basic import GraphRewriter
from pytensor.graph.traversal import toposort
from pytensor.link.vm import VMLinker
from pytensor.scalar.basic import Add, Clip, Identity, Mul, Second
from pytensor.scalar.math import Log1mexp, Softplus, TriGamma
from pytensor.scan.op import Scan
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.random.type import RandomType
from pytensor.tensor.type import TensorType
from pytensor.tensor.utils import import_func_from_string
from scipy.special import polygamma

_FAILURES = (
    NotImplementedError,
    AssertionError,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    ZeroDivisionError,
    OverflowError,
)
_MOST_OPERANDS = 30


def _softplus(x: NDArray) -> NDArray:
    return np.where(x < 33.3, np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x))), x)


def _log1mexp(x: NDArray) -> NDArray:
    return np.where(x < np.log(0.5), np.log1p(-np.exp(x)), np.log(-np.expm1(x)))


_ON_ARRAYS: Mapping[type, Callable[..., NDArray]] = {
    Softplus: _softplus,
    Log1mexp: _log1mexp,
    TriGamma: lambda x: polygamma(1, x),
    Clip: lambda x, low, high: np.where(x < low, low, np.where(x > high, high, x)),
    Second: lambda shape, x: np.broadcast_to(x, np.broadcast_shapes(shape.shape, x.shape)),
    Identity: lambda x: x,
}
"""Operations on elements for which PyTensor has no function of NumPy: it would call Python for each element."""
_INTERPRETED: WeakKeyDictionary[Op, Op] = WeakKeyDictionary()


def evaluate(outputs: Sequence[Variable], givens: Mapping[Variable, Any]) -> list[Any] | None:
    """Return the values of graphs by the Python implementation of each node; None where one fails.

    Parameters
    ----------
    outputs : sequence of Variable
        Graphs.
    givens : mapping of Variable to array
        Values of all their inputs.

    Returns
    -------
    list of array or None
    """
    values: dict[Variable, Any] = dict(givens)
    loops: list[tuple[Op, list[Any], list[Any]]] = []

    def value_of(variable: Variable) -> Any:
        if variable in values:
            return values[variable]
        if isinstance(variable, Constant):
            return variable.data
        if isinstance(variable, SharedVariable):
            return variable.get_value(borrow=True)
        raise KeyError(variable)

    with np.errstate(all="ignore"):
        for node in toposort(list(outputs), blockers=list(givens)):
            try:
                inputs = [value_of(i) for i in node.inputs]
                results = _of_same_loop(node, inputs, loops) or perform(node, inputs)
            except _FAILURES:
                return None
            if results is None:
                return None
            if isinstance(node.op, Scan):
                loops.append((node.op, inputs, results))
            for output, result in zip(node.outputs, results, strict=True):
                values[output] = np.asarray(result) if isinstance(output.type, TensorType) else result
    return [value_of(output) for output in outputs]


def _of_same_loop(
    node: Apply, inputs: Sequence[Any], loops: Sequence[tuple[Op, list[Any], list[Any]]]
) -> list[Any] | None:
    """Return the results of a loop that was run with the same inputs: graphs that were rebuilt have loops twice."""
    if not isinstance(node.op, Scan) or any(isinstance(i.type, RandomType) for i in node.inputs):
        return None
    read = _read(node.op, inputs)
    for op, given, results in loops:
        if op == node.op and all(map(np.array_equal, _read(op, given), read)):
            return results
    return None


def _read(op: Any, inputs: Sequence[Any]) -> list[Any]:
    """Return what a loop reads of its inputs: arrays for its states hold anything but in their first rows."""
    first, read = 1 + op.info.n_seqs + op.info.n_mit_mot, list(inputs)
    for k, taps in enumerate([*op.info.mit_sot_in_slices, *op.info.sit_sot_in_slices], first):
        read[k] = inputs[k][: -min(taps)]
        read.append(np.shape(inputs[k]))
    return read


def perform(node: Apply, inputs: Sequence[Any]) -> list[Any] | None:
    """Return the values of a node's outputs by its Python implementation; None where part of it fails.

    Parameters
    ----------
    node : Apply
        The node. What its operation would compile, at a second for each graph inside it, is evaluated part by part.
    inputs : sequence of array
        Values of its inputs.
    """
    # An OpFromGraph (softmax is one) would compile its inner graph.
    if isinstance(node.op, OpFromGraph):
        return evaluate(node.op.inner_outputs, dict(zip(node.op.inner_inputs, inputs, strict=True)))
    if isinstance(node.op, Scan):
        return _perform_scan(node, inputs)
    if len(inputs) > _MOST_OPERANDS and isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, Add | Mul):
        # A ufunc takes no more operands: PyTensor would compile C code.
        return [reduce(np.add if isinstance(node.op.scalar_op, Add) else np.multiply, inputs)]
    if isinstance(node.op, Elemwise) and (on_arrays := _ON_ARRAYS.get(type(node.op.scalar_op))) is not None:
        dtype = node.outputs[0].type.dtype
        with np.errstate(all="ignore"):
            return [np.array(on_arrays(*(np.asarray(i, dtype) for i in inputs)), dtype)]
    if isinstance(node.op, Blockwise) and node.op.gufunc_spec is None:
        return _perform_blockwise(node, [np.asarray(i) for i in inputs])
    return _perform_op(node.op, node, inputs)


def _perform_op(op: Op, node: Apply, inputs: Sequence[Any]) -> list[Any]:
    storage: list[list[Any]] = [[None] for _ in node.outputs]
    op.perform(node, list(inputs), storage)
    return [result for (result,) in storage]


def _perform_scan(node: Apply, inputs: Sequence[Any]) -> list[Any]:
    """Run a loop; PyTensor would compile its body to C first, and keep that for other uses of the same loop."""
    if node.op not in _INTERPRETED:
        op = copy(node.op)
        linker = VMLinker(use_cloop=False, c_thunks=False)
        op._fn = op.compile_fn(link_only_mode(linker) if op.info.mit_mot_in_slices else Mode(linker, _AsOne()))
        _INTERPRETED[node.op] = op
    return _perform_op(_INTERPRETED[node.op], node, inputs)


class _Body(Op):
    """A graph as one operation, whose nodes are performed in order.

    To call an operation on numbers takes PyTensor ten times as long as NumPy takes for it, in each step of a loop.

    Parameters
    ----------
    inputs, outputs : sequence of Variable
        Ends of the graph.
    nodes : sequence of Apply
        In order.
    """

    def __init__(self, inputs: Sequence[Variable], outputs: Sequence[Variable], nodes: Sequence[Apply]):
        self.itypes, self.otypes = [i.type for i in inputs], [o.type for o in outputs]
        known = {v: v.data for node in nodes for v in node.inputs if isinstance(v, Constant)}
        known |= {v: v.data for v in outputs if isinstance(v, Constant)}
        place = {v: k for k, v in enumerate([*known, *inputs])}
        self._known, self._num_inputs = list(known.values()), len(inputs)
        self._steps: list[tuple[Callable[..., Any] | None, Apply, list[int]]] = []
        for node in nodes:
            self._steps.append((_on_numbers(node), node, [place[v] for v in node.inputs]))
            place |= {v: len(place) + k for k, v in enumerate(node.outputs)}
        self._results = [place[v] for v in outputs]

    def make_node(self, *inputs: Variable) -> Apply:
        return Apply(self, list(inputs), [kind() for kind in self.otypes])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: Sequence[list[Any]]) -> None:
        values = [*self._known, *inputs]
        for function, own, places in self._steps:
            if function is not None:
                values.append(function(*[values[k] for k in places]))
                continue
            results = perform(own, [values[k] for k in places])
            if results is None:
                raise NotImplementedError
            values += results
        own_values = len(self._known) + self._num_inputs
        for storage, kind, k in zip(output_storage, self.otypes, self._results, strict=True):
            # What was given stays whose it is.
            value = copy(values[k]) if k < own_values else values[k]
            storage[0] = np.asarray(value) if isinstance(kind, TensorType) else value


class _AsOne(GraphRewriter):
    """Makes a graph one operation."""

    def apply(self, fgraph: FunctionGraph) -> None:
        """Put the operation in the place of all nodes."""
        body = _Body(fgraph.inputs, fgraph.outputs, fgraph.toposort())
        new = body.make_node(*fgraph.inputs).outputs
        for k, output in enumerate(new):
            fgraph.change_node_input(*fgraph.get_output_client(k), output, reason="as one")


def _on_numbers(node: Apply) -> Callable[..., Any] | None:
    """Return the function of NumPy or SciPy that a node calls on numbers; None of other nodes."""
    op = node.op
    is_simple = (
        isinstance(op, Elemwise)
        and not op.inplace_pattern
        and type(op.scalar_op) not in _ON_ARRAYS
        and len(node.outputs) == 1
        and all(v.type.ndim == 0 for v in (*node.inputs, *node.outputs))
    )
    function = import_func_from_string(op.nfunc_spec[0]) if is_simple and op.nfunc_spec else None
    if function is None:
        return None
    ones = [np.ones((), v.type.dtype) for v in node.inputs]
    if len(ones) != op.nfunc_spec[1]:
        if not isinstance(op.scalar_op, Add | Mul):
            return None
        two = function

        def function(*operands: Any) -> Any:
            return reduce(two, operands)

    # Of small integers NumPy takes the exponential in half precision.
    return function if np.asarray(function(*ones)).dtype == node.outputs[0].type.dtype else None


def _perform_blockwise(node: Apply, inputs: Sequence[Any]) -> list[Any] | None:
    """Apply the core operation to each part of a batch: PyTensor would compile it first."""
    ndim = node.op.batch_ndim(node)
    core = node.op._create_dummy_core_node(node.inputs, propagate_unbatched_core_inputs=True)
    shape = np.broadcast_shapes(*(i.shape[:ndim] for i in inputs))
    full = [np.broadcast_to(i, shape + i.shape[ndim:]) for i in inputs]
    parts = [perform(core, [np.asarray(i[index]) for i in full]) for index in np.ndindex(shape)]
    if not parts or any(part is None for part in parts):
        return None
    columns = zip(*(part for part in parts if part is not None), strict=True)
    stacked = [np.stack([np.asarray(result) for result in column]) for column in columns]
    return [array.reshape(shape + array.shape[1:]) for array in stacked]
