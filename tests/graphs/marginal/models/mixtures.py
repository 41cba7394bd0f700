"""Mixtures by an index: of parameters, of families, of vectors, of mixtures."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt

import ppl
from tests.graphs.marginal.models.catalogue import COUNTS, MU, SIGMA, Case, Catalogue, W, X, Y

MODELS = Catalogue()


@MODELS.add
def four_indexed_parameters() -> Case:
    k = ppl.Categorical("k", ppl.Dirichlet("w", [2.0, 3.0, 1.5]), size=5)
    nu, mu = ppl.Gamma("nu", 4, 1, size=3), ppl.Normal("mu", 0, 2, size=3)
    sigma, slope = ppl.HalfNormal("sigma", 2, size=3), ppl.Normal("slope", 0, 1, size=3)
    y = ppl.StudentT("y", nu[k], mu[k] + slope[k] * X[:5, 0], sigma=sigma[k])
    return ppl.Model({y: Y[:5]}), {"w": W, "nu": 2 + SIGMA, "mu": MU, "sigma": SIGMA, "slope": MU[::-1]}


@MODELS.add
def skewed_components() -> Case:
    k = ppl.Categorical("k", W, size=4)
    alpha = ppl.Normal("alpha", 0, 2, size=3)
    return ppl.Model({ppl.SkewNormal("y", mu=MU[2] * k, sigma=1.2 + k, alpha=alpha[k]): Y[:4]}), {"alpha": MU}


@MODELS.add
def ordered_means() -> Case:
    mu = ppl.Normal("mu", 0, 2, size=3)
    k = ppl.Categorical("k", W, size=4)
    return ppl.Model({ppl.Normal("y", pt.sort(mu)[k], 0.9): Y[:4]}), {"mu": MU}


@MODELS.add
def stick_breaking_weights() -> Case:
    v = ppl.Beta("v", 1.2, 2.5, size=3)
    w = pt.concatenate([v, [1.0]]) * pt.concatenate([[1.0], pt.cumprod(1 - v)])
    k = ppl.Categorical("k", w, size=4)
    mu = ppl.Normal("mu", 0, 2, size=4)
    y = ppl.Normal("y", mu[k], 0.8)
    return ppl.Model({y: Y[:4]}), {"v": np.array([0.37, 0.56, 0.23]), "mu": np.append(MU, 2.2)}


@MODELS.add
def outliers_in_a_regression() -> Case:
    a, b = ppl.Normal("a", 0, 1), ppl.Normal("b", 0, 1, size=2)
    is_outlier = ppl.Bernoulli("is_outlier", ppl.Beta("rate", 1.5, 6), size=6)
    y = ppl.Normal("y", a + pt.dot(X, b), 0.7 * pt.where(is_outlier, 8.0, 1.1))
    return ppl.Model({y: Y[:6]}), {"a": 0.3, "b": MU[:2], "rate": 0.17}


@MODELS.add
def by_arithmetic() -> Case:
    z = ppl.Bernoulli("z", 0.37, size=5)
    low, high = ppl.Normal("low", -1, 1), ppl.Normal("high", 1.5, 1)
    y = ppl.Normal("y", z * high + (1 - z) * low, pt.exp(0.4 * z - 0.2))
    return ppl.Model({y: Y[:5]}), {"low": -0.8, "high": 1.4}


@MODELS.add
def one_hot_products() -> Case:
    k = ppl.Categorical("k", W, size=4)
    mu, sigma = ppl.Normal("mu", 0, 2, size=3), ppl.HalfNormal("sigma", 2, size=3)
    one_hot = pt.eq(k[:, None], np.arange(3)).astype("float64")
    y = ppl.Normal("y", one_hot @ mu, (one_hot * sigma).sum(axis=-1))
    return ppl.Model({y: Y[:4]}), {"mu": MU, "sigma": SIGMA}


@MODELS.add
def taken_along_an_axis() -> Case:
    """Every row has candidates of its own."""
    candidates = ppl.Normal("candidates", 0, 2, size=(4, 3))
    k = ppl.Categorical("k", W, size=4)
    y = ppl.Normal("y", pt.take_along_axis(candidates, k[:, None], axis=1)[:, 0], 0.9)
    return ppl.Model({y: Y[:4]}), {"candidates": np.outer(SIGMA[[0, 2, 1, 0]] + Y[:4], MU)}


@MODELS.add
def taken() -> Case:
    k = ppl.Categorical("k", W, size=4)
    table = ppl.Normal("table", 0, 1, size=(2, 3))
    y = ppl.Normal("y", pt.take(table, k, axis=1).sum(axis=0), 0.9)
    return ppl.Model({y: Y[:4]}), {"table": np.stack([MU, SIGMA])}


@MODELS.add
def discrete_degrees_of_freedom() -> Case:
    nu = ppl.DiscreteUniform("nu", 2, 6)
    sigma = ppl.HalfNormal("sigma", 2)
    return ppl.Model({ppl.StudentT("y", nu, 0.3, sigma=sigma, size=5): Y[:5]}), {"sigma": 1.7}


@MODELS.add
def latent_between_index_and_data() -> Case:
    """Continuous effects of groups come from a mixture."""
    k = ppl.Categorical("k", W, size=4)
    mu, sigma = ppl.Normal("mu", 0, 2, size=3), ppl.HalfNormal("sigma", 2, size=3)
    theta = ppl.Normal("theta", mu[k], sigma[k])
    y = ppl.Poisson("y", pt.exp(theta)[np.array([3, 0, 0, 1, 2, 2, 2, 1])])
    return ppl.Model({y: COUNTS}), {"mu": MU, "sigma": SIGMA, "theta": Y[:4]}


@MODELS.add
def latent_with_a_transform() -> Case:
    k = ppl.Bernoulli("k", 0.42, size=3)
    rate = ppl.Gamma("rate", 2 + k, 1.3)
    return ppl.Model({ppl.Poisson("y", rate): COUNTS[:3]}), {"rate": SIGMA}


# Families


@MODELS.add
def families_by_switch() -> Case:
    z = ppl.Bernoulli("z", 0.37, size=4)
    m, scale = ppl.Normal("m", 0, 1), ppl.HalfNormal("scale", 2)
    y = pt.switch(z, pm.StudentT.dist(4, m, sigma=scale, shape=4), pm.Laplace.dist(m + 1, scale, shape=4))
    y.name = "y"
    return ppl.Model({y: Y[:4]}), {"m": 0.4, "scale": 1.7}


@MODELS.add
def three_families_by_nested_switches() -> Case:
    k = ppl.Categorical("k", W, size=3)
    m = ppl.Normal("m", 0, 1)
    inner = pt.switch(pt.eq(k, 1), pm.Laplace.dist(m, 0.7, shape=3), pm.Logistic.dist(m, 1.2, shape=3))
    y = pt.switch(pt.eq(k, 0), pm.Normal.dist(m, 1.3, shape=3), inner)
    y.name = "y"
    return ppl.Model({y: Y[:3]}), {"m": 0.4}


@MODELS.add
def families_by_stack() -> Case:
    m = ppl.Normal("m", 0, 1)
    k = ppl.Categorical("k", W)
    y = pt.stack([pm.Normal.dist(m, 1.3), pm.Laplace.dist(m, 0.7), pm.StudentT.dist(4, m, sigma=0.6)])[k]
    y.name = "y"
    return ppl.Model({y: 0.74}), {"m": 0.4}


@MODELS.add
def counts_of_two_families() -> Case:
    rate = ppl.Gamma("rate", 3, 1)
    z = ppl.Bernoulli("z", 0.29, size=5)
    y = pt.switch(z, pm.Poisson.dist(rate, shape=5), pm.NegativeBinomial.dist(rate + 1.5, 2.3, shape=5))
    y.name = "y"
    return ppl.Model({y: COUNTS[:5]}), {"rate": 2.6}


@MODELS.add
def components_of_one_variable() -> Case:
    components = pm.Normal.dist(ppl.Normal("mu", 0, 2, size=3), SIGMA)
    k = ppl.Categorical("k", W)
    y = components[k]
    y.name = "y"
    return ppl.Model({y: 0.74}), {"mu": MU}


@MODELS.add
def mixtures_of_pymc_inside() -> Case:
    """An index that picks among mixtures that PyMC has summed out itself."""
    k = ppl.Bernoulli("k", 0.37, size=4)
    psi = ppl.Beta("psi", 2, 3, size=2)
    y = ppl.ZeroInflatedPoisson("y", psi[k], 1.3 + 2 * k)
    return ppl.Model({y: COUNTS[:4]}), {"psi": np.array([0.36, 0.81])}


@MODELS.add
def censored_components() -> Case:
    k = ppl.Bernoulli("k", 0.37, size=4)
    mu = ppl.Normal("mu", 0, 1, size=2)
    y = ppl.Censored("y", pm.Normal.dist(mu[k], 1.2), lower=None, upper=1.6)
    return ppl.Model({y: np.array([0.42, 1.6, -0.7, 1.6])}), {"mu": MU[:2]}


@MODELS.add
def truncated_components() -> Case:
    k = ppl.Bernoulli("k", 0.37, size=4)
    mu = ppl.Normal("mu", 0, 1, size=2)
    y = ppl.TruncatedNormal("y", mu[k], 1.2, lower=-1.5 + 0.3 * k)
    return ppl.Model({y: np.array([0.42, 1.6, -0.7, 2.6])}), {"mu": MU[:2]}


@MODELS.add
def ordered_answers() -> Case:
    k = ppl.Categorical("k", W, size=4)
    eta = ppl.Normal("eta", 0, 1, size=3)
    y = ppl.OrderedLogistic("y", eta[k], cutpoints=np.array([-0.7, 0.2, 1.1]))
    return ppl.Model({y: np.array([0, 3, 1, 2])}), {"eta": MU}


# Vectors


@MODELS.add
def rows_with_their_own_covariance() -> Case:
    k = ppl.Categorical("k", W, size=4)
    centre = ppl.Normal("centre", 0, 1, size=(3, 2))
    cholesky = np.array([[[1.2, 0], [0.3, 0.8]], [[0.7, 0], [-0.4, 1.6]], [[2.1, 0], [0.9, 0.6]]])
    y = ppl.MvNormal("y", centre[k], chol=pt.constant(cholesky)[k])
    return ppl.Model({y: X[:4]}), {"centre": np.outer(SIGMA, MU[:2])}


@MODELS.add
def scaled_covariance() -> Case:
    k = ppl.Bernoulli("k", 0.37, size=3)
    scale = ppl.HalfNormal("scale", 2, size=2)
    covariance = np.array([[1.2, 0.3], [0.3, 0.8]]) * scale[k][:, None, None]
    return ppl.Model({ppl.MvNormal("y", np.array([0.2, -0.4]), covariance): X[:3]}), {"scale": SIGMA[:2]}


@MODELS.add
def classes_of_answers() -> Case:
    """Latent classes: all answers of a person share a class."""
    k = ppl.Categorical("k", ppl.Dirichlet("w", np.ones(3)), size=4)
    p = ppl.Beta("p", 2, 2, size=(3, 2))
    y = ppl.Bernoulli("y", p[k])
    data = np.array([[0, 1], [1, 1], [0, 0], [1, 0]])
    return ppl.Model({y: data}), {"w": W, "p": np.array([[0.21, 0.63], [0.74, 0.36], [0.47, 0.91]])}


@MODELS.add
def multinomial_rows() -> Case:
    k = ppl.Bernoulli("k", 0.37, size=3)
    p = ppl.Dirichlet("p", np.ones((2, 3)))
    y = ppl.Multinomial("y", 4, p[k])
    data = np.array([[1, 2, 1], [0, 4, 0], [3, 0, 1]])
    return ppl.Model({y: data}), {"p": np.stack([W, W[[2, 0, 1]]])}


@MODELS.add
def dirichlet_rows() -> Case:
    k = ppl.Bernoulli("k", 0.37, size=3)
    alpha = ppl.Gamma("alpha", 3, 1, size=(2, 3))
    y = ppl.Dirichlet("y", alpha[k])
    return ppl.Model({y: np.stack([W, W[[2, 0, 1]], W[[1, 2, 0]]])}), {"alpha": np.stack([SIGMA, 1 + SIGMA[::-1]])}


@MODELS.add
def one_index_of_a_whole_series() -> Case:
    k = ppl.Categorical("k", W)
    drift = ppl.Normal("drift", 0, 1, size=3)
    y = ppl.GaussianRandomWalk("y", drift[k], pt.constant(SIGMA)[k], init_dist=pm.Normal.dist(0, 2.0), steps=4)
    return ppl.Model({y: Y[:5]}), {"drift": MU}


@MODELS.add
def autoregressions() -> Case:
    k = ppl.Categorical("k", W)
    rho = ppl.Normal("rho", 0, 1, size=3)
    y = ppl.AR("y", rho[k][None], sigma=1.2, init_dist=pm.Normal.dist(0, 2.0), steps=4)
    return ppl.Model({y: Y[:5]}), {"rho": MU / 2}


@MODELS.add
def curves() -> Case:
    """A mixture of regressions: coefficients by row, a design shared by all rows."""
    k = ppl.Bernoulli("k", 0.37, size=3)
    b = ppl.Normal("b", 0, 1, size=(2, 2))
    y = ppl.Normal("y", pt.dot(b[k], X[:4].T), 0.9)
    return ppl.Model({y: np.outer(SIGMA, Y[:4])}), {"b": np.array([[0.42, -1.13], [0.24, 0.71]])}


# Mixtures of mixtures


@MODELS.add
def three_levels() -> Case:
    a = ppl.Bernoulli("a", 0.37, size=2)
    b = ppl.Categorical("b", pt.constant(np.stack([W, W[[2, 0, 1]]]))[a])
    c = ppl.Categorical("c", ppl.Dirichlet("rows", np.ones((3, 2)))[b])
    y = ppl.Normal("y", ppl.Normal("mu", 0, 2, size=2)[c] + 0.3 * a, 0.9)
    rows = np.array([[0.23, 0.77], [0.64, 0.36], [0.45, 0.55]])
    return ppl.Model({y: Y[:2]}), {"rows": rows, "mu": MU[:2]}


@MODELS.add
def weights_and_means_by_the_same_index() -> Case:
    k = ppl.Categorical("k", W, size=3)
    j = ppl.Bernoulli("j", pt.constant(np.array([0.23, 0.61, 0.84]))[k])
    mu = ppl.Normal("mu", 0, 2, size=(3, 2))
    y = ppl.Normal("y", mu[k, j], pt.constant(SIGMA)[k])
    return ppl.Model({y: Y[:3]}), {"mu": np.outer(MU, SIGMA[:2])}


@MODELS.add
def plate_within_a_plate() -> Case:
    k = ppl.Bernoulli("k", 0.37, size=2)
    w = pt.constant(np.stack([W, W[[2, 0, 1]]]))
    j = ppl.Categorical("j", w[k][:, None, :], size=(2, 3))
    mu = ppl.Normal("mu", 0, 2, size=3)
    return ppl.Model({ppl.Normal("y", mu[j], 0.9): Y[:6].reshape(2, 3)}), {"mu": MU}


@MODELS.add
def topics() -> Case:
    """Latent Dirichlet allocation: a topic for every word, weights of topics for every document."""
    document = np.array([0, 0, 1, 1, 1, 0])
    theta, phi = ppl.Dirichlet("theta", np.ones((2, 3))), ppl.Dirichlet("phi", np.full((3, 4), 0.7))
    z = ppl.Categorical("z", theta[document])
    word = ppl.Categorical("word", phi[z])
    vocabulary = np.array([[0.11, 0.23, 0.37, 0.29], [0.42, 0.13, 0.18, 0.27], [0.05, 0.51, 0.19, 0.25]])
    return ppl.Model({word: np.array([0, 3, 1, 1, 2, 0])}), {"theta": np.stack([W, W[::-1]]), "phi": vocabulary}


@MODELS.add
def experts() -> Case:
    gate, b = ppl.Normal("gate", 0, 1, size=(2, 3)), ppl.Normal("b", 0, 1, size=(3, 2))
    k = ppl.Categorical("k", pt.special.softmax(pt.dot(X[:5], gate) + np.array([0.0, 0.3, -0.2]), axis=1))
    y = ppl.Normal("y", (b[k] * X[:5]).sum(axis=1), 0.8)
    values = {"gate": np.array([[0.41, -0.73, 0.22], [-0.34, 0.95, 0.66]]), "b": np.outer(MU, SIGMA[:2])}
    return ppl.Model({y: Y[:5]}), values


@MODELS.add
def experts_by_logits() -> Case:
    gate = ppl.Normal("gate", 0, 1, size=(2, 3))
    k = ppl.Categorical("k", logit_p=pt.dot(X[:4], gate))
    y = ppl.Poisson("y", pt.exp(ppl.Normal("mu", 0, 1, size=3))[k])
    return ppl.Model({y: COUNTS[:4]}), {"gate": np.array([[0.41, -0.73, 0.22], [-0.34, 0.95, 0.66]]), "mu": MU}
