"""Which rows of data `ppl.check` calls impossible.

Answers: the supports of the distributions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytensor.tensor as pt
import pytest

import ppl


def heaped() -> ppl.Model:
    """Counts, some of them rounded to fives: a row rules most of the states of its count out."""
    rounded = ppl.Bernoulli("rounded", 0.4, size=8)
    count = ppl.Binomial("count", 45, ppl.Beta("rate", 4, 10), size=8)
    reported = pt.switch(rounded, 5 * ((count + 2) // 5), count)
    table = pt.eq(reported[:, None], np.arange(50)).astype("float64")
    return ppl.Model({ppl.Categorical("y", table): [11, 10, 15, 13, 5, 20, 22, 7]})


def largest_of_a_bounded_count() -> ppl.Model:
    n = ppl.DiscreteUniform("n", 0, 40, size=3)
    return ppl.Model({ppl.Binomial("y", n, ppl.Beta("p", 1, 1)): [1, 40, 2]})


def bound_beyond_the_prior() -> ppl.Model:
    return ppl.Model({ppl.Uniform("y", 0, ppl.HalfNormal("top", 1), size=3): [0.5, 9.0, 1.0]})


def count_beyond_the_prior() -> ppl.Model:
    n = ppl.Poisson("n", 3, size=3)
    return ppl.Model({ppl.Binomial("y", n, ppl.Beta("p", 1, 1)): [1, 40, 2]})


@pytest.mark.parametrize("build", [heaped, largest_of_a_bounded_count])
def test_rows_that_only_some_states_allow_are_possible(build: Callable) -> None:
    assert "impossible-row" not in [concern.code for concern in ppl.check(build())]


@pytest.mark.parametrize("build", [bound_beyond_the_prior, count_beyond_the_prior])
def test_what_is_impossible_under_the_prior_alone_is_no_error(build: Callable) -> None:
    [concern] = [concern for concern in ppl.check(build()) if concern.code == "impossible-row"]
    assert concern.severity == "warning"
    assert "y[1]" in concern.message
    assert "widen the priors" in concern.remedy


def test_what_no_parameter_allows_is_an_error() -> None:
    below = ppl.Model({ppl.Pareto("y", 2.0, 30 + ppl.HalfNormal("m", 1), size=3): [40.0, 20.0, 35.0]})
    [concern] = [concern for concern in ppl.check(below) if concern.code == "impossible-row"]
    assert concern.severity == "error"
    assert "y[1] = 20.0" in concern.message
