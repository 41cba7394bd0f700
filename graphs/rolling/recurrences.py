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
from graphs.rolling.rolling import conditional_parameters
from graphs.rolling.stacking import has_long_stacks, with_stacks
from graphs.surgery.rebuilding import substitute
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
    nodes = list(toposort([*rv_values, *graph.potentials.values()]))
    if _depth(nodes) < FEWEST_STEPS and not has_long_stacks(nodes):
        return graph, {}
    plain = [rv for rv in rv_values if isinstance(rv.owner.op, RandomVariable) and not is_simulator(rv)]
    parameters = conditional_parameters(plain, rv_values)
    potentials = substitute(list(graph.potentials.values()), rv_values)
    old = [*(parameter for rv in plain for parameter in parameters[rv]), *potentials]
    found = find_recurrences(old)
    stand_ins = {variable: variable.type() for variable in found}
    steps = {stand_ins[variable]: place for variable, place in found.items()}
    new = dict(zip(old, with_stacks(substitute(old, stand_ins), steps), strict=True))
    if all(a is b for a, b in new.items()):
        return graph, {}
    made = {
        rv: _with_parameters(rv, [new[parameter] for parameter in parameters[rv]])
        for rv in plain
        if any(new[parameter] is not parameter for parameter in parameters[rv])
    }
    others = [rv for rv in rv_values if rv not in made]
    # What was computed from them reads their values now, of which a recurrence is a function.
    made |= dict(zip(others, substitute(others, {rv: rv_values[rv] for rv in made}), strict=True))
    moved = replace(
        graph,
        latent={name: made[rv] for name, rv in graph.latent.items()},
        observed={name: (made[rv], value) for name, (rv, value) in graph.observed.items()},
        potentials={n: new[p] for n, p in zip(graph.potentials, potentials, strict=True)},
    )
    return moved, steps


def _with_parameters(rv: TensorVariable, parameters: Sequence[Variable]) -> TensorVariable:
    op: Any = rv.owner.op
    rng, size, *old = rv.owner.inputs
    kept = [p.astype(o.type.dtype) if p.type.dtype != o.type.dtype else p for p, o in zip(parameters, old, strict=True)]
    made: TensorVariable = op.make_node(rng, size, *kept).outputs[1]
    made.name = rv.name
    return made


def find_recurrences(graphs: Sequence[Variable]) -> dict[Variable, tuple[TensorVariable, int]]:
    """Find recurrences, and return arrays that hold their steps.

    Parameters
    ----------
    graphs : sequence of Variable
        Where they are looked for. They have no random variables.

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
    >>> found = find_recurrences([pt.stack(levels)])
    >>> len(found), len({array for array, _ in found.values()})
    (99, 1)
    """
    nodes = list(toposort([graph for graph in graphs if graph.owner is not None]))
    if _depth(nodes) < FEWEST_STEPS:
        return {}
    is_read = _readers(nodes, graphs)
    found: dict[Variable, tuple[TensorVariable, int]] = {}
    done: set[Apply] = set()
    for group in _alike(nodes):
        for chain in _chains([v for v in group if v.owner not in done]):
            steps = _steps(chain)
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


def _depth(nodes: Iterable[Apply]) -> int:
    """Return the most operations that follow on each other without anything being drawn."""
    depth: dict[Variable, int] = {}
    for node in nodes:
        is_drawn = isinstance(node.op, RandomVariable)
        own = 0 if is_drawn else 1 + max((depth.get(i, 0) for i in node.inputs), default=0)
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


def _alike(nodes: Iterable[Apply]) -> list[list[Variable]]:
    """Return variables that are computed alike as far as two operations tell, parents first."""
    groups: dict[Hashable, list[Variable]] = {}
    for node in nodes:
        if len(node.outputs) == 1 and isinstance(node.outputs[0].type, TensorType):
            before = tuple(None if i.owner is None else i.owner.op for i in node.inputs)
            groups.setdefault((node.op, before, node.outputs[0].type), []).append(node.outputs[0])
    return [group for group in groups.values() if len(group) > FEWEST_STEPS]


def _chains(group: Sequence[Variable]) -> list[list[Variable]]:
    """Return sequences of variables each of which is computed from the one before."""
    members = set(group)
    following: dict[Variable, list[Variable]] = {}
    firsts = []
    for variable in group:
        before = _nearest(variable, members)
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


def _nearest(variable: Variable, members: set[Variable]) -> Variable | None:
    """Return the nearest of some variables that one is computed from, as far as a step may reach."""
    seen, waiting = {variable}, [variable]
    for current in waiting:
        for inner in [] if current.owner is None else current.owner.inputs:
            if inner in members:
                return inner
            if inner.owner is not None and inner not in seen:
                seen.add(inner)
                waiting.append(inner)
        if len(waiting) > MOST_NODES:
            return None
    return None


def _steps(chain: Sequence[Variable]) -> Steps | None:
    """Return the steps of a chain; the first few may be of another form."""
    for start in range(1, MOST_BEFORE + 1):
        try:
            return Steps(chain[:start], tuple(chain[start:]))
        except IrregularError:
            continue
    return None
