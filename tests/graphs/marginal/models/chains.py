"""Hidden Markov models: the emissions, the transitions, the shapes, and the ends."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

import ppl
from tests.graphs.marginal.models.catalogue import COUNTS, MU, SIGMA, SWITCHING, Case, Catalogue, P, W, Y

MODELS = Catalogue()
VARYING = np.stack([np.roll(P, s, axis=(0, 1)) for s in range(4)]) ** np.array([1.0, 1.3, 0.8, 1.1])[:, None, None]
VARYING /= VARYING.sum(axis=-1, keepdims=True)


def means(count: int = 3) -> TensorVariable:
    return ppl.Normal("mu", 0, 2, size=count)


# Emissions


@MODELS.add
def two_emissions() -> Case:
    s = ppl.MarkovChain("s", ppl.Dirichlet("P", np.ones((3, 3))), W, steps=5)
    sigma = ppl.HalfNormal("sigma", 2, size=3)
    y, x = ppl.Normal("y", means()[s], sigma[s]), ppl.Poisson("x", pt.exp(0.3 * s + 0.1))
    return ppl.Model({y: Y[:5], x: COUNTS[:5]}), {"P": P, "mu": MU, "sigma": SIGMA}


@MODELS.add
def counts_with_exposure() -> Case:
    s = ppl.MarkovChain("s", SWITCHING, [0.37, 0.63], steps=7)
    rate = ppl.Gamma("rate", 2, 1, size=2)
    y = ppl.Poisson("y", rate[s] * np.array([0.7, 1.4, 2.2, 0.9, 1.7, 0.4, 3.1]))
    return ppl.Model({y: COUNTS[:7]}), {"rate": np.array([0.8, 3.7])}


@MODELS.add
def symbols() -> Case:
    s = ppl.MarkovChain("s", P, W, steps=5)
    emission = ppl.Dirichlet("emission", np.ones((3, 4)))
    table = np.array([[0.11, 0.23, 0.37, 0.29], [0.42, 0.13, 0.18, 0.27], [0.05, 0.51, 0.19, 0.25]])
    return ppl.Model({ppl.Categorical("y", emission[s]): np.array([0, 3, 1, 1, 2])}), {"emission": table}


@MODELS.add
def vectors() -> Case:
    s = ppl.MarkovChain("s", P, W, steps=4)
    centre = ppl.Normal("centre", 0, 1, size=(3, 2))
    y = ppl.MvNormal("y", centre[s], np.array([[1.2, 0.3], [0.3, 0.8]]))
    return ppl.Model({y: np.outer(Y[:4], SIGMA[:2])}), {"centre": np.outer(MU, SIGMA[:2])}


@MODELS.add
def several_readings_of_each_step() -> Case:
    s = ppl.MarkovChain("s", P, W, steps=4)
    y = ppl.Normal("y", means()[s][:, None], SIGMA, size=(4, 3))
    return ppl.Model({y: np.outer(Y[:4], SIGMA)}), {"mu": MU}


@MODELS.add
def autoregressive_emissions() -> Case:
    """A Markov-switching autoregression: what was seen before is data."""
    s = ppl.MarkovChain("s", SWITCHING, steps=7)
    a, rho = ppl.Normal("a", 0, 1, size=2), ppl.Normal("rho", 0, 1, size=2)
    y = ppl.Normal("y", a[s] + rho[s] * Y[:-1], pt.constant(SIGMA[:2])[s])
    return ppl.Model({y: Y[1:]}), {"a": MU[:2], "rho": np.array([0.64, -0.27])}


@MODELS.add
def emissions_of_moves() -> Case:
    """What is seen depends on the state before and the one after."""
    s = ppl.MarkovChain("s", P, W, steps=5)
    table = ppl.Normal("table", 0, 1, size=(3, 3))
    return ppl.Model({ppl.Normal("y", table[s[:-1], s[1:]], 0.9): Y[:4]}), {"table": np.outer(MU, SIGMA)}


@MODELS.add
def switching_autoregression_with_lagged_means() -> Case:
    """Hamilton's: deviations from the mean of the step before."""
    s = ppl.MarkovChain("s", SWITCHING, steps=7)
    mu, rho = means(2), ppl.Normal("rho", 0, 1)
    y = ppl.Normal("y", mu[s[1:]] + rho * (Y[:-2] - mu[s[:-1]]), 0.9)
    return ppl.Model({y: Y[1:-1]}), {"mu": MU[:2], "rho": 0.64}


