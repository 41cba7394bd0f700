"""States and bounds of discrete variables: none written down that nobody needs, and empty ranges refused.

The states are written beside each case.

Answers: the states, written beside each case.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pymc as pm
import pytest

import ppl
from graphs.errors import ModelError
from graphs.marginal.finite import bounds_of, finite_states

HUGE = 6 * 10**9
LARGE: dict[str, tuple[Callable, tuple[float, float]]] = {
    "binomial": (lambda: pm.Binomial.dist(HUGE, 0.3), (0, HUGE)),
    "beta-binomial": (lambda: pm.BetaBinomial.dist(n=HUGE, alpha=1.0, beta=2.0), (0, HUGE)),
    "multinomial": (lambda: pm.Multinomial.dist(HUGE, [0.2, 0.8]), (0, HUGE)),
    "uniform": (lambda: pm.DiscreteUniform.dist(-HUGE, HUGE), (-HUGE, HUGE)),
    "truncated": (lambda: pm.Truncated.dist(pm.Poisson.dist(3.0), lower=1, upper=HUGE), (1, HUGE)),
    "censored": (lambda: pm.Censored.dist(pm.Poisson.dist(3.0), lower=None, upper=HUGE), (0, HUGE)),
    "hypergeometric": (lambda: pm.HyperGeometric.dist(N=2 * HUGE, k=5, n=HUGE), (0, HUGE)),
    "mixture": (
        lambda: pm.Mixture.dist([0.5, 0.5], [pm.Binomial.dist(HUGE, 0.3), pm.DiscreteUniform.dist(-2, 5)]),
        (-2, HUGE),
    ),
}


@pytest.mark.parametrize("name", list(LARGE))
def test_huge_ranges_have_bounds_and_no_table(name: str) -> None:
    make, bounds = LARGE[name]
    rv = make()
    assert bounds_of(rv) == bounds
    assert finite_states(rv) is None


def test_bounds_of_what_has_none_or_few() -> None:
    assert bounds_of(pm.Poisson.dist(3.0)) == (0, np.inf)
    np.testing.assert_array_equal(finite_states(pm.DiscreteUniform.dist(2, 2)), [2])
    np.testing.assert_array_equal(finite_states(pm.Binomial.dist(0, 0.5)), [0])
    np.testing.assert_array_equal(
        finite_states(pm.Truncated.dist(pm.Binomial.dist(5, 0.3), lower=3, upper=9)), [3, 4, 5]
    )


EMPTY: dict[str, Callable] = {
    "reversed": lambda: ppl.DiscreteUniform("k", 5, 2),
    "reversed in one element": lambda: ppl.DiscreteUniform("k", [0, 5], [3, 2]),
    "negative count": lambda: ppl.Binomial("k", -3, 0.5),
    "negative count in one element": lambda: ppl.Binomial("k", [4, -1], 0.5),
    "negative count of a beta-binomial": lambda: ppl.BetaBinomial("k", n=-1, alpha=1.0, beta=1.0),
    "negative total": lambda: ppl.Multinomial("k", -2, [0.5, 0.5]),
    "reversed truncation": lambda: ppl.Truncated("k", pm.Poisson.dist(3.0), lower=5, upper=2),
    "truncated to nothing": lambda: ppl.Truncated("k", pm.Binomial.dist(5, 0.3), lower=10, upper=20),
    "reversed censoring": lambda: ppl.Censored("k", pm.Poisson.dist(3.0), lower=5, upper=2),
    "a count below zero": lambda: ppl.Binomial("k", ppl.Binomial("n", 5, 0.5) - 7, 0.5),
    "negative count of a mixture": lambda: ppl.ZeroInflatedBinomial("k", 0.5, -3, 0.5),
}


@pytest.mark.parametrize("name", list(EMPTY))
def test_empty_ranges_name_the_variable(name: str) -> None:
    with pytest.raises(ModelError, match="k has no value that is possible") as caught:
        ppl.plan(ppl.Model(EMPTY[name]()))
    assert caught.value.variable == "k"
    k = EMPTY[name]()
    with pytest.raises(ModelError, match="k has no value that is possible"):
        ppl.Model({k: np.zeros(k.type.shape, int)})


EMPTY_OF_REALS: dict[str, Callable] = {
    "reversed": lambda: ppl.Uniform("x", 3, 1),
    "reversed in one element": lambda: ppl.Uniform("x", [0, 3], [1, 1]),
    "a single point": lambda: ppl.Uniform("x", 2, 2),
    "reversed truncation": lambda: ppl.TruncatedNormal("x", 0, 1, lower=3, upper=1),
    "truncated to nothing": lambda: ppl.Truncated("x", pm.Gamma.dist(2, 1), lower=-3, upper=-1),
}


@pytest.mark.parametrize("declare", EMPTY_OF_REALS.values(), ids=EMPTY_OF_REALS)
def test_intervals_without_a_value_are_refused_where_the_model_is_made(declare: Callable) -> None:
    with pytest.raises(ModelError, match="x has no value that is possible: the lower bound") as caught:
        ppl.Model({ppl.Normal("y", declare().sum(), 1): 1.0})
    assert caught.value.variable == "x"


@pytest.mark.parametrize("name", [name for name in EMPTY if name != "a count below zero"])
def test_empty_ranges_are_refused_where_the_model_is_made(name: str) -> None:
    """All but those that depend on other discrete variables, which take planning to see."""
    with pytest.raises(ModelError, match="k has no value that is possible"):
        ppl.Model({ppl.Normal("y", EMPTY[name]().sum(), 1): 1.0})


def test_ranges_that_are_not_known_are_left_to_the_plan() -> None:
    upper = ppl.HalfNormal("upper", 1)
    ppl.Model({ppl.Normal("y", ppl.Uniform("x", 0, upper) + ppl.Binomial("k", 5, 0.5), 1): 1.0})


def test_negative_sizes_name_the_variable() -> None:
    with pytest.raises(ModelError, match="a has the shape"):
        ppl.plan(ppl.Model({ppl.Normal("y", ppl.Normal("a", 0, 1, size=-3).sum(), 1): 1.0}))
