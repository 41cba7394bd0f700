"""Formulas and printed laws.

Answers: texts written beside each graph.
"""

from __future__ import annotations

import io

import numpy as np
import pytensor.tensor as pt
import pytest

from graphs.conditional import conditional, formula

A, B = pt.dscalars("a", "b")
V, K = pt.dvector("v", shape=(4,)), pt.lvector("k", shape=(6,))


@pytest.mark.parametrize(
    ("graph", "text"),
    [
        (A + 2 * B, "a + 2*b"),
        (A - (B - 3), "a - (b - 3)"),
        (-(A + B), "-(a + b)"),
        (A * (B + 1) ** 2, "a*(b + 1)**2"),
        (A / (B * A), "a/(b*a)"),
        (pt.exp(-A) * pt.reciprocal(B), "exp(-a)/b"),
        (pt.sqr(A + B) / 2, "(a + b)**2/2"),
        ((V * A).sum(), "sum(v*a)"),
        (V[K], "v[k]"),
        (V[1:3], "v[1:3]"),
        (pt.switch(A > B, A, -np.inf), "where(a > b, a, -inf)"),
        (pt.zeros(3)[pt.constant([0, 2])].inc(V[:2]), "sum_by(v[:2], [0, 2])"),
        (pt.cast(A, "float32"), "a"),
        (pt.constant(np.arange(9.0)), "data(9)"),
    ],
)
def test_formula(graph, text: str) -> None:
    assert formula(graph) == text


def test_long_formulas_are_cut() -> None:
    graph = A
    for _ in range(200):
        graph = pt.exp(graph) + graph
    assert len(formula(graph, max_length=50)) <= 50


def test_law_is_printed_with_its_graphs() -> None:
    law = conditional(2 * pt.log(A) - A * B**2 - 4 * A, A, support="positive")
    assert law is not None
    out = io.StringIO()
    law.dprint(out)
    printed = out.getvalue()
    assert printed.startswith("a | rest ~ Gamma(shape=3, rate=b**2 + 4)\nshape:\n3.0 [id A]\nrate:\nAdd [id A]")


def test_inverse_gamma_is_also_scaled_inverse_chi_squared() -> None:
    law = conditional(-2.5 * pt.log(A) - 3 * B / A, A, support="positive")
    assert law is not None
    out = io.StringIO()
    law.dprint(out)
    lines = out.getvalue().splitlines()
    assert lines[0] == "a | rest ~ InverseGamma(shape=1.5, scale=3*b)"
    assert lines[1] == "also: ScaledInverseChiSquared(degrees_of_freedom=3, squared_scale=2*b)"
