"""Integrals hold at any scale: tiny and huge groups, noise, innovations, against eighty digits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from graphs.backends import get_backend
from tests.graphs.integral import conjugate_cases, normal_cases, process_cases
from tests.graphs.integral.cases import Case, errors

SCALES = (1e-8, 1e-2, 1.0, 1e3, 1e8)
NOISE = (1e-4, 1.0, 1e4)
MODERATE = (1e-2, 1.0, 1e2)


def grid(scale: str, noise: str, scales: Sequence[float] = SCALES, noises: Sequence[float] = NOISE) -> list[Any]:
    return [{scale: s, noise: e} for s in scales for e in noises]


ANY_SCALE = {
    normal_cases.one_mean: grid("s", "e"),
    normal_cases.element_by_element: grid("s", "e"),
    normal_cases.groups: grid("tau", "e"),
    normal_cases.schools: [{"tau": t} for t in SCALES],
    normal_cases.schools_not_centred: [{"tau": t} for t in SCALES],
    normal_cases.three_levels: grid("a", "e"),
    normal_cases.crossed_of_which_one_stays: grid("a", "e"),
    normal_cases.named_scalars: grid("tau", "e"),
    normal_cases.flat_coefficients: [{"e": e} for e in NOISE],
    process_cases.walk_in_a_loop: grid("q", "e"),
    process_cases.effects_in_two_outcomes: grid("tau", "e"),
    process_cases.measured_with_error: grid("s", "e"),
}
"""Where levels are nested."""
MODERATE_SCALE = {
    normal_cases.crossed: grid("a", "e", MODERATE, (0.1, 1.0, 100.0)),
    normal_cases.regression: grid("s", "e"),
    normal_cases.gaussian_process: [{"e": e, "length": x} for e in NOISE for x in (1e-2, 1.0, 1e2)],
    process_cases.walk_of_pymc: grid("q", "e", MODERATE, MODERATE),
    process_cases.with_deterministic_and_dims: grid("tau", "e", SCALES, (0.1, 1.0, 100.0)),
}
"""Where one matrix holds several scales: as far as these are apart by less than ten thousand, or tell nothing new."""
LONG = {"named_scalars", "walk_in_a_loop", "effects_in_two_outcomes", "crossed", "gaussian_process"}


@pytest.mark.parametrize(
    ("make", "points"),
    [
        pytest.param(make, points, id=make.__name__, marks=[pytest.mark.slow] * (make.__name__ in LONG))
        for make, points in {**ANY_SCALE, **MODERATE_SCALE}.items()
    ],
)
def test_at_any_scale(make: Callable[[], Case], points: Sequence[Mapping[str, Any]]) -> None:
    found = errors(make(), points)
    assert found.value < 1e-10
    assert found.slope < 1e-10


@pytest.mark.parametrize(
    "backend", ["numba", pytest.param("c", marks=pytest.mark.slow), pytest.param("jax", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("make", [normal_cases.three_levels, conjugate_cases.beta_binomial], ids=lambda m: m.__name__)
def test_backends_compute_the_same(make: Callable[[], Case], backend: str) -> None:
    found = errors(make(), compute=get_backend(backend).function)
    assert found.value < 1e-10
    assert found.slope < 1e-10
