"""Partially centred coordinates in plans and runs.

Answers: the log-density of the model as it was declared; posteriors by quadrature over what is left when effects are
integrated out in closed form, of eight schools and of walks; what a run and one that goes on from it share.
"""

from __future__ import annotations

import pickle
from io import StringIO

import arviz as az
import numpy as np
import pymc as pm
import pytest
from scipy import stats

import ppl
from graphs.errors import BackendError, ModelError
from graphs.joint.logprob import logprob, unconstrain
from graphs.surgery.interpreting import interpret
from ppl.starting.initial import StartingPoints
from samplers.chain.arguments import RunSettings

Y, DEVIATIONS = np.array([28.0, 8, -3, 7, -1, 1, 18, 12]), np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
BY_NUTS = {"marginalize": False, "sampler": "nuts"}


def schools() -> ppl.Model:
    mu, tau = ppl.Normal("mu", 0, 5), ppl.HalfCauchy("tau", 5)
    theta = ppl.Normal("theta", mu, tau, size=8)
    return ppl.Model({ppl.Normal("y", theta, DEVIATIONS): Y})


WALKED = np.array([[0.3, 0.5, 0.4, 0.8], [-1.0, -1.6, -1.2, -1.3], [0.9, 1.4, 1.1, 0.8]])


def walks() -> ppl.Model:
    tau = ppl.HalfNormal("tau", 0.5)
    x = ppl.GaussianRandomWalk("x", sigma=tau, init_dist=pm.Normal.dist(0, 1), steps=3, size=3)
    return ppl.Model({ppl.Normal("y", x, 0.5): WALKED})


def moments_of_schools() -> dict[str, float]:
    """Return posterior means of mu, log tau and theta[0], by quadrature over the first two."""
    mu, log_tau = np.meshgrid(np.linspace(-20, 30, 401), np.linspace(-14, 9, 801))
    variance = DEVIATIONS**2 + np.exp(2 * log_tau[..., None])
    log = stats.norm(0, 5).logpdf(mu) + stats.halfcauchy(scale=5).logpdf(np.exp(log_tau)) + log_tau
    log += stats.norm(mu[..., None], np.sqrt(variance)).logpdf(Y).sum(axis=-1)
    weights = np.exp(log - log.max())
    weights /= weights.sum()
    pull = np.exp(2 * log_tau) / variance[..., 0]
    shown = {"mu": mu, "log tau": log_tau, "theta": mu + pull * (Y[0] - mu)}
    return {name: float((weights * values).sum()) for name, values in shown.items()}


@pytest.fixture(scope="module")
def compiled():
    return ppl.compile(schools(), **BY_NUTS, progress=False)


@pytest.fixture(scope="module")
def trace(compiled):
    return compiled.sample(1000, 1000, 4, seed=1, progress=False)


def test_the_plan_says_so(compiled):
    lines = str(compiled.plan).splitlines()
    assert [line.endswith("centring learnt") for line in lines[1:4]] == [False, False, True]
    printed = StringIO()
    compiled.dprint(file=printed)
    assert "k^2 = scale^2" in printed.getvalue()
    assert "theta, scale:\n" in printed.getvalue()


def test_gates_are_passed_and_moments_are_those_of_quadrature(trace):
    assert not trace.sample_stats["diverging"].any()
    assert_moments(trace.posterior.to_dataset())


def test_exponentials_have_coordinates_on_the_scale_of_logarithms():
    """Declared as exponentials the schools have the same posterior, and a neck where their scale is small."""
    mu, tau = ppl.Normal("mu", 0, 5), ppl.HalfCauchy("tau", 5)
    theta = ppl.LogNormal("theta", mu, tau, size=8)
    model = ppl.Model({ppl.Normal("y", pm.math.log(theta), DEVIATIONS): Y})
    compiled = ppl.compile(model, **BY_NUTS, progress=False)
    assert str(compiled.plan).splitlines()[3].endswith("centring learnt")
    trace = compiled.sample(1000, 1000, 4, seed=1, progress=False)
    assert not trace.sample_stats["diverging"].any()
    posterior = trace.posterior.to_dataset()
    assert_moments(posterior.assign(theta=np.log(posterior["theta"])))


def assert_moments(posterior):
    assert max(float(v.max()) for v in az.rhat(posterior).values()) < 1.01
    draws = {"mu": posterior["mu"], "log tau": np.log(posterior["tau"]), "theta": posterior["theta"][..., 0]}
    for name, expected in moments_of_schools().items():
        ess = float(az.ess(az.convert_to_dataset({"x": draws[name].values}))["x"])
        assert ess > 400
        # Four and a half Monte Carlo errors: a false alarm in 150,000.
        assert abs(float(draws[name].mean()) - expected) < 4.5 * float(draws[name].std()) / np.sqrt(ess), name


