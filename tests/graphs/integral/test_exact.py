"""Integrals are those of closed forms, of filters and of determinants at eighty digits: values and gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.graphs.integral import conjugate_cases, family_cases, normal_cases, process_cases
from tests.graphs.integral.cases import Case, errors

CASES = [*conjugate_cases.ALL, *family_cases.ALL, *normal_cases.ALL, *process_cases.ALL]


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_value_and_gradient_are_exact(make: Callable[[], Case]) -> None:
    found = errors(make())
    assert found.value < 1e-10
    assert found.slope < 1e-10
