"""The peak of a law is SciPy's log-density at its mode, and has the gradient that its closed form has.

Answers: SciPy's log-densities at modes in closed form.
"""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
from scipy import stats
from scipy.sparse import csr_matrix

from graphs.conditional.families.affine import Affine
from graphs.conditional.families.block_normal import BlockNormal
from graphs.conditional.families.gamma import Gamma
from graphs.conditional.families.multivariate_normal import MultivariateNormal
from graphs.conditional.families.normal import Normal
from graphs.conditional.families.sparse_normal import SparseNormal
from graphs.sparse.pattern import find_pattern
from graphs.surgery.interpreting import interpret

RNG = np.random.default_rng(14)


def precisions(*shape):
    half = RNG.normal(size=shape)
    return half @ np.swapaxes(half, -1, -2) + np.eye(shape[-1])


def top_of(precision, linear):
    """Return the largest log-density of a normal vector."""
    covariance = np.linalg.inv(precision)
    mean = covariance @ linear
    return stats.multivariate_normal.logpdf(mean, mean, (covariance + covariance.T) / 2)


def test_normal():
    variance = RNG.uniform(0.1, 4.0, size=5)
    law = Normal(pt.vector("x", shape=(5,)), {"mean": pt.zeros(5), "variance": pt.constant(variance)})
    np.testing.assert_allclose(interpret([], law.peak())(), stats.norm.logpdf(0.0, 0.0, np.sqrt(variance)).sum())


def test_multivariate_normal():
    precision, linear = precisions(6, 6), RNG.normal(size=6)
    graph = pt.matrix("precision", shape=(6, 6))
    law = MultivariateNormal(pt.matrix("x", shape=(2, 3)), {"precision": graph, "linear": pt.constant(linear)})
    peak, slope = interpret([graph], [law.peak(), pt.grad(law.peak(), graph)])(precision)
    np.testing.assert_allclose(peak, top_of(precision, linear), rtol=1e-12)
    np.testing.assert_allclose(slope, 0.5 * np.linalg.inv(precision), rtol=1e-9, atol=1e-12)


def test_blocks_of_their_own_and_of_one_precision():
    linear = RNG.normal(size=(4, 3))
    for precision in (precisions(4, 3, 3), precisions(1, 3, 3)):
        graph = pt.tensor("precision", shape=precision.shape)
        law = BlockNormal(pt.matrix("x", shape=(4, 3)), {"precision": graph, "linear": pt.constant(linear)}, (1,))
        peak, slope = interpret([graph], [law.peak(), pt.grad(law.peak(), graph)])(precision)
        each = np.broadcast_to(precision, (4, 3, 3))
        np.testing.assert_allclose(peak, sum(map(top_of, each, linear)), rtol=1e-12)
        np.testing.assert_allclose(slope, 2.0 / len(precision) * np.linalg.inv(precision), rtol=1e-9, atol=1e-12)


def test_sparse_normal():
    """Of a chain of five; the log-density elsewhere is SciPy's too."""
    adjacency = np.eye(5, k=1) + np.eye(5, k=-1)
    pattern = find_pattern(csr_matrix(adjacency))
    matrix = 2.5 * np.eye(5) - adjacency * RNG.uniform(0.2, 1.0)
    linear, point = RNG.normal(size=(2, 5))
    values, x = pt.vector("values", shape=(9,)), pt.vector("x", shape=(5,))
    law = SparseNormal(x, {"precision": values, "linear": pt.constant(linear)}, pattern)
    outputs = [law.peak(), law.logprob(x), law.mean(), pt.grad(law.peak(), values)]
    peak, logprob, mean, slope = interpret([values, x], outputs)(matrix[pattern.first, pattern.second], point)
    inverse = np.linalg.inv(matrix)
    np.testing.assert_allclose(peak, top_of(matrix, linear), rtol=1e-12)
    expected = stats.multivariate_normal.logpdf(point, inverse @ linear, (inverse + inverse.T) / 2)
    np.testing.assert_allclose(logprob, expected, rtol=1e-11)
    np.testing.assert_allclose(mean, inverse @ linear, rtol=1e-11)
    times = np.where(pattern.first == pattern.second, 0.5, 1.0)
    np.testing.assert_allclose(slope, times * inverse[pattern.first, pattern.second], rtol=1e-10)


def test_shifted_and_scaled():
    shape, rate = RNG.uniform(1.5, 4.0, size=(2, 3))
    x = pt.vector("x", shape=(3,))
    parameters = {"shape": pt.constant(shape), "rate": pt.constant(rate)}
    law = Affine(x, parameters, Gamma(x, parameters), 3.0, -2.0)
    expected = stats.gamma.logpdf((shape - 1) / rate, shape, scale=1 / rate).sum() - 3 * np.log(2.0)
    np.testing.assert_allclose(interpret([], law.peak())(), expected, rtol=1e-12)
