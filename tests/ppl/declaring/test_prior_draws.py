"""Draws of every distribution follow its own density: integrated in one dimension, by Stein's identity in more.

Answers: the law of distributions (tests/laws), and SciPy's distributions.
"""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import stats

import ppl
from graphs.backends import get_backend
from graphs.joint.drawing import with_draws
from graphs.surgery.interpreting import interpret, without_c
from ppl import distributions as D
from tests.laws.distributions import (
    FALSE_ALARM,
    NUM_STATES,
    assert_follows_density,
    assert_follows_probabilities,
    assert_obeys_stein,
)

NUM_DRAWS = 4000
NUM_VECTORS = 1500
BACKENDS = ["numba", *(pytest.param(name, marks=pytest.mark.slow) for name in ("interpreter", "jax"))]
"""The interpreter draws what the C backend draws."""

REAL = np.concatenate([-np.geomspace(1e6, 20, 4000), np.linspace(-20, 20, 40_001), np.geomspace(20, 1e6, 4000)])
POSITIVE = np.concatenate([np.geomspace(1e-12, 20, 60_000), np.geomspace(20, 1e8, 4000)[1:]])
UNIT = np.linspace(0, 1, 40_001)[1:-1]

# Where the draws lie, and what declares them.
CONTINUOUS = {
    "AsymmetricLaplace": (REAL, lambda n: D.AsymmetricLaplace("v", kappa=1.5, mu=2, b=3, size=n)),
    "Beta": (UNIT, lambda n: D.Beta("v", 2.5, 1.5, size=n)),
    "Cauchy": (REAL, lambda n: D.Cauchy("v", 1, 2, size=n)),
    "ChiSquared": (POSITIVE, lambda n: D.ChiSquared("v", 3.5, size=n)),
    "ExGaussian": (REAL, lambda n: D.ExGaussian("v", 1, 2, nu=3, size=n)),
    "Exponential": (POSITIVE, lambda n: D.Exponential("v", 0.3, size=n)),
    "Gamma": (POSITIVE, lambda n: D.Gamma("v", 2.5, 0.7, size=n)),
    "Gumbel": (REAL, lambda n: D.Gumbel("v", 1, 2, size=n)),
    "HalfCauchy": (POSITIVE, lambda n: D.HalfCauchy("v", 2, size=n)),
    "HalfNormal": (POSITIVE, lambda n: D.HalfNormal("v", 2, size=n)),
    "HalfStudentT": (POSITIVE, lambda n: D.HalfStudentT("v", 4, 2, size=n)),
    "Interpolated": (
        np.linspace(0, 4, 30_001)[1:-1],
        lambda n: D.Interpolated("v", np.linspace(0, 4, 50), np.linspace(0, 4, 50) ** 2, size=n),
    ),
    "InverseGamma": (POSITIVE, lambda n: D.InverseGamma("v", 2.5, 1.5, size=n)),
    "Kumaraswamy": (UNIT, lambda n: D.Kumaraswamy("v", 2.5, 1.5, size=n)),
    "Laplace": (REAL, lambda n: D.Laplace("v", 1, 2, size=n)),
    "LogNormal": (POSITIVE, lambda n: D.LogNormal("v", 0.5, 0.7, size=n)),
    "Logistic": (REAL, lambda n: D.Logistic("v", 1, 2, size=n)),
    "LogitNormal": (UNIT, lambda n: D.LogitNormal("v", 0.5, 0.7, size=n)),
    "Moyal": (REAL, lambda n: D.Moyal("v", 1, 2, size=n)),
    "Normal": (REAL, lambda n: D.Normal("v", 1, 2, size=n)),
    "Pareto": (np.geomspace(2, 1e8, 40_001)[1:], lambda n: D.Pareto("v", 2.5, 2, size=n)),
    "Rice": (POSITIVE, lambda n: D.Rice("v", 1.5, 2, size=n)),
    "SkewNormal": (REAL, lambda n: D.SkewNormal("v", 1, 2, 3, size=n)),
    "SkewStudentT": (REAL, lambda n: D.SkewStudentT("v", a=3, b=2, mu=1, sigma=2, size=n)),
    "StudentT": (REAL, lambda n: D.StudentT("v", 4, 1, sigma=2, size=n)),
    "Triangular": (np.linspace(-1, 4, 20_001)[1:-1], lambda n: D.Triangular("v", -1, 4, 2, size=n)),
    "TruncatedNormal": (np.linspace(-1, 2, 20_001), lambda n: D.TruncatedNormal("v", 1, 2, lower=-1, upper=2, size=n)),
    "Uniform": (np.linspace(-1, 2, 20_001)[1:-1], lambda n: D.Uniform("v", -1, 2, size=n)),
    "VonMises": (np.linspace(-np.pi, np.pi, 20_001)[1:-1], lambda n: D.VonMises("v", 0.5, 2, size=n)),
    "Wald": (POSITIVE, lambda n: D.Wald("v", mu=2, lam=3, alpha=0, size=n)),
    "Weibull": (POSITIVE, lambda n: D.Weibull("v", 1.5, 2, size=n)),
    "Mixture": (
        REAL,
        lambda n: D.Mixture("v", [0.3, 0.7], [pm.Normal.dist(-2, 1), pm.Laplace.dist(3, 2)], size=n),
    ),
    "NormalMixture": (REAL, lambda n: D.NormalMixture("v", [0.3, 0.7], [-2, 3], [1, 2], size=n)),
    "Truncated": (np.linspace(1, 4, 20_001), lambda n: D.Truncated("v", pm.Gamma.dist(2, 1), 1, 4, size=n)),
    "CustomDist": (
        REAL,
        lambda n: D.CustomDist("v", 1.0, dist=lambda m, size: pm.Laplace.dist(m, 2, size=size), size=n),
    ),
}
DISCRETE = {
    "Bernoulli": lambda n: D.Bernoulli("v", 0.3, size=n),
    "BetaBinomial": lambda n: D.BetaBinomial("v", 2, 3, 7, size=n),
    "Binomial": lambda n: D.Binomial("v", 7, 0.3, size=n),
    "Categorical": lambda n: D.Categorical("v", [0.2, 0.5, 0.3], size=n),
    "DiracDelta": lambda n: D.DiracDelta("v", 3, size=n),
    "DiscreteUniform": lambda n: D.DiscreteUniform("v", 2, 6, size=n),
    "DiscreteWeibull": lambda n: D.DiscreteWeibull("v", 0.7, 1.3, size=n),
    "Geometric": lambda n: D.Geometric("v", 0.3, size=n),
    "HyperGeometric": lambda n: D.HyperGeometric("v", 30, 12, 10, size=n),
    "NegativeBinomial": lambda n: D.NegativeBinomial("v", 4, 2.5, size=n),
    "OrderedLogistic": lambda n: D.OrderedLogistic("v", eta=0.5, cutpoints=[-1.0, 0.5, 2.0], size=n),
    "OrderedProbit": lambda n: D.OrderedProbit("v", eta=0.5, cutpoints=[-1.0, 0.5, 2.0], size=n),
    "Poisson": lambda n: D.Poisson("v", 3.5, size=n),
    "ZeroInflatedBinomial": lambda n: D.ZeroInflatedBinomial("v", 0.6, 7, 0.3, size=n),
    "ZeroInflatedNegativeBinomial": lambda n: D.ZeroInflatedNegativeBinomial("v", 0.6, 4, 2.5, size=n),
    "ZeroInflatedPoisson": lambda n: D.ZeroInflatedPoisson("v", 0.6, 3.5, size=n),
    "HurdlePoisson": lambda n: D.HurdlePoisson("v", 0.6, 3.5, size=n),
    "HurdleNegativeBinomial": lambda n: D.HurdleNegativeBinomial("v", 0.6, 4, 2.5, size=n),
    "Truncated": lambda n: D.Truncated("v", pm.Poisson.dist(3.5), 1, 6, size=n),
    "Censored": lambda n: D.Censored("v", pm.Poisson.dist(3.5), 1, 6, size=n),
    "Mixture": lambda n: D.Mixture("v", [0.3, 0.7], [pm.Poisson.dist(1.5), pm.Binomial.dist(9, 0.8)], size=n),
}


