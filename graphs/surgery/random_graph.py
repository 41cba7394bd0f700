"""Random variables in a graph: finding them, naming them, measuring them, replacing them by values."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any

from pymc.distributions.censored import CensoredRV
from pymc.distributions.distribution import PartialObservedRV, SymbolicRandomVariable
from pymc.distributions.mixture import _BaseMixtureRV
from pymc.distributions.multivariate import _LKJCholeskyCovRV
from pymc.distributions.timeseries import GARCH11RV, AutoRegressiveRV, EulerMaruyamaRV, RandomWalkRV
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.traversal import ancestors, toposort
from pytensor.graph.utils import MissingInputError
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.shape import Shape, Shape_i
from pytensor.tensor.subtensor import AdvancedSubtensor, Subtensor
from pytensor.tensor.type import TensorType
from pytensor.tensor.variable import TensorVariable

from graphs.errors import DerivationError, ModelError
from graphs.surgery.interpreting import interpret


def is_random(variable: Variable) -> bool:
    """Whether a random operation draws this variable."""
    node = variable.owner
    return (
        node is not None
        and isinstance(node.op, RandomVariable | SymbolicRandomVariable)
        and isinstance(variable, TensorVariable)
    )


def find_random_variables(outputs: Iterable[Variable]) -> list[TensorVariable]:
    """Return every random variable among the ancestors of ``outputs``, in the order in which they were made.

    Parents are made before their children. What only gives its shape is left out.
    """
    nodes = _value_nodes(outputs)
    consumed = {component for node in nodes for component in components_of(node)}
    found = (out for node in nodes for out in node.outputs if is_random(out) and out not in consumed)
    return sorted(found, key=creation_number)


def _value_nodes(outputs: Iterable[Variable]) -> list[Apply]:
    """Return the nodes on whose values the outputs depend."""
    seen: dict[Apply, None] = {}
    stack = [v.owner for v in outputs if v.owner is not None]
    while stack:
        node = stack.pop()
        if node in seen or isinstance(node.op, Shape | Shape_i):
            continue
        seen[node] = None
        stack.extend(i.owner for i in node.inputs if i.owner is not None)
    return list(seen)


def has_random(variable: Variable) -> bool:
    """Whether a random variable is among the ancestors of ``variable``, as in `find_random_variables`."""
    seen: set[Apply] = set()
    stack = [variable]
    while stack:
        current = stack.pop()
        node = current.owner
        if node is None or node in seen or isinstance(node.op, Shape | Shape_i):
            continue
        if is_random(current):
            return True
        seen.add(node)
        stack.extend(node.inputs)
    return False


def components_of(node: Apply) -> list[Variable]:
    """Return the random inputs of a distribution that is made of others; they are no variables of their own."""
    if isinstance(node.op, PartialObservedRV):
        return list(find_consumed(node.inputs[0]))
    for kind, positions in _COMPOSED:
        if isinstance(node.op, kind):
            op: Any = node.op
            parameters = op.dist_params(node)
            return [without_axes(parameter) for parameter in parameters[positions]]
    return []


def without_axes(variable: Variable) -> Variable:
    """Return what a variable is but for axes that were added, dropped or exchanged."""
    while variable.owner is not None and isinstance(variable.owner.op, DimShuffle):
        variable = variable.owner.inputs[0]
    return variable


# Where PyMC's composed distributions have their components among their parameters.
_COMPOSED: tuple[tuple[type, slice], ...] = (
    (CensoredRV, slice(0, 1)),
    (_BaseMixtureRV, slice(1, None)),
    (RandomWalkRV, slice(0, 2)),
    (AutoRegressiveRV, slice(2, 3)),
    (GARCH11RV, slice(4, 5)),
    (EulerMaruyamaRV, slice(0, 1)),
    (_LKJCholeskyCovRV, slice(2, 3)),
)


def creation_number(variable: Variable) -> int:
    """Return a number that is greater for variables that were made later."""
    return int(variable.auto_name.removeprefix("auto_"))


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
    try:
        value = shape if None not in shape else interpret([], variable.shape)()
    except MissingInputError as error:
        raise ModelError(
            f"The shape of {variable.name or variable} is not known: it depends on {error}. Give it a size.",
            variable.name,
        ) from error
    if any(n < 0 for n in value):
        lengths = ", ".join(str(int(n)) for n in value)
        raise ModelError(
            f"{variable.name or variable} has the shape ({lengths}): give no negative size.", variable.name
        )
    return tuple(int(n) for n in value)


def parents_first(variables: Sequence[TensorVariable]) -> list[TensorVariable]:
    """Return variables in their order, but for those that others before them depend on."""
    wanted = set(variables)
    nodes = toposort(list(variables[::-1]))
    return list(dict.fromkeys(out for node in nodes for out in node.outputs if out in wanted))


def why_not_a_name(name: str) -> str:
    """Return why a variable or an axis of results cannot be called so; empty where it can."""
    if name in ("chain", "draw"):
        return "results have axes of that name"
    if name in (".", ".."):
        return "results are written to folders, and that is the name of another one"
    if "/" in name:
        return "a slash separates the groups of results"
    return "no file can have a name with a null character" if "\0" in name else ""


def name_variables(variables: Sequence[TensorVariable]) -> dict[TensorVariable, str]:
    """Return a stable name for each random variable: its own, or its distribution with a counter.

    Raises
    ------
    ModelError
        If two variables have the same name.
    """
    names: dict[TensorVariable, str] = {}
    used: set[str] = set()
    for variable in variables:
        if why := why_not_a_name(variable.name or ""):
            raise ModelError(
                f"{variable.name!r} cannot be the name of a variable: {why}. Give it another one.", variable.name
            )
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
    consumed = _consumed(outcome)
    if not consumed:
        raise ModelError(
            f"{outcome.name or outcome} is observed but is not random: no random variable leads to it.", outcome.name
        )
    return consumed


def _consumed(outcome: TensorVariable) -> set[TensorVariable]:
    if is_random(outcome):
        return {outcome}
    return {rv for parent in measured_parents(outcome) for rv in _consumed(parent)}


def measured_parents(outcome: TensorVariable) -> list[TensorVariable]:
    """Return the inputs of an outcome that it measures: the others are parameters."""
    node = outcome.owner
    random_inputs = [] if node is None else [i for i in node.inputs if isinstance(i, TensorVariable) and has_random(i)]
    if not random_inputs:
        return []
    if isinstance(node.op, Subtensor | AdvancedSubtensor | DimShuffle):
        return [i for i in node.inputs[:1] if i in random_inputs]
    if isinstance(node.op, Elemwise) and str(node.op.scalar_op) == "Switch":
        return [i for i in node.inputs[1:] if i in random_inputs]
    if isinstance(node.op, Elemwise) and len(random_inputs) > 1:
        unnamed = [i for i in random_inputs if i.name is None and all(rv.name is None for rv in _consumed(i))]
        if len(unnamed) != 1:
            raise DerivationError(
                f"{outcome.name or 'The observed variable'} combines {len(random_inputs)} random inputs and the graph "
                "does not tell which one is measured. Name those that are parameters and leave the noise unnamed, as "
                "pm.Normal.dist(0, 1), or observe a random variable whose parameters are the others.",
                outcome.name,
                outcome,
            )
        return unnamed
    return random_inputs


def depends_on(variable: Variable, sources: Iterable[Variable]) -> bool:
    """Whether any of ``sources`` is an ancestor of ``variable`` (or is it)."""
    wanted = set(sources)
    return any(v in wanted for v in ancestors([variable]))


def value_variable(rv: TensorVariable, name: str, shape: tuple[int, ...] | None = None) -> TensorVariable:
    """Return a named input that stands for the value of ``rv``: float64 or int64, of static shape."""
    dtype = "float64" if str(rv.type.dtype).startswith("float") else "int64"
    return named_input(name, static_shape(rv) if shape is None else shape, dtype)


def named_input(name: str, shape: Sequence[int | None] = (), dtype: str = "float64") -> TensorVariable:
    """Return an input of any name: ``pt.tensor`` refuses names that NumPy can read as a dtype, such as ``long``."""
    variable: TensorVariable = TensorType(dtype, tuple(shape))(name=name)
    return variable


def unused_name(name: str, taken: Container[str]) -> str:
    """Return ``name``, with primes as long as it is taken."""
    while name in taken:
        name += "'"
    return name
