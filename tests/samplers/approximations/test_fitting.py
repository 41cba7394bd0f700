"""Fits of families to densities.

Answers: closed forms for normal densities: the best independent distributions have the diagonal of the precision; means
of enumerated rows; the uniform distribution of rows.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytensor.tensor as pt
import pytest

from graphs.density import LogDensity
from graphs.errors import SamplingError
from samplers.approximations.families.base import Base
from samplers.approximations.families.family import FittedFamily
from samplers.approximations.families.full_rank import FullRank
from samplers.approximations.families.low_rank import LowRank
from samplers.approximations.families.mean_field import MeanField
from samplers.approximations.fitting import Fit, approximate_loop
from samplers.approximations.loop import draw_rows
from samplers.approximations.memory import drawn_rows
from samplers.approximations.segments import Segments, is_level
from samplers.approximations.target import BatchOfRows, Target, compile_target

SIZE = 5
RNG = np.random.default_rng(4)
DIRECTION = RNG.normal(size=(SIZE, 1))
MEAN, COVARIANCE = 3.0 * RNG.normal(size=SIZE), np.diag([0.3, 0.5, 1.0, 0.2, 0.7]) + DIRECTION @ DIRECTION.T
PRECISION = np.linalg.inv(COVARIANCE)
STANDARD = Base(np.zeros(SIZE), np.ones((1, SIZE)))


def normal_density() -> LogDensity:
    x = pt.tensor("x", shape=(SIZE,))
    constant = 0.5 * np.linalg.slogdet(PRECISION)[1] - 0.5 * SIZE * np.log(2 * np.pi)
    return LogDensity(constant - 0.5 * (x - MEAN) @ PRECISION @ (x - MEAN), (x,))


@pytest.fixture(scope="module")
def target() -> Target:
    return compile_target(normal_density())


def moments(fit: Fit) -> tuple[np.ndarray, np.ndarray]:
    factor = np.diag(fit.base.factor[0]) if fit.base.is_diagonal else fit.base.factor
    work = fit.family.prepared(fit.parameters)
    mean = fit.base.positions(fit.family.placed(fit.parameters, np.zeros(fit.family.noise_size), work))
    return mean, factor @ fit.family.covariance(fit.parameters) @ factor.T


@pytest.mark.parametrize("family", [FullRank(SIZE), LowRank(SIZE, 1)], ids=repr)
def test_what_the_family_holds_is_found(target: Target, family: FittedFamily) -> None:
    """The bound is the logarithm of the integral, zero, without noise."""
    fit = approximate_loop(family, target, STANDARD, seed=1)
    mean, covariance = moments(fit)
    assert fit.is_converged
    assert abs(fit.elbo) < 0.01
    assert fit.elbo_error < 0.003
    np.testing.assert_allclose(mean, MEAN, atol=1e-3)
    np.testing.assert_allclose(covariance, COVARIANCE, atol=0.1)


def test_independent_distributions_have_the_precisions_of_the_density(target: Target) -> None:
    fit = approximate_loop(MeanField(SIZE), target, STANDARD, seed=1)
    mean, covariance = moments(fit)
    np.testing.assert_allclose(mean, MEAN, atol=0.01)
    np.testing.assert_allclose(np.diag(covariance) * np.diag(PRECISION), 1.0, atol=0.06)
    best = 0.5 * (np.linalg.slogdet(PRECISION)[1] - np.log(np.diag(PRECISION)).sum())
    assert abs(fit.elbo - best) < 0.01 + 4 * fit.elbo_error
    assert fit.elbo < 4 * fit.elbo_error


def test_the_same_seed_gives_the_same_fit_and_draws_have_their_density(target: Target) -> None:
    first, second, other = (approximate_loop(MeanField(SIZE), target, STANDARD, seed=s) for s in (3, 3, 4))
    np.testing.assert_array_equal(first.parameters, second.parameters)
    np.testing.assert_array_equal(first.trace, second.trace)
    assert not np.array_equal(first.trace, other.trace)
    positions, values = first.draw(5, np.random.default_rng(0))
    y = (positions - first.base.centre) / first.base.factor[0]
    own = first.family
    _, expected = own.draw(first.parameters, 5, np.random.default_rng(0))
    np.testing.assert_allclose(values, expected - np.log(first.base.factor).sum())
    assert y.shape == (5, SIZE)


@pytest.mark.parametrize("backend", [pytest.param("c", marks=pytest.mark.slow), "jax"])
def test_other_backends_take_the_same_steps(target: Target, backend: str) -> None:
    options = {"seed": 1, "max_steps": 150, "tolerance": 0.5}
    here = approximate_loop(FullRank(SIZE), target, STANDARD, **options)
    there = approximate_loop(FullRank(SIZE), compile_target(normal_density(), backend=backend), STANDARD, **options)
    np.testing.assert_allclose(there.trace, here.trace, rtol=1e-6)
    np.testing.assert_allclose(there.parameters, here.parameters, atol=1e-6)


def test_rows_are_drawn_by_whom_they_are_asked_of() -> None:
    """A sum over rows, scaled: the normal posterior of a mean, which all rows have."""
    y = np.random.default_rng(2).normal(1.0, 1.0, size=40)
    x, rows = pt.tensor("x", shape=(1,)), pt.tensor("rows", shape=(8,), dtype="int64")
    total = -0.5 * (x[0] / 10.0) ** 2 - 0.5 * 40 / 8 * ((pt.constant(y)[rows] - x[0]) ** 2).sum()
    for replace in (True, False):
        target = compile_target(LogDensity(total, (x,)), [BatchOfRows(rows, 40, replace)])
        fit = approximate_loop(MeanField(1), target, Base(np.zeros(1), np.ones((1, 1))), seed=1, max_steps=20_000)
        mean, covariance = moments(fit)
        # A tenth of the standard deviation of the posterior is 0.016.
        assert abs(mean[0] - y.sum() / 40.01) < 0.016
        assert covariance[0, 0] * 40.01 == pytest.approx(1.0, abs=0.15)


def test_every_row_comes_once_before_any_comes_again() -> None:
    rows = pt.tensor("rows", shape=(4,), dtype="int64")
    again = pt.tensor("again", shape=(3,), dtype="int64")
    target = Target(1, None, (BatchOfRows(rows, 12), BatchOfRows(again, 5, replace=True)))
    numbers, state = drawn_rows(target), np.array([1, 2, 3, 4], np.uint64)
    context, seen = np.zeros(target.context_size), []
    for _ in range(3000):
        draw_rows(numbers, state, context)
        seen.append(context.copy())
    drawn = np.array(seen).astype(int)
    epochs = drawn[:, :4].reshape(-1, 12)
    assert (np.sort(epochs, axis=1) == np.arange(12)).all()
    assert not any((a == b).all() for a, b in pairwise(epochs[:20]))
    # Of n draws a frequency has the standard error sqrt(p (1 - p) / n).
    for column, number in ((drawn[:, 0], 12), (drawn[:, 4], 5)):
        share = np.bincount(column, minlength=number) / len(column)
        assert np.abs(share - 1 / number).max() < 5 * np.sqrt(1 / number / len(column))


def test_segments_settle_where_nothing_moves() -> None:
    rng = np.random.default_rng(0)
    still, drifting = Segments(50), Segments(50)
    for k in range(40):
        for segments, drift in ((still, 0.0), (drifting, 0.2)):
            iterates = 0.1 * rng.normal(size=(segments.length, 3)) + drift * k
            segments.add(iterates.sum(axis=0), (iterates**2).sum(axis=0))
    assert still.length == 800  # each two became one after 16, 24, 32 and 40 of them
    assert still.has_settled(0.01)
    assert not drifting.has_settled(0.01)
    np.testing.assert_allclose(still.average, 0.0, atol=5 * 0.1 / np.sqrt(50))


def test_a_bound_is_level_where_its_noise_shows_no_rise() -> None:
    rng = np.random.default_rng(0)
    assert is_level([rng.normal(size=3000)], 0.5)
    assert not is_level([rng.normal(size=3000)], 0.01)
    assert not is_level([rng.normal(size=3000) + np.arange(3000) / 500], 0.5)
    assert not is_level([rng.normal(size=100)], 0.5)


def test_a_density_without_values_is_refused() -> None:
    x = pt.tensor("x", shape=(1,))
    nowhere = compile_target(LogDensity(pt.log(-1.0 - x[0] ** 2), (x,)))
    with pytest.raises(SamplingError, match="not finite around the point"):
        approximate_loop(MeanField(1), nowhere, Base(np.zeros(1), np.ones((1, 1))), seed=1)
    # Draws that are possible within a bound only: it begins narrower.
    half = compile_target(LogDensity(pt.log(1.0 - x[0] ** 2), (x,)))
    fit = approximate_loop(MeanField(1), half, Base(np.zeros(1), np.full((1, 1), 50.0)), seed=1, max_steps=2000)
    assert fit.base.factor[0, 0] < 1
    assert (fit.elbo, fit.elbo_error) == (-np.inf, np.inf)  # some draws are impossible
    assert np.isfinite(fit.trace).any()