@MODELS.add
def three_states_in_each_emission() -> Case:
    """Moving averages: a band of three."""
    s = ppl.MarkovChain("s", SWITCHING, steps=7)
    level = means(2)[s]
    y = ppl.Normal("y", 0.6 * level[2:] + 0.3 * level[1:-1] + 0.2 * level[:-2], 0.9)
    return ppl.Model({y: Y[:5]}), {"mu": MU[:2]}


@MODELS.add
def sum_over_the_chain() -> Case:
    s = ppl.MarkovChain("s", P, W, steps=5)
    y = ppl.Normal("y", means()[s].sum() / 5, 0.9)
    return ppl.Model({y: 0.74}), {"mu": MU}


@MODELS.add
def some_steps_unseen() -> Case:
    s = ppl.MarkovChain("s", P, W, steps=7)
    return ppl.Model({ppl.Normal("y", means()[s[np.array([0, 2, 5])]], 0.9): Y[:3]}), {"mu": MU}


@MODELS.add
def seen_backwards_with_repeats() -> Case:
    s = ppl.MarkovChain("s", P, W, steps=5)
    y = ppl.Normal("y", means()[s[::-1]][np.array([0, 1, 1, 3, 4, 4])], 0.9)
    return ppl.Model({y: Y[:6]}), {"mu": MU}


@MODELS.add
def missing_symbols() -> Case:
    s = ppl.MarkovChain("s", SWITCHING, steps=5)
    emission = pt.constant(np.array([[0.26, 0.43, 0.31], [0.62, 0.09, 0.29]]))
    y = ppl.Categorical("y", emission[s])
    return ppl.Model({y: np.array([0, np.nan, 2, np.nan, 1])}), {}


@MODELS.add
def missing_measurements() -> Case:
    """They become continuous latent variables, with an index each."""
    s = ppl.MarkovChain("s", P, W, steps=5)
    y = ppl.Normal("y", means()[s], 0.9)
    data = Y[:5].copy()
    data[[1, 4]] = np.nan
    return ppl.Model({y: data}), {"mu": MU, "y_missing": np.array([0.37, -1.24])}


# Transitions


@MODELS.add
def transitions_with_covariates() -> Case:
    b = ppl.Normal("b", 0, 1, size=(3, 3))
    table = pt.special.softmax(b + np.eye(3) * Y[1:5, None, None], axis=-1)
    s = ppl.MarkovChain("s", table, W, steps=5, time_varying=True)
    return ppl.Model({ppl.Normal("y", means()[s], 0.9): Y[:5]}), {"b": np.outer(MU, SIGMA), "mu": MU}


@MODELS.add
def transitions_of_each_step() -> Case:
    s = ppl.MarkovChain("s", VARYING, W, steps=5, time_varying=True)
    return ppl.Model({ppl.Normal("y", means()[s], 0.9): Y[:5]}), {"mu": MU}


@MODELS.add
def two_seasons() -> Case:
    """Tables are looked up by data."""
    tables = ppl.Dirichlet("tables", np.ones((2, 2, 2)))
    s = ppl.MarkovChain("s", tables[np.array([0, 1, 1, 0, 1])], steps=6, time_varying=True)
    values = {"tables": np.stack([SWITCHING, SWITCHING[::-1, ::-1] ** 2 + 0.1]), "mu": MU[:2]}
    values["tables"] /= values["tables"].sum(axis=-1, keepdims=True)
    return ppl.Model({ppl.Normal("y", means(2)[s], 0.9): Y[:6]}), values


@MODELS.add
def stationary_start() -> Case:
    stay = ppl.Beta("stay", 3, 2, size=2)
    table = pt.stack([pt.stack([stay[0], 1 - stay[0]]), pt.stack([1 - stay[1], stay[1]])])
    start = pt.stack([1 - stay[1], 1 - stay[0]]) / (2 - stay.sum())
    s = ppl.MarkovChain("s", table, start, steps=6)
    return ppl.Model({ppl.Normal("y", means(2)[s], 0.9): Y[:6]}), {"stay": np.array([0.83, 0.64]), "mu": MU[:2]}


