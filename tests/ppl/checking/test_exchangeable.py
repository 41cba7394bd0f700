"""Components that change places: what breaks the symmetry, and what can.

Answers: relabelling leaves each density as it is unless some variable is in order; probabilities, which sum to one, and
vectors of several numbers a component have no order that labels the components.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

import ppl

RNG = np.random.default_rng(1)
X = RNG.normal(size=(40, 3))
Y = X @ [1.0, -1.0, 0.5] + RNG.normal(size=40)
N = ppl.Normal


def ordered_rates_of_a_chain() -> ppl.Model:
    states = ppl.MarkovChain("s", ppl.Dirichlet("P", np.ones((2, 2))), steps=40)
    rate = ppl.Gamma("rate", 2, 0.3, size=2, transform="ordered")
    return ppl.Model({ppl.Poisson("n", rate[states]): RNG.poisson(3, 40)})


def ordered_scales_beside_free_means() -> ppl.Model:
    z = ppl.Categorical("z", ppl.Dirichlet("w", np.ones(2)), size=40)
    scale = ppl.HalfNormal("scale", 1, size=2, transform="ordered")
    return ppl.Model({N("y", N("mu", 0, 2, size=2)[z], scale[z]): Y})


def ordered_probabilities() -> ppl.Model:
    p = ppl.Beta("p", 1, 1, size=2, transform="ordered")
    z = ppl.Categorical("z", ppl.Dirichlet("w", np.ones(2)), size=40)
    return ppl.Model({ppl.Bernoulli("y", p[z]): (Y > 0).astype(int)})


@pytest.mark.parametrize("build", [ordered_rates_of_a_chain, ordered_scales_beside_free_means, ordered_probabilities])
def test_one_variable_in_order_is_enough(build: Callable) -> None:
    assert ppl.check(build()).codes == ()


def weights_and_means() -> ppl.Model:
    z = ppl.Categorical("z", ppl.Dirichlet("w", np.ones(3)), size=40)
    return ppl.Model({N("y", N("mu", 0, 5, size=3)[z], 1): Y})


def topics() -> ppl.Model:
    word = ppl.Dirichlet("word", np.ones((2, 5)))
    topic = ppl.Categorical("topic", ppl.Dirichlet("w", np.ones(2)), size=40)
    return ppl.Model({ppl.Categorical("y", word[topic]): RNG.integers(0, 5, 40)})


def clusters_in_the_plane() -> ppl.Model:
    z = ppl.Categorical("z", ppl.Dirichlet("w", np.ones(3)), size=20)
    return ppl.Model({N("y", N("mu", 0, 5, size=(3, 2))[z], 1): X[:20, :2]})


def weights_first() -> ppl.Model:
    z = ppl.Categorical("z", ppl.Dirichlet("a", np.ones(2)), size=40)
    return ppl.Model({N("y", N("mu", 0, 5, size=2)[z], 1): Y})


def rows_that_are_ordered_each() -> ppl.Model:
    z = ppl.Categorical("z", ppl.Dirichlet("w", np.ones(3)), size=20)
    mu = N("mu", 0, 5, size=(3, 2), transform="ordered")
    return ppl.Model({N("y", mu[z], 1): X[:20, :2]})


@pytest.mark.parametrize(
    ("build", "culprits", "remedy"),
    [
        (weights_and_means, {"w", "mu"}, "order where mu is declared"),
        (weights_first, {"a", "mu"}, "order where mu is declared"),
        (topics, {"w", "word"}, "None of them can be put in order: .* does not depend on labels"),
        (clusters_in_the_plane, {"w", "mu"}, "one number a component of mu as a vector of its own"),
        (rows_that_are_ordered_each, {"w", "mu"}, "one number a component of mu as a vector of its own"),
    ],
)
def test_only_what_can_be_put_in_order_is_named(build: Callable, culprits: set[str], remedy: str) -> None:
    """Not probabilities, which sum to one, and not several numbers a component, whose orders are no labels."""
    [found] = [concern for concern in ppl.check(build()) if concern.code == "exchangeable"]
    assert set(found.variables) == culprits
    assert re.search(remedy, found.remedy)