def drawn(variables, backend, seed=1):
    """Draw variables of one model once."""
    rng = pt.random.rng("rng")
    graphs = with_draws([pt.as_tensor(v) for v in variables], rng)
    if backend == "interpreter":
        with without_c():
            return interpret([rng], graphs)(np.random.default_rng(seed))
    return get_backend(backend).function([], graphs, rng=rng)(np.random.default_rng(seed))


@pytest.mark.parametrize("backend", BACKENDS)
def test_continuous_distributions(backend):
    """All of them drawn by one program."""
    draws = drawn([build(NUM_DRAWS) for _, build in CONTINUOUS.values()], backend)
    for found, (grid, build) in zip(draws, CONTINUOUS.values(), strict=True):
        assert_follows_density(found, grid, build)


@pytest.mark.parametrize("backend", BACKENDS)
def test_discrete_distributions(backend):
    draws = drawn([build(NUM_DRAWS) for build in DISCRETE.values()], backend)
    for found, build in zip(draws, DISCRETE.values(), strict=True):
        assert_follows_probabilities(found, build(NUM_STATES))


COV = np.array([[2.0, 0.3], [0.3, 1.5]])
RING = np.roll(np.eye(6), 1, 0) + np.roll(np.eye(6), -1, 0)
NORMAL = pm.Normal.dist(0, 1)
VECTORS = {
    "AR": lambda: D.AR("v", [0.5, 0.1], sigma=1, shape=5, init_dist=pm.Normal.dist(0, 1, shape=2)),
    "CAR": lambda: D.CAR("v", np.arange(6.0), RING, 0.9, 2.0),
    "Dirichlet": lambda: D.Dirichlet("v", [1.5, 2, 3]),
    "EulerMaruyama": lambda: D.EulerMaruyama(
        "v", 0.1, lambda x, a: (-a * x, 1.0), (0.5,), shape=5, init_dist=pm.Normal.dist(0, 1, shape=())
    ),
    "GARCH11": lambda: D.GARCH11("v", omega=0.5, alpha_1=0.2, beta_1=0.3, initial_vol=1.0, shape=5),
    "GaussianRandomWalk": lambda: D.GaussianRandomWalk("v", 0.2, 1.5, init_dist=NORMAL, steps=4),
    "KroneckerNormal": lambda: D.KroneckerNormal("v", np.zeros(4), covs=[COV, COV], sigma=0.5),
    "LKJCholeskyCov": lambda: D.LKJCholeskyCov("v", eta=2.0, n=3, sd_dist=pm.Gamma.dist(4.0, 4.0)),
    "LKJCorr": lambda: D.LKJCorr("v", n=3, eta=2.0),
    "MatrixNormal": lambda: D.MatrixNormal("v", mu=np.zeros((2, 3)), rowcov=COV, colcov=np.eye(3) + 0.2),
    "Mixture": lambda: D.Mixture("v", [0.3, 0.7], [pm.MvNormal.dist([-1.0, 0], COV), pm.MvNormal.dist([1.0, 1], COV)]),
    "MvGaussianRandomWalk": lambda: D.MvGaussianRandomWalk(
        "v", mu=[0.1, 0.2], cov=COV, init_dist=pm.MvNormal.dist([0.0, 0], COV), steps=3
    ),
    "MvNormal": lambda: D.MvNormal("v", [1.0, 2], tau=COV),
    "MvStudentT": lambda: D.MvStudentT("v", nu=7, mu=[1.0, 2], scale=COV),
    "MvStudentTRandomWalk": lambda: D.MvStudentTRandomWalk(
        "v", nu=7, mu=[0.1, 0.2], scale=COV, init_dist=pm.MvNormal.dist([0.0, 0], COV), steps=3
    ),
    "RandomWalk": lambda: D.RandomWalk("v", init_dist=NORMAL, innovation_dist=pm.Logistic.dist(0, 1), steps=4),
    "StickBreakingWeights": lambda: D.StickBreakingWeights("v", alpha=2.0, K=3),
    "Wishart": lambda: D.Wishart("v", 5, COV),
    "ZeroSumNormal": lambda: D.ZeroSumNormal("v", sigma=2.0, shape=(3, 4), n_zerosum_axes=2),
}
QUICK = ("CAR", "LKJCholeskyCov", "MvNormal", "ZeroSumNormal")


