"""What PyTensor notes of a constant that many graphs share does not grow with the number of times they are compiled.

Answers: the lengths of notes before.
"""

from __future__ import annotations

import gc

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.graph.basic import Constant

import ppl
from graphs.backends import get_backend
from graphs.conditional.expanding.simplify import simplify
from graphs.surgery.interpreting import interpret


@pytest.fixture(autouse=True)
def _noted_as_for_users():
    with pytensor.config.change_flags(traceback__limit=8):
        yield


def trace_length(constant):
    return len(getattr(constant.tag, "trace", []))


@pytest.mark.parametrize("how", ["numba", "c", "jax", "interpreter", "simplify"])
def test_a_constant_that_survives_a_useless_switch(how):
    """PyTensor alone adds three notes for each one there is: 3**4 after four compilations."""
    if how == "jax":
        pytest.importorskip("jax")
    x, zero = pt.vector("x", shape=(3,)), pt.constant(np.float64(0.0))
    zero.tag.trace = [[("file.py", 1, "function", "line")]]
    graph = x + pt.switch(x.sum() < 1.0, zero, zero)
    values = np.arange(3.0)
    for _ in range(4):
        if how == "simplify":
            simplify([graph])
        else:
            function = interpret([x], [graph]) if how == "interpreter" else get_backend(how).function([x], [graph])
            np.testing.assert_array_equal(function(values)[0], values)
        assert trace_length(zero) <= 1


def test_a_model_with_a_cholesky_factor_again_and_again():
    """Its gradient holds a zero that PyTensor keeps from one compilation to the next."""
    noted = []
    for seed in range(3):
        with pm.Model() as pm_model:
            chol, _, _ = pm.LKJCholeskyCov("chol", n=2, eta=2.0, sd_dist=pm.Exponential.dist(1.0, size=2))
            pm.MvNormal("y", np.zeros(2), chol=chol, observed=np.random.default_rng(seed).normal(size=(5, 2)))
        ppl.compile(ppl.from_pymc(pm_model))
        assert [constant for constant, before in noted if trace_length(constant) > before] == []
        # The constants themselves are held: which of them are alive else depends on when garbage is collected.
        # The type itself is asked: to ask a dead proxy for its class is an error.
        alive = [o for o in gc.get_objects() if issubclass(type(o), Constant)]
        noted = [(constant, trace_length(constant)) for constant in alive]


@pytest.fixture
def traces(monkeypatch):
    """The lengths of what PyTensor finds when it walks up the stack."""
    from pytensor.graph import utils

    lengths = []
    extract = utils.simple_extract_stack

    def counted(*args, **options):
        found = extract(*args, **options)
        if found:
            lengths.append(len(found))
        return found

    monkeypatch.setattr(utils, "simple_extract_stack", counted)
    return lengths


def test_what_is_declared_is_traced_once_and_what_it_is_made_of_is_not(traces):
    """PyTensor walks up the stack for every variable, and PyMC makes a dozen for one."""
    x = ppl.Normal("x", 0, 1)
    y = ppl.Normal("y", x, 2)
    assert len(traces) <= 4
    assert any(__file__ in line[0] for trace in y.tag.trace for line in trace)


def test_an_operation_is_traced_once(traces):
    x = ppl.Normal("x", 0, 1, size=3)
    traces.clear()
    y = 2.5 * x
    assert len(traces) == 1
    assert any(__file__ in line[0] for trace in y.tag.trace for line in trace)
