"""JAX computes what PyTensor computes, draws from the right distributions, and says what it lacks.

Answers: PyTensor's implementation in NumPy, node by node, and SciPy's distributions.
"""

from __future__ import annotations

import sys

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytensor.tensor.random.basic as ptr
import pytest
import scipy.stats as st
from pymc.logprob.basic import conditional_logp
from pytensor.raise_op import Assert

from graphs.errors import BackendError
from graphs.step import StepGraph
from graphs.surgery.interpreting import INTERPRETED

jax = pytest.importorskip("jax", reason="JAX is not installed")

from graphs.backends.jax.backend import JaxBackend, jax_callable  # noqa: E402
from tests.graphs.backends.jax.test_jax_draws import FALSE_ALARM, NUM_DRAWS  # noqa: E402


def logprob_of(rvs, values):
    return sum(pt.sum(term) for term in conditional_logp(dict(zip(rvs, values, strict=True))).values())


def normal_model():
    x, y = pt.dvector("x", shape=(3,)), pt.dvector("y", shape=(3,))
    x_rv = pm.Normal.dist(0.5, 2.0, size=3)
    y_rv = pm.StudentT.dist(4.5, mu=x_rv, sigma=0.7)
    return logprob_of([x_rv, y_rv], [x, y]), [x, y], [np.array([0.3, -1.0, 2.0]), np.array([0.1, 0.2, -4.0])]


def positive_model():
    a, b, c = pt.dscalar("a"), pt.dvector("b", shape=(2,)), pt.dscalar("c")
    a_rv = pm.Gamma.dist(2.5, 1.5)
    b_rv = pm.InverseGamma.dist(a_rv, 2.0, size=2)
    c_rv = pm.HalfCauchy.dist(a_rv)
    return logprob_of([a_rv, b_rv, c_rv], [a, b, c]), [a, b, c], [np.array(1.3), np.array([0.4, 2.2]), np.array(3.0)]


def regression_model():
    rng = np.random.default_rng(1)
    design, outcome = rng.normal(size=(20, 3)), rng.integers(0, 2, size=20)
    beta = pt.dvector("beta", shape=(3,))
    beta_rv = pm.Normal.dist(0, 2, size=3)
    y_rv = pm.Bernoulli.dist(logit_p=pytensor.shared(design) @ beta_rv)
    return logprob_of([beta_rv, y_rv], [beta, pt.constant(outcome)]), [beta], [np.array([0.3, -0.4, 1.1])]


def mixture_model():
    w, mu = pt.dvector("w", shape=(2,)), pt.dvector("mu", shape=(2,))
    terms = pt.log(w) + pm.logp(pm.Normal.dist(mu, 1.5), np.linspace(-2, 3, 7)[:, None])
    w_rv = pm.Dirichlet.dist(np.array([1.5, 2.5]))
    total = pt.sum(pt.logsumexp(terms, axis=-1)) + pm.logp(w_rv, w)
    return total, [w, mu], [np.array([0.3, 0.7]), np.array([-1.0, 2.0])]


def multivariate_model():
    x, root = pt.dvector("x", shape=(3,)), pt.dmatrix("root", shape=(3, 3))
    x_rv = pm.MvNormal.dist(np.arange(3.0), chol=pt.tril(root))
    return logprob_of([x_rv], [x]), [x, root], [np.array([0.5, 0.4, 1.0]), np.eye(3) + 0.3]


def count_model():
    rate, p = pt.dscalar("rate"), pt.dscalar("p")
    counts = np.array([0, 3, 5, 1])
    total = pt.sum(pm.logp(pm.Poisson.dist(rate), counts)) + pt.sum(
        pm.logp(pm.NegativeBinomial.dist(n=rate, p=p), counts)
    )
    return total + pt.sum(pm.logp(pm.Binomial.dist(6, p), counts)), [rate, p], [np.array(2.3), np.array(0.35)]


