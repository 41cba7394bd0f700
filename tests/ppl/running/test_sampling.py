"""Sampling: right posteriors by every method and backend, reproducible, with everything the result promises.

Answers: closed forms, and numerical integration.
"""

from __future__ import annotations

import arviz as az
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.link.c.basic import CLinker
from scipy import integrate, stats

import ppl
from graphs.errors import BackendError, ModelError, SamplingError

Y = np.array([1.1, -0.3, 2.4, 0.8, 1.9])


def assert_moments(trace, name, mean, sd, size=4.5):
    """The Monte Carlo error is that of the effective sample size; 4.5 of them fail once in 10^5."""
    draws = trace.posterior[name]
    ess = float(az.ess(draws)[name] if hasattr(az.ess(draws), "data_vars") else az.ess(draws))
    assert abs(float(draws.mean()) - mean) < size * sd / np.sqrt(ess)
    assert abs(float(draws.std()) / sd - 1) < size * 1.5 / np.sqrt(ess)


def conjugate():
    mu = ppl.Normal("mu", 0.5, 2.0)
    y = ppl.Normal("y", mu, 1.3, size=5, dims="row")
    twice = ppl.Deterministic("twice", 2 * mu)
    model = ppl.Model({y: Y}, twice, coords={"row": list("abcde")})
    precision = 1 / 4 + 5 / 1.69
    return model, (0.5 / 4 + Y.sum() / 1.69) / precision, precision**-0.5


@pytest.fixture(scope="module")
def compiled():
    return ppl.compile(conjugate()[0], sampler="nuts")


@pytest.fixture(scope="module")
def trace(compiled):
    return compiled.sample(draws=1000, tune=500, chains=4, seed=3, progress=False)


def test_posterior_is_right(trace):
    _, mean, sd = conjugate()
    assert_moments(trace, "mu", mean, sd)
    np.testing.assert_allclose(trace.posterior["twice"], 2 * trace.posterior["mu"])


def test_result_has_everything(trace):
    assert set(trace.children) >= {"posterior", "sample_stats", "observed_data"}
    stats_ = trace.sample_stats
    wanted = {"lp", "diverging", "tree_depth", "n_steps", "acceptance_rate", "step_size", "energy"}
    assert wanted <= set(stats_.data_vars)
    assert stats_["lp"].shape == (4, 1000)
    for key in (
        "sampling_seconds",
        "tuning_seconds",
        "compile_seconds",
        "num_gradients",
        "seed",
        "backend",
        "versions",
    ):
        assert key in trace.attrs
    assert trace.attrs["seed"] == 3
    assert "pytensor" in trace.attrs["versions"]
    np.testing.assert_array_equal(trace.observed_data["y"], Y)
    assert list(trace.observed_data["row"].to_numpy()) == list("abcde")


def test_log_density_in_the_result_is_that_of_the_draw(trace):
    mu = trace.posterior["mu"].to_numpy()
    expected = stats.norm.logpdf(mu, 0.5, 2) + stats.norm.logpdf(Y[:, None, None], mu, 1.3).sum(0)
    np.testing.assert_allclose(trace.sample_stats["lp"], expected, rtol=1e-10)


def test_same_seed_same_draws_whatever_the_cores(compiled, trace):
    for cores in (1, 2):
        again = compiled.sample(draws=1000, tune=500, chains=4, seed=3, cores=cores, progress=False)
        np.testing.assert_array_equal(again.posterior["mu"], trace.posterior["mu"])
    other = compiled.sample(draws=1000, tune=500, chains=4, seed=4, progress=False)
    assert not np.array_equal(other.posterior["mu"], trace.posterior["mu"])


def test_tuning_draws_on_request(compiled):
    kept = compiled.sample(draws=20, tune=30, chains=2, seed=3, keep_tuning=True, progress=False)
    assert kept["warmup_posterior"]["mu"].shape == (2, 30)
    assert kept["warmup_sample_stats"]["step_size"].shape == (2, 30)


def test_thinning_and_starting_values(compiled):
    thinned = compiled.sample(draws=10, tune=0, chains=2, seed=3, thin=3, init={"mu": 0.7}, progress=False)
    assert thinned.posterior["mu"].shape == (2, 10)


def test_random_seed_is_recorded_and_can_be_used_again(compiled):
    first = compiled.sample(draws=20, tune=20, chains=1, progress=False)
    again = compiled.sample(draws=20, tune=20, chains=1, seed=first.attrs["seed"], progress=False)
    np.testing.assert_array_equal(first.posterior["mu"], again.posterior["mu"])


