"""Make a graph of random variables fit for derivation: double precision, and a generator for each variable."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytensor.tensor as pt
from pymc.distributions.dist_math import SplineWrapper
from pymc.distributions.distribution import SymbolicRandomVariable
from pymc.distributions.truncated import TruncatedRV
from pytensor.conditional import IfElse
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.op import HasInnerGraph
from pytensor.graph.traversal import toposort
from pytensor.scalar.basic import Cast
from pytensor.tensor.basic import Choose, MakeVector, ScalarFromTensor, scalar_from_tensor
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.random.type import RandomGeneratorType
from pytensor.tensor.shape import Shape
from pytensor.tensor.variable import TensorVariable
from pytensor.typed_list.basic import MakeList

from graphs.surgery.random_graph import components_of, is_random
from graphs.surgery.rebuilding import rebuild, substitute
from graphs.tails.ordered import with_stable_categories
from graphs.variables.inner_outcome import inner_outcome, is_open
from graphs.variables.splines import as_piecewise_polynomial

_SMALL_INTEGERS = ("int8", "int16", "uint8", "uint16")


def prepare(outputs: Sequence[Variable]) -> dict[Variable, Variable]:
    """Make random variables fit for derivation, and return what became of each variable.

    Each gets a generator of its own: where one variable's generator is what another one left, the second would count
    as dependent on the first. Their parameters are computed in double precision, as in `widen`: PyTensor keeps small
    numbers as int8, so that ``sigma**2`` with ``sigma=36`` overflows silently. Integers that parametrise a discrete
    variable, which may be counts, become int64.
    """
    inner = _opened(outputs)
    new = with_stable_categories(substitute(outputs, inner) if inner else outputs)
    memo = rebuild(new, lambda node, inputs: _prepared(node, inputs) or _widened_node(node, inputs))
    if all(a is b for a, b in zip(new, outputs, strict=True)):
        return memo
    return {old: memo.get(now, now) for old, now in zip(outputs, new, strict=True)}


def _opened(outputs: Sequence[Variable]) -> dict[Variable, Variable]:
    """Return the graphs of distributions that are graphs: PyMC does not know those of scans."""
    found: dict[Variable, Variable] = {}
    for node in toposort([v for v in outputs if v.owner is not None]):
        if is_open(node):
            [found[node.default_output()]] = substitute([inner_outcome(node)], found)
    return found


def widen(graphs: Sequence[Variable]) -> list[Variable]:
    """Compute graphs in double precision.

    PyTensor gives a Python number the smallest dtype that holds it: 0.1 + 0.2 stay double, but 0.5 becomes float32 and
    the logarithm of 2 (int8) is taken in single precision.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> str(pt.log(2).type.dtype), str(widen([pt.log(2)])[0].type.dtype)
    ('float32', 'float64')
    """
    memo = rebuild(graphs, _widened_node)
    return [memo.get(g, g) for g in graphs]


def _prepared(node: Apply, inputs: list[Variable]) -> list[Variable] | None:
    op = node.op
    drawn = [out for out in node.outputs if is_random(out)]
    if not drawn:
        return None
    integer = "float64" if str(drawn[0].type.dtype).startswith("float") else "int64"
    is_fixed = isinstance(op, SymbolicRandomVariable) and (op.extended_signature is None or not hasattr(op, "rv_op"))
    parameters = set() if is_fixed or components_of(node) else set(op.dist_params(node))
    new = [
        as_parameter(v, integer) if old in parameters else _own_generator(v)
        for old, v in zip(node.inputs, inputs, strict=True)
    ]
    if all(a is b for a, b in zip(new, node.inputs, strict=True)):
        return None
    if isinstance(op, SymbolicRandomVariable) and any(a.type != b.type for a, b in zip(new, node.inputs, strict=True)):
        rebuilt = _rebuild_symbolic(node, new)
        if rebuilt is not None:
            return rebuilt
        new = [_like(now, before) for now, before in zip(new, node.inputs, strict=True)]
    return _remade(node, new)


def _remade(node: Apply, inputs: list[Variable]) -> list[Variable]:
    """Make a node again on wider inputs; on inputs of the old types, where it is made for these alone."""
    if isinstance(node.op, MakeVector) and node.op.dtype == "float32":
        return list(MakeVector("float64").make_node(*inputs).outputs)
    try:
        return list(node.op.make_node(*inputs).outputs)
    except TypeError:
        same = [_like(now, before) for now, before in zip(inputs, node.inputs, strict=True)]
        return list(node.op.make_node(*same).outputs)


def _rebuild_symbolic(node: Apply, inputs: list[Variable]) -> list[Variable] | None:
    op = node.op
    if isinstance(op, TruncatedRV):
        return _rebuild_truncated(op, inputs)
    if op.extended_signature is None or not hasattr(op, "rv_op"):
        return None
    ([*rngs], size, params), _ = op.get_input_output_type_idxs(op.extended_signature)
    if len(rngs) != 1 or size is None:
        return None
    try:
        rebuilt = op.rebuild_rv(*(inputs[i] for i in params), size=inputs[size], rng=inputs[rngs[0]])
    except (TypeError, ValueError):
        # Some of its integers are shapes, and PyMC does not tell which.
        return None
    return list(rebuilt.owner.outputs)


def _rebuild_truncated(op: TruncatedRV, inputs: list[Variable]) -> list[Variable]:
    """Truncate a variable of wider parameters: of many counts single precision rounds probabilities to one."""
    *base_inputs, lower, upper = inputs
    base = op.base_rv_op.make_node(*base_inputs).default_output()
    rebuilt = TruncatedRV.rv_op(base, lower, upper, op.max_n_steps)
    return list(rebuilt.owner.outputs)


def _own_generator(variable: Variable) -> Variable:
    if isinstance(variable.type, RandomGeneratorType) and variable.owner is not None:
        return pt.random.shared_rng(seed=0)
    return variable


def as_parameter(parameter: Variable, integer: str) -> Variable:
    """Return a parameter in double precision, integers as ``integer``."""
    if not isinstance(parameter, TensorVariable) or parameter.type.dtype == "bool":
        return parameter
    dtype = "float64" if str(parameter.type.dtype).startswith("float") else integer
    return _as_dtype(parameter, dtype)


def _as_dtype(variable: TensorVariable, dtype: str) -> TensorVariable:
    if variable.type.dtype == dtype:
        return variable
    if isinstance(variable, Constant):
        constant: TensorVariable = pt.constant(np.asarray(variable.data, dtype=dtype), name=variable.name)
        return constant
    return pt.cast(variable, dtype)


def _widened_node(node: Apply, inputs: list[Variable]) -> list[Variable] | None:
    """Give an element-wise node double-precision constants, and let single precision spread no further."""
    if isinstance(node.op, Shape) and None not in node.inputs[0].type.shape:
        # So that nothing random is left where only its shape was needed.
        return [pt.constant(np.array(node.inputs[0].type.shape, dtype="int64"))]
    if isinstance(node.op, IfElse):
        # Of log-probabilities, cheap: a switch has a gradient on every backend, and can be lifted.
        condition, *branches = inputs
        half = len(branches) // 2
        return [pt.switch(condition, a, b) for a, b in zip(branches[:half], branches[half:], strict=True)]
    if _is_needless_cast(node, inputs):
        return inputs
    if isinstance(node.op, ScalarFromTensor) and str(inputs[0].type.dtype) in _SMALL_INTEGERS:
        # An index of eight bits cannot be merged with a slice up to 200: PyTensor prints a traceback.
        return [scalar_from_tensor(pt.cast(inputs[0], "int64"))]
    if isinstance(node.op, SplineWrapper):
        return as_piecewise_polynomial(node.op, inputs[0])
    if isinstance(node.op, Choose):
        return _indexed_choice(node.op, *inputs)
    if isinstance(node.op, HasInnerGraph):
        # Its inner inputs are of fixed types.
        new = [_like(now, before) for now, before in zip(inputs, node.inputs, strict=True)]
    else:
        is_single = isinstance(node.op, Elemwise) and str(node.outputs[0].type.dtype) == "float32"
        new = [_widened_input(v, is_single) for v in inputs]
    if all(a is b for a, b in zip(new, node.inputs, strict=True)):
        return None if isinstance(node.op, HasInnerGraph) else _with_known_shape(node)
    return _remade(node, new)


def _is_needless_cast(node: Apply, inputs: Sequence[Variable]) -> bool:
    """Whether a node casts what has the dtype by now: rules on logarithms would not see through it."""
    is_cast = isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, Cast)
    return is_cast and node.outputs[0].type.dtype == inputs[0].type.dtype


def _with_known_shape(node: Apply) -> list[Variable] | None:
    """Make a node again whose shape follows from its inputs: PyMC puts values below nodes that were made before."""
    if not any(isinstance(out, TensorVariable) and None in out.type.shape for out in node.outputs):
        return None
    new = node.op.make_node(*node.inputs).outputs
    return None if all(a.type == b.type for a, b in zip(new, node.outputs, strict=True)) else list(new)


def _indexed_choice(op: Choose, index: Variable, choices: Variable) -> list[Variable] | None:
    """Write ``choose`` as an indexing: it has no gradient, and not every backend has it."""
    if isinstance(choices, TensorVariable):
        arrays = list(choices) if choices.type.shape[0] is not None else []
    else:
        is_list = choices.owner is not None and isinstance(choices.owner.op, MakeList)
        arrays = list(choices.owner.inputs) if is_list else []
    if not arrays:
        return None
    count = len(arrays)
    if op.mode == "wrap":
        index = index % count
    elif op.mode == "clip":
        index = pt.clip(index, 0, count - 1)
    position, *arrays = pt.broadcast_arrays(index, *arrays)
    return [pt.take_along_axis(pt.stack(arrays), position[None], axis=0)[0]]


def _like(variable: Variable, original: Variable) -> Variable:
    if isinstance(variable, TensorVariable) and isinstance(original, TensorVariable):
        return _as_dtype(variable, str(original.type.dtype))
    return variable


def _widened_input(variable: Variable, is_single: bool) -> Variable:
    if not isinstance(variable, TensorVariable):
        return variable
    dtype = str(variable.type.dtype)
    if dtype == "float32" and isinstance(variable, Constant):
        return _as_dtype(variable, "float64")
    if is_single and dtype in _SMALL_INTEGERS:
        return _as_dtype(variable, "float64")
    return variable
