"""Proposals in sets, and the map from uniform numbers to cells that they come by.

Answers: SciPy's Sobol sequence; a plain loop that accepts or refuses proposals one by one; areas by finite differences;
a lattice, every point of which is known; the moments of a normal and of an exponential distribution.
"""

from __future__ import annotations

import arviz as az
import numpy as np
import pytensor.tensor as pt
import pytest
from numpy.typing import NDArray
from scipy.stats import norm, qmc

from graphs.density import LogDensity
from samplers import RunSettings, Sweep, compile_sweep, tabulated
from samplers.tables.block import TabulatedBlock
from samplers.tables.orbits import NUM_IMAGES, accepted, images, turned_digits
from samplers.tables.proposals import Proposals, log_weights, moved
from samplers.tables.table import MadeOf, Table


def table_of(size: int) -> Table:
    """Of correlated logarithms of gamma variables."""
    x = pt.tensor("x", shape=(size,), dtype="float64")
    return tabulated(((0.7 * x - pt.exp(x)).sum() - 0.3 * pt.sqr(x.sum()), [x])).table


def made_of(uniform: NDArray[np.float64]) -> MadeOf:
    return MadeOf(uniform, np.zeros(len(uniform), bool), np.zeros_like(uniform))


def test_images_are_those_of_sobols_sequence() -> None:
    """Of zero, the first sixteen points, in another order: that of sums of the numbers by which SciPy has them."""
    found = turned_digits(3) / NUM_IMAGES
    expected = qmc.Sobol(3, scramble=False, bits=4).random(NUM_IMAGES)
    assert set(map(tuple, found)) == set(map(tuple, expected))


def test_effective_numbers_of_normal_variables_come_near_to_what_averages_err() -> None:
    """By ArviZ, along each axis and between two; averages of sets err as those of four times as many."""
    generator = np.random.default_rng(3)
    sets = images(made_of(generator.random((8 * 250, 3)))).uniform
    normal = norm.ppf(sets)
    directions = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, -1], [0, 1, 1]])
    for direction in directions:
        values = (normal @ direction) / np.linalg.norm(direction)
        # Of eight chains of 4000 draws, whose effective numbers are estimated within a few hundredths.
        assert az.ess(values.reshape(8, -1)) > 2.4 * len(values)
        assert values.reshape(-1, NUM_IMAGES).mean(axis=1).var() * NUM_IMAGES < 1.0 / 4.0


