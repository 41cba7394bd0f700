"""Rebuild graphs node by node, so that variables can be replaced and nodes rewritten without touching the original."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.traversal import toposort
from pytensor.tensor.basic import Alloc
from pytensor.tensor.elemwise import Elemwise


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
    for node in toposort([v for v in outputs if v not in memo], blockers=replacements):
        new_inputs = [memo.get(i, i) for i in node.inputs]
        new_outputs = rewrite(node, new_inputs)
        if new_outputs is None:
            if all(a is b for a, b in zip(new_inputs, node.inputs, strict=True)):
                continue
            new_outputs = _made_again(node, new_inputs)
        for old, new in zip(node.outputs, new_outputs, strict=True):
            if old in memo:
                continue
            if new.name is None:
                new.name = old.name
            new.tag.__dict__.update({k: v for k, v in old.tag.__dict__.items() if k not in new.tag.__dict__})
            memo[old] = new
    return memo


def _made_again(node: Apply, inputs: list[Variable]) -> list[Variable]:
    """Return the outputs of a node with other inputs."""
    # The types of operations on elements follow from those of their inputs: finding them anew takes most of the time
    # in which a long graph is rebuilt. Nodes of inner graphs are of a frozen kind, and are never copied.
    if (
        type(node) is Apply
        and (isinstance(node.op, Elemwise) or _has_same_lengths(node, inputs))
        and all(a.type == b.type for a, b in zip(node.inputs, inputs, strict=True))
    ):
        # Clones of PyTensor's copy tags besides, which takes most of their time.
        return list(Apply(node.op, inputs, [o.type.make_variable(o.name) for o in node.outputs]).outputs)
    return list(node.op.make_node(*inputs).outputs)


def _has_same_lengths(node: Apply, inputs: list[Variable]) -> bool:
    """Whether a node repeats an array along axes of the same lengths: to find what these are rewrites their graphs."""
    return isinstance(node.op, Alloc) and all(a is b for a, b in zip(node.inputs[1:], inputs[1:], strict=True))


def substitute(outputs: Sequence[Variable], replacements: Mapping[Variable, Variable]) -> list[Variable]:
    """Replace variables in graphs; what stands above a replaced variable is dropped."""
    memo = rebuild(outputs, lambda node, inputs: None, replacements)
    return [memo.get(out, out) for out in outputs]


def nodes_above(variable: Variable, known: Container[Variable]) -> Iterator[Apply]:
    """Yield the nodes that a variable is computed by from what is known, parents first.

    Parameters
    ----------
    variable : Variable
        The variable.
    known : container of Variable
        What is not looked into. The outputs of a node are to be in it before the next is asked for: PyTensor's toposort
        would copy what is known each time, which takes time that is quadratic in the length of a loop.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> x, known = pt.dscalar("x"), {}
    >>> for node in nodes_above(pt.exp(-x), known):
    ...     known[node.outputs[0]] = str(node.op)
    >>> list(known.values())
    ['Neg', 'Exp']
    """
    waiting = [variable]
    while waiting:
        current = waiting.pop()
        node = current.owner
        if node is None or current in known:
            continue
        missing = [i for i in node.inputs if i.owner is not None and i not in known]
        if missing:
            waiting.append(current)
            waiting += missing
        else:
            yield node


def copied[V: Variable](outputs: Sequence[V]) -> list[V]:
    """Return copies of graphs on the same inputs."""
    memo: dict[Variable, Any] = {}
    for node in toposort(list(outputs)):
        outs = [o.type.make_variable(o.name) for o in node.outputs]
        copy = Apply(node.op, [memo.get(i, i) for i in node.inputs], outs)
        for old, new in zip((node, *node.outputs), (copy, *outs), strict=True):
            # Tags are asked by way of Python code of PyTensor's, and most hold nothing.
            if noted := object.__getattribute__(old.tag, "__dict__"):
                new.tag.__dict__.update(noted)
        memo.update(zip(node.outputs, outs, strict=True))
    return [memo.get(out, out) for out in outputs]


def isolated(variable: Variable) -> tuple[Any, dict[Variable, Variable]]:
    """Return a copy of a variable whose node stands on inputs of its own, and what these stand for.

    An input whose shape its type does not tell stays: it may follow from what is above.
    """
    node = variable.owner
    assert node is not None
    new = [i if i.owner is None or None in getattr(i.type, "shape", ()) else i.type() for i in node.inputs]
    copy = node.clone_with_new_inputs(new).outputs[node.outputs.index(variable)]
    return copy, {a: b for a, b in zip(new, node.inputs, strict=True) if a is not b}


def opened(outputs: Sequence[Variable], replacements: Mapping[Variable, Variable]) -> list[Variable]:
    """Return an inner graph as an ordinary one: inner graphs are frozen, and every node has to be made again."""
    memo = rebuild(outputs, lambda node, inputs: list(node.op.make_node(*inputs).outputs), replacements)
    return [memo.get(out, out) for out in outputs]
