"""Draws of Polya-gamma variables have the Laplace transform of the distribution, in every backend.

Answers: the Laplace transform in closed form (Polson, Scott and Windle 2013).
"""

from __future__ import annotations

from functools import cache

import jax
import numpy as np
import pytensor.tensor as pt
import pytest
from scipy import stats

from graphs.backends.jax.backend import jax_callable, jax_key
from graphs.backends.numba import compile_program
from graphs.backends.numba.library.rng import seed_states
from graphs.variables.polya_gamma import polya_gamma

NUM_DRAWS = 40_000
# count, tilt
CASES = [(1, 0), (1, 0.7), (1, -2.4), (1, 3.3), (1, 14.0), (1, 300.0), (3, 1.2), (4, 0.02), (0.03, 0.5), (0.6, 2.0)]
CASES += [(2.7, 0.0), (17, 0.04), (17, 6.0), (240.0, 1.1), (5.5, 90.0), (6, 1000.0)]


def by_numpy(case):
    return polya_gamma.rng_fn(np.random.default_rng(3), *map(np.asarray, case), (NUM_DRAWS,))


@cache
def numba_program():
    """One program for all cases."""
    rng = pt.random.rng("rng")
    parameters = [pt.dscalar("count"), pt.dscalar("tilt")]
    next_rng, draw = polya_gamma(*parameters, size=(NUM_DRAWS,), rng=rng, return_next_rng=True)
    return compile_program(parameters, [draw], rng=rng, next_rng=next_rng)


def by_numba(case):
    program = numba_program()
    return program.unpack(program(np.asarray(case, float), rng=seed_states(2, 1)[0])[1])[0]


@cache
def jax_kernel():
    """One kernel for all cases, optimised: it runs for longer than that takes, and `make test` does without it."""
    rng = pt.random.rng("rng")
    parameters = [pt.dscalar("count"), pt.dscalar("tilt")]
    _, draw = polya_gamma(*parameters, size=(NUM_DRAWS,), rng=rng, return_next_rng=True)
    options = {"xla_backend_optimization_level": 3, "xla_llvm_disable_expensive_passes": False}
    return jax.jit(jax_callable(parameters, [draw], rng), compiler_options=options)


def by_jax(case):
    return np.asarray(jax_kernel()(jax_key(np.random.default_rng(5)), *map(float, case))[1][0])


def log_cosh(x):
    return np.abs(x) + np.log1p(np.exp(-2 * np.abs(x))) - np.log(2)


@pytest.mark.parametrize("draws_of", [by_numpy, by_numba, by_jax])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_laplace_transform(case, draws_of):
    """``E exp(-t w) = cosh(z / 2)^b / cosh(sqrt(z^2 / 4 + t / 2))^b``: Polson, Scott and Windle, equation 5."""
    if draws_of is by_jax and case not in CASES[:4] + CASES[-4:]:
        pytest.skip("one kernel for all")
    count, tilt = case
    draws = draws_of(case)
    mean = draws.mean()
    for t in (0.3 / mean, 1.0 / mean, 4.0 / mean, 1.0 / draws.std()):
        expected = np.exp(count * (log_cosh(tilt / 2) - log_cosh(np.sqrt(tilt**2 / 4 + t / 2))))
        values = np.exp(-t * draws)
        # Four and a half standard errors: 160 comparisons.
        assert abs(values.mean() - expected) < 4.5 * values.std() / np.sqrt(NUM_DRAWS), t


@pytest.mark.parametrize("tilt", [0.0, 1.5, 7.0])
def test_rejection_and_sums_agree(tilt):
    """Devroye's exact method on Numba against the sum of gamma variables on NumPy."""
    assert stats.ks_2samp(by_numpy((1, tilt)), by_numba((1, tilt))).pvalue > 1e-4


@pytest.mark.parametrize("draws_of", [by_numpy, by_numba, by_jax])
@pytest.mark.parametrize("tilt", [0.0, -3.1])
def test_of_no_trials_the_draw_is_zero(tilt, draws_of):
    """The Laplace transform of a count of zero is 1."""
    assert (draws_of((0.0, tilt)) == 0.0).all()


@pytest.mark.parametrize("case", [(-0.5, 0.0), (-2.0, 1.0), (1.0, np.nan)])
def test_improper_draws_are_no_numbers(case):
    assert np.isnan(by_numpy(case)).all()
    assert np.isnan(by_numba(case)).all()
