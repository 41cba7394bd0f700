"""Data are refused where SciPy's density vanishes, or is not defined, and nowhere else.

Answers: where SciPy's density vanishes or is not defined.
"""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytest
from scipy import stats

import ppl
from graphs.errors import ModelError


def unknown():
    return ppl.Gamma("unknown", 2, 1)


CASES = {
    "Dirichlet": (
        lambda: ppl.Dirichlet("y", unknown() * np.ones(3)),
        stats.dirichlet(np.ones(3)).logpdf,
        [[0.2, 0.3, 0.5], [1 / 3, 1 / 3, 1 / 3]],
        [[0.5, 0.5, 0.5], [0.1, 0.1, 0.1], [0.333, 0.333, 0.333], [-0.2, 0.7, 0.5]],
    ),
    "StickBreakingWeights": (
        lambda: ppl.StickBreakingWeights("y", unknown(), 2),
        stats.dirichlet(np.ones(3)).logpdf,
        [[0.2, 0.3, 0.5]],
        [[0.1, 0.1, 0.1]],
    ),
    "Multinomial": (
        lambda: ppl.Multinomial("y", 5, ppl.Dirichlet("p", np.ones(3))),
        stats.multinomial(5, [0.2, 0.3, 0.5]).logpmf,
        [[1, 2, 2], [5, 0, 0]],
        [[1, 2, 3], [0, 0, 0], [-1, 3, 3]],
    ),
    "DirichletMultinomial": (
        lambda: ppl.DirichletMultinomial("y", 5, unknown() * np.ones(3)),
        stats.multinomial(5, [0.2, 0.3, 0.5]).logpmf,
        [[1, 2, 2]],
        [[1, 2, 3]],
    ),
    "Wishart": (
        lambda: ppl.Wishart("y", 5, unknown() * np.eye(2)),
        stats.wishart(5, np.eye(2)).logpdf,
        [[[1.0, 0.2], [0.2, 1.0]]],
        [[[1.0, 2.0], [2.0, 1.0]]],
    ),
    "InverseWishart": (
        lambda: ppl.InverseWishart("y", 5, np.eye(2)),
        stats.invwishart(5, np.eye(2)).logpdf,
        [[[1.0, 0.2], [0.2, 1.0]]],
        [[[1.0, 2.0], [2.0, 1.0]]],
    ),
    "Binomial": (
        lambda: ppl.Binomial("y", [3, 5], ppl.Beta("p", 1, 1)),
        lambda y: stats.binom([3, 5], 0.5).logpmf(y).sum(),
        [[3, 5], [0, 0]],
        [[4, 4], [3, -1]],
    ),
    "HyperGeometric": (
        lambda: ppl.HyperGeometric("y", 10, 5, 8),
        stats.hypergeom(10, 5, 8).logpmf,
        [3, 5],
        [2, 6],
    ),
    "Uniform": (
        lambda: ppl.Uniform("y", [0.0, 1.0], [1.0, 2.0]),
        lambda y: stats.uniform([0.0, 1.0], 1.0).logpdf(y).sum(),
        [[0.5, 1.5]],
        [[0.5, 0.5], [1.5, 1.5]],
    ),
    "Pareto": (
        lambda: ppl.Pareto("y", unknown(), [1.0, 3.0]),
        lambda y: stats.pareto(2.0, scale=[1.0, 3.0]).logpdf(y).sum(),
        [[2.0, 4.0]],
        [[2.0, 2.0]],
    ),
    "TruncatedNormal": (
        lambda: ppl.TruncatedNormal("y", unknown(), 1, lower=[0.0, -1.0]),
        lambda y: stats.truncnorm([0.0, -1.0], np.inf).logpdf(y).sum(),
        [[0.5, -0.5]],
        [[-0.5, -0.5]],
    ),
    "DiscreteUniform": (
        lambda: ppl.DiscreteUniform("y", [0, 2], [3, 5]),
        lambda y: stats.randint(np.array([0, 2]), np.array([4, 6])).logpmf(y).sum(),
        [[0, 5], [3, 2]],
        [[1, 1], [4, 2]],
    ),
}


