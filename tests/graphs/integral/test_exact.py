"""Integrals are those of closed forms, of filters and of determinants at eighty digits: values and gradients.

Answers: mpmath at eighty digits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.graphs.integral import conjugate_cases, design_cases, family_cases, normal_cases, process_cases
from tests.laws.integrals import Case, errors

CASES = [*conjugate_cases.ALL, *design_cases.ALL, *family_cases.ALL, *normal_cases.ALL, *process_cases.ALL]
LONG = {
    "inverse_wishart",
    "vector_of_normals",
    "gaussian_process",
    "intercepts_and_slopes",
    "named_scalars",
    "schools_not_centred",
    "walk_in_a_loop",
    "walk_of_steps",
    "gaps",
    "with_deterministic_and_dims",
    "trend_and_season",
    "missing_data",
    "regression",
    "scale_of_normal",
    "uniform_rate",
    "rayleigh_scale",
}
"""Two seconds each, and like others."""


def with_marks(makes: list[Callable[[], Case]]) -> list[Any]:
    """Return cases as parameters, the long ones marked."""
    marks = {True: [pytest.mark.slow], False: []}
    return [pytest.param(m, id=m.__name__, marks=marks[m.__name__ in LONG]) for m in makes]


@pytest.mark.parametrize("make", with_marks(CASES))
def test_value_and_gradient_are_exact(make: Callable[[], Case]) -> None:
    found = errors(make())
    assert found.value < 1e-10
    assert found.slope < 1e-10