@pytest.mark.parametrize("size", [1, 2, 3])
def test_images_are_a_group_whose_members_are_their_own_inverses(size: int) -> None:
    """The image j of the image i has the number in which the digits of i and j differ."""
    point = made_of(np.random.default_rng(1).random((1, size)))
    all_of_them = images(point).uniform
    for i in range(NUM_IMAGES):
        again = images(made_of(all_of_them[i : i + 1])).uniform
        np.testing.assert_allclose(again, all_of_them[np.arange(NUM_IMAGES) ^ i], rtol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_images_stay_uniform_and_balance_each_other(size: int) -> None:
    """Over a lattice each image takes all places; every sixteenth holds one of sixteen, every quarter of a square."""
    number = 32
    axis = (np.arange(number) + 0.5) / number
    lattice = np.stack(np.meshgrid(*[axis] * size, indexing="ij"), axis=-1).reshape(-1, size)
    sets = images(made_of(lattice)).uniform.reshape(len(lattice), NUM_IMAGES, size)
    expected = np.sort(lattice, axis=0)[:, None, :].repeat(NUM_IMAGES, axis=1)
    np.testing.assert_allclose(np.sort(sets, axis=0), expected)
    sixteenths = np.sort((NUM_IMAGES * sets).astype(int), axis=1)
    assert (sixteenths == np.arange(NUM_IMAGES)[:, None]).all()
    if size == 2:
        quarters = (4 * sets).astype(int) @ np.array([4, 1])
        assert (np.sort(quarters, axis=1) == np.arange(NUM_IMAGES)).all()
    # The mean of a set is that of the whole: mirrored halves.
    np.testing.assert_allclose(sets.mean(axis=1), 0.5)


def test_what_is_wide_has_images_that_balance_it() -> None:
    rng = np.random.default_rng(1)
    drawn = MadeOf(rng.random((50, 2)), rng.random(50) < 0.5, rng.normal(size=(50, 2)))
    found = images(drawn)
    np.testing.assert_array_equal(found.is_wide, drawn.is_wide.repeat(NUM_IMAGES))
    np.testing.assert_allclose(found.wide.reshape(50, NUM_IMAGES, 2).sum(axis=1), 0.0)
    np.testing.assert_array_equal(found.wide[::NUM_IMAGES], drawn.wide)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_uniform_numbers_become_points_of_the_table(size: int) -> None:
    """Monotone along each axis; a small area of uniform numbers has the probability that the table gives its image."""
    table = table_of(size)
    rng = np.random.default_rng(2)
    uniform, step = rng.random((300, size)), 1e-7
    here, logs = table.placed(made_of(uniform))
    shifted = [table.placed(made_of(np.minimum(uniform + step * unit, 1 - 1e-12)))[0] for unit in np.eye(size)]
    back = np.linalg.inv(table.axes)
    jacobians = np.stack([(there - here) @ back.T for there in shifted], axis=2) / step
    for axis in range(size):
        assert (jacobians[:, axis, axis] > 0).all()
    # In the coordinates of the cells nothing changes along other axes, unless a cut of theirs is passed.
    is_diagonal = np.abs(jacobians - jacobians * np.eye(size)).max(axis=(1, 2)) < 1e-3
    assert is_diagonal.mean() > 0.95
    found = -np.log(np.diagonal(jacobians, axis1=1, axis2=2)).sum(axis=1)
    # The table has a thousandth of another distribution in it, and far out more; differences have six digits.
    is_near = is_diagonal & (logs > logs.max() - 4.0)
    np.testing.assert_allclose(found[is_near], logs[is_near], atol=0.05)
    assert is_near.sum() > 100


def test_the_largest_and_the_smallest_numbers_stay_inside() -> None:
    table = table_of(2)
    ends = np.array([[0.0, 0.0], [1 - 2**-53, 1 - 2**-53], [0.0, 1 - 2**-53], [0.5, 0.5]])
    positions, logs = table.placed(images(made_of(ends))._replace(is_wide=np.zeros(4 * NUM_IMAGES, bool)))
    assert np.isfinite(positions).all()
    assert np.isfinite(logs).all()


def test_proposals_are_accepted_as_by_a_plain_loop() -> None:
    rng = np.random.default_rng(4)
    for spread in (0.01, 1.0, 5.0):
        for _ in range(20):
            number = 12 * NUM_IMAGES
            logs, uniform = rng.normal(0.0, spread, number), np.log(rng.random(number))
            logs[rng.random(number) < 0.05] = -np.inf
            logs[0] = 0.0
            here, expected, probable = 0, [0], [1.0]
            for i in range(1, number):
                which, image = divmod(i, NUM_IMAGES)
                if image:  # the map that takes the proposal before to this one, from where the chain is
                    which, image = here // NUM_IMAGES, (here % NUM_IMAGES) ^ (image ^ (image - 1))
                then = NUM_IMAGES * which + image
                with np.errstate(invalid="ignore"):
                    probable.append(np.nan_to_num(min(1.0, np.exp(logs[then] - logs[here]))))
                here = then if logs[here] + uniform[i] < logs[then] else here
                expected.append(here)
            found, rates = accepted(logs, uniform)
            np.testing.assert_array_equal(found, expected)
            np.testing.assert_allclose(rates, probable)


def test_proposals_are_accepted_in_pieces_as_at_once() -> None:
    """Wherever a chain is when a piece ends: also among the images of a set that it did not leave for many others."""
    rng = np.random.default_rng(5)
    for spread in (0.01, 1.0, 5.0):
        for _ in range(20):
            number = 12 * NUM_IMAGES
            values, logs, uniform = rng.normal(0.0, spread, number), np.zeros(number), rng.random(number)
            values[rng.random(number) < 0.05] = np.nan
            values[0] = 0.0
            positions = np.arange(number)[:, None].astype(float)
            at, rates = accepted(log_weights(values, logs), np.log(uniform))
            place, been = None, []
            for part in np.split(np.arange(number), NUM_IMAGES * np.sort(rng.choice(11, 4, replace=False) + 1)):
                place, found = moved(place, Proposals(positions[part], logs[part], uniform[part]), values[part])
                been.append(found)
            np.testing.assert_array_equal(np.concatenate([found.positions[:, 0] for found in been]), at)
            np.testing.assert_array_equal(np.concatenate([found.rates for found in been]), rates)


@pytest.mark.parametrize("kind", ["normal", "exponential"])
def test_averages_are_known_better_than_from_independent_draws(kind: str) -> None:
    """The variance over 200 chains of an average of 512 draws is less than that of independent ones.

    A ratio of variances of 200 has a standard error of a tenth; that of means is 0.1 to 0.2, of squares 0.3 to 0.6.
    """
    x = pt.tensor("x", shape=(1,), dtype="float64")
    density = {"normal": -0.5 * pt.sqr(x).sum(), "exponential": (x - pt.exp(x)).sum()}[kind]
    sweep = Sweep((x,), (TabulatedBlock((x,), LogDensity(density, (x,))),))
    draws = compile_sweep(sweep).run(np.zeros((200, 1)), RunSettings(0, 512, seed=3)).draws[:, :, 0]
    if kind == "exponential":
        draws = np.exp(draws)
    mean, fourth = {"normal": (0.0, 3.0), "exponential": (1.0, 9.0)}[kind]
    averages, squares = draws.mean(axis=1), ((draws - mean) ** 2).mean(axis=1)
    independent = 1.0 / 512, (fourth - 1.0) / 512
    assert abs(averages.mean() - mean) < 6 * (independent[0] / 200) ** 0.5
    assert abs(squares.mean() - 1.0) < 6 * (independent[1] / 200) ** 0.5
    assert averages.var() < 0.5 * independent[0]
    assert squares.var() < 0.9 * independent[1]