@pytest.mark.parametrize("title", CASES)
def test_against_scipy(title):
    declare, reference, possible, impossible = CASES[title]

    def density(data):
        # SciPy raises, or says that the density vanishes.
        try:
            return reference(np.array(data))
        except (ValueError, np.linalg.LinAlgError):
            return -np.inf

    for data in possible:
        assert np.isfinite(density(data))
        ppl.Model({declare(): np.array(data)})
    for data in impossible:
        assert density(data) == -np.inf
        with pytest.raises(ModelError, match="data of y"):
            ppl.Model({declare(): np.array(data)})


@pytest.mark.parametrize(
    ("declare", "data", "message"),
    [
        (lambda: ppl.LKJCorr("y", 2, 1.0), [[1.0, 0.6], [0.6, 1.0]], "not Cholesky factors of correlation matrices"),
        (lambda: ppl.ZeroSumNormal("y", 1.0, shape=3), [1.0, 1.0, 1.0], "do not sum to zero"),
        (lambda: ppl.ZeroSumNormal("y", 1.0, n_zerosum_axes=2, shape=(2, 2)), [[1.0, -1.0], [1.0, -1.0]], "zero"),
        (lambda: ppl.Censored("y", pm.Normal.dist(unknown(), 1), lower=0.0, upper=1.0), [0.5, 1.5], r"y\[1\] = 1.5"),
        (lambda: ppl.Truncated("y", pm.Normal.dist(unknown(), 1), upper=[0.0, 1.0]), [0.5, 0.5], r"y\[0\] = 0.5"),
        (lambda: ppl.Multinomial("y", [5, 6], np.ones(2) / 2), [[2, 3], [2, 3]], r"do not sum to n: y\[1\] = \[2, 3\]"),
        (lambda: ppl.OrderedMultinomial("y", 0.0, [1.0, 2.0], 5), [1, 2, 3], "do not sum to n"),
    ],
)
def test_the_first_impossible_row_is_named(declare, data, message):
    with pytest.raises(ModelError, match=message):
        ppl.Model({declare(): np.array(data)})


@pytest.mark.parametrize(
    ("declare", "data"),
    [
        (lambda: ppl.LKJCorr("y", 2, 1.0), [[1.0, 0.0], [0.6, 0.8]]),
        (lambda: ppl.ZeroSumNormal("y", 1.0, shape=3), [1.0, -2.0, 1.0]),
        (lambda: ppl.Censored("y", pm.Normal.dist(0, 1), lower=0.0, upper=1.0), [0.0, 0.5, 1.0]),
        (lambda: ppl.Uniform("y", 0, unknown()), [0.5, 7.0]),
        (lambda: ppl.Dirichlet("y", np.ones(3)), np.float32([0.2, 0.3, 0.5])),
        (lambda: ppl.Dirichlet("y", np.ones(3)), [[0.2, 0.3, 0.5], [np.nan] * 3]),
        (lambda: ppl.Dirichlet("y", np.ones(3), size=0), np.empty((0, 3))),
    ],
)
def test_what_is_possible_is_taken(declare, data):
    ppl.Model({declare(): np.array(data)})


@pytest.mark.parametrize("kind", [ppl.Poisson, ppl.Geometric])
@pytest.mark.parametrize("dtype", ["float64", "float32", "object"])
def test_counts_may_be_columns_of_floats(kind, dtype):
    """Tables of numbers with holes hold floats: whole ones are counts, whether or not this column has a hole."""
    counts = np.array([2, 5, 1])
    model = ppl.Model({kind("y", unknown()): counts.astype(dtype)})
    [(_, held)] = model.graph.observed.values()
    assert held.type.dtype == "int64"
    np.testing.assert_array_equal(held.data, counts)
    with pytest.raises(ModelError, match=r"y are whole numbers; y\[1\] = 5.5"):
        ppl.Model({kind("y", unknown()): counts + np.array([0, 0.5, 0])})
