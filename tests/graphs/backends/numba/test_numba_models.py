"""Log-densities of models and their gradients equal those of PyTensor's NumPy implementation.

Answers: PyTensor's implementation in NumPy, node by node, and SciPy's densities.
"""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
import scipy.stats
from numba import njit
from pymc.logprob.basic import conditional_logp
from pytensor.scalar.basic import autocast_float_as

from graphs.backends.numba import call_program, compile_program
from graphs.backends.numba.library.rng import seed_states
from graphs.surgery.interpreting import INTERPRETED
from tests.laws.operations import assert_computes

RNG = np.random.default_rng(7)


@pytest.fixture(autouse=True)
def _double_constants():
    """Keep PyTensor from making constants such as 0.25 single precision, which the reference would compute in."""
    with autocast_float_as("float64"):
        yield


def check(inputs, logdensity, values, *, rtol=1e-9, draws=3):
    """Compare value and gradient at several points."""
    gradients = pt.grad(logdensity, inputs, disconnected_inputs="ignore")
    program = compile_program(inputs, gradients, value=logdensity)
    for scale in np.linspace(1.0, 1.2, draws):
        point = [np.asarray(value * scale) for value in values]
        assert_computes(program, inputs, gradients, point, value=logdensity, rtol=rtol, atol=1e-11)


def data(values):
    return pt.as_tensor(np.asarray(values))


POSITIVE = RNG.gamma(2.0, size=20)
REAL = RNG.normal(size=20)
UNIT = RNG.beta(2, 3, size=20)
COUNTS = RNG.poisson(3.0, size=20)

