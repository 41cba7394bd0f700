"""Products, factors, systems, inverses and determinants of matrices of all sizes, shapes and places in memory.

Answers: NumPy and SciPy, matrix by matrix.
"""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import scipy.linalg
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.linalg.inverse import MatrixInverse
from pytensor.tensor.linalg.solvers.general import Solve
from pytensor.tensor.linalg.solvers.psd import CholeskySolve
from pytensor.tensor.linalg.solvers.triangular import SolveTriangular
from pytensor.tensor.linalg.summary import Det, SLogDet

from graphs.backends.numba import compile_program
from graphs.backends.numba.translation.compiler import REFUSED

SIZES = [1, 2, 5, 24, 25, 40]
"""On both sides of where loops end and BLAS begins."""


def positive(size: int, *batch: int) -> np.ndarray:
    """Return matrices that have a Cholesky factor."""
    root = np.random.default_rng(size).normal(size=(*batch, size, size))
    return root @ root.swapaxes(-1, -2) + size * np.eye(size)


def computed(outputs: list, inputs: dict) -> list:
    """Return what a program gives; it is translated, not left to Numba, so that it is there at once."""
    before = set(REFUSED)
    names = list(inputs)
    program = compile_program(names, [output.astype("float64") for output in outputs])
    flat = np.concatenate([np.ravel(value) for value in inputs.values()])
    _, found = program(flat)
    assert set(REFUSED) <= before, {name: why for name, why in REFUSED.items() if name not in before}
    shapes = [output.type.shape for output in outputs]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(found, ends[:-1]), shapes, strict=True)]


def variable(value: np.ndarray) -> pt.TensorVariable:
    """Return a variable of the shape of an array."""
    return pt.tensor(shape=np.shape(value), dtype="float64")


def each(function, *arrays, core=(2,)):
    """Apply a function matrix by matrix, leading dimensions broadcast."""
    leads = [a.shape[: a.ndim - c] for a, c in zip(arrays, core, strict=True)]
    batch = np.broadcast_shapes(*leads)
    given = [np.broadcast_to(a, batch + a.shape[a.ndim - c :]) for a, c in zip(arrays, core, strict=True)]
    flat = [function(*(g[place] for g in given)) for place in np.ndindex(*batch)]
    return np.array(flat).reshape(batch + np.shape(flat[0]))


