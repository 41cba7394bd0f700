"""Variables, their values, and the comparison of programs with PyTensor's NumPy implementation."""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt

from graphs.backends.c import settle_blas
from tests.laws.operations import assert_is_compiled

settle_blas()
RNG = np.random.default_rng(20240917)
DATA = {
    "x": RNG.normal(size=5),
    "u": RNG.uniform(0.05, 0.95, size=5),
    "m": RNG.normal(size=(3, 4)),
    "t": RNG.normal(size=(2, 3, 4)),
    "s": np.array(0.7),
    "k": np.array([0, 2, 1, 2, 0]),
    "j": np.array(2),
    "b": np.array([True, False, True, True, False]),
}
X, U, M, T, S = (pt.tensor(name, shape=DATA[name].shape, dtype="float64") for name in "xumts")
K = pt.tensor("k", shape=(5,), dtype="int64")
J = pt.tensor("j", shape=(), dtype="int64")
B = pt.tensor("b", shape=(5,), dtype="bool")
INPUTS = [X, U, M, T, S, K, J, B]


def label(item: object) -> str:
    """Name an operation or expression; without addresses, which differ between test workers."""
    return str(getattr(item, "__name__", None) or item)


def check(*outputs: pt.TensorVariable, rtol: float = 1e-12) -> None:
    """Compare a program with PyTensor's NumPy implementation, without any of its rewrites."""
    assert_is_compiled(INPUTS, outputs, [DATA[str(variable.name)] for variable in INPUTS], rtol=rtol)
