"""Whatever people hold their numbers in is right beside a random variable, on both sides, or refused by its name.

Answers: NumPy.
"""

from __future__ import annotations

import operator
from array import array
from decimal import Decimal

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from scipy import sparse

import ppl
from graphs.surgery.interpreting import interpret

NUMBERS = np.array([1.0, 2.0, 4.0])
HOLDERS = {
    "masked array": lambda a: np.ma.masked_array(a),
    "objects": lambda a: a.astype(object),
    "column": lambda a: pd.Series(a, index=list("abc")),
    "nullable column": lambda a: pd.Series(a.astype(int), dtype="Int64"),
    "nullable array": lambda a: pd.array(a, dtype="Float64"),
    "index": lambda a: pd.Index(a),
    "list": lambda a: a.tolist(),
    "buffer": memoryview,
    "array of Python": lambda a: array("d", a),
    "labelled": lambda a: xr.DataArray(a, dims="t", coords={"t": list("abc")}),
}
GAPS = {
    "masked": np.ma.masked_array(NUMBERS, [0, 1, 0]),
    "nullable column": pd.Series([1, None, 3], dtype="Int64"),
    "nullable array": pd.array([True, None, False]),
    "table": pd.DataFrame({"u": pd.array([1, None, 3]), "v": [1.0, 2.0, 3.0], "w": [1.0, 2.0, 3.0]}),
    "list": [1.0, None, 3.0],
}
NO_NUMBERS = {
    "strings": pd.Series(list("abc")),
    "categories": pd.Categorical(["a", "b", "a"]),
    "dates": pd.Series(pd.date_range("2020", periods=3)),
    "Decimal": Decimal("1.5"),
    "None": None,
    "missing": pd.NA,
    "no time": pd.NaT,
    "date": pd.Timestamp("2020"),
    "class": float,
    "generator": (i for i in range(3)),
    "unknown": object(),
    "function": lambda x: x,
    "sparse": sparse.csr_matrix(np.eye(3)),
}
OPERATIONS = {
    "times": (lambda a, b: a * b),
    "minus": (lambda a, b: a - b),
    "over": (lambda a, b: a / b),
    "power": (lambda a, b: a**b),
    "less": (lambda a, b: a < b),
    "at least": (lambda a, b: a >= b),
    "matrix product": (lambda a, b: a @ b),
}


def _evaluated(expression, b, value):
    return interpret([b], [expression])(value)[0]


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
def test_numbers_on_either_side_are_those_of_numpy(holder, operation):
    b = ppl.Normal("b", 0, 1, size=3)
    value = np.array([0.5, 1.5, 2.5])
    np.testing.assert_allclose(_evaluated(operation(b, holder(NUMBERS)), b, value), operation(value, NUMBERS))
    np.testing.assert_allclose(_evaluated(operation(holder(NUMBERS), b), b, value), operation(NUMBERS, value))


@pytest.mark.parametrize(
    "holder", [h for name, h in HOLDERS.items() if name not in ("list", "nullable array", "buffer", "array of Python")]
)
def test_equalities_with_arrays_are_those_of_elements(holder):
    b = ppl.Normal("b", 0, 1, size=3)
    for expression in (holder(NUMBERS) == b, b == holder(NUMBERS)):
        np.testing.assert_array_equal(_evaluated(expression, b, np.array([1.0, 5.0, 4.0])), [True, False, True])
    np.testing.assert_array_equal(_evaluated(holder(NUMBERS) != b, b, np.array([1.0, 5.0, 4.0])), [False, True, False])


@pytest.mark.parametrize("holder", [h for name, h in HOLDERS.items() if name not in ("list", "index")])
def test_what_is_changed_in_place_becomes_a_variable(holder):
    b = ppl.Normal("b", 0, 1, size=3)
    total = holder(NUMBERS)
    total += b
    np.testing.assert_allclose(_evaluated(total, b, np.array([0.5, 1.5, 2.5])), [1.5, 3.5, 6.5])
    total = np.array(NUMBERS)
    total *= b
    np.testing.assert_allclose(_evaluated(total, b, np.array([0.5, 1.5, 2.5])), [0.5, 3.0, 10.0])


def test_tables_and_labelled_arrays():
    b = ppl.Normal("b", 0, 1, size=3)
    value, table = np.array([0.5, 1.5, 2.5]), np.arange(6.0).reshape(2, 3)
    np.testing.assert_allclose(_evaluated(pd.DataFrame(table) * b, b, value), table * value)
    np.testing.assert_allclose(_evaluated(pd.DataFrame(table).dot(b), b, value), table @ value)
    np.testing.assert_allclose(_evaluated(b * xr.DataArray(NUMBERS, dims="t"), b, value), value * NUMBERS)


