"""Values and gradients of batches are those of all rows in expectation; what does not factor is refused, and said why.

Answers: enumeration of all batches, and the log-density of all rows.
"""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytensor
import pytest

import ppl
from graphs.errors import DerivationError, ModelError
from graphs.joint.joint_logprob import LogProb
from graphs.joint.logprob import logprob
from graphs.minibatch import Minibatched, minibatched
from graphs.surgery.interpreting import interpret
from tests.graphs.minibatch.models import COUPLED, FACTORED, REAL


def outcomes(joint: LogProb, found: Minibatched):
    """Return a function of rows, one list for each batch: value and gradients, at a point; and those of all rows."""
    values = list(joint.values.values())
    rng = np.random.default_rng(5)
    point = [rng.normal(0, 0.4, v.type.shape) for v in values]
    rows = [batch.rows for batch in found.batches]
    gradients = [pytensor.grad(d, values, disconnected_inputs="ignore") for d in (found.density.total, joint.total)]
    of_rows = interpret([*values, *rows], [found.density.total, *gradients[0]])
    whole = interpret(values, [joint.total, *gradients[1]])(*point)
    return lambda *drawn: of_rows(*point, *(np.array(d) for d in drawn)), whole


@pytest.mark.parametrize("name", FACTORED)
def test_all_batches_are_the_whole(name):
    seed = 4 if len(name) % 2 else None
    joint = logprob(FACTORED[name](), space="unconstrained")
    found = minibatched(joint, 2, seed)
    of_rows, whole = outcomes(joint, found)
    batches = [combinations(range(batch.number), 2) for batch in found.batches]
    each = [of_rows(*drawn) for drawn in product(*batches)]
    assert np.mean([e[0] for e in each]) == pytest.approx(whole[0], rel=1e-12)
    for k, expected in enumerate(whole[1:], 1):
        np.testing.assert_allclose(np.mean([e[k] for e in each], axis=0), expected, rtol=1e-11, atol=1e-12)


def test_consecutive_rows_are_unbiased_where_data_are_shuffled():
    joint = logprob(FACTORED["groups"](), space="unconstrained")
    found = minibatched(joint, 4, seed=1)
    assert found.batches[0].is_shuffled
    of_rows, whole = outcomes(joint, found)
    each = [of_rows((start + np.arange(4)) % 6) for start in range(6)]
    assert np.mean([e[0] for e in each]) == pytest.approx(whole[0], rel=1e-12)


def test_shuffled_data_are_not_in_their_order():
    joint = logprob(FACTORED["logistic"](), space="unconstrained")
    plain, shuffled = (minibatched(joint, 1, seed) for seed in (None, 3))
    of_plain, _ = outcomes(joint, plain)
    of_shuffled, _ = outcomes(joint, shuffled)
    order = np.random.default_rng([3, 6]).permutation(6)
    assert [float(of_shuffled([i])[0]) for i in range(6)] == pytest.approx([float(of_plain([i])[0]) for i in order])


def test_what_is_named_is_computed_of_rows_and_all_else_in_full():
    joint = logprob(FACTORED["two likelihoods"](), space="unconstrained")
    found = minibatched(joint, {"y": 2})
    assert [(b.number, b.size, b.terms) for b in found.batches] == [(6, 2, ("y",))]
    assert found.logprob.terms["c"] is joint.terms["c"]
    both = minibatched(joint, {"y": 2, "c": np.int64(3)})
    assert [(b.number, b.size) for b in both.batches] == [(6, 2), (4, 3)]
    assert len({b.rows.name for b in both.batches}) == 2


def test_what_has_no_more_rows_is_computed_in_full():
    joint = logprob(FACTORED["two likelihoods"](), space="unconstrained")
    assert [b.terms for b in minibatched(joint, 5).batches] == [("y",)]
    with pytest.raises(ModelError, match="no observed variable has more rows"):
        minibatched(joint, 6)


@pytest.mark.parametrize("name", COUPLED)
def test_what_does_not_factor_is_refused(name):
    reason, make = COUPLED[name]
    joint = logprob(make(), space="unconstrained")
    with pytest.raises(DerivationError, match=f"The term of .* of 2 rows, as it does not factor.*{reason}"):
        minibatched(joint, 2)


@pytest.mark.parametrize("sizes", [0, -1, 1.5, True, "y", {}, {"y": 0}, {"m": 2}, {"nobody": 2}, {3: 2}, None])
def test_sizes_that_are_none(sizes):
    mean = ppl.Normal("m", 0, 1)
    joint = logprob(ppl.Model({ppl.Normal("y", mean, 1): REAL}), space="unconstrained")
    with pytest.raises(ModelError, match="minibatch"):
        minibatched(joint, sizes)
