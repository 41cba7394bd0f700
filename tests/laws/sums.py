"""The law of marginalisation: the sum over explicit configurations of the joint."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.replace import vectorize_graph
from scipy.special import logsumexp, softmax

from graphs.joint.joint_logprob import LogProb, states_of
from graphs.joint.logprob import logprob
from graphs.surgery.interpreting import interpret

MOST_ONE_BY_ONE = 100
"""Configurations; to write a graph of more for all of them at once takes less than to call it for each."""


def evaluator(lp: LogProb, with_gradient: bool = False) -> Any:
    """Return a function of values by name that gives the total, and its gradients by name."""
    inputs = list(lp.values.values())
    continuous = [v for v in inputs if v.type.dtype == "float64"] if with_gradient else []
    gradients = pytensor.grad(lp.total, continuous, disconnected_inputs="ignore") if continuous else []
    function = interpret(inputs, [lp.total, *gradients])

    def call(values: Mapping[str, Any]) -> tuple[float, dict[str, NDArray]]:
        out = function(*(np.asarray(values[n], v.type.dtype) for n, v in lp.values.items()))
        names = [n for n, v in lp.values.items() if v in continuous]
        return float(out[0]), dict(zip(names, out[1:], strict=True))

    return call


def assert_is_marginal(model: Any, values: Mapping[str, Any], rtol: float = 1e-10) -> LogProb:
    """Compare the sums over all finite discrete variables with the enumeration of every configuration."""
    joint = logprob(model, marginalize=False)
    finite = [n for n in joint.values if states_of(joint, n) is not None]
    summed = logprob(model, marginalize=finite)
    assert finite
    assert not set(finite) & set(summed.values)
    logprobs, gradients = _enumerated(joint, finite, values)
    value, gradient = evaluator(summed, with_gradient=True)(values)
    np.testing.assert_allclose(value, logsumexp(logprobs), rtol=rtol)
    weights = softmax(logprobs)
    for name, found in gradient.items():
        expected = np.tensordot(weights[weights > 0], gradients[name][weights > 0], axes=1)
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)
    return summed


def _enumerated(joint: LogProb, finite: Sequence[str], values: Mapping[str, Any]) -> tuple[NDArray, dict[str, NDArray]]:
    """Return the log-probability, and its gradients by name, of every configuration of finite variables."""
    shapes = {n: tuple(joint.values[n].type.shape) for n in finite}
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])
    spaces = [states_of(joint, n) for n in finite for _ in range(int(np.prod(shapes[n])))]
    configurations = np.array(list(itertools.product(*spaces)))
    number = len(configurations)
    columns = zip(shapes, np.split(configurations, ends[:-1], axis=1), strict=True)
    states = {n: c.reshape(number, *shapes[n]) for n, c in columns}
    if number > MOST_ONE_BY_ONE:
        return _side_by_side(joint, states, values)
    call = evaluator(joint, with_gradient=True)
    rows = [call({**values, **{n: array[i] for n, array in states.items()}}) for i in range(number)]
    return np.array([value for value, _ in rows]), {n: np.stack([g[n] for _, g in rows]) for n in rows[0][1]}


def _side_by_side(
    joint: LogProb, states: Mapping[str, NDArray], values: Mapping[str, Any]
) -> tuple[NDArray, dict[str, NDArray]]:
    """Return the same at all states at once, by a graph that PyTensor makes: one by one takes Python minutes."""
    continuous = {n: v for n, v in joint.values.items() if v.type.dtype == "float64"}
    slopes = pytensor.grad(joint.total, [*continuous.values()], disconnected_inputs="ignore") if continuous else []
    many = {joint.values[n]: pt.tensor(n, dtype=joint.values[n].type.dtype, shape=a.shape) for n, a in states.items()}
    total, *slopes = vectorize_graph([joint.total, *slopes], many)
    function = interpret([many.get(v, v) for v in joint.values.values()], [total, *slopes])
    at = {**values, **states}
    total, *slopes = function(*(np.asarray(at[n], v.type.dtype) for n, v in joint.values.items()))
    number = len(next(iter(states.values())))
    return np.broadcast_to(total, number), {
        n: np.broadcast_to(slope, (number, *v.type.shape))
        for (n, v), slope in zip(continuous.items(), slopes, strict=True)
    }