def indexed_model():
    mu, k = pt.dvector("mu", shape=(3,)), pt.lvector("k", shape=(4,))
    data = np.array([0.1, -0.4, 2.0, 1.0])
    total = pt.sum(pm.logp(pm.Normal.dist(mu[k], pt.exp(mu[k] / 5)), data))
    return total, [mu, k], [np.array([0.0, 1.0, 2.5]), np.array([0, 2, 2, 1])]


def time_series_model():
    phi = pt.dscalar("phi")
    noise = np.array([0.3, -0.2, 0.9])
    states = pytensor.scan(
        lambda e, x, phi: phi * x + e, [noise], [pt.constant(0.1)], non_sequences=[phi], return_updates=False
    )
    return pt.sum(pm.logp(pm.Normal.dist(states, 1.0), np.array([0.2, 0.1, 0.8]))), [phi], [np.array(0.6)]


def censored_model():
    mu, sigma = pt.dscalar("mu"), pt.dscalar("sigma")
    total = pt.sum(pm.logp(pm.Censored.dist(pm.Normal.dist(mu, sigma), -1.0, 1.0), np.array([-1.0, 0.2, 1.0])))
    return (
        total + pm.logp(pm.TruncatedNormal.dist(mu, 1.0, lower=0.0), 0.7),
        [mu, sigma],
        [np.array(0.2), np.array(0.8)],
    )


def special_function_model():
    a, b = pt.dscalar("a"), pt.dscalar("b")
    total = (
        pm.logp(pm.Beta.dist(a, b), 0.3) + pm.logcdf(pm.Gamma.dist(2.5, b), 1.2) + pm.logp(pm.VonMises.dist(a, b), 0.4)
    )
    return total, [a, b], [np.array(1.6), np.array(2.7)]


MODELS = [
    normal_model,
    positive_model,
    regression_model,
    mixture_model,
    multivariate_model,
    count_model,
    indexed_model,
    time_series_model,
    censored_model,
    special_function_model,
]


