"""Laws beside discrete variables that random points seldom fit: parameters in closed form.

Answers: closed forms written beside each case.
"""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt

import ppl
from graphs.conditional import Beta, Dirichlet, Gamma, find_conditional
from graphs.conditional.families.counts import Binomial
from graphs.joint.logprob import logprob


def law_of(model: ppl.Model, name: str):
    joint = logprob(model, marginalize=False)
    law, reason = find_conditional(joint.logdensity, joint.values[name], support=joint.supports[name])
    assert law is not None, reason
    return law, joint.values


def at(law, values, **given) -> dict[str, np.ndarray]:
    point = {values[name]: np.asarray(value, values[name].type.dtype) for name, value in given.items()}
    return {name: graph.eval(point, on_unused_input="ignore") for name, graph in law.parameters.items()}


def test_data_that_random_states_cannot_show_are_left_out() -> None:
    """q | a ~ Beta(1 + sum a, 1 + 2 n - sum a), whatever a gives rise to."""
    a = ppl.Binomial("a", 2, ppl.Beta("q", 1, 1), size=30)
    shows = pt.as_tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    sick = (np.arange(30) % 3 == 0).astype(int)
    law, values = law_of(ppl.Model({ppl.Categorical("sick", shows[a]): sick}), "q")
    assert isinstance(law, Beta)
    found = at(law, values, a=2 * sick)
    assert (found["alpha"], found["beta"]) == (1 + 20, 1 + 60 - 20)


def test_a_parent_in_a_table_with_zeros() -> None:
    """p | k ~ Dirichlet(1 + counts)."""
    k = ppl.Categorical("k", ppl.Dirichlet("p", np.ones(3)), size=40)
    table = pt.as_tensor([[1.0, 0.0, 0.0], [0.4, 0.6, 0.0], [0.1, 0.2, 0.7]])
    states = np.tile([0, 1, 2, 2], 10)
    law, values = law_of(ppl.Model({ppl.Categorical("seen", table[k]): np.tile([0, 1, 2, 0], 10)}), "p")
    assert isinstance(law, Dirichlet)
    [alpha] = at(law, values, k=states).values()
    np.testing.assert_allclose(alpha, [11, 11, 21])


def test_survivors_and_counts_that_have_to_fit_together() -> None:
    """Dail and Madsen's open population: survival and detection are beta, rates gamma given the counts."""
    lam, omega, d = ppl.Gamma("lam", 2, 0.2), ppl.Uniform("omega", 0, 1), ppl.Uniform("d", 0, 1)
    n0 = ppl.Poisson("n0", lam, size=6)
    s = ppl.Binomial("s", n0, omega)
    n1 = s + ppl.Poisson("g", 2.0, size=6)
    y0, y1 = np.array([5, 2, 7, 4, 6, 1]), np.array([3, 4, 8, 1, 5, 2])
    model = ppl.Model({ppl.Binomial("y0", n0, d): y0, ppl.Binomial("y1", n1, d): y1})
    given = {"n0": y0 + 2, "s": np.array([1, 3, 5, 2, 4, 0]), "g": np.array([5, 3, 4, 3, 2, 4])}
    survived, there = given["s"].sum(), (given["n0"] + given["s"] + given["g"]).sum()
    expected = {
        "lam": (Gamma, [2 + given["n0"].sum(), 6 + 0.2]),
        "omega": (Beta, [1 + survived, 1 + given["n0"].sum() - survived]),
        "d": (Beta, [1 + y0.sum() + y1.sum(), 1 + there - y0.sum() - y1.sum()]),
    }
    for name, (family, parameters) in expected.items():
        law, values = law_of(model, name)
        assert isinstance(law, family)
        found = at(law, values, **given)
        np.testing.assert_allclose(list(found.values()), parameters, rtol=1e-12)


def test_binomial_in_binomial_counts_of_large_bounds() -> None:
    """Thinning: those not among n2 are still to be thinned, n1 - n2 ~ Binomial(N - n2, r (1 - q) / (1 - r q))."""
    size, r, share, y = np.array([14000, 15500]), 0.6, 0.55, np.array([310, 275])
    n1 = ppl.Binomial("n1", size, r)
    n2 = ppl.Binomial("n2", n1, ppl.Beta("q", 1, 5, size=2))
    model = ppl.Model({ppl.Binomial("y", n2, share): y})
    given = {"n1": np.array([8000, 9000]), "n2": np.array([500, 480]), "q": np.array([0.06, 0.05])}
    q = given["q"]
    expected = {
        "n1": (size - given["n2"], r * (1 - q) / (1 - r * q), given["n2"]),
        "n2": (given["n1"] - y, q * (1 - share) / (1 - q * share), y),
    }
    for name, (number, probability, shift) in expected.items():
        law, values = law_of(model, name)
        assert isinstance(law, Binomial)
        found = at(law, values, **{n: v for n, v in given.items() if n != name})
        np.testing.assert_allclose(found["number"], number)
        np.testing.assert_allclose(found["probability"], probability, rtol=1e-10)
        np.testing.assert_allclose(np.broadcast_to(found["shift"], 2), shift)
    plan = ppl.plan(model, sampler="gibbs")
    assert [plan.method_of(name) for name in ("n1", "n2", "q")] == ["gibbs"] * 3
