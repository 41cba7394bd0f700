"""Draws in balance: each is from its law, those of a row are independent of each other, and means err less.

Answers: the distributions by SciPy; variances of averages of independent draws, and of pairs of normal numbers of
opposite signs, in closed form.
"""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytest
from scipy import stats

from graphs.backends import get_backend
from graphs.balancing import balanced_signs, rows_of_set, with_given_signs
from graphs.surgery.random_graph import static_shape

ROWS = 2**14
SHAPES = np.array([0.2, 1.0, 1.7, 40.0])
FEWEST = 1e-5
"""Of p-values: a hundred are looked at, so that one of 1000 changes of the draws fails."""


def graphs_of_draws():
    """Return a generator and draws of all the laws that are balanced."""
    rng = pt.random.rng("rng")
    second, normal = rng.normal([1.0, -2.0, 0.0], [1.0, 3.0, 0.5])
    third, gamma = second.gamma(SHAPES, scale=[2.0, 1.0, 0.5, 1.0])
    fourth, beta = third.beta(SHAPES, [0.3, 1.0, 3.0, 25.0])
    _, shares = fourth.dirichlet(np.array([[0.05, 0.5, 1.0], [2.0, 3.0, 11.0]]))
    return rng, [normal, gamma, beta, shares]


LAWS = [
    *(stats.norm(*p) for p in ((1.0, 1.0), (-2.0, 3.0), (0.0, 0.5))),
    *(stats.gamma(a, scale=s) for a, s in zip(SHAPES, (2.0, 1.0, 0.5, 1.0), strict=True)),
    *(stats.beta(a, b) for a, b in zip(SHAPES, (0.3, 1.0, 3.0, 25.0), strict=True)),
    *(stats.beta(a, 1.55 - a) for a in (0.05, 0.5, 1.0)),
    *(stats.beta(a, 16.0 - a) for a in (2.0, 3.0, 11.0)),
]


def rows_of(backend: str, num_rows: int) -> np.ndarray:
    """Return draws, (rows, numbers)."""
    rng, draws = graphs_of_draws()
    graphs, signs = with_given_signs(draws)
    function = get_backend(backend).fill(signs, graphs, rng)
    arrays = balanced_signs([static_shape(sign) for sign in signs], num_rows, np.random.default_rng(5))
    found = np.empty((num_rows, len(LAWS)))
    function(found, arrays, [(slice(0, num_rows), np.random.default_rng(6))], 1)
    return found


@pytest.fixture(scope="module", params=["numba", "jax"])
def drawn(request: pytest.FixtureRequest) -> np.ndarray:
    return rows_of(request.param, ROWS)


def check_laws(drawn: np.ndarray) -> None:
    """Of the rows with even numbers by themselves, and of the others: nothing says what comes first."""
    for rows in (drawn[::2], drawn[1::2]):
        for column, law in zip(rows.T, LAWS, strict=True):
            assert stats.kstest(column, law.cdf).pvalue > FEWEST


def test_each_draw_is_from_its_law(drawn) -> None:
    check_laws(drawn)


def test_each_draw_by_c_is_from_its_law() -> None:
    check_laws(rows_of("c", 2**11))


def test_numbers_of_a_row_are_independent(drawn) -> None:
    """Of the normal, gamma and beta ones; and whether one is large says nothing of another."""
    ranks = np.stack(
        [stats.norm.ppf(np.clip(law.cdf(c), 1e-9, 1 - 1e-9)) for c, law in zip(drawn.T, LAWS, strict=True)]
    )
    found = np.corrcoef(np.concatenate([ranks[:11], ranks[:11] ** 2]))
    # Of a number and its own square the error is larger.
    first, second = np.triu_indices(len(found), 1)
    away = found[first, second][second != first + 11]
    # Products of signs are zero over each set, so that these err no more than those of independent numbers.
    assert np.abs(away).max() < 5.0 / np.sqrt(ROWS)


