"""What tells the data in chunks of one store from those of another.

Answers: data that were changed, or were not.
"""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

import ppl
from graphs.errors import SamplingError
from ppl.modelling.fingerprint import fingerprint
from ppl.storing.same_model import check_same

X = np.random.default_rng(1).normal(size=1000)


def declared(x: np.ndarray, y: np.ndarray) -> ppl.Model:
    rows = ppl.Data("x", da.from_array(x, chunks=300))
    outcome = ppl.Normal("y", ppl.Normal("b", 0, 1) * rows, 1)
    return ppl.Model({outcome: da.from_array(y, chunks=300)})


def test_other_data_in_chunks_are_another_model() -> None:
    before = fingerprint(declared(X, 2 * X), "plan")
    check_same(before, fingerprint(declared(X.copy(), 2 * X), "plan"), "store")
    for x, y, name in [(X, 3 * X, "y"), (X[::-1].copy(), 2 * X, "x"), (X[:900], 2 * X[:900], "x")]:
        with pytest.raises(SamplingError, match=f"the data in chunks of {name} differs"):
            check_same(before, fingerprint(declared(x, y), "plan"), "store")
