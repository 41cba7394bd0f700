"""Variables of the same form share a term: its elements are the terms that each would have had.

Answers: the terms that each variable has, and the enumeration.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytest

import graphs.rolling.rolling
import ppl
from graphs.joint.logprob import logprob
from graphs.surgery.interpreting import interpret
from tests.laws.sums import assert_is_marginal

P = np.array([[0.7, 0.2, 0.1], [0.15, 0.55, 0.3], [0.25, 0.3, 0.45]])


def bernoulli_chain(length: int) -> Any:
    x = [ppl.Bernoulli("x0", 0.3)]
    for t in range(1, length):
        x.append(ppl.Bernoulli(f"x{t}", pt.switch(x[-1], 0.8, 0.25)))
    a = ppl.Normal("a", 0, 1)
    return ppl.Model({ppl.Normal(f"y{t}", x[t] * a, 1.3): 0.3 * t - 1 for t in range(length)}), {"a": 0.7}


def categorical_chain(length: int) -> Any:
    """A table is looked up by the state; constants differ from step to step."""
    x = [ppl.Categorical("x0", [0.5, 0.2, 0.3])]
    for t in range(1, length):
        x.append(ppl.Categorical(f"x{t}", pt.constant(P)[x[-1]]))
    mu = ppl.Normal("mu", 0, 1, size=3)
    y = {ppl.Normal(f"y{t}", mu[x[t]] + 0.1 * t, 1.3): 0.3 * t - 1 for t in range(length)}
    return ppl.Model(y), {"mu": np.array([0.1, -0.8, 1.2])}


def lag_two(length: int) -> Any:
    x = [ppl.Bernoulli("x0", 0.3), ppl.Bernoulli("x1", 0.6)]
    table = pt.constant(np.array([[0.2, 0.7], [0.45, 0.9]]))
    for t in range(2, length):
        x.append(ppl.Bernoulli(f"x{t}", table[x[-2], x[-1]]))
    return ppl.Model({ppl.Poisson(f"y{t}", 1.0 + 2.5 * x[t]): (t * 7) % 4 for t in range(length)}), {}


def vectors(length: int) -> Any:
    """Each step is a vector over individuals: Cormack-Jolly-Seber."""
    phi, p = ppl.Beta("phi", 2, 3), ppl.Beta("p", 3, 2)
    z = [ppl.Bernoulli("z0", 0.9, size=2)]
    y = {}
    for t in range(1, length):
        z.append(ppl.Bernoulli(f"z{t}", z[-1] * phi, size=2))
        y[ppl.Bernoulli(f"y{t}", z[-1] * p, size=2)] = np.array([t % 2, (t + 1) % 3 == 0], dtype=int)
    return ppl.Model(y), {"phi": 0.7, "p": 0.4}


def shared_table(length: int) -> Any:
    """One softmax for all steps, from which each takes a row of its own."""
    b = ppl.Normal("b", 0, 1, size=(length, 2, 2))
    tables = pt.special.softmax(b, axis=-1)
    x = [ppl.Bernoulli("x0", 0.3)]
    for t in range(1, length):
        x.append(ppl.Categorical(f"x{t}", tables[t][x[-1]]))
    values = {"b": np.linspace(-1, 1, length * 4).reshape(length, 2, 2)}
    return ppl.Model({ppl.Normal(f"y{t}", x[t] * 1.2, 0.9): 0.2 * t for t in range(length)}), values


CASES = [bernoulli_chain, categorical_chain, lag_two, vectors, shared_table]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)
def test_terms_taken_together_are_those_of_each(case, monkeypatch):
    model, values = case(6)
    alone = logprob(model, marginalize=False)
    monkeypatch.setattr(graphs.rolling.rolling, "FEWEST", 3)
    together = logprob(model, marginalize=False)
    assert len(together.terms) < len(alone.terms)
    rng = np.random.default_rng(1)
    given = {n: values.get(n, rng.integers(0, 2, v.type.shape)) for n, v in alone.values.items()}

    def evaluate(lp: Any) -> dict[str, Any]:
        inputs = list(lp.values.values())
        found = interpret(inputs, list(lp.terms.values()))(
            *(np.asarray(given[n], v.type.dtype) for n, v in lp.values.items())
        )
        return dict(zip(lp.terms, found, strict=True))

    expected, found = evaluate(alone), evaluate(together)
    for name, members in together.members.items():
        rows = found[name] if len(members) > 1 else [found[name]]
        for member, row in zip(members, rows, strict=True):
            # The same arithmetic, in another order of evaluation.
            np.testing.assert_allclose(row, expected[member], rtol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)
def test_sums_over_what_is_taken_together(case, monkeypatch):
    monkeypatch.setattr(graphs.rolling.rolling, "FEWEST", 3)
    assert_is_marginal(*case(5))


def test_many_steps_are_few_terms():
    model, _ = bernoulli_chain(60)
    assert set(logprob(model).terms) == {"a", "y0+...+y59"}