@pytest.mark.parametrize("model", MODELS)
def test_logdensity_and_gradient_equal_those_of_pytensor(model):
    total, inputs, point = model()
    wrt = [v for v in inputs if v.type.dtype == "float64"]
    outputs = [total, *pt.grad(total, wrt)]
    expected = pytensor.function(inputs, outputs, mode=INTERPRETED)(*point)
    for actual, wanted in zip(JaxBackend().function(inputs, outputs)(*point), expected, strict=True):
        assert actual.dtype == wanted.dtype
        np.testing.assert_allclose(actual, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("model", [normal_model, mixture_model, time_series_model])
def test_map_repeats_the_function_over_draws(model):
    total, inputs, point = model()
    points = [np.stack([p, 1.1 * p, 0.9 * p]) for p in point]
    backend = JaxBackend()
    [mapped] = backend.map(inputs, [total])(*points)
    function = backend.function(inputs, [total])
    np.testing.assert_allclose(mapped, [function(*(p[i] for p in points))[0] for i in range(3)], rtol=1e-12)


def test_a_failed_check_gives_minus_infinity_or_nan_and_does_not_raise():
    sigma, x = pt.dscalar("sigma"), pt.dvector("x", shape=(2,))
    outputs = [pt.sum(pm.logp(pm.Normal.dist(0, sigma), x)), Assert("x must be positive")(x, pt.all(x > 0)).sum()]
    function = JaxBackend().function([sigma, x], outputs)
    logdensity, total = function(np.array(2.0), np.array([1.0, 2.0]))
    assert total == 3.0
    np.testing.assert_allclose(logdensity, st.norm(0, 2).logpdf([1.0, 2.0]).sum())
    logdensity, total = function(np.array(-2.0), np.array([-1.0, 2.0]))
    assert logdensity == -np.inf
    assert np.isnan(total)


def test_checks_inside_a_loop_are_replaced_too():
    sigma = pt.dscalar("sigma")
    terms = pytensor.scan(
        lambda y, sigma: pm.logp(pm.Normal.dist(0, sigma), y),
        [np.array([1.0, 2.0])],
        non_sequences=[sigma],
        return_updates=False,
    )
    function = JaxBackend().function([sigma], [terms.sum()])
    np.testing.assert_allclose(function(np.array(2.0))[0], st.norm(0, 2).logpdf([1.0, 2.0]).sum())
    assert function(np.array(-2.0))[0] == -np.inf


def test_a_step_repeated_by_run_is_an_autoregression():
    rng, x = pt.random.rng("rng"), pt.dscalar("x")
    next_rng, noise = ptr.normal(0.0, 1.0, rng=rng, return_next_rng=True)
    new = 0.5 * x + noise
    step = JaxBackend().step(StepGraph(rng, (x,), next_rng, (new,), {"is_positive": new > 0}))
    [value], info = step(np.random.default_rng(1), [np.array(100.0)])
    assert abs(value - 50.0) < 6
    assert info["is_positive"]
    final, draws, info = step.run(np.random.default_rng(1), [np.array(0.0)], NUM_DRAWS, thin=10)
    assert draws["x"].shape == (NUM_DRAWS // 10,)
    assert draws["x"][-1] == final[0]
    # Thinned by ten the draws are independent: their variance is 4/3, their fourth moment normal.
    assert st.kstest(draws["x"], st.norm(0, np.sqrt(4 / 3)).cdf).pvalue > FALSE_ALARM
    assert abs(info["is_positive"] - 0.5) < 0.03


def test_run_makes_the_remaining_steps_too():
    rng, x = pt.random.rng("rng"), pt.dscalar("x")
    step = JaxBackend().step(StepGraph(rng, (x,), rng, (x + 1.0,), {}))
    [final], draws, _ = step.run(np.random.default_rng(1), [np.array(0.0)], 7, thin=3)
    assert final == 7.0
    np.testing.assert_array_equal(draws["x"], [3.0, 6.0])


def test_a_distribution_that_jax_lacks_is_called_back():
    rng = pt.random.rng("rng")
    _, draw = ptr.hypergeometric(5, 6, 4, size=4000, rng=rng, return_next_rng=True)
    _, [draws] = jax_callable([], [draw], rng=rng)(jax.random.key(1))
    exact = st.hypergeom(11, 5, 4)
    # Five standard errors.
    assert abs(np.mean(draws) - exact.mean()) < 5 * exact.std() / np.sqrt(4000)


def test_a_function_that_jax_lacks_is_called_back_and_has_its_gradient():
    a = pt.dscalar("a")
    gradient = pt.grad(pm.logcdf(pm.Gamma.dist(a, 1.0), 1.2), a)
    step = 1e-5
    exact = np.diff(st.gamma.logcdf(1.2, np.array([1.7 - step, 1.7 + step])))[0] / (2 * step)
    np.testing.assert_allclose(jax_callable([a], [gradient])(1.7)[0], exact, rtol=1e-8)


def test_a_shape_that_depends_on_values_is_an_error_of_the_backend():
    x = pt.dvector("x", shape=(3,))
    with pytest.raises(BackendError, match="cannot be traced by JAX"):
        JaxBackend().function([x], [pt.cumsum(pt.alloc(x[1], x[0].astype("int64")))])(np.ones(3))


def test_a_graph_that_draws_needs_its_generator():
    with pytest.raises(BackendError, match="pass its generator"):
        jax_callable([], [pm.Normal.dist()])


def test_without_jax_the_error_says_what_to_install(monkeypatch):
    for name in ("graphs.backends.jax.backend", "graphs.backends.jax.lowering"):
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(BackendError, match=r"rvgraph\[jax\]"):
        import graphs.backends.jax.backend  # noqa: F401
