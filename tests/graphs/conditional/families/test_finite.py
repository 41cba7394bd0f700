"""Laws of variables of finite support, from raw graphs in which they occur in many ways.

Answers: the joint log-density (tests/laws).
"""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytest

from graphs.conditional import Finite, find_conditional
from graphs.density import LogDensity
from graphs.supports import integers
from tests.laws.conditionals import assert_is_full_conditional

rng = np.random.default_rng(8)
DATA = rng.normal(size=6)
TABLE = rng.normal(size=(3, 4))
GROUP = np.array([1, 0, 2, 2, 1, 0])
A, B = pt.dscalars("a", "b")
MU = pt.dvector("mu", shape=(4,))
SCALAR, VECTOR = pt.lscalar("k"), pt.lvector("k", shape=(3,))
LONG, MATRIX = pt.lvector("k", shape=(6,)), pt.lmatrix("k", shape=(2, 3))

CASES = {
    "scalar index": (SCALAR, 0, -((DATA - MU[SCALAR]) ** 2).sum()),
    "scalar through nonlinear sums": (SCALAR, 0, pt.log(pt.exp(MU * pt.cast(SCALAR, "float64")).sum()) * A),
    "scalar in a product of matrices": (SCALAR, 0, (pt.constant(TABLE) @ (MU * SCALAR) * A).sum() ** 2),
    "scalar in a switch": (SCALAR, 0, pt.switch(SCALAR > 1, A, B) * pt.sum(DATA)),
    "values from two on": (SCALAR, 2, MU[SCALAR - 2] * A),
    "vector index": (LONG, 0, -((DATA - MU[LONG]) ** 2).sum()),
    "gathered vector": (VECTOR, 0, -((DATA - MU[VECTOR[GROUP]] * A) ** 2).sum()),
    "gathered values": (VECTOR, 1, -((DATA - A * VECTOR[GROUP] ** 2) ** 2).sum()),
    "row of a table": (VECTOR, 0, (pt.constant(TABLE)[np.arange(3), VECTOR] * A).sum()),
    "column of a table": (VECTOR, 0, (pt.constant(TABLE)[:, VECTOR] ** 2 * A).sum()),
    "table of data": (LONG, 0, -((DATA[:, None] * np.ones(2) - MU[LONG][:, None] * [1.5, 2.5]) ** 2).sum()),
    "inner sums": (LONG, 0, pt.exp(-((DATA[:, None] - MU[LONG][:, None] * TABLE[:2].ravel()[:6]) ** 2).sum(1)).sum()),
    "matrix": (MATRIX, 0, (MU[MATRIX] * np.arange(1.0, 7.0).reshape(2, 3)).sum()),
    "matrix by rows": (MATRIX, 0, (MU[MATRIX].sum(axis=1) * pt.stack([A, B])).sum()),
    "joined": (VECTOR, 0, (pt.concatenate([MU[VECTOR], MU]) * np.arange(7.0)).sum() * A),
    "cumulative": (VECTOR, 0, (pt.cumsum(MU[VECTOR]) * [A, B, A * B]).sum()),
    "in a dot product": (VECTOR, 0, pt.dot(pt.constant(TABLE).T, MU[VECTOR]).sum() * A - 3 * B),
    "difference and quotient": (VECTOR, 0, ((A - MU[VECTOR]) / B - VECTOR * A).sum()),
    "first element": (VECTOR, 0, MU[VECTOR[0]] * A + VECTOR[2] * B),
    "guarded": (VECTOR, 0, pt.switch((VECTOR < 0) | (VECTOR > 3), -np.inf, MU[VECTOR]).sum()),
    "chosen": (VECTOR, 0, pt.switch(A > 0, MU[VECTOR].sum(), (VECTOR * B).sum())),
}


@pytest.mark.parametrize("name", list(CASES))
def test_finite_law(name: str) -> None:
    x, lower, total = CASES[name]
    density = LogDensity(pt.as_tensor(total), (x, A, B, MU), {x: integers(lower, lower + 3)})
    law, reason = find_conditional(density, x)
    assert isinstance(law, Finite), reason
    assert law.parameters["probabilities"].type.shape == (*x.type.shape, 4)
    assert_is_full_conditional(density, x, law)


DEPENDENT = {
    "neighbours": (MU[LONG[1:]] * MU[LONG[:-1]]).sum(),
    "product of sums": MU[LONG].sum() ** 2,
    "maximum": pt.max(MU[LONG]),
    "rows and columns": pt.constant(TABLE)[LONG[0] % 3, LONG[1]],
}


@pytest.mark.parametrize("name", list(DEPENDENT))
def test_dependent_elements_have_no_law(name: str) -> None:
    density = LogDensity(DEPENDENT[name], (LONG, MU), {LONG: integers(0, 3)})
    law, reason = find_conditional(density, LONG)
    assert law is None
    assert "independent" in reason


def test_parts_without_the_variable_are_dropped() -> None:
    density = LogDensity(MU[SCALAR] + pt.gammaln(A) - (DATA * A).sum(), (SCALAR, MU, A), {SCALAR: integers(0, 3)})
    law, _ = find_conditional(density, SCALAR)
    assert str(law) == "k | rest ~ Finite[0..3](probabilities=softmax(mu))"


def test_too_many_values() -> None:
    law, reason = find_conditional(LogDensity(SCALAR * A, (SCALAR, A), {SCALAR: integers(0, 5000)}), SCALAR)
    assert law is None
    assert "5001 values" in reason
