"""Integrals hold at any scale: tiny and huge groups, noise, innovations, against eighty digits.

Answers: mpmath at eighty digits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest

from graphs.backends import get_backend
from tests.graphs.integral import conjugate_cases, design_cases, normal_cases, process_cases
from tests.graphs.integral.exact import values_and_slopes
from tests.laws.integrals import Case, errors

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
    design_cases.one_observation_each: grid("tau", "e"),
    normal_cases.regression: grid("s", "e"),
    design_cases.columns_of_other_scales: grid("s", "e"),
    normal_cases.more_columns_than_rows: grid("s", "e", SCALES, (1e-2, 1.0, 1e4)),
    process_cases.walk_of_pymc: grid("q", "e", SCALES, (1e-3, 1.0, 1e3)),
    process_cases.autoregression: grid("q", "e", SCALES, (1e-2, 1.0, 1e3)),
    process_cases.gaps: grid("q", "e", SCALES, (1e-2, 1.0, 1e3)),
    process_cases.walk_of_steps: grid("q", "e"),
    process_cases.walk_in_a_loop: grid("q", "e"),
    process_cases.effects_in_two_outcomes: grid("tau", "e"),
    process_cases.measured_with_error: grid("s", "e"),
}
"""Where levels are nested, or the rows of the least squares are known, and not only the matrix of their products."""
MODERATE_SCALE = {
    normal_cases.crossed: grid("a", "e", MODERATE, (0.1, 1.0, 100.0)),
    normal_cases.gaussian_process: [{"e": e, "length": x} for e in NOISE for x in (1e-2, 1.0, 1e2)],
    process_cases.with_deterministic_and_dims: grid("tau", "e", SCALES, (0.1, 1.0, 100.0)),
}
"""Where one matrix holds several scales: as far as these are apart by less than ten thousand, or tell nothing new."""
ILL_CONDITIONED = grid("s", "e", SCALES, (1e-2, 1.0, 1e2))
LONG = {
    "named_scalars",
    "walk_in_a_loop",
    "effects_in_two_outcomes",
    "crossed",
    "gaussian_process",
    "more_columns_than_rows",
    "gaps",
    "walk_of_steps",
    "regression",
}


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


def test_columns_alike() -> None:
    """As exact as the last digit of the design: to move it moves the exact value and its slopes as much."""
    case = design_cases.columns_alike()
    found = errors(case, ILL_CONDITIONED)
    permitted = max(_moved_by_last_digits(case, {**case.at, **point}) for point in ILL_CONDITIONED)
    assert 1e-10 < permitted < 1e-8
    assert max(found.value, found.slope) < permitted


def _moved_by_last_digits(case: Case, at: Mapping[str, Any]) -> float:
    """Return how far a change of a design in the last digits of double precision moves exact value and slopes."""
    [design] = case.exact.__defaults__ or ()
    moved = design * (1.0 + np.finfo("float64").eps * np.random.default_rng(2).choice([-1, 1], size=design.shape))
    one, slopes = values_and_slopes(case.exact, at, list(at))
    other, others = values_and_slopes(partial(case.exact, design=moved), at, list(at))
    away = [abs(one - other) / max(abs(one), 1)]
    for n in at:
        a, b = (float(at[n]) * np.ravel(found[n])[0] for found in (slopes, others))
        away.append(abs(a - b) / max(abs(a), 1))
    return float(max(away))


@pytest.mark.parametrize(
    ("make", "backend"),
    [
        (normal_cases.groups, "numba"),
        (conjugate_cases.beta_binomial, "numba"),
        # Machine code of more levels takes a quarter of a minute, and is of the same operations.
        pytest.param(normal_cases.three_levels, "numba", marks=pytest.mark.slow),
        *(
            pytest.param(make, backend, marks=pytest.mark.slow)
            for make in (normal_cases.three_levels, conjugate_cases.beta_binomial)
            for backend in ("c", "jax")
        ),
    ],
)
def test_backends_compute_the_same(make: Callable[[], Case], backend: str) -> None:
    found = errors(make(), compute=get_backend(backend).function)
    assert found.value < 1e-10
    assert found.slope < 1e-10
