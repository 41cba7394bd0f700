"""Why a model cannot be sampled, where arrays that it was given are the reason: NaN, infinite, outside a domain."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.traversal import ancestors
from pytensor.scalar.basic import Cast
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.subtensor import AdvancedSubtensor, Subtensor
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.points import draw_in_support
from graphs.errors import BackendError, ModelError
from graphs.joint.joint_logprob import LogProb
from graphs.joint.logprob import ModelGraph, logprob
from graphs.surgery.interpreting import interpret, without_c
from graphs.surgery.random_graph import is_random
from graphs.surgery.rebuilding import substitute
from ppl.modelling.model import Model
from ppl.reading.arrays import first

logger = logging.getLogger("rvgraph")
_NUM_POINTS = 3
_INDEXING = (Subtensor, AdvancedSubtensor)
_SYMBOLS = {"mul": "*", "add": "+", "sub": "-", "true_div": "/", "pow": "**"}


def explained[**P, T](function: Callable[P, T]) -> Callable[P, T]:
    """Let a function of a model, or of an object with a plan, say which array is to blame where it fails."""

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except Exception as error:  # whatever an array may cause; raised again, or said of whom it is
            if isinstance(error, ModelError | BackendError):
                raise
            subject: Any = args[0] if args else kwargs.get("model")
            model = subject if isinstance(subject, Model) else getattr(getattr(subject, "plan", None), "model", None)
            reason = None if model is None else explain(model)
            if reason is None:
                raise
            raise ModelError(reason) from error

    return wrapper


def explain(model: Model) -> str | None:
    """Name the array because of which the log-density of a model is nowhere finite, ``None`` if none is found."""
    try:
        with np.errstate(all="ignore"), without_c():
            return _not_finite(model)
    except Exception as error:  # an explanation that fails explains nothing
        logger.debug("No explanation: %r", error)
        return None


def _not_finite(model: Model) -> str | None:
    """Find an array without some of whose elements a term would be finite: NaN, infinite, or else not positive."""
    constants = [v for v in ancestors(_graphs(model)) if _is_numeric(v)]
    not_finite = {c: ~np.isfinite(c.data) for c in constants}
    indices = {v for a in ancestors(_graphs(model)) if _is_indexing(a.owner) for v in a.owner.inputs[1:]}
    not_positive = {c: c.data <= 0 for c in constants if np.size(c.data) > 1 and c not in indices}
    suspects = [(c, where) for c, where in [*not_finite.items(), *not_positive.items()] if np.any(where)]
    if not suspects:
        return None
    rng = np.random.default_rng(0)
    joint = logprob(model, marginalize=False)
    points = [
        {n: draw_in_support(rng, v, joint.supports.get(n)).astype(v.type.dtype) for n, v in joint.values.items()}
        for _ in range(_NUM_POINTS)
    ]
    bad = _bad(joint, points)
    for constant, where in suspects if any(bad.values()) else []:
        mended = pt.constant(np.where(where, np.ones_like(constant.data), constant.data))
        fewer = _bad(logprob(_with(model.graph, {constant: mended}), marginalize=False), points)
        name = next((n for n in bad if fewer.get(n, bad[n]) < bad[n]), None)
        if name is not None:
            return (
                f"{_described(constant, where, model)}, so that the log-probability of {name} is not finite: leave "
                "those rows out, or impute them."
            )
    return None


def _with(graph: ModelGraph, replacements: Mapping[Variable, Variable]) -> ModelGraph:
    """Return a model with other constants."""
    observed = {name: rv for name, (rv, _) in graph.observed.items()}
    variables = {**graph.latent, **observed, **graph.potentials}
    new: dict[str, Any] = dict(zip(variables, substitute(list(variables.values()), replacements), strict=True))
    return ModelGraph(
        {name: new[name] for name in graph.latent},
        {name: (new[name], value) for name, (_, value) in graph.observed.items()},
        {name: new[name] for name in graph.potentials},
        graph.transforms,
    )


def _graphs(model: Model) -> list[TensorVariable]:
    return [*model.latent.values(), *model.observed.values(), *model.potentials.values()]


def _is_numeric(variable: Variable) -> bool:
    if not isinstance(variable, Constant) or not isinstance(variable.data, np.ndarray | np.number):
        return False
    return np.asarray(variable.data).dtype.kind in "fiu"


def _is_indexing(node: Apply | None) -> bool:
    return node is not None and isinstance(node.op, _INDEXING)


def _bad(joint: LogProb, points: list[dict[str, NDArray]]) -> dict[str, int]:
    """Return how many elements of each term are finite at none of some points."""
    function = interpret(list(joint.values.values()), list(joint.terms.values()))
    found = [[~np.isfinite(np.asarray(a)) for a in function(*(point[n] for n in joint.values))] for point in points]
    return {
        name: int(np.all(bad, axis=0).sum()) for name, bad in zip(joint.terms, zip(*found, strict=True), strict=True)
    }


def _described(constant: Variable, is_bad: NDArray[np.bool_], model: Model) -> str:
    """Name an array, with the first of some elements."""
    array = np.asarray(constant.data)
    where = first(is_bad)
    more = f" (and {is_bad.sum() - 1} more)" if is_bad.sum() > 1 else ""
    name = constant.name if constant.name in model.constant_data else _position(constant, model)
    return f"{name} has {array[where]}{f' at {list(where)}' if where else ''}{more}"


def _position(constant: Variable, model: Model) -> str:
    """Say where an array without a name stands: in which expression of what."""
    what = f"The array of shape {constant.type.shape}" if constant.type.shape else "The number"
    found: Variable = constant
    nodes = [v.owner for v in ancestors(_graphs(model)) if v.owner is not None]
    while (node := next((n for n in nodes if found in n.inputs), None)) is not None:
        outer = node.outputs[-1]
        if is_random(outer):
            return f"{what} that is a parameter of {outer.name}"
        if not (isinstance(node.op, DimShuffle) or isinstance(getattr(node.op, "scalar_op", None), Cast)):
            return f"{what} in the expression {_expression(node, found)}"
        found = outer
    return what


def _expression(node: Apply, marked: Variable) -> str:
    operands = ["array" if i is marked else _operand(i) for i in node.inputs]
    name = str(getattr(node.op, "scalar_op", node.op)).partition("{")[0].lower()
    if isinstance(node.op, Elemwise) and name in _SYMBOLS:
        return f" {_SYMBOLS[name]} ".join(operands)
    return f"{name}({', '.join(operands)})"


def _operand(variable: Variable) -> str:
    while variable.name is None and variable.owner is not None and isinstance(variable.owner.op, DimShuffle):
        variable = variable.owner.inputs[0]
    if variable.name is None and variable.owner is not None and isinstance(variable.owner.op, _INDEXING):
        return f"{_operand(variable.owner.inputs[0])}[...]"
    return variable.name or "..."
