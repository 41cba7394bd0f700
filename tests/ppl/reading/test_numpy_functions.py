"""NumPy's functions of random variables are NumPy's, whatever holds the other numbers, or refused by the name.

Answers: NumPy.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
import scipy.special
import xarray as xr
from pymc.sampling.mcmc import assign_step_methods

import ppl
from graphs.surgery.interpreting import interpret

VALUE = np.array([0.3, 0.7, 0.2])
OTHER = np.array([1.0, 0.5, 0.25])
HOLDERS = {
    "array": np.asarray,
    "masked": np.ma.masked_array,
    "column": lambda a: pd.Series(a, index=list("abc")),
    "nullable": lambda a: pd.Series(a, dtype="Float64"),
    "index": pd.Index,
    "labelled": lambda a: xr.DataArray(a, dims="t"),
}
OF_TWO = {
    **{f.__name__: f for f in (np.add, np.subtract, np.multiply, np.divide, np.power, np.floor_divide, np.remainder)},
    **{f.__name__: f for f in (np.maximum, np.minimum, np.less, np.greater_equal, np.equal, np.arctan2, np.logaddexp)},
    **{f.__name__: f for f in (np.matmul, np.dot, np.outer, np.logical_and, np.logical_or)},
    "where": lambda a, b: np.where(a > 0.4, a, b),
    "stack": lambda a, b: np.stack([a, b]),
    "concatenate": lambda a, b: np.concatenate([a, b], axis=0),
}
OF_ONE = {
    **{f.__name__: f for f in (np.exp, np.log, np.sqrt, np.square, np.negative, np.positive, np.absolute, np.fabs)},
    **{f.__name__: f for f in (np.rint, np.floor, np.isnan, np.degrees, np.radians, np.expm1, np.sign, np.logical_not)},
    **{
        f.__name__: f
        for f in (np.sum, np.mean, np.prod, np.max, np.amin, np.argmax, np.any, np.all, np.cumsum, np.sort)
    },
    **{f.__name__: f for f in (np.ravel, np.zeros_like, np.ones_like, np.diag, np.transpose, np.atleast_2d, np.diff)},
    **{f.__name__: f for f in (scipy.special.expit, scipy.special.gammaln, scipy.special.erf)},
    "shape": np.shape,
    "size": np.size,
    "clip": lambda a: np.clip(a, 0.25, 0.5),
    "clip from below": lambda a: np.clip(a, 0.25, None),
    "clip by name": lambda a: np.clip(a, min=0.25, max=0.5),
    "std": lambda a: np.std(a, ddof=1),
    "var in order": lambda a: np.var(a, 0),
    "sum of rows": lambda a: np.sum(a[None, :] * a[:, None], axis=1, keepdims=True),
    "reshape": lambda a: np.reshape(a, (3, 1)),
    "kron": lambda a: np.kron(a[:, None], OTHER[None, :]),
    "expand": lambda a: np.expand_dims(a, 0),
    "repeat": lambda a: np.repeat(a, 2),
    "tile": lambda a: np.tile(a, 2),
    "roll": lambda a: np.roll(a, 1),
    "full": lambda a: np.full_like(a, 2.5),
    "broadcast": lambda a: np.broadcast_to(a, (2, 3)),
    "einsum": lambda a: np.einsum("i,j->ij", a, a),
    "inverse": lambda a: np.linalg.inv(np.eye(3) + a[:, None] * a),
    "determinant": lambda a: np.linalg.det(np.eye(3) + a[:, None] * a),
    "solve": lambda a: np.linalg.solve(np.eye(3) + a[:, None] * a, OTHER),
}


def _evaluated(expression, b):
    return interpret([b], [expression])(VALUE)[0]


@pytest.fixture
def b():
    return ppl.Normal("b", 0, 1, size=3)


@pytest.mark.parametrize("function", OF_TWO.values(), ids=OF_TWO)
@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
def test_functions_of_two(b, holder, function):
    np.testing.assert_allclose(_evaluated(function(holder(OTHER), b), b), function(OTHER, VALUE))
    if function is not OF_TWO["where"]:
        np.testing.assert_allclose(_evaluated(function(b, holder(OTHER)), b), function(VALUE, OTHER))


@pytest.mark.parametrize("function", OF_ONE.values(), ids=OF_ONE)
def test_functions_of_one(b, function):
    np.testing.assert_allclose(_evaluated(function(b), b), function(VALUE), rtol=1e-12)


def test_libraries_get_the_arrays_of_objects_that_they_expect(b):
    source = "def of(variable):\n    return np.atleast_1d(variable), np.stack([variable, variable])"
    there, here = {"np": np}, {"np": np}
    exec(compile(source, "/somewhere/site-packages/library/arrays.py", "exec"), there)
    exec(compile(source, "model.py", "exec"), here)
    assert there["of"](b)[0].dtype == object
    assert there["of"](b)[0][0] is b
    assert here["of"](b)[1].type.shape == (2, 3)


def test_step_methods_of_pymc_are_chosen_as_without_us():
    with pm.Model():
        x = pm.Normal("x", size=3)
        pm.Normal("y", x, 1, observed=VALUE)
        steps, selected = assign_step_methods(pm.modelcontext(None))
    assert not steps
    assert list(selected) == [pm.NUTS]


def test_number_of_axes(b):
    assert np.ndim(b) == 1


@pytest.mark.parametrize("number", [np.float64(3.0), np.array(3)])
def test_one_number_is_no_variable(b, number):
    """As a number of Python's is none."""
    assert [number == b, b == number, number != b, b != number] == [False, False, True, True]
    np.testing.assert_array_equal(_evaluated(np.equal(b, 3.0), b), VALUE == 3.0)


def test_rewrites_that_compare_lengths_with_variables():
    """PyTensor's own go on: they take what is no number for another length."""
    x = ppl.Normal("x", 0, 1, size=5)
    model = ppl.Model({ppl.Normal("y", pt.stack([x, x]).ravel(), 1.0): np.arange(10.0)})
    with pytensor.config.change_flags(on_opt_error="raise"):
        assert ppl.plan(model, sampler="gibbs").method_of("x") == "gibbs"


@pytest.mark.parametrize("given", [np.ma.masked_array(OTHER, [0, 1, 0]), pd.Series([1, None, 3], dtype="Int64")])
def test_gaps_are_refused(b, given):
    for function in (np.multiply, np.less, np.dot, np.maximum):
        with pytest.raises(ppl.ModelError, match=r"combined with b by .*are missing in part.*fill them in"):
            function(given, b)


REFUSED = {
    "reduction": lambda b: np.add.reduce(b),
    "outer": lambda b: np.subtract.outer(b, OTHER),
    "where": lambda b: np.exp(b, where=OTHER > 0.4),
    "out": lambda b: np.exp(b, out=np.zeros(3)),
    "no counterpart": lambda b: np.histogram(b),
    "no such function": lambda b: np.gcd(b, 2),
    "Fourier": lambda b: np.fft.fft(b),
    "argument": lambda b: np.round(b, 2),
    "shape": lambda b: np.linalg.inv(b),
    "strings": lambda b: np.maximum(b, np.array(list("abc"))),
    "dates": lambda b: np.multiply(pd.Series(pd.date_range("2020", periods=3)), b),
    "dataset": lambda b: np.multiply(xr.Dataset({"a": ("t", OTHER)}), b),
    "lengths": lambda b: np.add(np.ones(4), b),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_what_variables_cannot_do_is_refused_by_name(b, call):
    with pytest.raises(ppl.ModelError, match=r"\bb\b") as raised:
        call(b)
    assert raised.value.variable == "b"
