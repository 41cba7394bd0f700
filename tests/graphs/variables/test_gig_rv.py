"""Draws of generalised inverse Gaussian variables, with and without bounds, follow their densities.

Answers: SciPy's distributions, and its quadrature.
"""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytest
from scipy import integrate, stats

from graphs.backends.numba import compile_program
from graphs.backends.numba.library.rng import seed_states
from graphs.variables.gig import gig, hat_of, proposed

inf = np.inf
NUM_DRAWS = 20_000
# power, rate, scale, lower, upper
CASES = [
    (2.3, 1.7, 0.6, 0, inf),
    (-0.5, 0.9, 1.4, 0, inf),  # inverse Gaussian
    (-7.3, 0.02, 3.1, 0, inf),
    (0.0, 1e-3, 1e-3, 0, inf),
    (40.0, 1e4, 1e4, 0, inf),
    (0.2, 2.0, 0.0, 0, inf),  # gamma
    (-3.2, 0.0, 2.0, 0, inf),  # inverse gamma
    (2.0, 1.0, 0.0, 0, 0.3),
    (2.0, 1.0, 0.0, 9.0, inf),
    (50.0, 1.0, 0.0, 80.0, 90.0),
    (0.5, 3.0, 0.0, 0.1, 0.2),
    (3.0, 0.0, 0.0, 0, 2.0),  # a power
    (0.0, 0.0, 0.0, 1.0, 4.0),
    (-2.0, 0.0, 0.0, 1.0, inf),  # Pareto
    (-4.0, 0.5, 0.0, 0.2, inf),
    (-1.5, 0.0, 3.0, 0.5, 2.5),
    (1.5, 2.0, 3.0, 4.0, 4.5),
]


def cdf(case):
    """Integrate the density of the logarithm by quadrature on a fine grid."""
    power, rate, scale, lower, upper = case
    with np.errstate(divide="ignore"):
        low, high = max(np.log(lower), -700.0), min(np.log(upper), 700.0)
    coarse = np.linspace(low, high, 200_001)
    height = power * coarse - rate * np.exp(coarse) - scale * np.exp(-coarse)
    kept = coarse[height > height.max() - 60]
    grid = np.linspace(max(low, kept[0] - 0.1), min(high, kept[-1] + 0.1), 100_001)
    height = power * grid - rate * np.exp(grid) - scale * np.exp(-grid)
    weight = integrate.cumulative_trapezoid(np.exp(height - height.max()), grid, initial=0)
    return lambda x: np.interp(np.log(x), grid, weight / weight[-1])


def by_numpy(case):
    return gig.rng_fn(np.random.default_rng(3), *map(np.asarray, case), (NUM_DRAWS,))


def by_numba(case):
    rng = pt.random.rng("rng")
    next_rng, draw = gig(*case, size=(NUM_DRAWS,), rng=rng, return_next_rng=True)
    program = compile_program([], [draw], rng=rng, next_rng=next_rng)
    return program.unpack(program([], rng=seed_states(2, 1)[0])[1])[0]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("draw", [by_numpy, by_numba])
def test_draws_follow_the_density(case, draw):
    draws = draw(case)
    assert (draws >= case[3]).all()
    assert (draws <= case[4]).all()
    # One false alarm in ten thousand, and seeds are fixed.
    assert stats.kstest(draws, cdf(case)).pvalue > 1e-4


def test_untruncated_agrees_with_scipy():
    p, b = -0.7, 1.8
    draws = by_numpy((p, b / 2, b / 2, 0, inf))
    assert stats.kstest(draws, stats.geninvgauss(p, b).cdf).pvalue > 1e-4


@pytest.mark.parametrize("case", CASES, ids=str)
def test_few_proposals_are_rejected(case):
    rng = np.random.default_rng(1)
    with np.errstate(all="ignore"):
        hat = hat_of(np, *(np.asarray(float(c)) for c in case))
        _, is_accepted = proposed(np, hat, *rng.random((3, 4000)))
    assert is_accepted.mean() > 0.35


def test_the_hat_is_above_the_density():
    """What a proposal's acceptance needs: nowhere is the density higher than the hat."""
    for case in CASES:
        with np.errstate(all="ignore"):
            hat = hat_of(np, *(np.asarray(float(c)) for c in case))
            y = np.linspace(max(hat.lowest, -30.0), min(hat.highest, 30.0), 5001)
            height = hat.power * y - hat.rate * np.expm1(y) - hat.scale * np.expm1(-y)
            right = -(y - hat.right_width) / hat.right_mass
            left = (y + hat.left_width) / hat.left_mass
        top = np.where(y > hat.right_width, right, np.where(y < -hat.left_width, left, 0.0))
        assert (height <= top + 1e-9).all(), case


@pytest.mark.parametrize("case", [(-1.0, 1.0, 0.0, 0, inf), (2.0, 0.0, 1.0, 0, inf), (1.0, -1.0, 0.0, 0, 1.0)])
def test_improper_densities_give_not_a_number(case):
    assert np.isnan(by_numpy(case)).all()
    assert np.isnan(by_numba(case)).all()
