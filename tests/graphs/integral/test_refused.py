"""What cannot be integrated out says which variable, why, and what to do.

Answers: the reason, written beside each model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytest

import graphs
import ppl

DATA = np.array([0.3, 1.2, -0.4])


def normal(mean: Any, scale: Any = 1.0) -> Any:
    return ppl.Normal("y", mean, scale, size=3)


def exponential() -> ppl.Model:
    x = ppl.Normal("x", 0, 1)
    return ppl.Model({normal(pt.exp(x)): DATA, ppl.Normal("w", x, 1.0): 0.3})


def quartic() -> ppl.Model:
    x = ppl.Normal("x", 0, 1)
    return ppl.Model({normal(x): DATA}, ppl.Potential("quartic", -(x**4)))


def exploding() -> ppl.Model:
    x = ppl.Normal("x", 0, 1)
    return ppl.Model({ppl.Normal("y", x, 1.0): 0.3}, ppl.Potential("exploding", 2 * x**2))


def unseen_group() -> ppl.Model:
    return ppl.Model({normal(ppl.Flat("x", size=4)[np.array([0, 1, 1])]): DATA})


def too_few_rows() -> ppl.Model:
    design = np.random.default_rng(0).normal(size=(3, 5))
    return ppl.Model({ppl.Normal("y", design @ ppl.Flat("x", size=5), ppl.HalfNormal("e", 1.0)): DATA})


def same_columns() -> ppl.Model:
    design = np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]) / 7
    return ppl.Model({ppl.Normal("y", design @ ppl.Flat("x", size=2), ppl.HalfNormal("e", 1.0)): DATA})


def too_large() -> ppl.Model:
    design = np.random.default_rng(0).normal(size=(3, 1500))
    return ppl.Model({ppl.Normal("y", design @ ppl.Normal("x", 0, 1, size=1500), 1.0): DATA})


def unbounded_count() -> ppl.Model:
    return ppl.Model({normal(ppl.Poisson("x", 3.0)): DATA})


LAWLESS = {
    "in an exponential": (exponential, r"in the log-probability of y\). Leave it out of marginalize"),
    "in a potential": (quartic, r"x\^4.*in the log-probability of quartic\). Leave it out"),
    "improper by a potential": (exploding, r"is improper at every point tried: .* Give it a proper prior"),
    "groups without data": (unseen_group, r"improper.* Give it a proper prior"),
    "fewer rows than coefficients": (too_few_rows, r"improper.* Give it a proper prior"),
    "columns that are multiples": (same_columns, r"improper.* Give it a proper prior"),
    "a block too large": (too_large, r"its 1500 elements depend on each other, more than the 1000"),
    "a count in a mean": (unbounded_count, r"in the log-probability of y\). Leave it out"),
}


@pytest.mark.parametrize("case", list(LAWLESS))
def test_why_a_variable_stays_is_said(case: str) -> None:
    make, why = LAWLESS[case]
    with pytest.raises(graphs.DerivationError, match=rf"^x cannot be integrated out: .*{why}"):
        graphs.logprob(make(), marginalize=["x"])


def plain() -> ppl.Model:
    return ppl.Model({normal(ppl.Normal("mu", 0, 1)): DATA})


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["nu"], "names 'nu'; the latent variables are mu"),
        (["y"], "names 'y', which is observed; the latent variables are mu"),
        (["mu", "mu"], "names 'mu' twice"),
        (3, "'auto', 'require', True, False or a list of names, not 3"),
        ("mu", "'auto', 'require', True, False or a list of names, not 'mu'"),
    ],
)
def test_names_are_those_of_latent_variables(names: Any, why: str) -> None:
    with pytest.raises(graphs.ModelError, match=why):
        graphs.logprob(plain(), marginalize=names)


def test_deterministics_are_not_integrated_out() -> None:
    twice = ppl.Deterministic("twice", 2 * ppl.Normal("mu", 0, 1))
    with pytest.raises(graphs.ModelError, match="names 'twice'; the latent variables are mu"):
        graphs.logprob(ppl.Model({normal(twice): DATA}), marginalize=["twice"])


def test_given_a_discrete_variable_there_is_a_law_and_after_its_sum_none() -> None:
    def model() -> ppl.Model:
        return ppl.Model({normal(ppl.Bernoulli("z", 0.5) * ppl.Normal("mu", 0, 1)): DATA})

    assert list(graphs.logprob(model(), marginalize=["mu"]).values) == ["z"]
    with pytest.raises(graphs.DerivationError, match="mu cannot be integrated out"):
        graphs.logprob(model(), marginalize=["mu", "z"])


@pytest.mark.parametrize("make", [exponential, too_large, too_few_rows])
def test_all_that_have_laws_leaves_the_others(make: Callable[[], ppl.Model]) -> None:
    assert "x" in graphs.logprob(make(), marginalize="require").values