def test_lp_is_the_log_density_as_declared(trace):
    """Neither coordinates nor their Jacobian are in it."""
    density = unconstrain(logprob(schools(), marginalize=False))
    function = interpret(list(density.values.values()), density.total)
    for draw in (0, 500, 999):
        at = trace.posterior.isel(chain=1, draw=draw)
        expected = function(at["mu"].values, np.log(at["tau"].values), at["theta"].values)
        np.testing.assert_allclose(trace.sample_stats["lp"][1, draw], expected, rtol=1e-9)


def test_what_was_learnt_is_kept_and_goes_on(compiled, trace):
    learnt = trace["adaptation"]
    shares = learnt["centring_0"].values
    assert shares.shape == (4, 8)
    assert ((shares >= 0) & (shares < 0.3)).all()
    more = compiled.sample(50, 0, 4, seed=2, init=trace, progress=False)
    np.testing.assert_array_equal(more["adaptation"]["centring_0"], shares)
    np.testing.assert_array_equal(more["adaptation"]["centring_pull_0"], learnt["centring_pull_0"])
    assert not more.sample_stats["diverging"].any()
    # Where it starts: the first trajectories leave from the last draws.
    start = compiled.sample(1, 0, 4, seed=2, init=trace, progress=False, max_tree_depth=1).posterior["theta"]
    assert abs(start[:, 0] - trace.posterior["theta"][:, -1]).max() < 40


def test_a_trace_of_other_coordinates_gives_values_alone(trace):
    declared = ppl.compile(schools(), **BY_NUTS, centring=1, progress=False)
    more = declared.sample(5, 20, 4, seed=2, init=trace, progress=False)
    assert "centring_0" not in more["adaptation"]


def test_starts_are_values_as_declared(compiled):
    init = {"theta": np.full(8, 3.0), "mu": 2.0, "tau": 1e-3}
    found = compiled.sample(1, 0, 1, seed=1, init=init, progress=False, max_tree_depth=1, keep_tuning=False)
    assert abs(found.posterior["theta"] - 3.0).max() < 3


def test_numbers_by_name_and_shape():
    mu, tau = ppl.Normal("mu", 0, 1), ppl.HalfNormal("tau", 1)
    a, b = ppl.Normal("a", mu, tau, size=2), ppl.StudentT("b", nu=4, mu=mu, sigma=tau, size=2)
    model = ppl.Model({ppl.Poisson("y", pm.math.exp(a + b)): np.array([3, 0])})
    plan = ppl.plan(model, **BY_NUTS, centring={"a": [0.0, 0.25]}, progress=False)
    reasons = {a.name: a.reason for a in plan.assignments}
    assert reasons["a"].endswith("centring as given")
    assert reasons["b"].endswith("centring learnt")
    np.testing.assert_array_equal(plan.sweep.blocks[0].centring.start, [0.0, 0.25, np.nan, np.nan])
    assert ppl.plan(model, **BY_NUTS, centring=1, progress=False).sweep.blocks[0].centring is None
    assert "centring 0" in str(ppl.plan(model, **BY_NUTS, centring=0, progress=False))
    again = pickle.loads(pickle.dumps(plan))
    assert again.sweep.blocks[0].centring.density.names == ("a", "b")


def test_nothing_to_learn_where_parameters_are_constants():
    x = ppl.Normal("x", 1.0, 2.0, size=2)
    model = ppl.Model({ppl.Poisson("y", pm.math.exp(x)): np.array([3, 0])})
    assert ppl.plan(model, **BY_NUTS, progress=False).sweep.blocks[0].centring is None
    named = ppl.plan(model, marginalize=False, centring={"x": 0}, progress=False)
    assert named.sweep.blocks[0].centring.density.names == ("x",)


@pytest.mark.parametrize(
    ("centring", "part"),
    [
        (1.5, "between 0"),
        (-0.1, "between 0"),
        (np.nan, "between 0"),
        (True, "'auto'"),
        ("learnt", "'auto'"),
        ({"theta": 2}, "centring of theta lies between"),
        ({"theta": "auto"}, "a number between"),
        ({"theta": [0.1, 0.2]}, "has shape (2,)"),
        ({"eta": 0}, "latent variables are mu, tau, theta"),
        ({"tau": 0}, "location plus a scale"),
    ],
)
def test_bad_input(centring, part):
    with pytest.raises(ModelError) as error:
        ppl.plan(schools(), centring=centring, progress=False)
    assert part in str(error.value)


