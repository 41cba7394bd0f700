"""The law of marginalisation on models of every kind: equal to the enumeration of the joint, on all backends.

Answers: the enumeration of every configuration.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor
import pytest

from graphs.backends import get_backend
from graphs.joint.logprob import logprob
from tests.graphs.marginal.indexed_models import CASES
from tests.graphs.marginal.marginal_models import MODELS
from tests.graphs.variables.sequence.test_scans import CASES as SCANS
from tests.laws.sums import assert_is_marginal, evaluator
from tests.ppl.declaring.test_chains import CASES as CHAINS

ALL = [*MODELS, *CASES, *SCANS, *CHAINS]


@pytest.mark.parametrize("case", MODELS, ids=lambda c: c.__name__)
def test_sum_equals_enumeration(case):
    assert_is_marginal(*case())


def test_there_are_many():
    assert len({case.__name__ for case in ALL}) >= 60


def compare_with_interpreter(case: Any, backend: str) -> None:
    """Value and gradients equal those of the interpreted graph, which the other test holds against the enumeration."""
    model, values = case()
    lp = logprob(model, marginalize="require")
    expected, gradients = evaluator(lp, with_gradient=True)(values)
    inputs = list(lp.values.values())
    wrt = [lp.values[name] for name in gradients]
    graphs = [lp.total, *(pytensor.grad(lp.total, wrt, disconnected_inputs="ignore") if wrt else [])]
    found = get_backend(backend).function(inputs, graphs)(
        *(np.asarray(values[n], lp.values[n].type.dtype) for n in lp.values)
    )
    # The same sums in another order.
    np.testing.assert_allclose(found[0], expected, rtol=1e-10)
    for array, gradient in zip(found[1:], gradients.values(), strict=True):
        np.testing.assert_allclose(array, gradient, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("case", MODELS[::4], ids=lambda c: c.__name__)
def test_numba_gives_the_same(case):
    compare_with_interpreter(case, "numba")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["numba", "c", "jax"])
@pytest.mark.parametrize("case", ALL, ids=lambda c: c.__name__)
def test_all_backends_give_the_same(case, backend):
    if backend == "jax":
        pytest.importorskip("jax", reason="JAX is an extra")
    compare_with_interpreter(case, backend)