def test_averages_err_less(drawn) -> None:
    """Averages of 64 rows, of normal numbers and of others in standard deviations."""
    own = {i: drawn[:, i] for i in (0, 4, 5, 6, 8, 9, 10, 14, 15, 16)}
    variances = {i: LAWS[i].var() for i in own}
    groups = {i: c.reshape(-1, 64).mean(axis=1).var() * 64 / variances[i] for i, c in own.items()}
    # A variance of 256 averages has a relative standard error of (2 / 255) ** 0.5, 0.09.
    assert groups[0] == pytest.approx(1.0 - 2.0 / np.pi, rel=0.4)
    assert max(groups.values()) < 0.85
    standard = drawn[:, 0] - 1.0
    for values, variance in ((standard**2, 2.0), (standard < -1.645, 0.0475), (standard * drawn[:, 2] / 0.5, 1.0)):
        assert values.reshape(-1, 64).mean(axis=1).var() * 64 / variance < 1.4


def signs_of(shapes, num_rows, seed):
    """Return signs as numbers."""
    found = balanced_signs(shapes, num_rows, np.random.default_rng(seed))
    # Numbers would take as much memory as what is drawn.
    assert all(array.dtype == bool for array in found)
    return [2.0 * array - 1.0 for array in found]


@pytest.mark.parametrize("num_numbers", [1, 7, 8, 9, 100, 255])
def test_signs_balance_each_other(num_numbers) -> None:
    """The first row is the second of a pair."""
    length = rows_of_set(num_numbers)
    [signs] = signs_of([(num_numbers,)], 3 * length - 1, 1)
    np.testing.assert_array_equal(signs[1:-1:2], -signs[2::2])
    for rows in signs[length - 1 :].reshape(2, length, num_numbers):
        np.testing.assert_array_equal(rows.T @ rows, length * np.eye(num_numbers))


def test_signs_of_more_numbers_than_functions_are_not_the_same() -> None:
    """Of two that share a function the product is that of independent signs, pair by pair: 64 sets of 256 pairs."""
    [signs] = signs_of([(600,)], 64 * 512 - 1, 4)
    products = signs.T @ signs / len(signs)
    # Means of 16,384 independent products have a standard error of 1 / 128; there are 180,000 of them.
    assert np.abs(products[np.triu_indices(600, 1)]).max() < 6.0 / 128.0


def test_signs_of_fewer_rows_are_the_first_of_more() -> None:
    for shapes in ([(3,), (), (2, 5)], [(300,)]):
        longer, shorter = (signs_of(shapes, n, 2) for n in (1000, 37))
        for some, more in zip(shorter, longer, strict=True):
            np.testing.assert_array_equal(some, more[:37])


@pytest.mark.parametrize(("num_numbers", "shapes"), [(0, []), (0, [(0,), (0, 3)]), (600, [(600,)])])
def test_numbers_that_are_none_and_very_many(num_numbers, shapes) -> None:
    found = signs_of(shapes, 11, 3)
    assert [array.shape for array in found] == [(11, *shape) for shape in shapes]
    assert sum(array[0].size for array in found) == num_numbers
    for array in found:
        np.testing.assert_array_equal(array[1::2], -array[2::2])


def test_first_rows_have_fair_signs() -> None:
    """Of 4000 generators: each sign, and each product of two, is one as often as the other."""
    rows = np.stack([signs_of([(4,)], 1, i)[0][0] for i in range(4000)])
    products = rows.T @ rows / 4000
    np.testing.assert_allclose(rows.mean(axis=0), 0.0, atol=4.5 / np.sqrt(4000))
    np.testing.assert_allclose(products, np.eye(4), atol=4.5 / np.sqrt(4000))


@pytest.mark.parametrize("backend", ["numba", "jax", "c"])
def test_shapes_that_are_no_shapes(backend) -> None:
    """Of zero all mass is at zero; of less there is no distribution."""
    rng, shape = pt.random.rng("rng"), pt.tensor("shape", shape=(3,))
    _, draw = rng.gamma(shape, scale=1.0)
    graphs, signs = with_given_signs([draw])
    found = np.empty((2, 3))
    given = [np.array([[0.0, -1.0, 2.0]] * 2), *balanced_signs([(3,)], 2, np.random.default_rng(1))]
    function = get_backend(backend).fill([shape, *signs], graphs, rng)
    function(found, given, [(slice(0, 2), np.random.default_rng(2))], 1)
    np.testing.assert_array_equal(found[:, 0], 0.0)
    assert np.isnan(found[:, 1]).all()
    assert (found[:, 2] > 0.0).all()


def test_what_has_no_static_shape_stays() -> None:
    rng = pt.random.rng("rng")
    _, draw = rng.normal(pt.dvector("mean"), 1.0)
    graphs, signs = with_given_signs([draw])
    assert graphs == [draw]
    assert not signs
