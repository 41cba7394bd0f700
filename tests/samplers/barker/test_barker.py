"""The Barker proposal: its ratio by the density of its proposals, what it learns, and what it refuses.

Answers: SciPy's densities.
"""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytest
from scipy import special, stats

import ppl
import samplers
from graphs.density import LogDensity
from graphs.errors import ModelError, SamplingError
from graphs.surgery.interpreting import interpret
from samplers.barker.proposal import log_ratio, propose
from samplers.gradient_kernel import FlatDensity, Place

X, Y = np.array([0.3, -1.2, 0.8]), np.array([0.9, -0.4, 1.5])
SCALE = np.array([0.5, 1.0, 2.0])


def density() -> LogDensity:
    """Skewed in two elements that depend on each other, and a normal one."""
    x, y = pt.tensor("x", shape=(2,)), pt.tensor("y", shape=())
    return LogDensity(2 * x.sum() - pt.exp(x).sum() - 0.5 * (y - x[0] * x[1]) ** 2, (x, y))


def total_and_gradient(z: np.ndarray) -> tuple[float, np.ndarray]:
    """The same by hand."""
    a, b, y = z
    gap = y - a * b
    return 2 * (a + b) - np.exp(a) - np.exp(b) - gap**2 / 2, np.array(
        [2 - np.exp(a) + gap * b, 2 - np.exp(b) + gap * a, -gap]
    )


def proposal_logdensity(start: np.ndarray, end: np.ndarray) -> float:
    """Equation 12 of the paper: twice the normal density of the step times the chance that its sign is kept."""
    step = end - start
    chances = special.expit(step * total_and_gradient(start)[1])
    return float((np.log(2.0) + stats.norm.logpdf(step, scale=SCALE) + np.log(chances)).sum())


def test_the_ratio_is_that_of_the_densities_of_proposals() -> None:
    flat = FlatDensity(density())
    ends = [pt.vector(name, dtype="float64", shape=(3,)) for name in ("start", "end")]
    points = [flat.at(end) for end in ends]
    ratio, *graphs = interpret(ends, [log_ratio(*points), *points[0][1:]])(X, Y)
    value, gradient = total_and_gradient(X)
    np.testing.assert_allclose(graphs[0], value)
    np.testing.assert_allclose(graphs[1], gradient)
    expected = total_and_gradient(Y)[0] - value + proposal_logdensity(Y, X) - proposal_logdensity(X, Y)
    np.testing.assert_allclose(ratio, expected, rtol=1e-12)


def test_proposals_have_their_density() -> None:
    """Quantiles of steps at one gradient, against the integral of the density: 200,000 independent ones."""
    slope, count = 1.3, 200_000
    position, gradient = (pt.vector(n, dtype="float64", shape=(count,)) for n in "xg")
    rng = pt.random.rng("rng")
    _, proposal = propose(rng, Place(position, pt.constant(0.0), gradient), pt.constant(0.7))
    [steps] = interpret([rng, position, gradient], [proposal])(
        np.random.default_rng(1), np.zeros(count), np.full(count, slope)
    )
    grid = np.linspace(-5, 5, 100_001)
    pdf = 2 * stats.norm.pdf(grid, scale=0.7) * special.expit(grid * slope)
    assert pdf.sum() * (grid[1] - grid[0]) == pytest.approx(1.0, abs=1e-6)
    for probability in (0.02, 0.3, 0.5, 0.8, 0.99):
        quantile = np.interp(probability, np.cumsum(pdf) / pdf.sum(), grid)
        error = np.sqrt(probability * (1 - probability) / count)
        assert abs((steps <= quantile).mean() - probability) < 4.5 * error


def test_scale_and_variances_are_learnt() -> None:
    """Independent normal variables of very different scale, in the same shape as the target."""
    sd = np.array([0.01, 1.0, 1.0, 100.0])
    model = ppl.Model(ppl.Normal("x", 0.0, sd))
    trace = ppl.sample(model, 4000, 3000, 2, seed=3, sampler="barker", progress=False)
    assert trace.sample_stats["acceptance_rate"].mean() == pytest.approx(0.4, abs=0.06)
    learnt = trace["adaptation"]["state"].to_numpy()
    layout = ppl.plan(model, sampler="barker").sweep.layout
    for state in learnt:
        np.testing.assert_allclose(np.sqrt(layout.unpack(state)["x_variance__"]), sd, rtol=0.5)
    again = ppl.sample(model, 4000, 3000, 2, seed=3, sampler="barker", progress=False)
    np.testing.assert_array_equal(trace.posterior["x"], again.posterior["x"])
    gone_on = ppl.sample(model, 10, 0, 2, seed=4, sampler="barker", init=trace, progress=False)
    np.testing.assert_array_equal(gone_on.sample_stats["scale"], trace.sample_stats["scale"].to_numpy()[:, -10:])


def test_a_plan_says_what_it_moves() -> None:
    mu = ppl.Normal("mu", 0.0, 1.0)
    scale = ppl.HalfNormal("scale", 1.0)
    model = ppl.Model({ppl.Normal("y", mu, scale): np.array([0.3, 1.2])})
    by_name = ppl.plan(model, sampler={"mu": "barker"})
    assert [by_name.method_of(n) for n in ("mu", "scale")] == ["barker", "nuts"]
    assert "barker  as asked for" in str(by_name)
    [block] = ppl.plan(model, sampler="barker").sweep.blocks
    assert [v.name for v in block.variables] == ["mu", "scale_log__"]


def test_what_has_no_gradient_is_refused() -> None:
    k = pt.lscalar("k")
    with pytest.raises(ModelError, match="k is discrete"):
        samplers.barker((-(k**2.0), [k]))
    n = ppl.Poisson("n", 3.0)
    with pytest.raises(ModelError, match="n is discrete and barker needs a gradient"):
        ppl.plan(ppl.Model({ppl.Normal("y", n, 1.0): 2.0}), sampler={"n": "barker"})
    x = pt.dvector("x", shape=(2,))
    for scale in (0.0, [1.0, -1.0], [1.0, 1.0, 1.0], np.inf):
        with pytest.raises(SamplingError, match="must be a positive number, or 2 of them"):
            samplers.barker((-(x**2).sum(), [x]), scale=scale)
    with pytest.raises(SamplingError, match="log-density at the initial position"):
        samplers.barker((pt.log(x).sum(), [x])).init({"x": [1.0, -1.0]})