@pytest.mark.parametrize("size", SIZES)
def test_factors(size):
    matrices = positive(size, 3)
    a, b = variable(matrices), variable(matrices[0])
    lower, upper, one = computed(
        [pt.linalg.cholesky(a), pt.linalg.cholesky(a, lower=False), pt.linalg.cholesky(b)],
        {a: matrices, b: matrices[0]},
    )
    wanted = np.linalg.cholesky(matrices)
    np.testing.assert_allclose(lower.reshape(wanted.shape), wanted, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(upper.reshape(wanted.shape), wanted.swapaxes(1, 2), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(one.reshape(size, size), wanted[0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_only_one_triangle_of_a_matrix_is_read_for_its_factor(size):
    matrix = positive(size)
    a = variable(matrix)
    wanted = np.linalg.cholesky(matrix)
    [lower] = computed([pt.linalg.cholesky(a)], {a: np.tril(matrix)})
    [upper] = computed([pt.linalg.cholesky(a, lower=False)], {a: np.triu(matrix)})
    np.testing.assert_allclose(lower.reshape(size, size), wanted, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(upper.reshape(size, size), wanted.T, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("size", [5, 40])
def test_what_has_no_factor_or_inverse_is_not_a_number(size):
    """And the next matrix of the batch is what it would be by itself."""
    matrices = positive(size, 2)
    matrices[0] = -np.eye(size)
    singular = positive(size, 2)
    singular[0, :, 0] = singular[0, :, 1] = 0.0
    a, b, right = variable(matrices), variable(singular), np.ones((2, size))
    r = variable(right)
    factor, inverse, solved = computed(
        [pt.linalg.cholesky(a), Blockwise(MatrixInverse())(b), Blockwise(Solve(b_ndim=1))(b, r)],
        {a: matrices, b: singular, r: right},
    )
    for found, wanted in (
        (factor, np.linalg.cholesky(matrices[1])),
        (inverse, np.linalg.inv(singular[1])),
        (solved, np.linalg.solve(singular[1], right[1])),
    ):
        assert np.isnan(found[0]).all()
        np.testing.assert_allclose(found[1], wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("columns", [None, 1, 3, 30])
@pytest.mark.parametrize("size", SIZES)
def test_systems(size, columns):
    """By triangular matrices, lower and upper, of rows or columns; by factors; by elimination."""
    matrices = positive(size, 2)
    ndim = 1 if columns is None else 2
    rights = np.random.default_rng(1).normal(size=(3, 1, size) if columns is None else (3, 1, size, columns))
    b = variable(rights)
    lowers, core = np.linalg.cholesky(matrices), (2, ndim)
    low = variable(lowers)
    outputs, wanted = [], []
    for is_lower in (True, False):
        given, turned = (low, low.mT) if is_lower else (low.mT, low)
        for factor in (given, turned.mT):
            value = lowers if is_lower else lowers.swapaxes(1, 2)
            outputs.append(Blockwise(SolveTriangular(lower=is_lower, b_ndim=ndim))(factor, b))
            wanted.append(
                each(lambda m, r, t=is_lower: scipy.linalg.solve_triangular(m, r, lower=t), value, rights, core=core)
            )
            outputs.append(Blockwise(CholeskySolve(lower=is_lower, b_ndim=ndim))(factor, b))
            wanted.append(each(lambda m, r, t=is_lower: scipy.linalg.cho_solve((m, t), r), value, rights, core=core))
    # PyTensor shares the factors of one matrix; of symmetric matrices one triangle is read.
    skew = np.triu(matrices) + 0.5 * np.tril(matrices, -1)
    inputs = {b: rights, low: lowers, **{variable(m): m for m in (matrices, skew, skew, skew)}}
    _, _, positive_definite, *skews = inputs
    outputs.append(Blockwise(Solve(assume_a="pos", b_ndim=ndim))(positive_definite, b))
    outputs.append(Blockwise(Solve(b_ndim=ndim))(skews[0], b[0, [0, 0]]))
    wanted.append(each(np.linalg.solve, matrices, rights, core=core))
    wanted.append(each(np.linalg.solve, skew, rights[0], core=core))
    for is_lower, s in zip((True, False), skews[1:], strict=True):
        outputs.append(Blockwise(Solve(assume_a="sym", lower=is_lower, b_ndim=ndim))(s, b))
        half = np.tril(skew, -1) if is_lower else np.triu(skew, 1).swapaxes(1, 2)
        wanted.append(each(np.linalg.solve, half + half.swapaxes(1, 2) + skew * np.eye(size), rights, core=core))
    found = computed(outputs, inputs)
    for k, (own, value) in enumerate(zip(found, wanted, strict=True)):
        np.testing.assert_allclose(own.reshape(value.shape), value, rtol=1e-8, atol=1e-11, err_msg=str(k))


@pytest.mark.parametrize("size", [2, 5, 40])
def test_factors_that_two_systems_share(size):
    """Of a matrix and its transpose, as in a gradient."""
    skew = np.random.default_rng(size).normal(size=(size, size))
    right = np.linspace(-1.0, 2.0, size)
    a, b = variable(skew), variable(right)
    outputs = [pt.linalg.solve(a, b, b_ndim=1), pt.linalg.solve(a.T, b, b_ndim=1)]
    slope = pytensor.grad(outputs[0][0], a)
    one, other, found = computed([*outputs, slope], {a: skew, b: right})
    np.testing.assert_allclose(one, np.linalg.solve(skew, right), rtol=1e-9)
    np.testing.assert_allclose(other, np.linalg.solve(skew.T, right), rtol=1e-9)
    np.testing.assert_allclose(found, -np.outer(np.linalg.inv(skew)[0], one), rtol=1e-8)


@pytest.mark.parametrize("size", SIZES)
def test_inverses_and_determinants(size):
    matrices = np.random.default_rng(size).normal(size=(4, size, size)) / np.sqrt(size)
    matrices[3] = 0.0
    a, b = variable(matrices), variable(matrices[0])
    sign, logarithm = Blockwise(SLogDet())(a)
    found = computed([Blockwise(Det())(a), sign, logarithm, Det()(b), *SLogDet()(b)], {a: matrices, b: matrices[0]})
    wanted = [np.linalg.det(matrices), *np.linalg.slogdet(matrices)]
    wanted += [np.linalg.det(matrices[0]), *np.linalg.slogdet(matrices[0])]
    for own, value in zip(found, wanted, strict=True):
        np.testing.assert_allclose(np.reshape(own, np.shape(value)), value, rtol=1e-9)
    [inverse] = computed([Blockwise(MatrixInverse())(a[:3])], {a: matrices})
    value = np.linalg.inv(matrices[:3])
    np.testing.assert_allclose(inverse.reshape(value.shape), value, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("sizes", [(17, 20, 33), (40, 17, 17), (64, 70, 81)])
def test_products_by_blas(sizes):
    """Of rows, of columns, of every second row, of blocks, of batches that are broadcast, of whole numbers."""
    rows, inner, columns = sizes
    rng = np.random.default_rng(0)
    values = {
        "left": rng.normal(size=(rows, inner)),
        "right": rng.normal(size=(inner, columns)),
        "lefts": rng.normal(size=(2, 1, rows, inner)),
        "rights": rng.normal(size=(3, inner, columns)),
        "wide": rng.normal(size=(2 * rows, 3 * inner)),
        "whole": rng.integers(-5, 5, size=(rows, inner)),
    }
    given = {name: pt.tensor(name, shape=v.shape, dtype=v.dtype) for name, v in values.items()}

    def products(left, right, lefts, rights, wide, whole):
        turn = (lambda x: np.swapaxes(x, -1, -2)) if isinstance(left, np.ndarray) else (lambda x: x.mT)
        return [
            left @ right,
            turn(right) @ turn(left),
            turn(left) @ left,
            left @ turn(left),
            lefts @ rights,
            turn(rights) @ turn(left),
            wide[::2, :inner] @ right,
            wide[rows:, inner : 2 * inner] @ right,
            turn(wide[:rows, ::3]) @ left,
            whole @ turn(whole),
            whole @ right,
        ]

    wanted = products(**values)
    found = computed(products(**given), {given[name]: value for name, value in values.items()})
    for own, value in zip(found, wanted, strict=True):
        np.testing.assert_allclose(own, value, rtol=1e-10, atol=1e-11)


def test_gradient_of_a_density_with_a_large_covariance():
    """That of the multivariate normal distribution: closed form."""
    size = 30
    matrix, y = positive(size), np.linspace(-1.0, 2.0, size)
    a, x = variable(matrix), variable(y)
    factor = pt.linalg.cholesky(a)
    white = pt.linalg.solve_triangular(factor, x, lower=True, b_ndim=1)
    value = -0.5 * (white**2).sum() - pt.log(pt.diag(factor)).sum()
    density, slope = computed([value, pytensor.grad(value, a)], {a: matrix, x: y})
    inverse = np.linalg.inv(matrix)
    np.testing.assert_allclose(density, -0.5 * y @ inverse @ y - 0.5 * np.linalg.slogdet(matrix)[1], rtol=1e-12)
    wanted = 0.5 * (np.outer(inverse @ y, inverse @ y) - inverse)
    np.testing.assert_allclose(slope + slope.T, wanted + wanted.T, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (30, 31), (31, 30)])
def test_what_is_not_square_is_not_read_beyond_its_end(shape):
    """PyTensor's implementation refuses it, and with it all that the program gives; no other memory is touched."""
    a = variable(np.ones(shape))
    for output in (MatrixInverse()(a), pt.linalg.cholesky(a)):
        assert np.isnan(compile_program([a], [output])(np.ones(shape).ravel())[1]).all()


def test_right_sides_of_another_length():
    a, b = variable(np.eye(30)), variable(np.ones(31))
    for output in (Solve(b_ndim=1)(a, b), SolveTriangular(lower=True, b_ndim=1)(a, b)):
        assert np.isnan(compile_program([a, b], [output])(np.concatenate([np.eye(30).ravel(), np.ones(31)]))[1]).all()


def test_empty_matrices(capfd):
    """The determinant of one is the product of no numbers; LAPACK would say that it is no argument."""
    a, b, c = variable(np.ones((0, 0))), variable(np.eye(30)), variable(np.ones((30, 0)))
    outputs = [Det()(a), MatrixInverse()(a).sum(), pt.linalg.solve(b, c, b_ndim=2).sum()]
    outputs.append(pt.linalg.solve_triangular(b, c, lower=True, b_ndim=2).sum())
    _, found = compile_program([a, b, c], outputs)(np.eye(30).ravel())
    np.testing.assert_array_equal(found, [1.0, 0.0, 0.0, 0.0])
    assert not capfd.readouterr().out
