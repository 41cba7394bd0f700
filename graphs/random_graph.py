"""Random variables in a graph: finding them, naming them, measuring them, replacing them by values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pymc.distributions.distribution import SymbolicRandomVariable
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.traversal import ancestors, toposort
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.random.type import RandomGeneratorType
from pytensor.tensor.subtensor import AdvancedSubtensor, Subtensor
from pytensor.tensor.variable import TensorVariable

from graphs.errors import DerivationError, ModelError


def is_random(variable: Variable) -> bool:
    """Whether a random operation draws this variable."""
    node = variable.owner
    return (
        node is not None
        and isinstance(node.op, RandomVariable | SymbolicRandomVariable)
        and isinstance(variable, TensorVariable)
    )


def find_random_variables(outputs: Iterable[Variable]) -> list[TensorVariable]:
    """Return every random variable among the ancestors of ``outputs``, parents before children."""
    return [
        out for node in toposort([v for v in outputs if v.owner is not None]) for out in node.outputs if is_random(out)
    ]


def parameters_of(rv: TensorVariable) -> tuple[Variable, ...]:
    """Return the distribution's parameters, without generator and size."""
    assert rv.owner is not None
    return tuple(rv.owner.op.dist_params(rv.owner))


def distribution_name(rv: TensorVariable) -> str:
    """Return the lower-case name of the distribution, e.g. ``normal``."""
    assert rv.owner is not None
    op = rv.owner.op
    printed = getattr(op, "_print_name", None)
    name = printed[0] if printed else getattr(op, "name", None) or type(op).__name__
    return str(name).lower()


def static_shape(variable: Variable) -> tuple[int, ...]:
    """Return the shape of a variable, evaluated where its type does not tell it.

    Raises
    ------
    ModelError
        If the shape depends on an input without a value.
    """
    shape = variable.type.shape
    if None not in shape:
        return tuple(int(n) for n in shape)
    try:
        with pytensor.config.change_flags(mode="FAST_COMPILE"):
            value = pytensor.function([], variable.shape, on_unused_input="ignore", mode="FAST_RUN")()
    except pytensor.graph.utils.MissingInputError as error:
        raise ModelError(
            f"The shape of {variable.name or variable} is not known: it depends on {error}. Give it a size.",
            variable.name,
        ) from error
    return tuple(int(n) for n in value)


def name_variables(variables: Sequence[TensorVariable], taken: Iterable[str] = ()) -> dict[TensorVariable, str]:
    """Return a stable name for each random variable: its own, or its distribution with a counter.

    Raises
    ------
    ModelError
        If two variables have the same name.
    """
    names: dict[TensorVariable, str] = {}
    used = set(taken)
    for variable in variables:
        if variable.name is None:
            continue
        if variable.name in used:
            raise ModelError(
                f"Two variables are named {variable.name!r}; every variable of a model needs a name of its own.",
                variable.name,
            )
        used.add(variable.name)
        names[variable] = variable.name
    for variable in variables:
        if variable.name is not None:
            continue
        stem = distribution_name(variable) if is_random(variable) else "observed"
        number = next(i for i in range(1, len(used) + 2) if f"{stem}_{i}" not in used)
        names[variable] = f"{stem}_{number}"
        used.add(names[variable])
    return {variable: names[variable] for variable in variables}


def find_consumed(outcome: TensorVariable) -> set[TensorVariable]:
    """Return the random variables that an outcome is made of, so that they are no latent variables of their own.

    A random variable consumes itself. ``components[index]`` consumes the components and is conditional on the index;
    ``exp(noise)`` consumes the noise; ``mu + noise`` consumes the one of the two that has no name.

    Raises
    ------
    DerivationError
        If the graph does not tell which random variable the outcome measures.
    """
    if is_random(outcome):
        return {outcome}
    node = outcome.owner
    if node is None:
        raise ModelError(
            f"{outcome.name or outcome} is observed but is not random: no random variable leads to it.", outcome.name
        )
    return {rv for parent in _measured_parents(outcome, node) for rv in find_consumed(parent)}


def _measured_parents(outcome: TensorVariable, node: Apply) -> list[TensorVariable]:
    random_inputs = [
        i for i in node.inputs if isinstance(i, TensorVariable) and (is_random(i) or find_random_variables([i]))
    ]
    if not random_inputs:
        raise ModelError(
            f"{outcome.name or outcome} is observed but is not random: no random variable leads to it.", outcome.name
        )
    if isinstance(node.op, Subtensor | AdvancedSubtensor | DimShuffle):
        return [node.inputs[0]]
    if isinstance(node.op, Elemwise) and str(node.op.scalar_op) == "Switch":
        return [i for i in node.inputs[1:] if i in random_inputs]
    if isinstance(node.op, Elemwise) and len(random_inputs) > 1:
        unnamed = [i for i in random_inputs if i.name is None and all(rv.name is None for rv in find_consumed(i))]
        if len(unnamed) != 1:
            raise DerivationError(
                f"{outcome.name or 'The observed variable'} combines {len(random_inputs)} random inputs and the graph "
                "does not tell which one is measured. Name those that are parameters and leave the noise unnamed, or "
                "observe the random variable itself.",
                outcome.name,
                outcome,
            )
        return unnamed
    return random_inputs