@pytest.mark.parametrize("given", GAPS.values(), ids=GAPS)
def test_gaps_are_refused(given):
    b = ppl.Normal("b", 0, 1, size=3)
    for operation in OPERATIONS.values():
        with pytest.raises(ppl.ModelError, match=r"combined with b by .*are missing in part.*fill them in"):
            operation(b, given)
    with pytest.raises(ppl.ModelError, match=r"combined with b by \*"):
        given * b


@pytest.mark.parametrize("given", NO_NUMBERS.values(), ids=NO_NUMBERS)
def test_what_is_no_number_is_refused(given):
    b = ppl.Normal("b", 0, 1, size=3)
    for multiply in (lambda: b * given, lambda: given * b):
        with pytest.raises(ppl.ModelError, match=r"combined with b by \*|b \* object: "):
            multiply()


def test_shapes_that_do_not_go_together_name_the_variable():
    b = ppl.Normal("b", 0, 1, size=3)
    with pytest.raises(ppl.ModelError, match=r"b \+ an array.*\(3,\) and \(4,\)"):
        b + np.ones(4)


@pytest.mark.parametrize("left", [pd.Series(NUMBERS), xr.DataArray(NUMBERS, dims="t"), np.ma.masked_array(NUMBERS)])
def test_others_keep_their_own_arithmetic(left):
    for result in (left + left, left <= left, left == left, np.multiply(left, 2.0)):
        assert type(result) is type(left)


def test_types_that_do_not_go_together_name_the_variable():
    b = ppl.Normal("b", 0, 1, size=3)
    for operation in (lambda: b & NUMBERS, lambda: pd.Series(NUMBERS) | b):
        with pytest.raises(ppl.ModelError, match=r"b [&|] .*bool"):
            operation()
    with pytest.raises(ppl.ModelError, match=r"~b: .*bool"):
        operator.invert(b)
    with pytest.raises(ppl.ModelError, match=r"b is a variable.*b\[where\].set"):
        b[0] = 1.0


def test_indices():
    b = ppl.Normal("b", 0, 1, size=3)
    value = np.array([0.5, 1.5, 2.5])
    for where in ([2, 0], [True, False, True], pd.Series([2, 1], dtype="Int64"), pd.Categorical(list("aba")).codes):
        np.testing.assert_array_equal(_evaluated(b[where], b, value), value[np.asarray(where)])
    with pytest.raises(ppl.ModelError, match=r"indices of b .*missing"):
        b[pd.Series([1, None], dtype="Int64")]
    with pytest.raises(ppl.ModelError, match="indices of b have the type float64"):
        b[np.array([0.0, 1.0])]


@pytest.mark.parametrize(
    ("index", "said"),
    [
        (3, "Index 3 is out of bounds for b, which has 3 elements along axis 0, where positions count from 0"),
        ((0, -3), "Index -3 is out of bounds for b, which has 2 elements along axis 1"),
        ([0, 2, 3], "Index 3 is out of bounds for b"),
        ((slice(None), np.array([[0, 1], [2, 1]])), "Index 2 is out of bounds for b"),
        ((0, 1, 0), r"b\[...\], of shape \(3, 2\): too many indices"),
        (True, r"b\[...\], of shape"),
    ],
)
def test_elements_that_there_are_not(index, said):
    with pytest.raises(ppl.PPLError, match=said):
        ppl.Normal("b", 0, 1, size=(3, 2))[index]


@pytest.mark.parametrize("index", [2, -3, (0, -2), [0, 2, -3], (slice(None), 1), (..., 1), (None, 2), slice(0, 9), []])
def test_elements_that_there_are(index):
    assert ppl.Normal("b", 0, 1, size=(3, 2))[index].type.shape == np.zeros((3, 2))[index].shape


def test_the_first_of_none_may_be_written():
    """PyMC does so, where nothing comes of it, when it computes correlations of ``LKJCholeskyCov``."""
    assert ppl.Normal("b", 0, 1, size=0)[0].type.shape == ()
    with pm.Model():
        pm.LKJCholeskyCov("chol", n=2, eta=2, sd_dist=pm.HalfNormal.dist(1), compute_corr=True)


def test_others_keep_their_own_operators():
    class Other:
        def __rmul__(self, variable):
            return "mine"

    assert ppl.Normal("b", 0, 1) * Other() == "mine"


def test_lists_of_variables_are_still_arrays_of_variables():
    a, b = ppl.Normal("a", 0, 1), ppl.Normal("b", 0, 1)
    assert np.array([a, b], dtype=object).shape == (2,)
    np.testing.assert_allclose(
        interpret([a, b], [ppl.Deterministic("s", a * np.array([1.0, 2.0]) + b)])(2.0, 1.0)[0], [3, 5]
    )