@pytest.mark.parametrize("sampler", ["gibbs", "rmh"])
def test_other_samplers_agree(sampler):
    model, mean, sd = conjugate()
    trace = ppl.sample(model, draws=4000, tune=1000, chains=2, seed=1, sampler=sampler, progress=False)
    assert_moments(trace, "mu", mean, sd)
    assert "lp" in trace.sample_stats


@pytest.mark.parametrize("backend", ["c", "jax"])
def test_other_backends_agree(backend):
    if backend == "jax":
        pytest.importorskip("blackjax", reason="the JAX backend is an extra")
    model, mean, sd = conjugate()
    trace = ppl.sample(model, draws=400, tune=300, chains=2, seed=1, backend=backend, sampler="nuts", progress=False)
    assert_moments(trace, "mu", mean, sd)
    assert trace.attrs["backend"] == backend


def test_compound_of_nuts_gibbs_and_rmh():
    """Counts by RMH, their rate by Gibbs, a scale by NUTS; against numerical integration."""
    rate = ppl.Gamma("rate", 3.0, 1.5)
    n = ppl.Poisson("n", rate)
    s = ppl.HalfNormal("s", 1.0)
    y = ppl.Normal("y", n, s + 0.5, size=3)
    data = np.array([2.2, 3.1, 1.4])
    model = ppl.Model({y: data})
    chosen = {"rate": "gibbs", "n": "rmh"}
    trace = ppl.sample(model, draws=6000, tune=1000, chains=2, seed=5, sampler=chosen, progress=False)
    plan = str(trace.attrs["plan"])
    assert all(method in plan for method in ("Gibbs", "RMH", "NUTS"))
    counts = np.arange(30)
    prior = stats.nbinom.pmf(counts, 3.0, 1.5 / 2.5)
    weight = np.array(
        [
            integrate.quad(lambda v, c=c: stats.halfnorm.pdf(v) * stats.norm.pdf(data, c, v + 0.5).prod(), 0, 8)[0]
            for c in counts
        ]
    )
    post = prior * weight / (prior * weight).sum()
    mean = (post * counts).sum()
    assert_moments(trace, "n", mean, np.sqrt((post * counts**2).sum() - mean**2))
    assert_moments(trace, "rate", ((counts + 3) * post).sum() / 2.5, float(trace.posterior["rate"].std()))


def test_bounds_that_depend_on_a_drawn_variable():
    """The draw of k moves z with it, since z lives on the real line: its law has to know."""
    k = ppl.Bernoulli("k", 0.5)
    z = ppl.Uniform("z", 0, pt.as_tensor([1.0, 3.0])[k])
    y = ppl.Normal("y", z, 0.7)
    model = ppl.Model({y: 0.9})
    assert "bounds of z depend on it" in str(ppl.plan(model))
    weights = [0.5 * integrate.quad(lambda v, u=u: stats.norm.pdf(0.9, v, 0.7) / u, 0, u)[0] for u in (1.0, 3.0)]
    exact = weights[1] / sum(weights)
    for sampler in ("gibbs", "rmh"):
        trace = ppl.sample(model, draws=20_000, tune=500, chains=2, seed=5, sampler={"k": sampler}, progress=False)
        assert_moments(trace, "k", exact, np.sqrt(exact * (1 - exact)))


def test_effects_that_all_start_at_their_mean_have_a_scale():
    """Their central values are equal, and the law of their scale is improper there; the prior is what must come out."""
    tau = ppl.HalfNormal("tau", 1)
    model = ppl.Model(ppl.Normal("theta", 0.3, tau, size=3))
    trace = ppl.sample(model, draws=20_000, tune=500, chains=2, seed=5, sampler="gibbs", progress=False)
    assert_moments(trace, "tau", np.sqrt(2 / np.pi), np.sqrt(1 - 2 / np.pi))


@pytest.mark.parametrize("sampler", ["nuts", "rmh"])
def test_without_a_transform_bounds_still_hold(sampler):
    """A uniform prior and one normal observation: a truncated normal posterior."""
    a = ppl.Uniform("a", 0.0, 1.0, transform=None)
    model = ppl.Model({ppl.Normal("y", a, 0.6): 0.8})
    trace = ppl.sample(model, draws=8000, tune=1000, chains=2, seed=6, sampler=sampler, progress=False)
    draws = trace.posterior["a"].to_numpy()
    assert draws.min() > 0
    assert draws.max() < 1
    exact = stats.truncnorm(-0.8 / 0.6, 0.2 / 0.6, 0.8, 0.6)
    assert_moments(trace, "a", exact.mean(), exact.std())


