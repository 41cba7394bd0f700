"""Enumerate every configuration of the discrete variables of a small model, by the joint log-probability alone.

The joint log-probability with a value for every discrete variable (``marginalize=False``) is the specification. Its
graph gets a leading axis of configurations, is evaluated once in NumPy, and is added up there: nothing of what derives
sums is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.replace import vectorize_graph
from pytensor.tensor.variable import TensorVariable
from scipy.special import logsumexp

from graphs.joint.joint_logprob import LogProb, states_of
from graphs.joint.logprob import logprob
from graphs.surgery.interpreting import interpret
from tests.as_written import AS_WRITTEN

MOST_CONFIGURATIONS = 6000
"""Beyond this a model is too large for these tests to stay quick."""


@dataclass(frozen=True, eq=False)
class Enumeration:
    """The joint log-probability at every configuration of the discrete variables.

    Parameters
    ----------
    states : dict of str to (K,) array
        The states of each discrete variable.
    configurations : dict of str to (N, *shape) array
        The values of each discrete variable.
    logprobs : (N,) array
        The joint log-probability.
    gradients : dict of str to array
        The gradient of the sum with respect to each continuous variable.
    """

    states: dict[str, NDArray]
    configurations: dict[str, NDArray]
    logprobs: NDArray
    gradients: dict[str, NDArray]

    @property
    def total(self) -> float:
        """The log-probability of the data, all configurations together."""
        return float(logsumexp(self.logprobs))

    @property
    def weights(self) -> NDArray:
        """The probability of each configuration, given the data and the continuous variables; shape (N,)."""
        return np.exp(self.logprobs - self.total)

    def probabilities(self, name: str) -> NDArray:
        """Return the probability of each state of each element; shape (*shape, K)."""
        here = self.configurations[name][..., None] == self.states[name]
        return np.tensordot(self.weights, here, axes=1)


def as_written(inputs: Sequence[TensorVariable], outputs: Any) -> Any:
    """Return a function of arrays that evaluates graphs in NumPy, as they are."""
    return pytensor.function(list(inputs), outputs, mode=AS_WRITTEN, on_unused_input="ignore")


def configurations_of(joint: LogProb) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
    """Return the states of the finite discrete variables and all their configurations, (N, *shape) each."""
    states = {name: found for name in joint.values if (found := states_of(joint, name)) is not None}
    shapes = {name: tuple(joint.values[name].type.shape) for name in states}
    lengths = [len(states[name]) for name in states for _ in range(int(np.prod(shapes[name])))]
    count = int(np.prod(lengths, dtype=float))
    assert count <= MOST_CONFIGURATIONS, f"{count} configurations are too many"
    positions = np.array(np.unravel_index(np.arange(count), lengths)).T
    configurations, start = {}, 0
    for name, shape in shapes.items():
        stop = start + int(np.prod(shape))
        configurations[name] = states[name][positions[:, start:stop]].reshape(count, *shape)
        start = stop
    return states, configurations


def enumerate_joint(model: Any, values: Mapping[str, Any]) -> Enumeration:
    """Evaluate the joint log-probability of a model at all configurations, and its sum's gradient.

    Parameters
    ----------
    model : Any
        What `graphs.logprob` takes.
    values : mapping of str to array
        The values of the continuous latent variables.
    """
    joint = logprob(model, marginalize=False)
    states, configurations = configurations_of(joint)
    assert states, "the model has no finite discrete variable"
    assert set(values) == set(joint.values) - set(states), "one value for each of the other variables"
    batched = {n: pt.tensor(n, shape=(None, *c.shape[1:]), dtype="int64") for n, c in configurations.items()}
    continuous = {name: joint.values[name] for name in values}
    totals = at_configurations(joint.total, {joint.values[n]: v for n, v in batched.items()})
    inputs = [*continuous.values(), *batched.values()]
    given = [np.asarray(values[n], v.type.dtype) for n, v in continuous.items()]
    # Where a state is impossible, NumPy warns of the logarithm of zero: that is what is meant.
    with np.errstate(all="ignore"):
        logprobs = np.asarray(as_written(inputs, totals)(*given, *configurations.values()))
        assert not np.isnan(logprobs).any(), "the joint log-probability of a configuration is not a number"
        gradients = _gradients(totals, continuous, inputs, given, configurations, logprobs)
    return Enumeration(states, configurations, logprobs, gradients)


def at_configurations(total: TensorVariable, batched: Mapping[TensorVariable, TensorVariable]) -> TensorVariable:
    """Return a scalar graph at many configurations of its discrete values; shape (N,)."""
    [first, *_] = batched.values()
    replaced = vectorize_graph(total, dict(batched))
    # A variable that nothing depends on leaves no axis behind.
    return replaced if replaced.type.ndim else pt.alloc(replaced, first.shape[0])


def _gradients(
    totals: TensorVariable,
    continuous: Mapping[str, TensorVariable],
    inputs: list[TensorVariable],
    given: list[NDArray],
    configurations: Mapping[str, NDArray],
    logprobs: NDArray,
) -> dict[str, NDArray]:
    """Return the gradients of the configurations that have any weight, weighted."""
    if not continuous:
        return {}
    shares = np.exp(logprobs - logsumexp(logprobs))
    possible = shares > 0
    weights = pt.vector("weights")
    wanted = pytensor.grad(pt.dot(weights, totals), list(continuous.values()), disconnected_inputs="ignore")
    arguments = [shares[possible], *given, *(c[possible] for c in configurations.values())]
    found = as_written([weights, *inputs], wanted)(*arguments)
    if any(np.isnan(gradient).any() for gradient in found):
        # As written, what a switch does not choose may have slope 0 * inf; simplified, the choice is known beforehand.
        found = interpret([weights, *inputs], wanted)(*arguments)
    return dict(zip(continuous, map(np.asarray, found), strict=True))
