"""Changepoints, and counts with bounds that are constant, depend on data, or on each other."""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt

import ppl
from tests.graphs.marginal.models.catalogue import COUNTS, MU, SIGMA, Case, Catalogue, W, X, Y

MODELS = Catalogue()
TIME = np.arange(8)


# Changepoints


@MODELS.add
def changepoint() -> Case:
    tau = ppl.DiscreteUniform("tau", 1, 7)
    early, late = ppl.Exponential("early", 0.7), ppl.Exponential("late", 1.6)
    y = ppl.Poisson("y", pt.switch(tau > TIME, early, late))
    return ppl.Model({y: COUNTS}), {"early": 3.3, "late": 0.6}


@MODELS.add
def changepoint_by_index() -> Case:
    tau = ppl.Categorical("tau", np.array([0.11, 0.23, 0.37, 0.29]))
    mu, sigma = ppl.Normal("mu", 0, 2, size=2), ppl.HalfNormal("sigma", 2, size=2)
    side = (2 * tau <= TIME).astype("int64")
    return ppl.Model({ppl.Normal("y", mu[side], sigma[side]): Y}), {"mu": MU[:2], "sigma": SIGMA[:2]}


@MODELS.add
def changing_slope() -> Case:
    tau = ppl.DiscreteUniform("tau", 0, 7)
    b = ppl.Normal("b", 0, 1, size=3)
    y = ppl.Normal("y", b[0] + b[1] * TIME + b[2] * pt.maximum(TIME - tau, 0), 0.9)
    return ppl.Model({y: Y}), {"b": np.array([0.3, -0.2, 0.7])}


@MODELS.add
def decay_after_a_change() -> Case:
    tau = ppl.DiscreteUniform("tau", 1, 6)
    rate = ppl.Gamma("rate", 2, 3)
    y = ppl.Normal("y", pt.switch(tau <= TIME, pt.exp(-rate * (TIME - tau)), 0.0), 0.9)
    return ppl.Model({y: Y}), {"rate": 0.46}


@MODELS.add
def two_changepoints() -> Case:
    """The second lies after the first: its support depends on it."""
    first = ppl.DiscreteUniform("first", 1, 5)
    second = ppl.DiscreteUniform("second", first + 1, 7)
    rate = ppl.Exponential("rate", 1.0, size=3)
    y = ppl.Poisson("y", rate[pt.ge(TIME, first).astype("int64") + pt.ge(TIME, second).astype("int64")])
    return ppl.Model({y: COUNTS}), {"rate": np.array([1.2, 3.7, 5.1])}


@MODELS.add
def two_changepoints_in_any_order() -> Case:
    tau = ppl.DiscreteUniform("tau", 1, 7, size=2)
    first, second = pt.minimum(tau[0], tau[1]), pt.maximum(tau[0], tau[1])
    mu = ppl.Normal("mu", 0, 2, size=3)
    y = ppl.Normal("y", pt.switch(first > TIME, mu[0], pt.switch(second > TIME, mu[1], mu[2])), 0.9)
    return ppl.Model({y: Y}), {"mu": MU}


@MODELS.add
def three_changepoints_by_gaps() -> Case:
    gaps = ppl.Categorical("gaps", np.array([0.31, 0.42, 0.27]), size=3)
    segment = (TIME[:, None] >= pt.cumsum(gaps + 1)).sum(axis=1)
    mu = ppl.Normal("mu", 0, 2, size=4)
    return ppl.Model({ppl.Normal("y", mu[segment], 0.9): Y}), {"mu": np.append(MU, 2.2)}


@MODELS.add
def changepoint_of_each_series() -> Case:
    tau = ppl.DiscreteUniform("tau", 1, 4, size=3)
    mu = ppl.Normal("mu", 0, 2, size=2)
    y = ppl.Normal("y", pt.switch(np.arange(5) < tau[:, None], mu[0], mu[1]), 0.9)
    return ppl.Model({y: np.outer(SIGMA, Y[:5])}), {"mu": MU[:2]}


@MODELS.add
def changepoints_of_groups() -> Case:
    """The place of the change is shared by series of a group; whether there is one is not."""
    group = np.array([1, 0, 1])
    tau = ppl.DiscreteUniform("tau", 1, 3, size=2)
    changes = ppl.Bernoulli("changes", 0.64, size=3)
    m = ppl.Normal("m", 0, 1)
    y = ppl.Normal("y", m * changes[:, None] * (np.arange(4) >= tau[group][:, None]), 0.9)
    return ppl.Model({y: np.outer(SIGMA, Y[:4])}), {"m": 1.37}


@MODELS.add
def changepoint_among_missing_counts() -> Case:
    tau = ppl.DiscreteUniform("tau", 1, 7)
    p = ppl.Beta("p", 2, 2, size=2)
    y = ppl.Binomial("y", 3, pt.switch(tau > TIME, p[0], p[1]))
    data = np.array([2, 0, np.nan, 1, 3, 3, np.nan, 2])
    return ppl.Model({y: data}), {"p": np.array([0.31, 0.74])}


# Bounded counts


@MODELS.add
def binomial_with_a_bound_for_each() -> Case:
    n = ppl.Binomial("n", np.array([2, 5, 3]), ppl.Beta("p", 2, 2, size=3))
    y = ppl.Normal("y", 0.8 * n, 1.1)
    return ppl.Model({y: Y[1:4]}), {"p": np.array([0.31, 0.74, 0.46])}