def test_counts_that_start_at_one_stay_there():
    """A geometric variable under a random walk, without data: its own distribution."""
    trace = ppl.sample(ppl.Model(ppl.Geometric("n", 0.4)), draws=8000, tune=500, chains=2, seed=7, progress=False)
    assert trace.posterior["n"].min() >= 1
    assert_moments(trace, "n", 2.5, np.sqrt(0.6) / 0.4)


def test_interrupt_returns_what_was_drawn(compiled, monkeypatch):
    calls = []

    def interrupt(self, chains):
        calls.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr("ppl.reporting.progress.ProgressBar.__call__", interrupt)
    trace = compiled.sample(draws=3_000_000, tune=100, chains=2, seed=1, progress=False)
    assert calls
    assert trace.attrs["interrupted"] == 1
    assert 0 < trace.posterior.sizes["draw"] < 3_000_000


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"draws": 0}, SamplingError, "draws is a whole number, at least 1; it was 0"),
        ({"chains": -1}, SamplingError, "chains is a whole number"),
        ({"tune": -5}, SamplingError, "tune is a whole number, at least 0"),
        ({"draws": 10.5}, SamplingError, "draws is a whole number"),
        ({"backend": "torch"}, BackendError, "torch"),
        ({"target_accept": 1.2}, SamplingError, "target_accept"),
        ({"target_acept": 0.9}, SamplingError, "Unknown option 'target_acept'"),
        ({"init": {"nu": 1.0}}, ModelError, "init names 'nu'.*mu"),
        ({"init": {"mu": [1.0, 2.0]}}, ModelError, r"initial value of mu has shape \(2,\)"),
        ({"init": {"mu": "a"}}, ModelError, "initial value of mu is 'a'"),
        ({"init": np.zeros(2)}, ModelError, "init is 'jitter'"),
        ({"seed": -1}, SamplingError, "seed is a whole number"),
        ({"init": [{"mu": 1.0}]}, ModelError, "1 starting points for 4 chains"),
    ],
)
def test_bad_arguments(options, error, message):
    with pytest.raises(error, match=message):
        ppl.sample(conjugate()[0], progress=False, **options)


def test_impossible_data_name_the_term_before_sampling():
    s = ppl.Uniform("s", 0.5, 2.0)
    y = ppl.Uniform("y", 0.0, s, size=3)
    with pytest.raises(SamplingError, match=r"log-probability of y \(element \(1,\)\) is -inf"):
        ppl.sample(ppl.Model({y: np.array([0.1, 7.0, 0.2])}), progress=False)


def test_a_model_without_a_model():
    with pytest.raises(ModelError, match=r"ppl\.Model is needed"):
        ppl.sample(pt.dscalar())


def test_missing_jax_says_what_to_install(monkeypatch):
    import builtins

    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.split(".")[0] in ("jax", "blackjax"):
            raise ImportError(f"No module named {name!r}", name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(BackendError, match=r"pip install 'rvgraph\[jax\]'"):
        ppl.sample(conjugate()[0], backend="jax", progress=False)


@pytest.mark.parametrize("sampler", [None, "nuts"])
def test_nothing_is_compiled_to_c_on_the_way_to_numba(sampler, monkeypatch, as_users_have_it):
    """The starting point of such a factor holds a loop with an inner graph, which PyTensor compiles by itself."""

    def refuse(*arguments, **options):
        raise AssertionError("PyTensor compiles to C")

    monkeypatch.setattr(CLinker, "cthunk_factory", refuse)
    with pm.Model() as pm_model:
        chol, _, _ = pm.LKJCholeskyCov("chol", n=2, eta=2.0, sd_dist=pm.Exponential.dist(1.0, size=2))
        pm.MvNormal("y", pm.Normal("mu", 0, 1, shape=2), chol=chol, observed=np.eye(2))
    trace = ppl.sample(ppl.from_pymc(pm_model), draws=10, tune=10, chains=2, seed=1, sampler=sampler, progress=False)
    assert np.isfinite(trace.sample_stats["lp"]).all()


@pytest.mark.parametrize("backend", ["numba", "jax"])
def test_trajectories_are_cut_short_while_the_metric_is_a_guess(backend):
    # A diagonal metric leaves standard deviations of 1 and 0.001 side by side: a trajectory takes a thousand
    a = ppl.Normal("a", 0.0, 1.0)
    model = ppl.Model(a, ppl.Normal("b", a, 1e-3))
    options = {"metric": "diag", "keep_tuning": True, "backend": backend, "sampler": "nuts", "progress": False}
    options["centring"] = 1
    trace = ppl.sample(model, draws=20, tune=200, chains=1, seed=1, **options)
    early = trace["warmup_sample_stats"]["n_steps"].to_numpy()[:, :60]
    assert early.max() == 127
    assert trace["sample_stats"]["n_steps"].max() > 127
