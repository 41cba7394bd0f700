"""Loops over few elements take several of them at once, and give what they give one by one.

Answers: SciPy; that LLVM's code has operations on vectors of doubles is read in it.
"""

from __future__ import annotations

import re

import numpy as np
import pytensor.tensor as pt
import pytest
from scipy import special

from graphs.backends.numba.backend import NumbaBackend
from graphs.backends.numba.machine_code.kept import CodeCache
from graphs.backends.numba.translation.compiler import OptimisedOnce

OF_VECTORS = re.compile(r"= fmul (?:\w+ )*<[48] x double>")


@pytest.fixture
def optimised(monkeypatch):
    """LLVM's code of what is compiled during a test, whatever is kept on disk."""
    texts = []
    optimise = OptimisedOnce._optimize_final_module

    def optimise_and_note(library):
        optimise(library)
        texts.append(str(library._final_module))

    monkeypatch.setattr(OptimisedOnce, "_optimize_final_module", optimise_and_note)
    monkeypatch.setattr(CodeCache, "load_overload", lambda *_: None)
    return texts


@pytest.mark.parametrize("size", [8, 12, 24, 40])
def test_few_elements(size, optimised):
    x = pt.tensor("x", shape=(size,))
    [found] = NumbaBackend().function([x], [pt.gammaln(x).sum()])(np.linspace(0.3, 9.0, size))
    np.testing.assert_allclose(found, special.gammaln(np.linspace(0.3, 9.0, size)).sum(), rtol=1e-13)
    assert any(map(OF_VECTORS.search, optimised))


@pytest.mark.parametrize("width", range(1, 10))
@pytest.mark.parametrize("length", [3, 24])
def test_narrow_rows(length, width, optimised):
    """The rows are not one loop: each has a number of its own."""
    x, row = pt.tensor("x", shape=(length, width)), pt.tensor("row", shape=(length,))
    values, numbers = np.linspace(-3.0, 3.0, length * width).reshape(length, width), np.linspace(-1.0, 1.0, length)
    [sigmoids] = NumbaBackend().function([x, row], [pt.sigmoid(x + row[:, None])])(values, numbers)
    np.testing.assert_allclose(sigmoids, special.expit(values + numbers[:, None]), rtol=1e-14)
    sums_of = [pt.gammaln(pt.exp(x * row[:, None])).sum(axis=1)]
    [sums] = NumbaBackend().function([x, row], sums_of)(values, numbers)
    np.testing.assert_allclose(sums, special.gammaln(np.exp(values * numbers[:, None])).sum(axis=1), rtol=1e-12)
    if length * width >= 24:
        assert len([text for text in optimised if OF_VECTORS.search(text)]) == 2
