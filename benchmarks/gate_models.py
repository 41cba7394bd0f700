"""Regressions, counts, rates, mixtures and items among the models of `gates`, declared from their mathematics.

Names are those of the parameters of the published Stan programs; discrete variables, which those programs sum out by
hand, are variables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray

import ppl

type Data = dict[str, Any]

MODELS: dict[str, Callable[[Data], ppl.Model]] = {}
"""Models by the names of their Stan programs."""


def named(name: str) -> Callable[[Callable[[Data], ppl.Model]], Callable[[Data], ppl.Model]]:
    """Put a model among the others."""

    def put(declare: Callable[[Data], ppl.Model]) -> Callable[[Data], ppl.Model]:
        MODELS[name] = declare
        return declare

    return put


def numbers(data: Data, *names: str) -> list[NDArray]:
    return [np.array(data[name], float) for name in names]


def index(data: Data, name: str) -> NDArray:
    """Return numbers from one as numbers from zero."""
    return np.array(data[name], int) - 1


def logit_regression(outcome: Any, columns: list[NDArray]) -> ppl.Model:
    """Logistic regression with flat coefficients."""
    alpha, beta = ppl.Flat("alpha"), ppl.Flat("beta", size=len(columns))
    y = ppl.Bernoulli("y", logit_p=alpha + np.column_stack(columns) @ beta)
    return ppl.Model({y: np.array(outcome, int)})


@named("nes_logit_model")
def nes(data: Data) -> ppl.Model:
    return logit_regression(data["vote"], numbers(data, "income"))


@named("wells_dist100_model")
def wells_distance(data: Data) -> ppl.Model:
    [distance] = numbers(data, "dist")
    return logit_regression(data["switched"], [distance / 100])


@named("wells_interaction_model")
def wells_interaction(data: Data) -> ppl.Model:
    distance, arsenic = numbers(data, "dist", "arsenic")
    return logit_regression(data["switched"], [distance / 100, arsenic, distance / 100 * arsenic])


@named("wells_daae_c_model")
def wells_centred(data: Data) -> ppl.Model:
    distance, arsenic, associated, years = numbers(data, "dist", "arsenic", "assoc", "educ")
    distance, arsenic = (distance - distance.mean()) / 100, arsenic - arsenic.mean()
    return logit_regression(data["switched"], [distance, arsenic, distance * arsenic, associated, years / 4])


@named("sesame_one_pred_a")
def sesame(data: Data) -> ppl.Model:
    encouraged, watched = numbers(data, "encouraged", "watched")
    beta = ppl.Flat("beta", size=2)
    return ppl.Model({ppl.Normal("y", beta[0] + beta[1] * encouraged, ppl.HalfFlat("sigma")): watched})


@named("dogs")
def dogs(data: Data) -> ppl.Model:
    y = np.array(data["y"], int)
    shocks = np.cumsum(y, axis=1) - y
    avoided = np.arange(y.shape[1]) - shocks
    beta = ppl.Normal("beta", 0, 100, size=3)
    return ppl.Model({ppl.Bernoulli("y", logit_p=beta[0] + beta[1] * avoided + beta[2] * shocks): y})


@named("dugongs_model")
def dugongs(data: Data) -> ppl.Model:
    x, y = numbers(data, "x", "Y")
    alpha, beta = ppl.Normal("alpha", 0, 1000), ppl.Normal("beta", 0, 1000)
    rate = ppl.Uniform("lambda", 0.5, 1)
    return ppl.Model({ppl.Normal("y", alpha - beta * rate**x, tau=ppl.Gamma("tau", 1e-4, 1e-4)): y})


@named("GLM_Binomial_model")
def binomial_trend(data: Data) -> ppl.Model:
    [year] = numbers(data, "year")
    alpha, beta1, beta2 = (ppl.Normal(name, 0, 100) for name in ("alpha", "beta1", "beta2"))
    c = ppl.Binomial("C", np.array(data["N"], int), logit_p=alpha + beta1 * year + beta2 * year**2)
    return ppl.Model({c: np.array(data["C"], int)})


@named("Rate_1_model")
def rate(data: Data) -> ppl.Model:
    return ppl.Model({ppl.Binomial("k", data["n"], ppl.Beta("theta", 1, 1)): data["k"]})


@named("Rate_3_model")
def common_rate(data: Data) -> ppl.Model:
    theta = ppl.Beta("theta", 1, 1)
    return ppl.Model({ppl.Binomial(f"k{i}", data[f"n{i}"], theta): data[f"k{i}"] for i in (1, 2)})


@named("Survey_model")
def survey(data: Data) -> ppl.Model:
    """Of binomial outcomes neither rate nor size is known."""
    n = ppl.DiscreteUniform("n", 1, data["nmax"])
    return ppl.Model({ppl.Binomial("k", n, ppl.Uniform("theta", 0, 1), size=data["m"]): np.array(data["k"], int)})


@named("M0_model")
def capture(data: Data) -> ppl.Model:
    """Which of the animals never seen exist is a variable."""
    y = np.array(data["y"], int)
    exists = ppl.Bernoulli("z", ppl.Uniform("omega", 0, 1), size=len(y))
    return ppl.Model({ppl.Bernoulli("y", exists[:, None] * ppl.Uniform("p", 0, 1), size=y.shape): y})


@named("Mt_model")
def capture_by_time(data: Data) -> ppl.Model:
    y = np.array(data["y"], int)
    exists = ppl.Bernoulli("z", ppl.Uniform("omega", 0, 1), size=len(y))
    return ppl.Model({ppl.Bernoulli("y", exists[:, None] * ppl.Uniform("p", 0, 1, size=y.shape[1])): y})


@named("Mh_model")
def capture_by_animal(data: Data) -> ppl.Model:
    exists = ppl.Bernoulli("z", ppl.Uniform("omega", 0, 1), size=data["M"])
    mean_p, sigma = ppl.Uniform("mean_p", 0, 1), ppl.Uniform("sigma", 0, 5)
    raw = ppl.Normal("eps_raw", 0, 1, size=data["M"])
    seen = ppl.Binomial("y", data["T"], exists * pt.sigmoid(pt.log(mean_p / (1 - mean_p)) + sigma * raw))
    return ppl.Model({seen: np.array(data["y"], int)})


@named("normal_mixture")
def mixture_of_means(data: Data) -> ppl.Model:
    theta, mu = ppl.Uniform("theta", 0, 1), ppl.Normal("mu", 0, 10, size=2)
    k = ppl.Bernoulli("k", 1 - theta, size=data["N"])
    return ppl.Model({ppl.Normal("y", mu[k], 1): np.array(data["y"], float)})


@named("low_dim_gauss_mix_collapse")
def mixture_without_order(data: Data) -> ppl.Model:
    theta, mu = ppl.Beta("theta", 5, 5), ppl.Normal("mu", 0, 2, size=2)
    sigma = ppl.HalfNormal("sigma", 2, size=2)
    k = ppl.Bernoulli("k", 1 - theta, size=data["N"])
    return ppl.Model({ppl.Normal("y", mu[k], sigma[k]): np.array(data["y"], float)})


@named("ldaK2")
def topics(data: Data) -> ppl.Model:
    theta = ppl.Dirichlet("theta", np.ones((data["M"], 2)))
    phi = ppl.Dirichlet("phi", np.ones((2, data["V"])))
    topic = ppl.Categorical("z", theta[index(data, "doc")])
    return ppl.Model({ppl.Categorical("w", phi[topic]): index(data, "w")})


def adjusted(data: Data) -> NDArray:
    """Covariates of persons, centred, and divided by their range if they have two values, else two deviations."""
    w = np.array(data["W"], float)
    for column in w.T[1:]:
        scale = np.ptp(column) if len(set(column)) == 2 else 2 * column.std(ddof=1)
        column[:] = (column - column.mean()) / scale
    return w


def summing_to_zero(free: Any) -> Any:
    return pt.concatenate([free, -free.sum(keepdims=True)])


@named("2pl_latent_reg_irt")
def items_with_regression(data: Data) -> ppl.Model:
    w = adjusted(data)
    alpha = ppl.LogNormal("alpha", 1, 1, size=data["I"])
    free = ppl.Flat("beta_free", size=data["I"] - 1)
    beta = summing_to_zero(free)
    effects = ppl.StudentT("lambda_adj", 3, 0, sigma=1, size=data["K"])
    theta = ppl.Normal("theta", w @ effects, 1)
    item, person = index(data, "ii"), index(data, "jj")
    y = ppl.Bernoulli("y", logit_p=alpha[item] * theta[person] - beta[item])
    return ppl.Model({y: np.array(data["y"], int)}, ppl.Potential("prior", -0.5 * (beta / 3) ** 2))


@named("grsm_latent_reg_irt")
def graded_items_with_regression(data: Data) -> ppl.Model:
    """Rating scale: the same steps between grades for all items."""
    w, y = adjusted(data), np.array(data["y"], int)
    alpha = ppl.LogNormal("alpha", 1, 1, size=data["I"])
    beta = summing_to_zero(ppl.Flat("beta_free", size=data["I"] - 1))
    kappa = summing_to_zero(ppl.Flat("kappa_free", size=y.max() - 1))
    effects = ppl.StudentT("lambda_adj", 3, 0, sigma=1, size=data["K"])
    theta = ppl.Normal("theta", w @ effects, 1)
    item, person = index(data, "ii"), index(data, "jj")
    steps = (theta[person] * alpha[item] - beta[item])[:, None] - kappa
    grades = pt.concatenate([pt.zeros((data["N"], 1)), pt.cumsum(steps, axis=1)], axis=1)
    priors = [ppl.Potential(f"prior_{i}", -0.5 * (each / 3) ** 2) for i, each in enumerate((beta, kappa))]
    return ppl.Model({ppl.Categorical("y", logit_p=grades): y}, *priors)


@named("irt_2pl")
def items(data: Data) -> ppl.Model:
    theta = ppl.Normal("theta", 0, ppl.HalfCauchy("sigma_theta", 2), size=data["J"])
    a = ppl.LogNormal("a", 0, ppl.HalfCauchy("sigma_a", 2), size=data["I"])
    b = ppl.Normal("b", ppl.Normal("mu_b", 0, 5), ppl.HalfCauchy("sigma_b", 2), size=data["I"])
    y = ppl.Bernoulli("y", logit_p=a[:, None] * (theta - b[:, None]))
    return ppl.Model({y: np.array(data["y"], int)})


@named("lsat_model")
def sat(data: Data) -> ppl.Model:
    patterns = np.diff(data["culm"], prepend=0)
    alpha, theta = ppl.Normal("alpha", 0, 100, size=data["T"]), ppl.Normal("theta", 0, 1, size=(data["N"], 1))
    y = ppl.Bernoulli("y", logit_p=ppl.HalfNormal("beta", 100) * theta - alpha)
    return ppl.Model({y: np.repeat(np.array(data["response"], int), patterns, axis=0)})


@named("bones_model")
def bones(data: Data) -> ppl.Model:
    """Grades of maturity: 34 indicators of two to five grades each, those not seen left out."""
    grade, gamma, delta = np.array(data["grade"], int), *numbers(data, "gamma", "delta")
    theta = ppl.Normal("theta", 0, 36, size=data["nChild"])
    seen = {}
    for count in np.unique(data["ncat"]):
        indicators = np.flatnonzero(np.array(data["ncat"]) == count)
        child, which = np.nonzero(grade[:, indicators] != -1)
        which = indicators[which]
        above = pt.sigmoid(delta[which, None] * (theta[child][:, None] - gamma[which][:, : count - 1]))
        shares = pt.concatenate([1 - above[:, :1], above[:, :-1] - above[:, 1:], above[:, -1:]], axis=1)
        seen[ppl.Categorical(f"grade_{count}", shares)] = grade[child, which] - 1
    return ppl.Model(seen)
