"""Terms are rewritten so that values and gradients are right where parts of them overflow or underflow."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.tensor.variable import TensorVariable

import ppl
from graphs.stable import stabilized

WEIGHTS = np.array([0.3, 40.0, 900.0])
ROOTS: dict[str, Callable[[TensorVariable], TensorVariable]] = {
    "product": lambda x: pt.sqrt(2.0 * x * pt.exp(-WEIGHTS * x**2)),
    "nested product": lambda x: pt.sqrt((x * pt.exp(-0.5 * WEIGHTS * x**2)) * (2.0 * pt.exp(-0.5 * WEIGHTS * x**2))),
    "more axes": lambda x: pt.sqrt(2.0 * x * pt.exp(-WEIGHTS * x**2)[None, :])[0],
    "power": lambda x: (2.0 * x * pt.exp(-WEIGHTS * x**2)) ** 0.5,
    "exponential alone": lambda x: pt.sqrt(2.0 * x) * pt.sqrt(pt.exp(-WEIGHTS * x**2)),
}


@pytest.mark.parametrize("name", ROOTS)
def test_root_of_exponential(name: str) -> None:
    """Against the logarithm by hand: log f = log(2 x) / 2 - w x^2 / 2, and f' = f (1 / (2 x) - w x)."""
    x = pt.dscalar("x")
    [root] = stabilized([ROOTS[name](x)])
    jacobian = pt.stack([pytensor.grad(root[i], x) for i in range(WEIGHTS.size)])
    evaluate = pytensor.function([x], [root, jacobian])
    for point in (1e-3, 0.7, 1.3, 5.0, 40.0):
        value = np.exp(0.5 * np.log(2.0 * point) - 0.5 * WEIGHTS * point**2)
        slope = value * (0.5 / point - WEIGHTS * point)
        found = evaluate(point)
        np.testing.assert_allclose(found[0], value, rtol=1e-12, atol=1e-300)
        np.testing.assert_allclose(found[1], slope, rtol=1e-10, atol=1e-300)


def test_what_has_no_exponential_stays() -> None:
    x = pt.dvector("x")
    root = pt.sqrt(x * pt.sin(x)[None, :])
    assert stabilized([root]) == [root]


def test_spectral_density_of_a_smooth_process() -> None:
    """A length scale at which its upper half underflows, as in basis functions of Gaussian processes (HSGP)."""
    frequencies = np.arange(1, 41)
    scale, raw = ppl.HalfNormal("scale", 1.0), ppl.Normal("raw", 0.0, 1.0, size=40)
    weights = pt.sqrt(scale * np.sqrt(2 * np.pi) * pt.exp(-0.5 * scale**2 * frequencies**2))
    y = ppl.Normal("y", np.cos(np.outer(np.linspace(0, 1, 9), frequencies)) @ (weights * raw), 1.0)
    trace = ppl.sample(ppl.Model({y: np.zeros(9)}), 200, 200, 2, seed=1, sampler="nuts", progress=False)
    assert np.isfinite(trace.sample_stats["lp"]).all()
    assert "num_without_gradient" not in trace.attrs
