"""Both tails of every distribution that has a cumulative probability, values and gradients, against mpmath.

Answers: mpmath.
"""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pymc.logprob.abstract import _logccdf_helper, _logcdf_helper
from pytensor.tensor.variable import TensorVariable

from graphs.surgery.evaluating import evaluate
from tests.graphs.tails.exact import FAMILIES, Family, logarithms, slopes


def tails_of(family: Family, inputs: list[TensorVariable]) -> list[TensorVariable]:
    """Return both tails at all values, and their gradients with respect to the inputs at each."""
    free = iter(inputs)
    parameters = [np.int64(p) if i in family.fixed else next(free) for i, p in enumerate(family.parameters)]
    rv = family.make(*parameters)
    outputs = []
    for value in family.values:
        for helper in (_logcdf_helper, _logccdf_helper):
            tail = helper(rv, pt.constant(np.asarray(value, "int64" if family.is_discrete else "float64")))
            outputs += [tail, *pytensor.grad(tail, inputs, disconnected_inputs="ignore")]
    return outputs


def free_inputs(family: Family, name: str) -> list[TensorVariable]:
    return [pt.dscalar(f"{name}{i}") for i in range(len(family.parameters)) if i not in family.fixed]


def free_values(family: Family) -> list[float]:
    return [p for i, p in enumerate(family.parameters) if i not in family.fixed]


def truth_of(family: Family) -> list[float]:
    truth: list[float] = []
    for value in family.values:
        for log_probability, slope in zip(
            logarithms(family, value, family.parameters), slopes(family, value, family.parameters), strict=True
        ):
            truth += [float(log_probability), *map(float, slope)]
    return truth


@pytest.mark.parametrize("name", FAMILIES)
def test_tails(name: str) -> None:
    """As the graph is, without any rewriting, and in one program for all values."""
    family = FAMILIES[name]
    inputs = free_inputs(family, "x")
    outputs = tails_of(family, inputs)
    found = evaluate(outputs, {i: np.asarray(v) for i, v in zip(inputs, free_values(family), strict=True)})
    assert found is not None
    # Numbers near zero are those of one minus a small probability: of these the absolute error counts.
    np.testing.assert_allclose(np.array(found, dtype=float), truth_of(family), rtol=1e-10, atol=1e-13)
