"""A variable has no value while a model is declared, and whoever asks for one is told what to write.

Answers: what NumPy's arrays of the same shape do.
"""

from __future__ import annotations

import numpy as np
import pytest

import ppl


@pytest.mark.parametrize("conversion", [bool, int, float, complex, range, lambda b: 1 if b > 0 else 2])
def test_a_variable_is_no_number_yet(conversion):
    b = ppl.Normal("b", 0, 1)
    with pytest.raises(ppl.PPLError, match="no value of type") as raised:
        conversion(b)
    # Python and NumPy ask whether something can be converted by this class.
    assert isinstance(raised.value, TypeError)


@pytest.mark.parametrize("index", [lambda a, k: a[k], lambda a, k: a[k, 0], lambda a, k: np.stack([a, a])[:, k]])
@pytest.mark.parametrize("size", [(), 3])
def test_an_array_that_a_variable_indexes_has_to_be_a_tensor(index, size):
    k = ppl.Categorical("k", [0.5, 0.5], size=size)
    with pytest.raises(ppl.PPLError, match=r"k is a variable, .*pytensor.tensor.as_tensor\(array\)"):
        index(np.eye(2), k)
    assert np.asarray(k).dtype == np.array([k])[:1].dtype == object


def test_elements_are_gone_through_as_those_of_arrays():
    rows = list(ppl.Normal("b", 0, 1, size=(3, 2)))
    assert [row.type.shape for row in rows] == [(2,)] * 3
    assert [element.type.ndim for element in ppl.Normal("c", 0, 1, size=2)] == [0, 0]
    for variable, reason in [
        (ppl.Normal("d", 0, 1), "d is a single number"),
        (ppl.Normal("e", 0, 1, size=ppl.Poisson("n", 3)), "e has a first axis whose length is not known"),
    ]:
        with pytest.raises(ppl.PPLError, match=reason):
            list(variable)


def test_what_a_variable_holds_is_not_known():
    b = ppl.Normal("b", 0, 1, size=3)
    with pytest.raises(ppl.PPLError, match=r"pytensor.tensor.any\(pytensor.tensor.eq"):
        assert 1.0 in b
    with pytest.raises(ppl.PPLError, match=r"as_tensor\(numbers\)\[index\]"):
        [1.0, 2.0][ppl.Categorical("k", [0.5, 0.5])]


def test_a_variable_is_written_by_its_name():
    b = ppl.Normal("b", 0, 1)
    assert f"{b}" == "b"
    with pytest.raises(ppl.PPLError, match="has no value to write as"):
        f"{b:.2f}"