def test_named_and_drawn_otherwise():
    with pytest.raises(ModelError, match="theta, which NUTS does not move"):
        ppl.plan(schools(), centring={"theta": 0}, marginalize=False, sampler={"theta": "slice"}, progress=False)
    with pytest.raises(ModelError, match="theta"):
        ppl.plan(schools(), centring={"theta": 0}, marginalize=["theta"], progress=False)


def test_in_jax_variables_stay_as_declared():
    with pytest.raises(BackendError, match="as they are declared"):
        ppl.compile(schools(), backend="jax", centring=0, progress=False)
    plan = ppl.compile(schools(), backend="jax", **BY_NUTS, progress=False).plan
    assert "centred as declared, as always in JAX" in str(plan)
    assert not plan.sweep.has_coordinates


@pytest.mark.parametrize(("declare", "name"), [(schools, "theta"), (walks, "x")])
def test_the_backends_agree(declare, name):
    """The same coordinates, asked for: C and Numba draw the same numbers."""
    model, found = declare(), []
    for backend in ("numba", "c"):
        compiled = ppl.compile(model, **BY_NUTS, backend=backend, centring={name: 0.2}, progress=False)
        found.append(compiled.sample(8, 30, 1, seed=3, progress=False).posterior[name].values)
    np.testing.assert_allclose(*found, rtol=1e-6)


def test_many_walks_have_the_moments_of_quadrature():
    """Given their scale all is normal: means of matrices, and quadrature over the scale."""
    compiled = ppl.compile(walks(), **BY_NUTS, progress=False)
    assert str(compiled.plan).splitlines()[2].endswith("centring learnt")
    trace = compiled.sample(1000, 1000, 4, seed=1, progress=False)
    posterior = trace.posterior.to_dataset()
    assert max(float(v.max()) for v in az.rhat(posterior).values()) < 1.01
    log_tau = np.linspace(-9, 2.5, 801)
    log_weights, means = [], []
    for tau in np.exp(log_tau):
        steps = np.cumsum(np.eye(4), axis=0) * np.array([1.0, tau, tau, tau])
        prior = steps @ steps.T
        total = prior + 0.25 * np.eye(4)
        log = stats.multivariate_normal(np.zeros(4), total).logpdf(WALKED).sum()
        log_weights.append(log + stats.halfnorm(scale=0.5).logpdf(tau) + np.log(tau))
        means.append(WALKED @ np.linalg.solve(total, prior))
    weights = np.exp(log_weights - np.max(log_weights))
    weights /= weights.sum()
    expected = {"log tau": weights @ log_tau, "x": np.tensordot(weights, np.array(means), 1)}
    found = {"log tau": np.log(posterior["tau"]).values[..., None], "x": posterior["x"].values.reshape(4, 1000, -1)}
    for name, draws in found.items():
        ess = az.ess(az.convert_to_dataset({"v": draws}))["v"].values
        assert ess.min() > 400
        error = abs(draws.mean((0, 1)) - np.ravel(expected[name])) / (draws.std((0, 1)) / np.sqrt(ess))
        assert error.max() < 4.5, name


def test_a_run_that_is_restored_has_its_coordinates(compiled):
    """Draw for draw what the run itself goes on to draw."""
    sweep, settings = compiled._sweep, RunSettings(60, 4, seed=1)
    start = StartingPoints(compiled.plan)(None, 2, 1)
    first, second = sweep.begin(start, settings), sweep.begin(start, settings)
    first.advance()
    second.restore(first.state())
    for run in (first, second):
        run.advance(8)
    np.testing.assert_array_equal(second.result().draws[:, 4:], first.result().draws[:, 4:])
    assert first.result().learnt[0][0].centring.share[0] < 1


def test_variables_declared_one_by_one():
    """They are moved as one array, whose parents are values already."""
    mu, tau = ppl.Normal("mu", 0, 1), ppl.HalfNormal("tau", 1)
    model = ppl.Model(
        {ppl.Poisson(f"y{i}", pm.math.exp(ppl.Normal(f"x{i}", mu, tau))): np.array(i % 4) for i in range(25)}
    )
    [block] = ppl.plan(model, **BY_NUTS, progress=False).sweep.blocks
    assert block.centring.density.sizes == (25,)
    apart = ppl.plan(model, **BY_NUTS, centring={"x3": 0.5}, progress=False).sweep.blocks[0].centring
    assert dict(zip(apart.density.names, apart.density.sizes, strict=True))["x3"] == 1
