"""Starting points and targets that NUTS cannot use: the message names variable, term and remedy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytest

import ppl
from graphs.errors import ModelError, SamplingError


def sampled(model: ppl.Model, **options: Any) -> Any:
    arguments: dict[str, Any] = {"draws": 20, "tune": 20, "chains": 2, "seed": 1, "sampler": "nuts", "progress": False}
    return ppl.sample(model, **(arguments | options))


def without_derivative() -> ppl.Model:
    """The square root of |x| has a value at zero, and no derivative."""
    x, z = ppl.Normal("x", 0.0, 1.0, size=3), ppl.Normal("z", 0.0, 1.0)
    return ppl.Model({}, z, ppl.Potential("cusp", -pt.sqrt(pt.abs(x)).sum()))


@pytest.mark.parametrize("backend", ["numba", "c", "jax"])
def test_gradient_that_is_not_finite(backend: str) -> None:
    if backend == "jax":
        pytest.importorskip("jax")
    message = r"Chain 0 cannot start: the gradient with respect to x \(element 1\) is not finite, but.*rewrite it.*cusp"
    with pytest.raises(SamplingError, match=message):
        sampled(without_derivative(), backend=backend, init={"x": [1.0, 0.0, 2.0], "z": 0.0})


def test_other_starts_are_fine() -> None:
    trace = sampled(without_derivative(), init={"x": [1.0, 0.5, 2.0], "z": 0.0})
    assert np.isfinite(trace.posterior["x"]).all()


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_start_on_the_boundary_or_outside(value: float) -> None:
    s = ppl.HalfNormal("s", 1.0)
    with pytest.raises(SamplingError, match="of s lies outside its support or on its boundary: give one inside"):
        sampled(ppl.Model({ppl.Normal("y", 0.0, s): np.ones(3)}), init={"s": value})


@pytest.mark.parametrize("target", [0.0, 1.0, -0.5, 2.0, np.nan, "high"])
def test_target_accept(target: Any) -> None:
    with pytest.raises(SamplingError, match="target_accept is a probability between 0 and 1"):
        sampled(without_derivative(), target_accept=target)


def test_improper_posteriors_say_so(caplog: pytest.LogCaptureFixture) -> None:
    """Constant in every direction: the draws run away."""
    trace = sampled(ppl.Model(ppl.Flat("free", size=2)), draws=100, tune=100, max_tree_depth=6)
    assert np.abs(trace.posterior["free"]).max() > 1e6
    assert "the posterior looks improper; remedy: give it a proper prior, or data that inform it" in caplog.text


@pytest.mark.parametrize("backend", ["numba", "c", "jax"])
def test_pathfinder_starts_near_the_posterior(backend: str) -> None:
    """A precise posterior far from its prior's centre: the first draws lie in it, after tuning for next to nothing."""
    if backend == "jax":
        pytest.importorskip("jax")
    mu = ppl.Normal("mu", 0.0, 1000.0, size=2)
    data = np.array([400.0, -700.0]) + np.random.default_rng(1).normal(size=(50, 2))
    model = ppl.Model({ppl.Normal("y", mu, 1.0): data})
    trace = sampled(model, backend=backend, init="pathfinder", tune=5, draws=5, chains=3, compress=False)
    first = trace.posterior["mu"].to_numpy()[:, 0]
    assert np.abs((first - data.mean(axis=0)) * np.sqrt(50.0)).max() < 6.0


def test_pathfinder_is_for_nuts() -> None:
    mu = ppl.Normal("mu", 0.0, 1.0)
    model = ppl.Model({ppl.Normal("y", mu, 1.0): np.ones(3)})
    with pytest.raises(ModelError, match="init='pathfinder' is for variables that NUTS moves"):
        sampled(model, sampler="gibbs", init="pathfinder")
    with pytest.raises(ModelError, match="'prior', 'pathfinder', values by name or a trace, not 'mode'"):
        sampled(model, init="mode")
