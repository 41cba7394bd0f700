"""The law of compressed likelihoods: the log-density is the plain one, value and gradient."""

from __future__ import annotations

import numpy as np
import pytensor
import pytest

from graphs.joint.joint_logprob import LogProb
from graphs.surgery.interpreting import interpret


def assert_is_same(before: LogProb, after: LogProb, seed: int = 0, spread: float = 0.6) -> None:
    """Compare values and gradients at points where no two parameters are equal."""
    values = list(before.values.values())
    both = interpret(
        values,
        [g for density in (before, after) for g in (density.total, *pytensor.grad(density.total, values))],
    )
    rng = np.random.default_rng(seed)
    for _ in range(3):
        results = both(*(rng.normal(0, spread, v.type.shape) for v in values))
        expected, found = results[: len(values) + 1], results[len(values) + 1 :]
        assert np.isfinite(expected[0])
        assert found[0] == pytest.approx(expected[0], rel=1e-10)
        for a, b in zip(expected[1:], found[1:], strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-10, atol=1e-10 * np.abs(a).max())