@MODELS.add
def two_lags() -> Case:
    table = np.stack([SWITCHING, SWITCHING[::-1] ** 0.7])
    table /= table.sum(axis=-1, keepdims=True)
    s = ppl.MarkovChain("s", table, np.array([[0.31, 0.22], [0.28, 0.19]]), steps=7, lags=2)
    return ppl.Model({ppl.Normal("y", means(2)[s], 0.9): Y[:7]}), {"mu": MU[:2]}


@MODELS.add
def three_lags_unknown() -> Case:
    table = ppl.Dirichlet("P", np.full((2, 2, 2, 2), 1.5))
    s = ppl.MarkovChain("s", table, steps=6, lags=3)
    p = np.array([0.83, 0.28, 0.61, 0.43, 0.17, 0.72, 0.36, 0.94]).reshape(2, 2, 2)
    return ppl.Model({ppl.Normal("y", means(2)[s], 0.9): Y[:6]}), {"P": np.stack([p, 1 - p], -1), "mu": MU[:2]}


@MODELS.add
def table_chosen_by_an_index() -> Case:
    """Mixtures of hidden Markov models: the kind of each series picks its transitions."""
    kind = ppl.Bernoulli("kind", 0.37, size=2)
    tables = pt.constant(np.stack([SWITCHING, SWITCHING[::-1, ::-1]]) * np.array([1.0, 1.0]))
    s = ppl.MarkovChain("s", tables[kind], [0.37, 0.63], steps=4)
    y = ppl.Normal("y", means(2)[s] + 0.4 * kind[:, None], 0.9)
    return ppl.Model({y: Y.reshape(2, 4)}), {"mu": MU[:2]}


@MODELS.add
def one_kind_for_all_steps() -> Case:
    kind = ppl.Bernoulli("kind", 0.37)
    tables = pt.constant(np.stack([SWITCHING, SWITCHING[::-1]]))
    s = ppl.MarkovChain("s", tables[kind], [0.37, 0.63], steps=6)
    return ppl.Model({ppl.Normal("y", means(2)[s], 0.9): Y[:6]}), {"mu": MU[:2]}


# Shapes


@MODELS.add
def batch() -> Case:
    s = ppl.MarkovChain("s", SWITCHING, [0.37, 0.63], steps=4, size=3)
    y = ppl.Normal("y", means(2)[s], pt.constant(SIGMA)[:, None])
    return ppl.Model({y: np.outer(SIGMA, Y[:4])}), {"mu": MU[:2]}


@MODELS.add
def matrix_of_chains() -> Case:
    s = ppl.MarkovChain("s", SWITCHING, [0.37, 0.63], steps=3, size=(2, 2))
    return ppl.Model({ppl.Normal("y", means(2)[s], 0.9): np.linspace(-2.1, 1.7, 12).reshape(2, 2, 3)}), {"mu": MU[:2]}


@MODELS.add
def tables_for_each_of_a_batch() -> Case:
    tables = ppl.Dirichlet("P", np.ones((2, 2, 2)))
    s = ppl.MarkovChain("s", tables, np.array([[0.37, 0.63], [0.81, 0.19]]), steps=4)
    given = np.stack([SWITCHING, SWITCHING[::-1]])
    return ppl.Model({ppl.Normal("y", means(2)[s], 0.9): Y.reshape(2, 4)}), {"P": given, "mu": MU[:2]}


@MODELS.add
def time_first() -> Case:
    """Data with time on the first axis."""
    s = ppl.MarkovChain("s", SWITCHING, [0.37, 0.63], steps=4, size=2)
    return ppl.Model({ppl.Normal("y", means(2)[s.T], 0.9): Y.reshape(4, 2)}), {"mu": MU[:2]}


@MODELS.add
def lengths_by_mask() -> Case:
    s = ppl.MarkovChain("s", SWITCHING, steps=4, size=3)
    mask = np.arange(4) < np.array([4, 1, 3])[:, None]
    logp = pm.logp(pm.Normal.dist(means(2)[s], 0.9), np.outer(SIGMA, Y[:4]))
    return ppl.Model(ppl.Potential("emissions", pt.switch(mask, logp, 0.0).sum())), {"mu": MU[:2]}


@MODELS.add
def lengths_by_positions() -> Case:
    """Ragged series in one long vector."""
    s = ppl.MarkovChain("s", SWITCHING, steps=4, size=3)
    series, step = np.array([2, 2, 0, 0, 0, 0, 1, 2]), np.array([0, 1, 0, 1, 2, 3, 0, 2])
    return ppl.Model({ppl.Normal("y", means(2)[s[series, step]], 0.9): Y}), {"mu": MU[:2]}


