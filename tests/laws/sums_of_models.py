"""What holds for a sum over discrete variables: it is the one over all configurations, and so are parts and draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pytensor
import xarray as xr
from numpy.typing import NDArray
from scipy import stats
from scipy.special import logsumexp
from xarray import DataTree

import ppl
from graphs.backends import get_backend
from graphs.joint.joint_logprob import LogProb
from graphs.joint.logprob import logprob
from graphs.surgery.interpreting import interpret
from tests.graphs.marginal.models.catalogue import Case
from tests.laws.enumeration import Enumeration, enumerate_joint

RTOL = 1e-10
"""Both sides add the same numbers, at most 6000 of them, in another order: they differ by 1e-13 at most, mistakes by
more than 1e-6."""


@cache
def enumerated(case: Callable[[], Case]) -> tuple[Any, Mapping[str, Any], Enumeration]:
    """Return a model, its values, and its enumeration, once for all tests."""
    model, values = case()
    return model, values, enumerate_joint(model, values)


def value_and_gradients(
    lp: LogProb, values: Mapping[str, Any], backend: str = "interpreter"
) -> tuple[float, dict[str, NDArray]]:
    """Evaluate a log-probability and its gradients with respect to all its continuous values."""
    names = [n for n, v in lp.values.items() if v.type.dtype == "float64"]
    wanted = [lp.values[n] for n in names]
    graphs = [lp.total, *(pytensor.grad(lp.total, wanted, disconnected_inputs="ignore") if wanted else [])]
    inputs = list(lp.values.values())
    arrays = [np.asarray(values[n], v.type.dtype) for n, v in lp.values.items()]
    function = interpret(inputs, graphs) if backend == "interpreter" else get_backend(backend).function(inputs, graphs)
    with np.errstate(all="ignore"):
        value, *gradients = function(*arrays)
    return float(value), dict(zip(names, map(np.asarray, gradients), strict=True))


def assert_sum_is_that_of(
    model: Any, values: Mapping[str, Any], expected: Enumeration, backend: str = "interpreter"
) -> None:
    """Compare value and gradients of the sum over everything with the enumeration."""
    lp = logprob(model, marginalize="require")
    assert not set(expected.states) & set(lp.values)
    value, gradients = value_and_gradients(lp, values, backend)
    np.testing.assert_allclose(value, expected.total, rtol=RTOL)
    assert set(gradients) == set(expected.gradients)
    for name, found in gradients.items():
        # Terms that cancel leave the rounding error of the largest.
        scale = 1 + np.abs(expected.gradients[name]).max(initial=0)
        np.testing.assert_allclose(found, expected.gradients[name], rtol=RTOL, atol=RTOL * scale, err_msg=name)


def assert_part_is_summed(model: Any, values: Mapping[str, Any], expected: Enumeration, name: str) -> None:
    """Sum out one variable and compare at several configurations of the others."""
    others = {n: c for n, c in expected.configurations.items() if n != name}
    lp = logprob(model, marginalize=[name])
    function = interpret(list(lp.values.values()), lp.total)
    rng = np.random.default_rng(5)
    possible = np.flatnonzero(expected.logprobs > -np.inf)
    for row in rng.choice(possible, 3):
        chosen = {n: c[row] for n, c in others.items()}
        same = np.all([(c == c[row]).reshape(len(c), -1).all(axis=1) for c in others.values()], axis=0)
        arrays = [np.asarray({**values, **chosen}[n], v.type.dtype) for n, v in lp.values.items()]
        with np.errstate(all="ignore"):
            found = float(function(*arrays))
        np.testing.assert_allclose(found, logsumexp(expected.logprobs[same]), rtol=RTOL, err_msg=str(chosen))


def trace_of(values: Mapping[str, Any], draws: int) -> DataTree:
    """Return a trace in which every draw is the same."""
    arrays = {n: np.broadcast_to(v, (1, draws, *np.shape(v))) for n, v in values.items()}
    dims = {n: ("chain", "draw", *(f"{n}_dim_{i}" for i in range(np.ndim(v)))) for n, v in values.items()}
    dataset = xr.Dataset({n: (dims[n], a) for n, a in arrays.items()})
    return DataTree.from_dict({"posterior": DataTree(dataset)})


def assert_recovered(model: Any, values: Mapping[str, Any], expected: Enumeration, draws: int = 2000) -> None:
    """Compare probabilities, draws and the most probable configuration with the enumeration."""
    posterior = ppl.recover(model, trace_of(values, draws), most_probable=True, seed=3).posterior
    found, best = {}, {}
    for name in expected.states:
        probabilities = posterior[f"{name}_probability"].to_numpy()[0]
        # The same weights, normalised in another order.
        np.testing.assert_allclose(probabilities[0], expected.probabilities(name), rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(probabilities[1:], np.broadcast_to(probabilities[0], probabilities[1:].shape))
        found[name] = posterior[name].to_numpy()[0]
        best[name] = posterior[f"{name}_most_probable"].to_numpy()[0, :1]
    # Rounding only: the same joint log-probability at another configuration would be a tie.
    np.testing.assert_allclose(expected.logprobs[rows_of(best, expected)[0]], expected.logprobs.max(), rtol=1e-12)
    assert_frequencies(rows_of(found, expected), expected.weights)


def rows_of(values: Mapping[str, NDArray], expected: Enumeration) -> NDArray:
    """Return which configuration each row of values is."""
    lengths, positions = [], []
    for name, states in expected.states.items():
        flat = np.searchsorted(states, values[name].reshape(len(values[name]), -1))
        lengths += [len(states)] * flat.shape[1]
        positions.append(flat)
    return np.ravel_multi_index(tuple(np.concatenate(positions, axis=1).T), lengths)


def assert_frequencies(rows: NDArray, weights: NDArray) -> None:
    """Test that independent draws have these probabilities; rare configurations are taken together."""
    counts = np.bincount(rows, minlength=len(weights))
    assert not counts[weights == 0].any(), "an impossible configuration was drawn"
    is_common = weights * len(rows) >= 5
    counts = np.append(counts[is_common], counts[~is_common].sum())
    means = np.append(weights[is_common], weights[~is_common].sum()) * len(rows)
    kept = means > 1e-6 * len(rows)
    assert not counts[~kept].sum() > 1
    if kept.sum() > 1:
        # One false alarm in a million, and seeds are fixed.
        statistic = ((counts[kept] - means[kept]) ** 2 / means[kept]).sum()
        assert stats.chi2.sf(statistic, kept.sum() - 1) > 1e-6