DISTRIBUTIONS = {
    "Normal": (lambda a, b: pm.Normal.dist(a, b), REAL),
    "HalfNormal": (lambda a, b: pm.HalfNormal.dist(b), POSITIVE),
    "StudentT": (lambda a, b: pm.StudentT.dist(nu=b + 1, mu=a, sigma=b), REAL),
    "Gamma": (lambda a, b: pm.Gamma.dist(alpha=a, beta=b), POSITIVE),
    "InverseGamma": (lambda a, b: pm.InverseGamma.dist(alpha=a, beta=b), POSITIVE),
    "Beta": (lambda a, b: pm.Beta.dist(a, b), UNIT),
    "Exponential": (lambda a, b: pm.Exponential.dist(b), POSITIVE),
    "Laplace": (lambda a, b: pm.Laplace.dist(a, b), REAL),
    "Cauchy": (lambda a, b: pm.Cauchy.dist(a, b), REAL),
    "HalfCauchy": (lambda a, b: pm.HalfCauchy.dist(b), POSITIVE),
    "LogNormal": (lambda a, b: pm.LogNormal.dist(a, b), POSITIVE),
    "Logistic": (lambda a, b: pm.Logistic.dist(a, b), REAL),
    "Gumbel": (lambda a, b: pm.Gumbel.dist(a, b), REAL),
    "Weibull": (lambda a, b: pm.Weibull.dist(a, b), POSITIVE),
    "Uniform": (lambda a, b: pm.Uniform.dist(-5 * a, 5 * b), REAL),
    "SkewNormal": (lambda a, b: pm.SkewNormal.dist(mu=a, sigma=b, alpha=a), REAL),
    "ExGaussian": (lambda a, b: pm.ExGaussian.dist(mu=a, sigma=b, nu=b), REAL),
    "VonMises": (lambda a, b: pm.VonMises.dist(mu=a, kappa=b), REAL),
    "TruncatedNormal": (lambda a, b: pm.TruncatedNormal.dist(a, b, lower=0.0), POSITIVE),
    "Wald": (lambda a, b: pm.Wald.dist(mu=a, lam=b), POSITIVE),
    "Poisson": (lambda a, b: pm.Poisson.dist(a * b), COUNTS),
    "NegativeBinomial": (lambda a, b: pm.NegativeBinomial.dist(mu=a, alpha=b), COUNTS),
    "Binomial": (lambda a, b: pm.Binomial.dist(30, a / (a + b)), COUNTS),
    "BetaBinomial": (lambda a, b: pm.BetaBinomial.dist(a, b, 30), COUNTS),
    "Bernoulli": (lambda a, b: pm.Bernoulli.dist(logit_p=a - b), COUNTS % 2),
    "Geometric": (lambda a, b: pm.Geometric.dist(a / (a + b)), COUNTS + 1),
    "ZeroInflatedPoisson": (lambda a, b: pm.ZeroInflatedPoisson.dist(a / (a + b), b), COUNTS),
    "Categorical": (lambda a, b: pm.Categorical.dist(logit_p=pt.stack([a, b, 0.0])), COUNTS % 3),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distributions(name):
    build, observed = DISTRIBUTIONS[name]
    a, b = pt.tensor("a", shape=()), pt.tensor("b", shape=())
    rv = build(a, b)
    check([a, b], pm.logp(rv, data(observed)).sum(), [np.array(1.3), np.array(0.8)])


def test_a_normal_log_density_equals_that_of_scipy():
    x = pt.tensor("x", shape=(20,))
    program = compile_program([x], [], value=pm.logp(pm.Normal.dist(1.0, 2.0), x).sum())
    assert program(REAL)[0] == pytest.approx(scipy.stats.norm(1, 2).logpdf(REAL).sum(), rel=1e-13)


def test_values_outside_the_support():
    x = pt.tensor("x", shape=())
    program = compile_program([x], [], value=pm.logp(pm.Gamma.dist(2.0, 3.0), x))
    assert program([-1.0])[0] == -np.inf
    assert program([0.5])[0] == pytest.approx(scipy.stats.gamma(2, scale=1 / 3).logpdf(0.5))


def hierarchical():
    groups = RNG.integers(0, 6, size=60)
    predictors, response = RNG.normal(size=(60, 3)), RNG.normal(size=60)
    mean, spread, noise = pm.Normal.dist(0, 5), pm.HalfNormal.dist(2.0), pm.HalfNormal.dist(1.0)
    level, slopes = pm.Normal.dist(mean, spread, size=6), pm.Normal.dist(0, 1, size=3)
    y = pm.Normal.dist(level[groups] + pt.dot(predictors, slopes), noise)
    values = {
        mean: pt.tensor("mean", shape=()),
        spread: pt.tensor("spread", shape=()),
        level: pt.tensor("level", shape=(6,)),
        slopes: pt.tensor("slopes", shape=(3,)),
        noise: pt.tensor("noise", shape=()),
        y: data(response),
    }
    total = sum(term.sum() for term in conditional_logp(values).values())
    inputs = [v for v in values.values() if v.name]
    return inputs, total, [np.array(0.3), np.array(1.3), RNG.normal(size=6), RNG.normal(size=3), np.array(0.8)]


def mixture(observed):
    weights, mean, scale = (pt.tensor(name, shape=(2,)) for name in ("weights", "mean", "scale"))
    terms = pm.logp(pm.Normal.dist(mean, scale), data(observed)[:, None]) + pt.log(weights)
    total = pt.logsumexp(terms, axis=1).sum() + pm.logp(pm.Normal.dist(70, 20), mean).sum()
    return [weights, mean, scale], total, [np.array([0.4, 0.6]), np.array([55.0, 80.0]), np.array([6.0, 5.0])]


def test_a_hierarchical_model():
    check(*hierarchical())


def test_a_mixture():
    check(*mixture(RNG.normal(70, 15, size=50)))


def test_a_mixture_far_from_the_data():
    inputs, total, values = mixture(np.array([1e4, -1e4]))
    check(inputs, total, values)


def test_pymc_s_mixture():
    a, b = pt.tensor("a", shape=(3,)), pt.tensor("b", shape=(3,))
    rv = pm.Mixture.dist(w=pt.special.softmax(a), comp_dists=pm.Normal.dist(b, 1.5))
    check([a, b], pm.logp(rv, data(REAL)).sum(), [np.array([0.3, -0.2, 0.5]), np.array([-1.0, 0.3, 2.0])])


def test_a_multivariate_normal():
    mean, raw = pt.tensor("mean", shape=(3,)), pt.tensor("raw", shape=(3, 3))
    rv = pm.MvNormal.dist(mean, cov=pt.eye(3) + raw @ raw.T)
    check([mean, raw], pm.logp(rv, data(RNG.normal(size=(7, 3)))).sum(), [RNG.normal(size=3), RNG.normal(size=(3, 3))])


def test_a_gaussian_process():
    grid = np.linspace(0, 1, 12)
    length, noise = pt.tensor("length", shape=()), pt.tensor("noise", shape=())
    kernel = pt.exp(-0.5 * ((grid[:, None] - grid) / length) ** 2) + pt.eye(12) * noise**2
    factor = pt.linalg.cholesky(kernel)
    white = pt.linalg.solve_triangular(factor, RNG.normal(size=12), lower=True)
    total = -0.5 * (white**2).sum() - pt.log(pt.diag(factor)).sum()
    check([length, noise], total, [np.array(0.3), np.array(0.5)])


def test_a_dirichlet_multinomial_model():
    p = pt.tensor("p", shape=(4,))
    simplex = pt.special.softmax(p)
    total = pm.logp(pm.Dirichlet.dist(np.array([1.0, 2.0, 3.0, 4.0])), simplex)
    total += pm.logp(pm.Multinomial.dist(20, simplex), data(RNG.multinomial(20, [0.25] * 4, size=5))).sum()
    check([p], total, [RNG.normal(size=4)])


def test_a_hidden_markov_model_by_scan():
    logits, mean = pt.tensor("logits", shape=(2, 2)), pt.tensor("mean", shape=(2,))
    transition = pt.special.log_softmax(logits, axis=1)
    emissions = -0.5 * (data(REAL)[:, None] - mean) ** 2

    def forward(emission, previous, transition):
        return emission + pt.logsumexp(previous[:, None] + transition, axis=0)

    states = pytensor.scan(
        forward,
        sequences=[emissions[1:]],
        outputs_info=[emissions[0]],
        non_sequences=[transition],
        return_updates=False,
    )
    check([logits, mean], pt.logsumexp(states[-1]), [RNG.normal(size=(2, 2)), np.array([-1.0, 1.0])])


def test_an_autoregressive_process():
    rho, sigma = pt.tensor("rho", shape=(2,)), pt.tensor("sigma", shape=())
    rv = pm.AR.dist(rho=rho, sigma=sigma, init_dist=pm.Normal.dist(0, 1), steps=18)
    check([rho, sigma], pm.logp(rv, data(REAL)).sum(), [np.array([0.3, -0.2]), np.array(0.9)])


def test_censored_and_truncated_observations():
    a, b = pt.tensor("a", shape=()), pt.tensor("b", shape=())
    censored = pm.Censored.dist(pm.Normal.dist(a, b), lower=-0.5, upper=0.5)
    total = pm.logp(censored, data(np.clip(REAL, -0.5, 0.5))).sum()
    check([a, b], total, [np.array(0.2), np.array(0.8)])


def test_discrete_inputs_are_stored_as_floats():
    mean, k = pt.tensor("mean", shape=(3,)), pt.tensor("k", shape=(20,), dtype="int64")
    total = pm.logp(pm.Normal.dist(mean[k], 1.0), data(REAL)).sum() + pm.logp(pm.Poisson.dist(2.0), k).sum()
    program = compile_program([mean, k], [pt.grad(total, mean)], value=total)
    values = [np.array([0.1, 0.2, 0.3]), COUNTS % 3]
    value, out = program(np.concatenate(values))
    want = pytensor.function([mean, k], [total, pt.grad(total, mean)], mode=INTERPRETED)(*values)
    np.testing.assert_allclose(value, want[0])
    np.testing.assert_allclose(out, want[1])


@njit(cache=True)
def evaluate_twice(rows, x, out, rng):
    return call_program(rows[0], x, x, out, rng) + call_program(rows[1], x, x, out, rng)


def test_programs_are_called_by_address_from_compiled_code():
    x = pt.tensor("x", shape=(3,))
    bound = [compile_program([x], [x * c], value=(c * x).sum()).bind() for c in (2.0, 3.0)]
    out = np.empty(3)
    total = evaluate_twice(np.array([b.row for b in bound]), np.ones(3), out, seed_states(0, 1)[0])
    assert total == 15.0
    np.testing.assert_array_equal(out, [3.0, 3.0, 3.0])
    assert call_program(bound[0].row, np.ones(3), np.ones(1), out, seed_states(0, 1)[0]) == 6.0
    assert (bound[0].num_inputs, bound[0].num_outputs) == (3, 3)


def test_equal_graphs_share_machine_code_and_not_their_data():
    x = pt.tensor("x", shape=())
    first, second = (compile_program([x], [], value=(x * pt.as_tensor(RNG.normal(size=9))).sum()) for _ in range(2))
    assert first.address == second.address
    assert first([1.0])[0] != second([1.0])[0]


def test_the_source_and_the_graph_can_be_read():
    x = pt.tensor("x", shape=(3,))
    program = compile_program([x], [pt.exp(x)], name="exponentials")
    assert "math.exp" in program.source or "exp(" in program.source
    assert "Exp" in str(program.dprint(file="str"))
