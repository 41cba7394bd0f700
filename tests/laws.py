"""Laws that every object of a kind obeys; a new object is put under its law at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytensor
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.conditional import Law
from graphs.density import LogDensity
from graphs.supports import Support
from graphs.surgery.interpreting import INTERPRETED


def assert_is_full_conditional(
    logdensity: LogDensity,
    x: TensorVariable,
    law: Law,
    *,
    givens: Mapping[TensorVariable, Any] | None = None,
    num_points: int = 3,
    num_values: int = 5,
    seed: int = 1,
) -> None:
    """Assert that the joint log-density minus that of the law does not depend on x.

    Both are compiled as they are. The other variables take generic values: all different, none of them 0 or 1 where
    their supports allow it; ``givens`` fixes some of them.
    """
    rng = np.random.default_rng(seed)
    others = [v for v in logdensity.inputs if v is not x]
    logprob = law.logprob(x)
    core = {
        "Dirichlet": 1,
        "Wishart": 2,
        "InverseWishart": 2,
        "MultivariateNormal": x.type.ndim,
        "SparseNormal": x.type.ndim,
    }
    batch = x.type.ndim - core.get(law.family, 0)
    batch = 0 if law.family.endswith("]") and "x MultivariateNormal" in law.family else batch
    assert logprob.type.ndim == batch, "one log-density for each independent element"
    outputs = [logdensity.total, logprob.sum(), law.condition]
    evaluate = pytensor.function([*others, x], outputs, mode=INTERPRETED, on_unused_input="ignore")
    for _ in range(num_points):
        rest = [(givens or {}).get(v, generic_value(rng, v, logdensity.supports.get(v))) for v in others]
        differences = []
        for _ in range(num_values):
            joint, own, is_proper = evaluate(*rest, generic_value(rng, x, logdensity.supports.get(x)))
            assert is_proper, f"{law} is improper"
            assert np.isfinite(joint), "the joint log-density is not finite: the test is void"
            assert np.isfinite(own), f"the log-density of {law} is not finite"
            differences.append(joint - own)
        magnitude = 1.0 + np.abs(differences).max() + abs(own)
        np.testing.assert_allclose(differences, differences[0], rtol=0, atol=1e-9 * magnitude, err_msg=str(law))


def generic_value(rng: np.random.Generator, variable: Variable, support: Support | None) -> NDArray:
    """Return a value inside the support of a variable, its elements all different and none of them 0 or 1."""
    shape, dtype = variable.type.shape, variable.type.dtype
    support = support or Support("integers" if dtype.startswith("int") else "interval")
    lower, upper = support.lower, support.upper
    if support.kind == "simplex":
        return rng.dirichlet(np.full(shape[-1], 3.0), size=shape[:-1])
    if support.kind == "positive_definite":
        factor = rng.normal(0.1, 1.3, size=shape)
        return np.asarray(factor @ np.swapaxes(factor, -1, -2) + 0.3 * np.eye(shape[-1]))
    if support.kind == "integers":
        upper = upper if np.isfinite(upper) else 9
        return np.asarray(rng.integers(int(lower) if np.isfinite(lower) else 0, int(upper) + 1, size=shape), dtype)
    if np.isfinite(lower) and np.isfinite(upper):
        return np.asarray(lower + (upper - lower) * rng.uniform(0.05, 0.95, size=shape))
    if np.isfinite(lower):
        return np.asarray(lower + rng.gamma(2.0, 0.8, size=shape) + 0.05)
    return np.asarray(rng.normal(0.3, 1.7, size=shape))
