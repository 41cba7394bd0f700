"""A Markov chain on finitely many states as a random variable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pymc.distributions.distribution import _support_point
from pymc.logprob.abstract import _logprob
from pytensor.graph.basic import Variable
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.variable import TensorVariable


class MarkovChainRV(RandomVariable):
    """Draws of a Markov chain: parameters are transition and initial probabilities.

    Parameters
    ----------
    steps : int
        Length T of the chain.
    lags : int
        How many earlier states the next one depends on.
    time_varying : bool
        Whether the transition probabilities have an axis of length T - lags before those of states.
    """

    name = "markov_chain"
    dtype = "int64"
    _print_name = ("MarkovChain", "\\operatorname{MarkovChain}")
    __props__ = ("steps", "lags", "time_varying", "inplace")

    def __init__(self, steps: int, lags: int = 1, time_varying: bool = False, inplace: bool = False):
        self.steps, self.lags, self.time_varying = steps, lags, time_varying
        table = ",".join(["s"] * time_varying + ["k"] * (lags + 1))
        start = ",".join(["k"] * lags)
        super().__init__(signature=f"({table}),({start})->(t)", dtype="int64", inplace=inplace)

    def _supp_shape_from_params(self, dist_params: Sequence[Variable], **kwargs: Any) -> tuple[int, ...]:
        return (self.steps,)

    def rng_fn(self, rng: np.random.Generator, *arguments: Any) -> NDArray[np.int64]:
        """Draw chains by NumPy."""
        transition, initial, size = arguments
        ndim = self.lags + 1 + self.time_varying
        batch = np.broadcast_shapes(transition.shape[:-ndim], initial.shape[: initial.ndim - self.lags])
        batch = batch if size is None else tuple(int(n) for n in size)
        count = int(np.prod(batch, dtype=int))
        tables = np.broadcast_to(transition, (*batch, *transition.shape[-ndim:])).reshape(
            count, *transition.shape[-ndim:]
        )
        states = transition.shape[-1]
        start = np.broadcast_to(initial, (*batch, *initial.shape[-self.lags :])).reshape(count, -1)
        path = np.empty((count, self.steps), dtype=np.int64)
        joint = _draw(rng, start)
        for i in range(self.lags - 1, -1, -1):
            path[:, i] = joint % states
            joint //= states
        rows = np.arange(count)
        for t in range(self.lags, self.steps):
            when = (t - self.lags,) if self.time_varying else ()
            earlier = tuple(path[:, t - self.lags + i] for i in range(self.lags))
            path[:, t] = _draw(rng, tables[(rows, *when, *earlier)])
        return path.reshape(*batch, self.steps)


def _draw(rng: np.random.Generator, probabilities: NDArray) -> NDArray[np.int64]:
    """Draw one index from each row."""
    cumulated = np.cumsum(probabilities, axis=-1)
    uniform = rng.uniform(size=(len(probabilities), 1)) * cumulated[:, -1:]
    drawn: NDArray[np.int64] = (cumulated <= uniform).sum(axis=-1)
    return drawn


def log_probabilities(probabilities: TensorVariable) -> TensorVariable:
    """Return logarithms; minus infinity, with gradient zero, where a probability is zero."""
    is_possible = probabilities > 0
    return pt.switch(is_possible, pt.log(pt.switch(is_possible, probabilities, 1.0)), -np.inf)


@_logprob.register(MarkovChainRV)
def markov_chain_logprob(
    op: MarkovChainRV, values: Sequence[TensorVariable], *inputs: Any, **kwargs: Any
) -> TensorVariable:
    """Return the log-probabilities of the first states, then of each further one; shape (*batch, T - lags + 1)."""
    [value] = values
    transition, initial = inputs[-2:]
    states = int(transition.type.shape[-1])
    # Other states are impossible; they must not be looked up.
    inside = pt.clip(value, 0, states - 1)
    first = [inside[..., i] for i in range(op.lags)]
    parts = [_looked_up(log_probabilities(initial), first, value.type.ndim - 1)[..., None]]
    if op.steps > op.lags:
        later = [inside[..., i : op.steps - op.lags + i] for i in range(op.lags + 1)]
        parts.append(_looked_up(log_probabilities(transition), later, value.type.ndim - 1, op.time_varying))
    logprob = pt.join(-1, *parts) if len(parts) > 1 else parts[0]
    is_inside = pt.all(pt.and_(value >= 0, value < states), axis=-1, keepdims=True)
    return pt.switch(is_inside, logprob, -np.inf)


def _looked_up(
    table: TensorVariable, states: Sequence[TensorVariable], batch: int, is_along_time: bool = False
) -> TensorVariable:
    """Look up the entry of each state: the axes of a batch of tables go with those of the states, and so does time."""
    ndim = states[0].type.ndim
    indices: list[Any] = []
    for axis in range(batch + is_along_time):
        shape = [1] * ndim
        shape[axis] = -1
        length = table.type.shape[axis]
        if length is None:
            raise NotImplementedError("The shape of the transition probabilities has to be known.")
        indices.append(np.arange(length).reshape(shape))
    return table[(*indices, *states)]


@_support_point.register(MarkovChainRV)
def markov_chain_support_point(op: MarkovChainRV, rv: TensorVariable, *inputs: Any) -> TensorVariable:
    """Return zeros: any state will do."""
    return pt.zeros_like(rv)
