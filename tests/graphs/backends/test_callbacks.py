"""Operations without machine code are called back: the values of NumPy, in all backends; errors name the operation.

Answers: the functions of NumPy and SciPy that are called.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from scipy import special

from graphs.backends import get_backend
from graphs.backends.numba import compile_program
from graphs.backends.numba.lowering.fallback import called_back
from graphs.errors import BackendError, SamplingError

X = pt.tensor("x", shape=(3,), dtype="float64")
K = pt.tensor("k", shape=(2,), dtype="int64")
VALUES = [np.array([0.3, -1.2, 2.5]), np.array([4, 7])]


class BlackBox(Op):
    """Any function of arrays; without a gradient unless that is a function too."""

    def __init__(self, function, kinds, gradient=None):
        self.function, self.kinds, self.gradient = function, kinds, gradient

    def __str__(self):
        return "BlackBox"

    def make_node(self, *inputs):
        return Apply(self, [pt.as_tensor(i) for i in inputs], [kind() for kind in self.kinds])

    def perform(self, node, inputs, output_storage):
        results = self.function(*inputs)
        for cell, result in zip(output_storage, results if isinstance(results, tuple) else (results,), strict=True):
            cell[0] = np.asarray(result)

    def pullback(self, inputs, outputs, cotangents):
        if self.gradient is None:
            raise NotImplementedError("no gradient")
        return self.gradient(inputs, cotangents)


def two(x, k):
    assert x.dtype == "float64"
    assert k.dtype == "int64"
    return np.outer(x, k), k[::-1].copy()


TWO = BlackBox(two, [pt.TensorType("float64", (3, 2)), pt.TensorType("int64", (2,))])


@pytest.mark.parametrize("backend", ["numba", "c", "jax"])
def test_values(backend):
    """Several inputs and outputs, of both kinds; views, scalars and further operations around them."""
    product, turned = TWO(X[::-1] * 2, K)
    scalar = BlackBox(lambda x: special.expit(x).sum(), [pt.dscalar])(X)
    got = get_backend(backend).function([X, K], [product.T + 1, turned, scalar * X])(*VALUES)
    x, k = VALUES
    np.testing.assert_allclose(got[0], np.outer(2 * x[::-1], k).T + 1, rtol=1e-14)
    np.testing.assert_array_equal(got[1], k[::-1])
    np.testing.assert_allclose(got[2], special.expit(x).sum() * x, rtol=1e-14)


@pytest.mark.parametrize("backend", ["numba", "jax"])
def test_inside_scans(backend):
    tripled = BlackBox(lambda x: 3.0 * x, [pt.dvector])
    steps = pytensor.scan(
        lambda x: pt.specify_shape(tripled(x), (3,)) + 1, outputs_info=X, n_steps=3, return_updates=False
    )
    [got] = get_backend(backend).function([X], [steps])(VALUES[0])
    x = VALUES[0]
    np.testing.assert_allclose(got, [3 * x + 1, 9 * x + 4, 27 * x + 13], rtol=1e-14)


def test_shapes_that_only_running_tells():
    """Probabilities above one are refused: it is enough that some example can be run."""

    def roots(p):
        if not 0 < p < 1:
            raise ValueError("no probability")
        return np.full(4, p)

    p = pt.dscalar("p")
    program = compile_program([p], [BlackBox(roots, [pt.dvector])(p)])
    np.testing.assert_array_equal(program([0.25])[1], np.full(4, 0.25))
    with pytest.raises(BackendError, match=r"BlackBox.*specify_shape"):
        compile_program([p], [BlackBox(lambda p: np.ones(int(p)), [pt.dvector])(p)])
    with pytest.raises(BackendError, match=r"Unique.*specify_shape"):
        compile_program([X], [pt.unique(X).sum()])


def fail(x):
    if x[0] < 0:
        raise RuntimeError("negative\nand more")
    return x.sum()


@pytest.mark.parametrize("backend", ["numba", "c", "jax"])
def test_errors_name_the_operation(backend):
    function = get_backend(backend).function([X], [BlackBox(fail, [pt.dscalar])(X)])
    with pytest.raises(SamplingError, match=r"BlackBox failed: RuntimeError: negative\.$") as caught:
        function(-np.ones(3))
    assert caught.value.op == "BlackBox"
    # The error is not kept.
    assert function(np.ones(3)) == [3.0]


def test_errors_stay_in_their_thread():
    program = compile_program([X], [], value=BlackBox(fail, [pt.dscalar])(X))

    def run(i):
        try:
            return program(np.full(3, float(i)))[0]
        except SamplingError:
            return None

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, [1, -1] * 50)) == [3.0, None] * 50


def test_a_result_of_another_shape():
    program = compile_program(
        [X], [pt.specify_shape(BlackBox(lambda x: np.ones(x.size + (x[0] == 7)), [pt.dvector])(X), (3,))]
    )
    with pytest.raises(SamplingError, match=r"it gave an array of shape \(4,\), not \(3,\)"):
        program([7.0, 0.0, 0.0])


def test_jax_takes_the_gradient_of_pytensor():
    """Of ``sum k sin x``, with respect to x; integers have none."""
    import jax

    from graphs.backends.jax.backend import jax_callable

    op = BlackBox(
        lambda x, k: k.sum() * np.sin(x).sum(),
        [pt.dscalar],
        lambda inputs, cotangents: [
            cotangents[0] * inputs[1].sum() * pt.cos(inputs[0]),
            pytensor.gradient.DisconnectedType()(),
        ],
    )
    function = jax_callable([X, K], [op(X**2, K)])
    gradient = jax.jit(jax.grad(lambda x, k: function(x, k)[0]))(*VALUES)
    np.testing.assert_allclose(gradient, 11 * np.cos(VALUES[0] ** 2) * 2 * VALUES[0], rtol=1e-12)


def test_random_operations_without_a_recipe():
    """Moments of a random variable that NumPy alone knows; draws depend on the generator of the program alone."""
    from pytensor.tensor.random.op import RandomVariable

    class Zipf(RandomVariable):
        name, signature, dtype = "zipf", "()->()", "int64"

        def rng_fn(self, rng, a, size):
            return rng.zipf(a, size)

    for backend in ("numba", "jax"):
        rng = pt.random.rng("rng")
        _, draw = Zipf()(pt.constant(5.0), size=(20_000,), rng=rng, return_next_rng=True)
        function = get_backend(backend).function([], [draw], rng=rng)
        [first], [again], [other] = (function(np.random.default_rng(seed)) for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()
        # Of 20 000 draws, five standard errors.
        mean, variance = (special.zeta(5 - k) / special.zeta(5) for k in (1, 2))
        assert abs(first.mean() - mean) < 5 * np.sqrt((variance - mean**2) / 20_000)


def test_what_is_called_back_is_named():
    assert called_back([TWO(X, K)[0].sum() + pt.exp(X).sum()]) == ["BlackBox"]
    assert called_back([pt.linalg.cholesky(pt.outer(X, X) + pt.eye(3))]) == []