@MODELS.add
def lengths_by_flat_positions() -> Case:
    s = ppl.MarkovChain("s", SWITCHING, steps=4, size=3)
    y = ppl.Normal("y", means(2)[s.ravel()[np.array([8, 9, 0, 1, 2, 3, 4, 10])]], 0.9)
    return ppl.Model({y: Y}), {"mu": MU[:2]}


# Several chains


@MODELS.add
def factorial() -> Case:
    a = ppl.MarkovChain("a", SWITCHING, [0.37, 0.63], steps=5)
    b = ppl.MarkovChain("b", SWITCHING[::-1, ::-1] ** 1.0, [0.58, 0.42], steps=5)
    mu = ppl.Normal("mu", 0, 2, size=(2, 2))
    return ppl.Model({ppl.Normal("y", mu[a, b], 0.9): Y[:5]}), {"mu": np.array([[0.1, -0.8], [1.3, 2.1]])}


@MODELS.add
def three_factorial_chains() -> Case:
    s = ppl.MarkovChain("s", SWITCHING, [0.37, 0.63], steps=4, size=3)
    height = ppl.Normal("height", 0, 1, size=3)
    y = ppl.Normal("y", pt.dot(height, s), 0.9)
    return ppl.Model({y: Y[:4]}), {"height": MU}


@MODELS.add
def chain_and_plate() -> Case:
    """Contaminated emissions: an index of its own at each step."""
    s = ppl.MarkovChain("s", P, W, steps=4)
    bad = ppl.Bernoulli("bad", 0.13, size=4)
    y = ppl.Normal("y", means()[s], pt.switch(bad, 6.0, 0.8))
    return ppl.Model({y: Y[:4]}), {"mu": MU}


@MODELS.add
def chain_under_a_mixture() -> Case:
    """Emissions that are mixtures with weights by state."""
    s = ppl.MarkovChain("s", SWITCHING, steps=4)
    k = ppl.Categorical("k", ppl.Dirichlet("w", np.ones((2, 3)))[s])
    return ppl.Model({ppl.Normal("y", means()[k], 0.9): Y[:4]}), {"w": np.stack([W, W[::-1]]), "mu": MU}


# Ends


@MODELS.add
def single_step() -> Case:
    s = ppl.MarkovChain("s", P, W, steps=1)
    return ppl.Model({ppl.Normal("y", means()[s], 0.9): Y[:1]}), {"mu": MU}


@MODELS.add
def pair_of_steps() -> Case:
    s = ppl.MarkovChain("s", P, W, steps=2)
    return ppl.Model({ppl.Normal("y", means()[s], 0.9): Y[:2]}), {"mu": MU}


@MODELS.add
def no_more_steps_than_lags() -> Case:
    table = np.stack([SWITCHING, SWITCHING[::-1]])
    s = ppl.MarkovChain("s", table, np.array([[0.31, 0.22], [0.28, 0.19]]), steps=2, lags=2)
    return ppl.Model({ppl.Normal("y", means(2)[s], 0.9): Y[:2]}), {"mu": MU[:2]}


@MODELS.add
def left_to_right() -> Case:
    """States that are never left again, and a start that is certain."""
    table = np.array([[0.7, 0.3, 0.0], [0.0, 0.6, 0.4], [0.0, 0.0, 1.0]])
    s = ppl.MarkovChain("s", table, [1.0, 0.0, 0.0], steps=6)
    return ppl.Model({ppl.Normal("y", means()[s], 0.9): Y[:6]}), {"mu": MU}


@MODELS.add
def left_to_right_with_unknown_steps() -> Case:
    go = ppl.Beta("go", 2, 2, size=2)
    table = pt.set_subtensor(pt.zeros((3, 3))[np.arange(2), np.arange(2)], 1 - go)
    table = pt.set_subtensor(table[np.arange(2), np.arange(1, 3)], go)
    table = pt.set_subtensor(table[2, 2], 1.0)
    s = ppl.MarkovChain("s", table, [1.0, 0.0, 0.0], steps=6)
    y = ppl.Normal("y", means()[s], 0.9)
    return ppl.Model({y: Y[:6]}), {"go": np.array([0.36, 0.23]), "mu": MU}
