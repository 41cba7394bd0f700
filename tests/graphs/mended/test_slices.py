"""Slices of slices, as PyTensor rewrites them once it is mended.

Answers: NumPy's slices.
"""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode

import graphs  # noqa: F401  (importing it mends)

PYTHON = Mode(linker="py", optimizer="fast_compile")
ARRAY = np.arange(300.0)


def random_slice(rng: np.random.Generator) -> slice:
    bounds = [None, *rng.integers(-310, 310, 3).tolist()]
    return slice(bounds[rng.integers(4)], bounds[rng.integers(4)], [None, 1, -1, 2, -2, -3, 70, -90][rng.integers(8)])


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("shape", [(300,), (None,)])
def test_slices_of_slices(seed: int, shape: tuple[int | None]) -> None:
    rng = np.random.default_rng(seed)
    x = pt.tensor("x", dtype="float64", shape=shape)
    outputs, expected = [], []
    for _ in range(15):
        graph, array = x, ARRAY
        for _ in range(rng.integers(2, 4)):
            where = random_slice(rng)
            graph, array = graph[where], array[where]
        if len(array) and rng.random() < 0.3:
            index = int(rng.integers(-len(array), len(array)))
            graph, array = graph[index], array[index]
        outputs.append(graph)
        expected.append(array)
    for found, array in zip(pytensor.function([x], outputs, mode=PYTHON)(ARRAY), expected, strict=True):
        np.testing.assert_array_equal(found, array)


def test_bounds_beyond_eight_bits() -> None:
    x = pt.tensor("x", dtype="float64", shape=(137,))
    found = pytensor.function([x], x[68:137][1:][::-1], mode=PYTHON)(ARRAY[:137])
    np.testing.assert_array_equal(found, ARRAY[69:137][::-1])
