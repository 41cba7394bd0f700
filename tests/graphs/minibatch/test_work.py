"""What a step computes grows with the batch, and not with the number of rows.

Answers: sizes of the arrays of compiled graphs.
"""

from __future__ import annotations

from math import prod

import numpy as np
import pytensor.tensor as pt
import pytest
from pytensor.graph.basic import Constant
from pytensor.graph.traversal import ancestors

import ppl
from graphs.backends.numba import compile_program
from graphs.density import gradients
from graphs.joint.logprob import logprob
from graphs.minibatch import Minibatched, minibatched


def compiled(found: Minibatched):
    density = found.density
    rows = [batch.rows for batch in found.batches]
    slopes = gradients(density, density.inputs)
    return compile_program(list(density.inputs), slopes, value=density.total, context=rows)


def logistic(number: int) -> ppl.Model:
    rng = np.random.default_rng(1)
    x, group = rng.normal(size=(number, 3)), rng.integers(0, 40, number)
    eta = x @ ppl.Normal("b", 0, 1, shape=3) + ppl.Normal("a", 0, 1, shape=40)[group] + rng.normal(size=number)
    return ppl.Model({ppl.Bernoulli("y", logit_p=eta): rng.integers(0, 2, number)})


def mixture(number: int) -> ppl.Model:
    rng = np.random.default_rng(2)
    k = ppl.Categorical("k", ppl.Dirichlet("w", np.ones(3)), shape=number)
    return ppl.Model({ppl.Normal("y", ppl.Normal("m", 0, 1, shape=3)[k], 1): rng.normal(size=number)})


def computed_effects(number: int) -> ppl.Model:
    rng = np.random.default_rng(3)
    effect = ppl.HalfNormal("t", 1) * ppl.Normal("z", 0, 1, shape=100)
    group = rng.integers(0, 100, number)
    return ppl.Model({ppl.Poisson("y", pt.exp(effect[group])): rng.poisson(1.0, number)})


@pytest.mark.parametrize("make", [logistic, mixture, computed_effects])
def test_nothing_is_computed_of_all_rows(make):
    number, size = 1009, 7
    program = compiled(minibatched(logprob(make(number), space="unconstrained"), size))
    depends = {v for v in ancestors(program.fgraph.outputs) if v.owner is not None}
    sizes = {prod(v.type.shape) for v in depends if not isinstance(v, Constant)}
    assert max(sizes) < number
    assert program.work_size < number


def work(number: int) -> tuple[int, list[int], int]:
    """Return how many operations there are, the sizes of what they give, and of what a step keeps in between."""
    program = compiled(minibatched(logprob(logistic(number), space="unconstrained"), 100, seed=1))
    computed = [v for node in program.fgraph.toposort() for v in node.outputs]
    return len(program.fgraph.apply_nodes), sorted(prod(v.type.shape) for v in computed), program.work_size


def test_a_step_computes_as_much_with_a_hundred_times_the_rows():
    assert work(1_000_000) == work(10_000)