@pytest.mark.parametrize("backend", ["numba", "interpreter"])
@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in VECTORS])
def test_vectors_and_matrices(name, backend):
    """Stein's identity on the real line: ``E g = 0`` and ``E (y - m) g' = -1`` with ``g`` the gradient at ``y``."""
    rv = VECTORS[name]()
    rng, number = pt.random.rng("rng"), pt.dscalar("number")
    graphs = with_draws([rv], rng)
    if backend == "numba":
        [draws] = get_backend("numba").map([number], graphs, rng=rng)(np.random.default_rng(1), np.zeros(NUM_VECTORS))
    else:
        with without_c():
            one = interpret([rng], graphs)
            draws = [one(generator)[0] for generator in np.random.default_rng(1).spawn(NUM_VECTORS)]
    assert_obeys_stein(draws, rv)


@pytest.mark.parametrize("backend", ["numba", "c", pytest.param("jax", marks=pytest.mark.slow)])
def test_what_pymc_needs_a_package_for(backend):
    """The mean of a Polya-gamma variable, by its closed form; its density is a series that PyMC has not either."""
    model = ppl.Model(ppl.PolyaGamma("g", 2.0, 0.5, size=5000))
    draws = ppl.prior_predictive(model, draws=2, seed=1, backend=backend).prior["g"].to_numpy()
    # Polson, Scott and Windle (2013): h / (2 z) tanh(z / 2).
    error = draws.std() / np.sqrt(draws.size)
    assert abs(draws.mean() - 2.0 * np.tanh(0.25)) < 5 * error


