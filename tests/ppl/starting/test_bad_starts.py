"""Starting points and targets that NUTS cannot use: the message names variable, term and remedy.

Answers: closed forms, and sums over a grid; messages are written out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import stats

import ppl
from graphs.errors import DerivationError, ModelError, SamplingError
from graphs.supports import POSITIVE_DEFINITE, SIMPLEX, UNIT, Support, integers
from ppl.starting.initial import StartingPoints


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


@pytest.mark.parametrize("sampler", ["nuts", "gibbs", "slice"])
@pytest.mark.parametrize("value", [0.0, -1.0])
def test_start_on_the_boundary_or_outside(value: float, sampler: str) -> None:
    s = ppl.HalfNormal("s", 1.0)
    with pytest.raises(SamplingError, match="of s lies outside its support or on its boundary: give one inside"):
        sampled(ppl.Model({ppl.Normal("y", 0.0, s): np.ones(3)}), init={"s": value}, sampler=sampler)


@pytest.mark.parametrize(
    ("support", "inside", "outside"),
    [
        (UNIT, [0.2, 0.9], [[0.2, 1.0], [0.0, 0.5], [np.nan, 0.5]]),
        (integers(0, 2), [0, 2], [[-1, 0], [3, 0]]),
        (SIMPLEX, [0.2, 0.8], [[0.3, 0.8], [0.0, 1.0], [-0.5, 1.5]]),
        (POSITIVE_DEFINITE, [[2.0, 1.0], [1.0, 2.0]], [[[1.0, 1.0], [1.0, 1.0]], [[2.0, 1.0], [0.0, 2.0]]]),
    ],
)
def test_what_a_support_holds(support: Support, inside: Any, outside: list[Any]) -> None:
    assert support.holds(np.array(inside))
    assert not any(support.holds(np.array(values)) for values in outside)


@pytest.mark.parametrize("sampler", ["nuts", "gibbs"])
def test_probabilities_to_start_with_add_up_to_one(sampler: str) -> None:
    """They would otherwise be divided by their sum without a word."""
    w = ppl.Dirichlet("w", np.ones(3))
    model = ppl.Model({ppl.Categorical("k", w, size=4): np.array([0, 1, 1, 2])})
    with pytest.raises(SamplingError, match="of w lies outside its support or on its boundary: give one inside, simp"):
        sampled(model, init={"w": [0.5, 0.1, 0.1]}, sampler=sampler)
    sampled(model, init={"w": [0.8, 0.1, 0.1]}, sampler=sampler)


def test_starts_are_looked_for_where_the_density_is() -> None:
    """Half of the displacements of x are negative, where log x is not a number; so also in later runs of one model."""
    x = ppl.Normal("x", 0.0, 1.0, size=2)
    compiled = ppl.compile(ppl.Model({ppl.Normal("y", pt.log(x), 1.0): np.zeros(2)}), sampler="nuts")
    fast, slow = StartingPoints(compiled.plan, compiled._sweep.new_logdensity), StartingPoints(compiled.plan)
    for seed in range(5):
        points = fast(None, 4, seed)
        assert (points > 0.0).all()
        np.testing.assert_array_equal(points, slow(None, 4, seed))
    with pytest.raises(SamplingError, match=r"log-probability of y \(element \(1,\)\) is nan at the initial point"):
        compiled.sample(10, 10, 1, init={"x": [1.0, -1.0]}, progress=False)


def spread_by_hand(values: Any) -> float:
    """Log-density of the outcomes of the models below, and of their raw effects."""
    sds = np.exp(values["scale"] * values["raw"])
    return float(stats.norm.logpdf(np.ones(8), 0.0, sds).sum() + stats.norm.logpdf(values["raw"]).sum())


@pytest.mark.parametrize("backend", ["numba", "c"])
def test_starts_are_not_where_rounding_errors_drown_the_density(backend: str) -> None:
    """Around the mean of its prior a scale of exponents leads to densities below -1e20; around one to usable ones."""
    scale, raw = ppl.HalfStudentT("scale", 3, sigma=50.0), ppl.Normal("raw", 0.0, 1.0, size=8)
    compiled = ppl.compile(ppl.Model({ppl.Normal("y", 0.0, pt.exp(scale * raw)): np.ones(8)}), backend=backend)
    layout = compiled.plan.sweep.layout
    for seed in range(3):
        for state in compiled._starting_points(None, 4, seed):
            values = layout.unpack(state)
            assert spread_by_hand({"scale": np.exp(values["scale_log__"]), "raw": values["raw"]}) > -2e10


def test_covariates_that_nobody_has_scaled() -> None:
    """The rate overflows unless the slope is below 0.07 in size: starts come ever closer to zero.

    The mean is compared with a sum over a fine grid; five Monte Carlo errors of at least 500 effective draws.
    """
    scale = 10_000.0
    rng = np.random.default_rng(0)
    x = rng.uniform(-scale, scale, size=100)
    counts = rng.poisson(np.exp(1.0 + 1.5 * x / scale))
    level, slope = ppl.Normal("level", 0.0, 10.0), ppl.Normal("slope", 0.0, 1.0)
    trace = sampled(ppl.Model({ppl.Poisson("k", pt.exp(level + slope * x)): counts}), draws=500, tune=500, chains=2)
    levels, slopes = np.meshgrid(np.linspace(0.5, 1.4, 200), np.linspace(1.2, 2.0, 200), indexing="ij")
    eta = levels[..., None] + slopes[..., None] * (x / scale)
    logdensity = (counts * eta - np.exp(eta)).sum(axis=-1) - levels**2 / 200
    weights = np.exp(logdensity - logdensity.max())
    mean = (weights * slopes).sum() / weights.sum()
    sd = np.sqrt((weights * (slopes - mean) ** 2).sum() / weights.sum())
    assert abs(float(trace.posterior["slope"].mean()) * scale - mean) < 5 * sd / np.sqrt(500)


def test_initial_values_of_a_model_are_kept_however_low_the_density() -> None:
    with pm.Model() as model:
        scale, raw = pm.HalfStudentT("scale", 3, sigma=50.0, initval=60.0), pm.Normal("raw", 0.0, 1.0, shape=8)
        pm.Normal("y", 0.0, pt.exp(scale * raw), observed=np.ones(8))
    compiled = ppl.compile(ppl.from_pymc(model), sampler="nuts")
    points = [compiled.plan.sweep.layout.unpack(s) for s in compiled._starting_points(None, 4, 0)]
    assert all(abs(p["scale_log__"] - np.log(60.0)) <= 1.0 for p in points)


@pytest.mark.parametrize("target", [0.0, 1.0, -0.5, 2.0, np.nan, "high"])
def test_target_accept(target: Any) -> None:
    with pytest.raises(SamplingError, match="target_accept is a probability between 0 and 1"):
        sampled(without_derivative(), target_accept=target)


def test_improper_posteriors_say_so(caplog: pytest.LogCaptureFixture) -> None:
    """Constant along the sum of two variables, of which the data see the difference: there the draws run away."""
    a, b = ppl.Flat("a"), ppl.Flat("b")
    model = ppl.Model({ppl.StudentT("y", 4.0, mu=a - b, sigma=1.0): np.ones(2)})
    trace = sampled(model, draws=100, tune=100, max_tree_depth=6)
    first, second = (trace.posterior[name].to_numpy() for name in ("a", "b"))
    total, difference = np.ptp(first + second), np.ptp(first - second)
    assert total > 1000 * difference
    assert "the posterior looks improper; remedy: give it a proper prior, or data that inform it" in caplog.text


def test_draws_beyond_the_largest_number_say_so(caplog: pytest.LogCaptureFixture) -> None:
    """A density like 1 / f, uniform in log(f)."""
    f = ppl.HalfFlat("f")
    trace = sampled(ppl.Model(f, ppl.Potential("p", -pt.log1p(f))), draws=100, tune=100)
    assert np.isinf(trace.posterior["f"]).any()
    assert "f has run away, beyond the largest number: the posterior looks improper" in caplog.text


@pytest.mark.parametrize("sampler", ["nuts", "slice", "rmh", None])
def test_a_constant_log_density_is_refused(sampler: str | None) -> None:
    for model in (ppl.Model(ppl.Flat("free", size=2)), ppl.Model(ppl.HalfFlat("free"), ppl.Normal("x", 0.0, 1.0))):
        with pytest.raises(DerivationError, match="free has no distribution: its prior is flat"):
            sampled(model, sampler=sampler)


@pytest.mark.parametrize("metric", ["diag", "dense"])
@pytest.mark.parametrize("backend", ["numba", "c", pytest.param("jax", marks=pytest.mark.slow)])
def test_gradients_that_get_lost_on_the_way(backend: str, metric: str, caplog: pytest.LogCaptureFixture) -> None:
    """sqrt(u + |u|), u = x - 0.1, is zero below x = 0.1: it has a value there, and by the chain rule 0 * inf."""
    if backend == "jax":
        pytest.importorskip("jax")
    x, z = ppl.Normal("x", 0.0, 1.0), ppl.Normal("z", 0.0, 1.0, size=3)
    term = pt.switch(x > 0, pt.sqrt(x - 0.1 + pt.abs(x - 0.1)), 0.0)
    compiled = ppl.compile(ppl.Model(x, z, ppl.Potential("bend", term)), sampler="nuts", backend=backend)
    start = {"x": 1.0}
    trace = compiled.sample(draws=100, tune=100, chains=2, seed=1, progress=False, metric=metric, init=start)
    count = trace.attrs["num_without_gradient"]
    assert 0 < count <= int(trace.sample_stats["diverging"].sum())
    assert trace.attrs["term_without_gradient"] == "bend"
    message = f"{count} trajectories ended where the gradient of bend is not finite, but its value is; remedy: rewrite"
    assert message in caplog.text
    assert "target_accept" not in caplog.text
    assert "gradient" in [f.kind for f in ppl.diagnose(trace).findings]


@pytest.mark.parametrize("backend", ["numba", "c", pytest.param("jax", marks=pytest.mark.slow)])
def test_a_support_that_ends_lacks_no_gradient(backend: str) -> None:
    """Beyond x = 1 there is neither: these are divergences; after the warm-up shorter steps turn before it."""
    if backend == "jax":
        pytest.importorskip("jax")
    x = ppl.Normal("x", 0.0, 1.0)
    model = ppl.Model(x, ppl.Potential("end", pt.log(1.0 - x)))
    trace = sampled(model, draws=100, backend=backend, init={"x": 0.0}, keep_tuning=True)
    assert trace.warmup_sample_stats["diverging"].any()
    assert not trace.sample_stats["diverging"].any()
    assert "num_without_gradient" not in trace.attrs


@pytest.mark.parametrize("backend", ["numba", "c", pytest.param("jax", marks=pytest.mark.slow)])
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


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("middle", "The initial value of a is 'middle'; numbers are needed, or one of support_point, prior"),
        ([1.0, 2.0, 3.0], r"The initial value of a has shape \(3,\); its shape is \(2,\)"),
        ([1.0, -1.0], "The initial value of a lies outside its support"),
        (np.nan, "The initial value of a lies outside its support"),
        (None, ""),
        (3.0, ""),
        ([1.0, 2.0], ""),
        ("prior", ""),
    ],
)
def test_initial_values_that_are_declared_fit(value: Any, said: str) -> None:
    """One number is that of all elements; what was given to the run instead is not looked at."""
    a = ppl.HalfNormal("a", 1, size=2, initval=value)
    plan = ppl.plan(ppl.Model({ppl.Normal("y", 0, a): [1.0, 2.0]}), sampler="nuts", progress=False)
    if said:
        with pytest.raises(ppl.PPLError, match=said):
            StartingPoints(plan)("support_point", 1, 1)
    elif value is not None and value != "prior":
        found = StartingPoints(plan)("support_point", 1, 1)
        np.testing.assert_allclose(np.exp(found), [np.broadcast_to(value, 2)])
    assert np.isfinite(StartingPoints(plan)({"a": [1.0, 2.0]}, 1, 1)).all()