def rebuild(
    outputs: Sequence[Variable],
    rewrite: Callable[[Apply, list[Variable]], list[Variable] | None],
    replacements: Mapping[Variable, Variable] | None = None,
) -> dict[Variable, Variable]:
    """Rebuild the graphs of ``outputs`` node by node, parents first, and return what became of each variable.

    ``rewrite(node, new_inputs)`` returns new outputs, or ``None`` to keep the node (cloned if its inputs changed).
    Names and tags are kept. Variables in ``replacements`` are not looked into.
    """
    memo: dict[Variable, Variable] = dict(replacements or {})

    def parents(variable: Variable) -> list[Variable]:
        return [] if variable in memo or variable.owner is None else list(variable.owner.inputs)

    reachable = set(_walk(outputs, parents))
    for node in toposort([v for v in outputs if v.owner is not None]):
        if not any(out in reachable and out not in memo for out in node.outputs):
            continue
        new_inputs = [memo.get(i, i) for i in node.inputs]
        new_outputs = rewrite(node, new_inputs)
        if new_outputs is None:
            if all(a is b for a, b in zip(new_inputs, node.inputs, strict=True)):
                continue
            new_outputs = list(node.op.make_node(*new_inputs).outputs)
        for old, new in zip(node.outputs, new_outputs, strict=True):
            if old in memo:
                continue
            if new.name is None:
                new.name = old.name
            new.tag.__dict__.update({k: v for k, v in old.tag.__dict__.items() if k not in new.tag.__dict__})
            memo[old] = new
    return memo


def _walk(outputs: Iterable[Variable], parents: Callable[[Variable], list[Variable]]) -> Iterable[Variable]:
    seen: set[Variable] = set()
    stack = list(outputs)
    while stack:
        variable = stack.pop()
        if variable in seen:
            continue
        seen.add(variable)
        yield variable
        stack.extend(parents(variable))


def substitute(outputs: Sequence[Variable], replacements: Mapping[Variable, Variable]) -> list[Variable]:
    """Replace variables in graphs; what stands above a replaced variable is dropped."""
    memo = rebuild(outputs, lambda node, inputs: None, replacements)
    return [memo.get(out, out) for out in outputs]


def prepare(outputs: Sequence[Variable]) -> dict[Variable, Variable]:
    """Make random variables fit for derivation, and return what became of each variable.

    Each gets a generator of its own: where one variable's generator is what another one left, the second would count
    as dependent on the first. Their parameters are cast to float64:

    PyTensor keeps small numbers as int8 or float32: ``sigma**2`` with ``sigma=36`` then overflows silently, and the
    logarithm of a Poisson rate of 3 is taken in single precision. Integers that parametrise a discrete variable, which
    may be counts, become int64.
    """

    def rewrite(node: Apply, inputs: list[Variable]) -> list[Variable] | None:
        op = node.op
        drawn = [out for out in node.outputs if is_random(out)]
        if not drawn:
            return None
        inputs = [_own_generator(i) for i in inputs]
        integer = "float64" if str(drawn[0].type.dtype).startswith("float") else "int64"
        is_fixed = isinstance(op, SymbolicRandomVariable) and (
            op.extended_signature is None or not hasattr(op, "rv_op")
        )
        parameters = set() if is_fixed else set(op.dist_params(node))
        new_inputs = [
            _widened(new, integer) if old in parameters else new for old, new in zip(node.inputs, inputs, strict=True)
        ]
        if all(a is b for a, b in zip(new_inputs, node.inputs, strict=True)):
            return None
        if all(a.type == b.type for a, b in zip(new_inputs, node.inputs, strict=True)):
            return list(op.make_node(*new_inputs).outputs)
        if isinstance(op, SymbolicRandomVariable):
            return _rebuild_symbolic(node, new_inputs)
        return list(op.make_node(*new_inputs).outputs)

    return rebuild(outputs, rewrite)


def _rebuild_symbolic(node: Apply, inputs: list[Variable]) -> list[Variable] | None:
    op = node.op
    ([*rngs], size, params), _ = op.get_input_output_type_idxs(op.extended_signature)
    if len(rngs) != 1 or size is None:
        return None
    rebuilt = op.rebuild_rv(*(inputs[i] for i in params), size=inputs[size], rng=inputs[rngs[0]])
    return list(rebuilt.owner.outputs)


def _own_generator(variable: Variable) -> Variable:
    if isinstance(variable.type, RandomGeneratorType) and variable.owner is not None:
        return pt.random.shared_rng(seed=0)
    return variable


def _widened(parameter: Variable, integer: str) -> Variable:
    if not isinstance(parameter, TensorVariable):
        return parameter
    dtype = "float64" if str(parameter.type.dtype).startswith("float") else integer
    if parameter.type.dtype in (dtype, "bool"):
        return parameter
    if isinstance(parameter, Constant):
        return pt.constant(np.asarray(parameter.data, dtype=dtype), name=parameter.name)
    return pt.cast(parameter, dtype)


def depends_on(variable: Variable, sources: Iterable[Variable]) -> bool:
    """Whether any of ``sources`` is an ancestor of ``variable`` (or is it)."""
    wanted = set(sources)
    return any(v in wanted for v in ancestors([variable]))


def value_variable(rv: TensorVariable, name: str, shape: tuple[int, ...] | None = None) -> TensorVariable:
    """Return a named input that stands for the value of ``rv``: float64 or int64, of static shape."""
    dtype = "float64" if str(rv.type.dtype).startswith("float") else "int64"
    variable: Any = pt.tensor(name, dtype=dtype, shape=static_shape(rv) if shape is None else shape)
    return variable
