"""Numbers arrive as they were given, whatever holds them, or not at all.

Answers: NumPy arrays of the same numbers.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from arviz_base import from_dict
from scipy.sparse import csr_array

import ppl
from graphs.errors import ModelError

HUGE = np.array([2**63 + 1], dtype="uint64")


def counts(data) -> np.ndarray:
    rate = ppl.Gamma("rate", 2, 1)
    return ppl.Model({ppl.Poisson("y", rate, size=np.shape(data)): data}).observed_data["y"]


def reals(data) -> np.ndarray:
    return ppl.Model({ppl.Normal("y", 0, 1, size=np.shape(data)): data}).observed_data["y"]


class Protocol:
    """As polars' and Arrow's columns are read: by ``__array__``."""

    shape = (2,)

    def __array__(self, dtype=None, copy=None):
        return np.array([3.0, np.nan])


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ([3, None], [3, np.nan]),
        (np.ma.array([1, 200], mask=[0, 1], dtype="uint8"), [1, np.nan]),
        (np.ma.array([2**63 + 1, 4], mask=[1, 0], dtype="uint64"), [np.nan, 4]),
        (pd.Series([3, None], dtype="Int64"), [3, np.nan]),
        (pd.Series([3, pd.NA], dtype=object), [3, np.nan]),
        (pd.Series([True, False], dtype="boolean"), [1, 0]),
        (pd.DataFrame({"a": [1, 2], "b": pd.Series([1, None], dtype="Int64")}), [[1, 1], [2, np.nan]]),
        (np.array([3.0, np.nan]), [3, np.nan]),
        (Protocol(), [3, np.nan]),
        (np.array([200, 255], dtype="uint8"), [200, 255]),
        (np.array([2**40], dtype="uint64"), [2**40]),
        (np.array([2**63 - 1], dtype="uint64"), [2**63 - 1]),
        (xr.DataArray([1, 2], dims="t"), [1, 2]),
    ],
)
def test_counts(data, expected):
    np.testing.assert_array_equal(counts(data), expected)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (HUGE, [2.0**63]),
        ([2**70, 1], [2.0**70, 1]),
        (pd.Series([1.5, None], dtype="Float64"), [1.5, np.nan]),
        (pd.Series([1, 2], dtype="category"), [1, 2]),
        (pd.Series([1.0, 0.0], dtype=pd.SparseDtype(float)), [1, 0]),
        ([Decimal("1.5"), Fraction(1, 4)], [1.5, 0.25]),
        (np.array([1, 2], dtype="float16"), [1, 2]),
        (np.array([True, False]), [1, 0]),
    ],
)
def test_reals(data, expected):
    np.testing.assert_array_equal(reals(data), expected)


@pytest.mark.parametrize(
    ("read", "data", "message"),
    [
        (counts, HUGE, rf"too large.*y\[0\] = {2**63 + 1}"),
        (counts, np.array([2.0**60, np.nan]), r"beyond 2\*\*53"),
        (counts, np.array([2.0, 1.5, np.nan]), r"whole numbers; y\[1\] = 1.5"),
        (counts, np.array([1.0, 2.5]), r"whole numbers; y\[1\] = 2.5"),
        (reals, ["a", "b"], "strings: numbers are needed"),
        (reals, [1.0, "b"], "strings: numbers are needed"),
        (reals, pd.Series(["a", "b"], dtype="category"), "not all numbers: at .0. is 'a'"),
        (reals, pd.Series([1, "b"], dtype=object), "not all numbers: at .1. is 'b'"),
        (reals, pd.date_range("2024-01-01", periods=2), "dates: numbers are needed"),
        (reals, pd.Series(pd.date_range("2024-01-01", periods=2, tz="UTC")), "not all numbers"),
        (reals, np.array([1, 2], "timedelta64[s]"), "time differences: numbers"),
        (reals, [1 + 1j, 2], "complex: real and"),
        (reals, csr_array(np.eye(2)), "sparse matrix"),
        (lambda data: ppl.Model({ppl.Normal("y", 0, 1): data}), xr.Dataset({"a": 1}), "not an array"),
        (reals, {"a": 1}, "are dict"),
        (lambda data: ppl.Model({ppl.Normal("y", 0, 1, size=2): data}), [[1, 2], [3]], "not an array"),
        (lambda data: ppl.Data("d", data), HUGE, rf"too large.*d\[0\] = {2**63 + 1}"),
        (lambda data: ppl.Data("d", data), pd.Series([1, None], dtype="Int64"), "missing in part"),
        (lambda data: ppl.Data("d", data), np.ma.array([1.0, 2.0], mask=[0, 1]), "missing in part"),
        (lambda data: ppl.Data("d", data), pd.Series(["a"], dtype="category"), "not all numbers"),
        (lambda data: ppl.Binomial("y", data, 0.5), HUGE, rf"y: .*n of ppl.Binomial.*{2**63 + 1}"),
        (lambda data: ppl.Normal("y", data, 1), pd.Series([1, None], dtype="Int64"), "y: .*mu.*missing in part"),
        (lambda data: ppl.Normal("y", 0, data), pd.date_range("2024-01-01", periods=2), "y: .*sigma.*dates: numbers"),
    ],
)
def test_what_is_no_number_is_refused(read, data, message):
    with pytest.raises(ModelError, match=message):
        read(data)


def test_wide_floats_have_to_fit():
    wide = np.array([1.0, 2.0], dtype="longdouble") * np.array([1, 10], dtype="longdouble") ** 400
    if np.isfinite(wide).all():
        with pytest.raises(ModelError, match="too large for double precision"):
            reals(wide)


@pytest.mark.parametrize(
    ("array", "dtype", "expected"),
    [
        (pd.Series([1, 2], dtype="Int64"), "int64", [1, 2]),
        (pd.Series([True, False], dtype="boolean"), "bool", [True, False]),
        (np.array([250], dtype="uint8"), "int64", [250]),
        ([1.0, np.nan], "float64", [1.0, np.nan]),
    ],
)
def test_data_are_copied_in_full_width(array, dtype, expected):
    data = ppl.Data("d", array)
    assert data.type.dtype == dtype
    np.testing.assert_array_equal(data.data, expected)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"group": [0, 257, 1]}, r"new data of group do not fit the type of the old ones, uint8: group\[1\] = 257"),
        ({"group": [0, -1, 1]}, r"uint8: group\[1\] = -1.*type int64"),
        ({"group": [0, 0.5, 1]}, r"data of group are whole numbers; group\[1\] = 0.5"),
        ({"treated": [0.3, 1, 0]}, r"data of treated are whole numbers; treated\[0\] = 0.3"),
        ({"treated": [0, 1, 2]}, r"new data of treated do not fit the type of the old ones, bool: treated\[2\] = 2"),
    ],
)
def test_new_data_have_the_type_of_the_old(data, message):
    """PyMC keeps narrow types; 257 is no 1."""
    with pm.Model() as pm_model:
        group = pm.Data("group", np.array([0, 1, 1], "uint8"))
        treated = pm.Data("treated", np.array([True, False, True]))
        pm.Normal("y", pm.Normal("mu", shape=2)[group] + treated, observed=np.zeros(3))
    trace = from_dict({"posterior": {"mu": np.zeros((1, 4, 2))}})
    with pytest.raises(ModelError, match=message):
        ppl.posterior_predictive(ppl.from_pymc(pm_model), trace, data=data)