@MODELS.add
def binomial_by_logits() -> Case:
    b = ppl.Normal("b", 0, 1, size=2)
    n = ppl.Binomial("n", 3, logit_p=pt.dot(X[:4], b))
    return ppl.Model({ppl.Poisson("y", 0.4 + n**2): COUNTS[:4]}), {"b": np.array([0.4, -0.7])}


@MODELS.add
def beta_binomial() -> Case:
    a, b = ppl.Gamma("a", 2, 1), ppl.Gamma("b", 2, 1)
    n = ppl.BetaBinomial("n", a, b, np.array([4, 2, 6]))
    return ppl.Model({ppl.Poisson("y", 0.6 + n): COUNTS[:3]}), {"a": 1.7, "b": 2.6}


@MODELS.add
def hypergeometric() -> Case:
    n = ppl.HyperGeometric("n", 12, 5, 4, size=2)
    rate = ppl.Gamma("rate", 2, 1)
    return ppl.Model({ppl.Poisson("y", rate * (n + 0.3)): COUNTS[:2]}), {"rate": 1.3}


@MODELS.add
def uniform_between_data() -> Case:
    n = ppl.DiscreteUniform("n", np.array([-2, 3, 0]), np.array([1, 5, 2]))
    m = ppl.Normal("m", 0, 1)
    return ppl.Model({ppl.Normal("y", m * n, 1.1): Y[:3]}), {"m": 0.57}


@MODELS.add
def thinned_twice() -> Case:
    n = ppl.Binomial("n", 6, 0.64, size=2)
    caught = ppl.Binomial("caught", n, ppl.Beta("p", 2, 2))
    return ppl.Model({ppl.Binomial("marked", caught, 0.57): np.array([1, 2])}), {"p": 0.46}


@MODELS.add
def sum_of_two_counts() -> Case:
    """The two are never seen apart."""
    a, b = ppl.Binomial("a", 3, ppl.Beta("p", 2, 2)), ppl.DiscreteUniform("b", 0, 4)
    y = ppl.Binomial("y", a + b, 0.7)
    return ppl.Model({y: 3}, ppl.Potential("tilt", -0.2 * (a - b) ** 2)), {"p": 0.46}


@MODELS.add
def functions_of_a_count() -> Case:
    n = ppl.DiscreteUniform("n", 1, 5, size=2)
    alpha = ppl.Gamma("alpha", 2, 1)
    y = ppl.NegativeBinomial("y", mu=pt.sqrt(n) + 1 / n, alpha=alpha * n)
    tilt = ppl.Potential("tilt", -pt.gammaln(n + 1) + n * pt.log(alpha))
    return ppl.Model({y: COUNTS[:2]}, tilt), {"alpha": 1.7}


@MODELS.add
def deaths() -> Case:
    """A pure death process as a loop."""
    phi, p = ppl.Beta("phi", 3, 2), ppl.Beta("p", 2, 2)
    n, observed = [ppl.DiscreteUniform("n0", 3, 6)], {}
    for t in range(1, 4):
        n.append(ppl.Binomial(f"n{t}", n[-1], phi))
        observed[ppl.Binomial(f"y{t}", n[-1], p)] = [3, 1, 1][t - 1]
    return ppl.Model(observed), {"phi": 0.76, "p": 0.57}


@MODELS.add
def epidemic_of_counts() -> Case:
    """A chain binomial (Reed and Frost): who is left is a difference of earlier draws."""
    q = ppl.Beta("q", 3, 2)
    susceptible, infected, observed = 5, 1, {}
    for t in range(3):
        infected = ppl.Binomial(f"infected{t}", susceptible, 1 - q**infected)
        susceptible = susceptible - infected
        observed[ppl.Poisson(f"y{t}", 0.2 + 0.8 * infected)] = [1, 2, 0][t]
    return ppl.Model(observed), {"q": 0.71}


@MODELS.add
def bound_that_is_an_index() -> Case:
    """The number of dice thrown depends on a hidden kind."""
    kind = ppl.Categorical("kind", W, size=2)
    dice = pt.constant(np.array([1, 4, 2]))[kind]
    hits = ppl.Binomial("hits", dice, ppl.Beta("p", 2, 2))
    return ppl.Model({ppl.Normal("y", 1.0 * hits, 0.7): Y[1:3]}), {"p": 0.37}


@MODELS.add
def ordered_answers() -> Case:
    """Latent answers on a scale."""
    eta = ppl.Normal("eta", 0, 1, size=3)
    answer = ppl.OrderedLogistic("answer", eta, cutpoints=np.array([-0.7, 0.2, 1.1]))
    return ppl.Model({ppl.Normal("y", 0.8 * answer, 0.9): Y[:3]}), {"eta": MU}


@MODELS.add
def count_of_successes_and_their_mean() -> Case:
    z = ppl.Bernoulli("z", ppl.Beta("p", 2, 2), size=6)
    y = ppl.Normal("y", z.mean(), 0.3)
    total = ppl.Poisson("total", 0.5 + z.sum())
    return ppl.Model({y: 0.57, total: 4}), {"p": 0.37}
