"""The Numba and C backends behind their common interface.

Answers: written out, or SciPy's.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytensor.tensor as pt
import pytest
import scipy.stats
from pytensor.tensor.random.type import random_generator_type

from graphs.backends import get_backend
from graphs.backends.c import blas_notice, settle_blas
from graphs.errors import BackendError, SamplingError
from graphs.step import StepGraph

FALSE_ALARM = 1e-6


@pytest.fixture(params=["numba", "c"])
def backend(request):
    return get_backend(request.param)


def test_backends_have_names(backend):
    assert get_backend(backend.name).name == backend.name


def test_an_unknown_backend_is_refused():
    with pytest.raises(BackendError, match="Unknown backend 'fortran'; choose from numba, c, jax"):
        get_backend("fortran")


def test_missing_jax_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "blackjax", None)
    with pytest.raises(BackendError, match=r"pip install 'rvgraph\[jax\]'"):
        get_backend("jax")


def test_functions(backend):
    x, k = pt.tensor("x", shape=(3,)), pt.tensor("k", shape=(2,), dtype="int64")
    function = backend.function([x, k], [x[k] * 2, x.sum(), k + 1])
    gathered, total, shifted = function(np.array([1.0, 2.0, 3.0]), np.array([2, -1]))
    np.testing.assert_array_equal(gathered, [6.0, 6.0])
    assert total == 6.0
    np.testing.assert_array_equal(shifted, [3, 0])
    assert shifted.dtype == np.int64


def test_functions_of_unknown_shape(backend):
    x = pt.dvector("x")
    function = backend.function([x], [x.cumsum()])
    np.testing.assert_allclose(function(np.ones(4))[0], [1, 2, 3, 4])
    np.testing.assert_allclose(function(np.ones(2))[0], [1, 2])


def test_functions_without_inputs_and_names(backend):
    x = pt.tensor(shape=(2,))
    assert backend.function([x], [x.sum()])(np.ones(2))[0] == 2.0
    assert backend.function([], [pt.as_tensor(2.0)])()[0] == 2.0


def test_functions_refuse_arguments_that_do_not_fit(backend):
    x = pt.tensor("x", shape=(3,))
    function = backend.function([x], [x.sum()])
    with pytest.raises(ValueError, match="1 values are needed, for x; 2 were given"):
        function(np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match="has 2 dimensions"):
        function(np.ones((1, 3)))
    with pytest.raises((ValueError, TypeError, SamplingError)):
        function(np.ones(4))


def test_functions_that_draw(backend):
    rng, mean = random_generator_type("rng"), pt.tensor("mean", shape=())
    _, draws = rng.normal(mean, 2.0, size=5000)
    function = backend.function([mean], [draws], rng=rng)
    generator = np.random.default_rng(1)
    first, second = function(generator, 3.0)[0], function(generator, 3.0)[0]
    assert scipy.stats.kstest(first, scipy.stats.norm(3, 2).cdf).pvalue > FALSE_ALARM
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.1
    np.testing.assert_array_equal(function(np.random.default_rng(1), 3.0)[0], first)


def test_map_runs_over_the_first_axis(backend):
    x, y = pt.tensor("x", shape=(2,)), pt.tensor("y", shape=(), dtype="int64")
    mapped = backend.map([x, y], [x * y, x.sum()])
    xs, ys = np.arange(10.0).reshape(5, 2), np.arange(5)
    products, sums = mapped(xs, ys)
    np.testing.assert_array_equal(products, xs * ys[:, None])
    np.testing.assert_array_equal(sums, xs.sum(axis=1))


@pytest.mark.parametrize(
    "layout", [np.asfortranarray, lambda a: np.broadcast_to(a[:1], a.shape), lambda a: np.repeat(a, 2, axis=0)[::2]]
)
def test_map_reads_arrays_of_any_memory_layout(backend, layout):
    x = pt.tensor("x", shape=(3,))
    rows = layout(np.arange(12.0).reshape(4, 3) ** 2)
    [found] = backend.map([x], [pt.cumsum(x)])(rows)
    np.testing.assert_array_equal(found, np.cumsum(rows, axis=1))


def test_map_draws_independently(backend):
    rng, mean = random_generator_type("rng"), pt.tensor("mean", shape=())
    _, draw = rng.normal(mean, 1.0)
    [draws] = backend.map([mean], [draw], rng=rng)(np.random.default_rng(0), np.arange(2000.0))
    assert scipy.stats.kstest(draws - np.arange(2000.0), "norm").pvalue > FALSE_ALARM


def gibbs():
    """Gibbs sampling of x^2 exp(-x y^2 - y^2 + 2 y - 4 x)."""
    rng, x, y = random_generator_type("rng"), pt.tensor("x", shape=()), pt.tensor("y", shape=(1,))
    middle, new_x = rng.gamma(3.0, scale=1 / (y[0] ** 2 + 4))
    last, new_y = middle.normal(1 / (1 + new_x), pt.sqrt(1 / (2 * (1 + new_x))))
    return StepGraph(rng, (x, y), last, (new_x, new_y[None]), {"moved": abs(new_x - x), "is_large": new_y > 1})


def test_a_step(backend):
    step = backend.step(gibbs())
    values, info = step(np.random.default_rng(0), [1.0, [1.0]])
    assert [v.shape for v in values] == [(), (1,)]
    assert set(info) == {"moved", "is_large"}
    assert info["moved"] == abs(values[0] - 1.0)
    assert info["is_large"] == (values[1][0] > 1)
    again, _ = step(np.random.default_rng(0), [1.0, [1.0]])
    np.testing.assert_array_equal(again[0], values[0])


def test_a_run_of_steps_has_the_stationary_moments(backend):
    num_steps = 200_000 if backend.name == "numba" else 3000
    step = backend.step(gibbs())
    final, draws, info = step.run(np.random.default_rng(0), [1.0, [1.0]], num_steps, thin=2)
    assert draws["x"].shape == (num_steps // 2,)
    assert draws["y"].shape == (num_steps // 2, 1)
    assert final[1].shape == (1,)
    np.testing.assert_array_equal(draws["x"][-1], final[0])
    x, y = np.meshgrid(np.linspace(1e-6, 12, 1501), np.linspace(-6, 7, 1501))
    density = x**2 * np.exp(-x * y**2 - y**2 + 2 * y - 4 * x)
    density /= density.sum()
    # Successive draws are nearly independent here; a factor of 1.5 covers what correlation there is.
    error = 1.5 / np.sqrt(num_steps / 2)
    for values, grid in ((draws["x"], x), (draws["y"], y)):
        mean = (density * grid).sum()
        scale = np.sqrt((density * grid**2).sum() - mean**2)
        assert abs(values.mean() - mean) < 5 * scale * error
    assert info["is_large"] == pytest.approx((density * (y > 1)).sum(), abs=5 * error)


def test_integer_states(backend):
    rng, k = random_generator_type("rng"), pt.tensor("k", shape=(3,), dtype="int64")
    last, jump = rng.integers(0, 2, size=3)
    step = backend.step(StepGraph(rng, (k,), last, ((k + jump) % 5,), {}))
    final, draws, info = step.run(np.random.default_rng(0), [np.array([0, 1, 2])], 100)
    assert draws["k"].dtype == final[0].dtype == np.int64
    assert set(np.unique(draws["k"])) == {0, 1, 2, 3, 4}
    assert info == {}


def test_states_of_the_wrong_shape_are_refused():
    with pytest.raises(ValueError, match=r"shape \(2,\); its shape is \(1,\)"):
        get_backend("numba").step(gibbs())(np.random.default_rng(0), [1.0, [1.0, 2.0]])


def test_pytensor_s_blas_warning_is_replaced_by_a_notice():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        flags = settle_blas()
    assert (blas_notice() is None) == bool(flags)
