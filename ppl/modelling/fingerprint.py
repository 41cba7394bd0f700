"""What a model is, in few words: whether a store was made from it, or a decision, and which variable or data differ."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import toposort

from ppl.chunks.source import inputs_in_chunks, source_of
from ppl.modelling.model import Model

type Fingerprint = dict[str, dict[str, str]]
"""Digests by what they are of, and by name."""

_LENGTH = 16
_ROWS_READ = 16
"""Of data in chunks: each may have a chunk read, which takes some tenths of a second where it has a million rows."""


def fingerprint(model: Model, plan: object) -> Fingerprint:
    """Return what tells a model and its plan from others.

    Parameters
    ----------
    model : Model
        The model.
    plan : object
        How it is sampled, or what is asked of its plan: the text of it counts.
    """
    drawn = {**model.latent, **model.observed, **model.deterministics, **model.potentials}
    return {
        "variables": _digests_of_graphs(drawn),
        "data": {name: _digest_of_array(array) for name, array in model.observed_data.items()},
        "constants": {name: _digest_of_array(array) for name, array in model.constant_data.items()},
        "chunks": _digests_of_chunks(model),
        "coords": {str(dim): _digest(repr(list(labels))) for dim, labels in model.coords.items()},
        "plan": {"plan": _digest(str(plan))},
    }


def _digests_of_chunks(model: Model) -> dict[str, str]:
    """Return digests of data in chunks: shape, type, and rows at fixed places, since all would take a pass."""
    graph = model.declared_graph
    pairs = graph.observed.values()
    inputs = inputs_in_chunks([*(rv for rv, _ in pairs), *(value for _, value in pairs), *graph.potentials.values()])
    found = {}
    for variable in inputs:
        source = source_of(variable)
        assert source is not None
        rows = np.unique(np.linspace(0, source.num_rows - 1, _ROWS_READ).astype("int64"))
        found[str(variable.name)] = _digest(f"{source.shape} {_digest_of_array(source.take(rows))}")
    return found


def _digests_of_graphs(variables: Mapping[str, Variable]) -> dict[str, str]:
    """Return digests of named variables; what a named one is computed from counts by its name."""
    words = _words(list(variables.values()), {variable: name for name, variable in variables.items()})
    return {name: _digest(words[variable]) for name, variable in variables.items()}


def _words(variables: Sequence[Variable], names: Mapping[Variable, str]) -> dict[Variable, str]:
    """Return what says how each variable is computed; each operation is looked at once, whoever uses it."""
    found: dict[Variable, str] = {}
    ops: dict[Any, str] = {}

    def word(each: Variable) -> str:
        if each not in found:
            value = each.data if isinstance(each, Constant) else getattr(each, "get_value", lambda **_: "")(borrow=True)
            found[each] = f"{each.type} {_digest_of_value(value)}"
        return found[each]

    for node in toposort(variables):
        of_op = ops[node.op] if node.op in ops else ops.setdefault(node.op, _of_op(node.op))
        inputs = [f"named {names[each]}" if each in names else word(each) for each in node.inputs]
        digest = _digest(f"{of_op} {inputs}")
        found |= {out: f"{digest}.{i} {out.type}" for i, out in enumerate(node.outputs)}
    return {variable: word(variable) for variable in variables}


def _of_op(op: Any) -> str:
    """Return an operation in words, with its own graph where it has one."""
    own: Sequence[Any] = getattr(op, "__props__", ()) or ()
    properties = [f"{name}={_in_words(getattr(op, name, None))}" for name in own]
    inner = getattr(op, "fgraph", None)
    if inner is not None:
        inputs = {each: f"input {i}" for i, each in enumerate(inner.inputs)}
        words = _words(inner.outputs, inputs)
        properties += [inputs.get(each, words[each]) for each in inner.outputs]
    return f"{type(op).__module__}.{type(op).__qualname__}({', '.join(properties)})"


def _in_words(value: Any) -> str:
    """Return a property of an operation without the address that it has in memory."""
    text = repr(value)
    return text.partition(" at 0x")[0]


def _digest_of_value(value: Any) -> str:
    return _digest_of_array(value) if isinstance(value, np.ndarray | np.generic) else _digest(_in_words(value))


def _digest_of_array(array: Any) -> str:
    array = np.asarray(array)
    if array.dtype == object:
        return _digest(repr(array.tolist()))
    return _digest(f"{array.dtype} {array.shape} {hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]
