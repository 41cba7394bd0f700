"""The law of marginalisation: the sum over explicit configurations of the joint, one by one."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytensor
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax

from graphs.joint.joint_logprob import LogProb, states_of
from graphs.joint.logprob import logprob
from graphs.surgery.interpreting import interpret


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
    shapes = {n: tuple(joint.values[n].type.shape) for n in finite}
    sizes = {n: int(np.prod(shapes[n])) for n in finite}
    spaces = [states_of(joint, n) for n in finite for _ in range(sizes[n])]
    call = evaluator(joint, with_gradient=True)
    logprobs, gradients = [], []
    for configuration in itertools.product(*spaces):
        remaining = list(configuration)
        chosen = {}
        for n in finite:
            chosen[n] = np.array(remaining[: sizes[n]]).reshape(shapes[n])
            remaining = remaining[sizes[n] :]
        value, gradient = call({**values, **chosen})
        logprobs.append(value)
        gradients.append(gradient)
    value, gradient = evaluator(summed, with_gradient=True)(values)
    np.testing.assert_allclose(value, logsumexp(logprobs), rtol=rtol)
    weights = softmax(logprobs)
    for name, found in gradient.items():
        expected = sum(w * g[name] for w, g in zip(weights, gradients, strict=True) if w > 0)
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)
    return summed
