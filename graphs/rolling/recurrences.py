"""Recurrences that a Python loop wrote step by step, as loops again.

``level = weight * y[t] + (1 - weight) * level`` leaves a graph that is as long as the loop, and every pass over it and
all machine code grow with it. Its steps have the same form: each reads what the one before left, and besides what is
the same in all steps or has a row for each.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.traversal import toposort
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.type import TensorType
from pytensor.tensor.variable import TensorVariable

from graphs.joint.model_graph import ModelGraph
from graphs.optional import optional
from graphs.rolling.repeated_steps import MOST_BEFORE, MOST_NODES, IrregularError, Steps
from graphs.rolling.stacking import has_long_stacks, with_stacks
from graphs.surgery.rebuilding import substitute
from graphs.tails.ordered import with_stable_categories
from graphs.variables.simulators import is_simulator

FEWEST_STEPS = 40
"""Shorter recurrences stay as they are: a loop takes longer to be derived than so many steps."""


@optional("recurrences", otherwise=lambda why, graph, values: (graph, {}))
def with_recurrences(
    graph: ModelGraph, values: Mapping[str, TensorVariable]
) -> tuple[ModelGraph, dict[Variable, tuple[TensorVariable, int]]]:
    """Put variables in the place of steps in the parameters of a model, and arrays in that of stacks.

    Parameters
    ----------
    graph : ModelGraph
        The model.
    values : mapping of str to TensorVariable
        The values of its latent variables.

    Returns
    -------
    graph : ModelGraph
        The same, or the model with variables that depend on values where they were computed from random ones.
    steps : dict of Variable to (TensorVariable, int)
        For each new variable an array with all steps, and which step it is.
    """
    rv_values: dict[TensorVariable, Variable] = {rv: values[name] for name, rv in graph.latent.items()}
    rv_values |= dict(graph.observed.values())
    plain = [rv for rv in rv_values if isinstance(rv.owner.op, RandomVariable) and not is_simulator(rv)]
    parameters = {rv: list(rv.owner.op.dist_params(rv.owner)) for rv in plain}
    old = [*(parameter for rv in plain for parameter in parameters[rv]), *graph.potentials.values()]
    nodes = nodes_of(old, rv_values)
    found = find_recurrences(old, rv_values, nodes)
    if not found and not has_long_stacks(nodes):
        return graph, {}
    stand_ins: dict[Variable, Variable] = {variable: variable.type() for variable in found}
    steps = {stand_ins[variable]: place for variable, place in found.items()}
    with_steps = substitute(old, {**{rv: rv for rv in rv_values}, **stand_ins})
    on_values = substitute(with_steps, rv_values)
    num_potentials = len(graph.potentials)
    on_values[: -num_potentials or None] = with_stable_categories(on_values[: -num_potentials or None])
    new = with_stacks(on_values, steps)
    moved = {a for a, b, c, d in zip(old, with_steps, on_values, new, strict=True) if a is not b or c is not d}
    if not moved:
        return graph, {}
    now = dict(zip(old, new, strict=True))
    made = {
        rv: _with_parameters(rv, [now[parameter] for parameter in parameters[rv]])
        for rv in plain
        if not moved.isdisjoint(parameters[rv])
    }
    others = [rv for rv in rv_values if rv not in made]
    # What was computed from them reads their values now, of which a recurrence is a function.
    made |= dict(zip(others, substitute(others, {rv: rv_values[rv] for rv in made}), strict=True))
    without = replace(
        graph,
        latent={name: made[rv] for name, rv in graph.latent.items()},
        observed={name: (made[rv], value) for name, (rv, value) in graph.observed.items()},
        potentials={n: now[potential] for n, potential in graph.potentials.items()},
    )
    return without, steps


def _with_parameters(rv: TensorVariable, parameters: Sequence[Variable]) -> TensorVariable:
    op: Any = rv.owner.op
    rng, size, *old = rv.owner.inputs
    kept = [p.astype(o.type.dtype) if p.type.dtype != o.type.dtype else p for p, o in zip(parameters, old, strict=True)]
    made: TensorVariable = op.make_node(rng, size, *kept).outputs[1]
    made.name = rv.name
    return made


def find_recurrences(
    graphs: Sequence[Variable], values: Mapping[Any, Variable], nodes: Sequence[Apply]
) -> dict[Variable, tuple[TensorVariable, int]]:
    """Find recurrences, and return arrays that hold their steps.

    Parameters
    ----------
    graphs : sequence of Variable
        Where they are looked for.
    values : mapping of Variable to Variable
        The values of all random variables in them, which the arrays are functions of.
    nodes : sequence of Apply
        What the graphs are computed by, parents first.

    Returns
    -------
    dict of Variable to (TensorVariable, int)
        For variables that are read outside of a recurrence, an array with all steps, and which step it is.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> weight, level, levels = pt.dscalar("weight"), pt.dscalar("start"), []
    >>> for t in range(100):
    ...     level = weight * level + (1 - weight) * float(t)
    ...     levels.append(level)
    >>> stacked = [pt.stack(levels)]
    >>> found = find_recurrences(stacked, {}, nodes_of(stacked, {}))
    >>> len(found), len({array for array, _ in found.values()})
    (99, 1)
    """
    if _depth(nodes) < FEWEST_STEPS:
        return {}
    is_read = _readers(nodes, graphs)
    found: dict[Variable, tuple[TensorVariable, int]] = {}
    done: set[Apply] = set()
    for group in _alike(nodes, values):
        for chain in _chains([v for v in group if v.owner not in done], values):
            steps = _steps(chain, values)
            if steps is None:
                continue
            own = steps.nodes
            done |= own
            if steps.is_sum and not any(is_read(v, own) for v in chain[:-1]):
                # Sums of many are written otherwise.
                continue
            read = [column for column in steps.computed if any(is_read(v, own) for v in column)]
            for column, array in zip(read, steps.arrays(read), strict=True):
                found |= {variable: (array, t) for t, variable in enumerate(column)}
    return found


def nodes_of(graphs: Sequence[Variable], values: Mapping[Any, Variable]) -> list[Apply]:
    """Return what graphs are computed by from values, parents first."""
    return list(toposort([v for v in graphs if v.owner is not None and v not in values], blockers=values))


def _depth(nodes: Iterable[Apply]) -> int:
    """Return the most operations that follow on each other."""
    depth: dict[Variable, int] = {}
    for node in nodes:
        own = 1 + max((depth.get(i, 0) for i in node.inputs), default=0)
        depth.update(dict.fromkeys(node.outputs, own))
    return max(depth.values(), default=0)


def _readers(nodes: Iterable[Apply], outputs: Sequence[Variable]) -> Callable[[Variable, set[Apply]], bool]:
    """Return a function that says whether a variable is read, other than by some nodes."""
    readers: dict[Variable, list[Apply]] = {}
    for node in nodes:
        for variable in node.inputs:
            readers.setdefault(variable, []).append(node)
    wanted = set(outputs)

    def is_read(variable: Variable, apart_from: set[Apply]) -> bool:
        return variable in wanted or any(node not in apart_from for node in readers.get(variable, ()))

    return is_read


def _alike(nodes: Iterable[Apply], values: Mapping[Any, Variable]) -> list[list[Variable]]:
    """Return variables that are computed alike as far as two operations tell, parents first."""
    number = _Numbers()
    groups: dict[Hashable, list[Variable]] = {}
    for node in nodes:
        if len(node.outputs) == 1 and isinstance(node.outputs[0].type, TensorType):
            before = tuple(0 if i.owner is None or i in values else number.of(i.owner.op) for i in node.inputs)
            key = (number.of(node.op), before, number.of(node.outputs[0].type))
            groups.setdefault(key, []).append(node.outputs[0])
    return [group for group in groups.values() if len(group) > FEWEST_STEPS]


class _Numbers:
    """Numbers of things, the same for equal ones: most are the same objects, whose hashes take longer to find."""

    def __init__(self) -> None:
        self._of_objects: dict[int, int] = {}
        self._of_values: dict[Hashable, int] = {}
        self._kept: list[Hashable] = []

    def of(self, thing: Hashable) -> int:
        """Return the number of a thing; none is 0."""
        found = self._of_objects.get(id(thing))
        if found is None:
            found = self._of_values.setdefault(thing, len(self._of_values) + 1)
            self._of_objects[id(thing)] = found
            # Else another could come to lie where it was.
            self._kept.append(thing)
        return found


def _chains(group: Sequence[Variable], values: Mapping[Any, Variable]) -> list[list[Variable]]:
    """Return sequences of variables each of which is computed from the one before."""
    members = set(group)
    following: dict[Variable, list[Variable]] = {}
    firsts = []
    for variable in group:
        before = _nearest(variable, members, values)
        if before is None:
            firsts.append(variable)
        else:
            following.setdefault(before, []).append(variable)
    chains = []
    for variable in firsts:
        chain = [variable]
        while len(later := following.get(chain[-1], [])) == 1:
            chain += later
        if len(chain) > FEWEST_STEPS:
            chains.append(chain)
    return chains


def _nearest(variable: Variable, members: set[Variable], values: Mapping[Any, Variable]) -> Variable | None:
    """Return the nearest of some variables that one is computed from, as far as a step may reach."""
    seen, waiting = {variable}, [variable]
    for current in waiting:
        for inner in [] if current.owner is None else current.owner.inputs:
            if inner in members:
                return inner
            if inner.owner is not None and inner not in seen and inner not in values:
                seen.add(inner)
                waiting.append(inner)
        if len(waiting) > MOST_NODES:
            return None
    return None


def _steps(chain: Sequence[Variable], values: Mapping[Any, Variable]) -> Steps | None:
    """Return the steps of a chain; the first few may be of another form."""
    for start in range(1, MOST_BEFORE + 1):
        try:
            return Steps(chain[:start], tuple(chain[start:]), values)
        except IrregularError:
            continue
    return None
