"""Declare a Markov chain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Constant
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.surgery.random_graph import static_shape
from graphs.variables.markov_chain import MarkovChainRV
from ppl.declaring.declaration import Declaration, check_axes, check_name, declare, read_dims
from ppl.declaring.probabilities import check_range, check_sums


def MarkovChain(
    name: str,
    P: Any,
    init: Any = None,
    *,
    steps: int | None = None,
    lags: int = 1,
    time_varying: bool = False,
    size: Any = None,
    dims: Any = None,
    initval: Any = None,
) -> TensorVariable:
    r"""Declare a Markov chain on the states 0, ..., K - 1.

    .. math:: s_1 \sim \pi, \qquad P(s_{t+1} = j \mid s_t = i) = P_{ij}

    It is a random variable like any other: use it as an index (``mu[s]``), observe it, or let it be summed out, which
    the forward recursion does in time linear in its length.

    Parameters
    ----------
    name : str
        Name of the variable.
    P : array or TensorVariable
        Transition probabilities, from the earlier states to the next one: shape (..., K, K) for one lag,
        (..., K, K, K) for two (the earliest state first). Axes before these are a batch of chains. The last axis sums
        to one.
    init : array or TensorVariable, optional
        Probabilities of the first state, shape (..., K); with ``lags=2`` the joint ones of the first two, (..., K, K).
        All equal by default.
    steps : int
        Length T of the chain; may be left out if ``dims`` gives it.
    lags : int, default 1
        How many earlier states the next one depends on.
    time_varying : bool, default False
        Whether P has an axis of length T - lags before those of states: shape (..., T - lags, K, K), one table for each
        transition.
    size : int or tuple of int, optional
        Shape of the batch of chains, where P and init do not give it.
    dims, initval
        As for every distribution; the last dimension is time.

    Returns
    -------
    TensorVariable
        Shape (..., T), int64.

    Raises
    ------
    ModelError
        If shapes do not fit, or constant probabilities are negative or do not sum to one.

    Examples
    --------
    >>> import numpy as np, ppl
    >>> s = ppl.MarkovChain("s", np.array([[0.9, 0.1], [0.2, 0.8]]), steps=5)
    >>> y = ppl.Normal("y", ppl.Normal("mu", 0, 1, size=2)[s], 1.0)
    >>> print(ppl.Model({y: np.zeros(5)}))
    Model(latent: s, mu; observed: y)
    """
    check_name(name, "MarkovChain")
    if isinstance(lags, bool) or not isinstance(lags, int | np.integer) or lags < 1:
        raise ModelError(f"lags of {name} is a whole number, at least 1; it was {lags!r}.", name)
    axes = read_dims(dims, name)
    if steps is None and axes is not None and axes.shape is not None:
        steps = int(axes.shape[-1])
        size = axes.shape[:-1] if size is None and len(axes.shape) > 1 else size
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < lags:
        raise ModelError(f"steps of {name}, its length, is a whole number, at least {lags}; it was {steps!r}.", name)
    transition = _probabilities(P, name, "P")
    states = _check_transition(transition, name, int(steps), int(lags), time_varying)
    start: TensorVariable
    if init is None:
        start = pt.constant(np.full((states,) * lags, 1.0 / states**lags))
    else:
        start = _probabilities(init, name, "init")
    _check_init(start, name, states, int(lags))
    op = MarkovChainRV(int(steps), int(lags), bool(time_varying))
    rv = op.make_node(pt.random.shared_rng(seed=None), _as_size(size), transition, start).outputs[1]
    check_axes(rv, axes, name)
    declared_dims, coords = (axes.dims, axes.coords) if axes else (None, {})
    return declare(rv, Declaration(name, declared_dims, None, initval, coords))


def _as_size(size: Any) -> Any:
    return (int(size),) if isinstance(size, int | np.integer) else size


def _probabilities(value: Any, name: str, parameter: str) -> TensorVariable:
    try:
        tensor = pt.as_tensor(value if hasattr(value, "type") else np.asarray(value, dtype="float64"))
    except (TypeError, ValueError) as error:
        raise ModelError(f"{parameter} of {name} is no array of probabilities: {error}.", name) from error
    return pt.cast(tensor, "float64")


def _check_transition(table: TensorVariable, name: str, steps: int, lags: int, time_varying: bool) -> int:
    shape = static_shape(table)
    needed = lags + 1 + time_varying
    expected = ", ".join([*(["T - lags"] if time_varying else []), *["K"] * (lags + 1)])
    if len(shape) < needed or len(set(shape[-lags - 1 :])) != 1:
        raise ModelError(f"P of {name} has shape {shape}; (..., {expected}) is needed.", name)
    if time_varying and shape[-lags - 2] != steps - lags:
        raise ModelError(
            f"P of {name} has {shape[-lags - 2]} tables of transitions, but a chain of {steps} steps has "
            f"{steps - lags} transitions: its shape is {shape}; (..., {steps - lags}, K, K) is needed.",
            name,
        )
    _check_constant(table, name, "P")
    return shape[-1]


def _check_init(start: TensorVariable, name: str, states: int, lags: int) -> None:
    shape = static_shape(start)
    if shape[len(shape) - lags :] != (states,) * lags:
        wanted = ", ".join([str(states)] * lags)
        raise ModelError(
            f"init of {name} has shape {shape}, but P has {states} states: (..., {wanted}) is needed.", name
        )
    _check_constant(start, name, "init", lags)


def _check_constant(table: TensorVariable, name: str, parameter: str, num_axes: int = 1) -> None:
    inner = table.owner.inputs[0] if table.owner is not None and not isinstance(table, Constant) else table
    constant = table if isinstance(table, Constant) else inner
    if not isinstance(constant, Constant):
        return
    data = np.asarray(constant.data, dtype="float64")
    check_range(f"{parameter} of {name}", data, name)
    check_sums(f"{parameter} of {name}", data.reshape(*data.shape[: data.ndim - num_axes], -1), name)
