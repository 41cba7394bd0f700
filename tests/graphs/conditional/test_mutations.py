"""Wrong laws: the law test and the check that every derivation makes have to reject them.

Answers: laws made wrong by hand.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.tensor.variable import TensorVariable

from graphs.conditional import (
    Beta,
    Dirichlet,
    Finite,
    Gamma,
    InverseGamma,
    Law,
    Normal,
    PowerGamma,
    conditional,
    find_discrepancy,
)
from graphs.density import LogDensity
from graphs.supports import POSITIVE, REAL, SIMPLEX, UNIT, integers
from tests.graphs.conditional.joint import joint, with_values
from tests.laws.conditionals import assert_is_full_conditional

DATA = np.random.default_rng(5).normal(1.3, 2.2, size=6)
CLASS = np.array([0, 2, 1, 2, 2, 0])


def model() -> LogDensity:
    p = pm.Dirichlet.dist(np.array([1.7, 2.3, 0.8]))
    k = pm.Categorical.dist(p, shape=6)
    mu = pm.Normal.dist(0.7, 2.5)
    tau = pm.Gamma.dist(1.7, 2.3)
    v = pm.InverseGamma.dist(2.7, 1.3)
    sigma = pm.HalfNormal.dist(1.9)
    q = pm.Beta.dist(1.7, 2.3)
    latent = {
        "p": (p, SIMPLEX),
        "k": (k, integers(0, 2)),
        "mu": (mu, REAL),
        "tau": (tau, POSITIVE),
        "v": (v, POSITIVE),
        "sigma": (sigma, POSITIVE),
        "q": (q, UNIT),
    }
    children = {
        pm.Normal.dist(mu, tau=tau, shape=6): DATA,
        pm.Poisson.dist(2.7 * tau): 4,
        pm.Normal.dist(pt.as_tensor([-1.3, 0.4, 2.6])[k], pt.sqrt(v)): DATA,
        pm.Binomial.dist(7, q): 3,
    }
    return joint(latent, children)


def changed(**changes: Callable[[TensorVariable], TensorVariable]) -> Callable[[Law], Law]:
    def mutate(law: Law) -> Law:
        parameters = {name: changes.get(name, lambda g: g)(graph) for name, graph in law.parameters.items()}
        return type(law)(law.variable, parameters)

    return mutate


def lost_log_jacobian(law: Law) -> Law:
    return PowerGamma(law.variable, {**law.parameters, "shape": law.parameters["shape"] - 0.5}, power=2.0)


def reweighted(law: Law) -> Law:
    return Finite.of_weights(law.variable, 2.0 * law.log_weights, law.lower, law.upper)


def shifted_weights(law: Law) -> Law:
    return Finite.of_weights(law.variable, law.log_weights[..., ::-1], law.lower, law.upper)


MUTATIONS: dict[str, tuple[str, Callable[[Law], Law]]] = {
    "scale for rate": ("tau", changed(rate=lambda g: 1 / g)),
    "lost child in the shape": ("tau", changed(shape=lambda g: g - 4)),
    "lost child in the rate": ("tau", changed(rate=lambda g: g - 2.7)),
    "n for n / 2": ("tau", changed(shape=lambda g: g + 3)),
    "shape off by one": ("tau", changed(shape=lambda g: g + 1)),
    "inverse gamma for gamma": (
        "tau",
        lambda law: InverseGamma(law.variable, {"shape": law.parameters["shape"], "scale": law.parameters["rate"]}),
    ),
    "sign of the mean": ("mu", changed(mean=lambda g: -g)),
    "precision for variance": ("mu", changed(variance=lambda g: 1 / g)),
    "standard deviation for variance": ("mu", changed(variance=pt.sqrt)),
    "lost prior": ("mu", changed(variance=lambda g: 1 / (1 / g - 0.16))),
    "variance halved": ("mu", changed(variance=lambda g: g / 2)),
    "rate for scale": ("v", changed(scale=lambda g: 1 / g)),
    "sum of squares not halved": ("v", changed(scale=lambda g: 2 * g)),
    "gamma for inverse gamma": (
        "v",
        lambda law: Gamma(law.variable, {"shape": law.parameters["shape"], "rate": law.parameters["scale"]}),
    ),
    "lost Jacobian": ("sigma", lost_log_jacobian),
    "failures for successes": (
        "q",
        lambda law: Beta(law.variable, {"alpha": law.parameters["beta"], "beta": law.parameters["alpha"]}),
    ),
    "lost prior of a proportion": ("q", changed(alpha=lambda g: g - 0.7)),
    "counts by a wrong class": (
        "p",
        lambda law: Dirichlet(law.variable, {"concentration": law.parameters["concentration"][::-1]}),
    ),
    "uniform prior": ("p", changed(concentration=lambda g: g - np.array([0.7, 1.3, -0.2]))),
    "likelihood counted twice": ("k", reweighted),
    "classes in reverse": ("k", shifted_weights),
    "normal for the wrong element": (
        "mu",
        lambda law: Normal(
            law.variable, {"mean": law.parameters["mean"] + 0.01, "variance": law.parameters["variance"]}
        ),
    ),
}


@pytest.fixture(scope="module")
def density() -> LogDensity:
    return model()


@pytest.mark.parametrize("mutation", list(MUTATIONS))
def test_wrong_law_is_rejected(density: LogDensity, mutation: str) -> None:
    name, mutate = MUTATIONS[mutation]
    x = with_values(density)[name]
    law = conditional(density, x)
    assert law is not None
    assert find_discrepancy(density.total, law, density.supports) is None
    wrong = mutate(law)
    assert find_discrepancy(density.total, wrong, density.supports) is not None
    with pytest.raises(AssertionError):
        assert_is_full_conditional(density, x, wrong)