def test_correlations_beside_their_factor():
    """The correlation of two variables under LKJ with eta 2 is 2 Beta(2, 2) - 1."""
    with pm.Model() as pm_model:
        chol, _, _ = pm.LKJCholeskyCov("chol", n=2, eta=2.0, sd_dist=pm.Exponential.dist(1.0), compute_corr=True)
        pm.MvNormal("y", [0.0, 0.0], chol=chol, observed=[[0.1, 0.2], [0.3, -0.1]])
    prior = ppl.prior_predictive(ppl.from_pymc(pm_model), draws=2000, seed=1).prior
    assert stats.kstest(prior["chol_corr"].to_numpy()[0, :, 0, 1], stats.beta(2, 2, -1, 2).cdf).pvalue > FALSE_ALARM
    assert stats.kstest(prior["chol_stds"].to_numpy()[0, :, 0], stats.expon.cdf).pvalue > FALSE_ALARM


MASSES = {
    "Censored": (-1.0, stats.norm.cdf(-1), lambda: ppl.Censored("v", pm.Normal.dist(0, 1), -1, None, size=NUM_DRAWS)),
    "HurdleGamma": (0.0, 0.4, lambda: ppl.HurdleGamma("v", 0.6, 2.0, 1.0, size=NUM_DRAWS)),
    "HurdleLogNormal": (0.0, 0.4, lambda: ppl.HurdleLogNormal("v", 0.6, 0.3, 0.5, size=NUM_DRAWS)),
}
OTHERS = {
    "Censored": lambda x: (stats.norm.cdf(x) - stats.norm.cdf(-1)) / stats.norm.sf(-1),
    "HurdleGamma": stats.gamma(2).cdf,
    "HurdleLogNormal": stats.lognorm(0.5, scale=np.exp(0.3)).cdf,
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_mass_beside_a_density(backend):
    draws = drawn([build() for _, _, build in MASSES.values()], backend)
    for name, found in zip(MASSES, draws, strict=True):
        place, probability, _ = MASSES[name]
        is_there = found == place
        assert stats.binomtest(int(is_there.sum()), found.size, probability).pvalue > FALSE_ALARM
        assert stats.kstest(found[~is_there], OTHERS[name]).pvalue > FALSE_ALARM
