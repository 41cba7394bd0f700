"""The law of `ppl.from_pymc`: log-density and gradient in unconstrained space are PyMC's."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor

import ppl
from graphs.joint.logprob import logprob
from graphs.surgery.interpreting import INTERPRETED, interpret, without_c
from tests.corpus.catalogue import in_double_precision

POINTS = 3


def assert_density_is_pymcs(name: str, make: Callable[[], pm.Model], spread: float = 0.5) -> None:
    derived = logprob(ppl.from_pymc(make()), space="unconstrained", marginalize=False)
    with in_double_precision():
        pm_model = make()
        points = random_points(pm_model, zlib.crc32(name.encode()), spread)
        expected = reference(pm_model, points)
    by_name = {v.name: v for v in derived.values.values()}
    assert set(by_name) == set(points[0])
    values = [by_name[v.name] for v in pm_model.value_vars]
    continuous = [v for v in values if v.dtype.startswith("float")]
    total = derived.total
    gradient = pytensor.grad(total, continuous)
    with without_c():
        function = interpret(values, [total, *gradient])
    for point, (logp, *slopes) in zip(points, expected, strict=True):
        found, *found_slopes = function(*(point[v.name] for v in values))
        assert np.isfinite(logp)
        np.testing.assert_allclose(found, logp, rtol=1e-10)
        for value, slope, found_slope in zip(continuous, slopes, found_slopes, strict=True):
            np.testing.assert_allclose(found_slope, slope, rtol=1e-10, atol=1e-10, err_msg=value.name)


def reference(model: pm.Model, points: list[dict[str, Any]]) -> list[list[Any]]:
    """Return PyMC's log-density and gradient at points, in double precision."""
    total = model.logp()
    values = model.value_vars
    continuous = [v for v in values if v.dtype.startswith("float")]
    with without_c():
        function = pytensor.function(values, [total, *pytensor.grad(total, continuous)], mode=INTERPRETED)
    return [function(*(point[v.name] for v in values)) for point in points]


def random_points(model: pm.Model, seed: int, spread: float) -> list[dict[str, Any]]:
    """Return points around the initial one; discrete variables are drawn from their priors."""
    rng = np.random.default_rng(seed)
    with warnings.catch_warnings():
        # PyMC compiles C for it, and PyTensor may miss a BLAS library there.
        warnings.filterwarnings("ignore", message="PyTensor could not link to a BLAS installation")
        start = model.initial_point()
    discrete_rvs = [rv for rv in model.free_RVs if not rv.dtype.startswith("float")]
    points = []
    for _ in range(POINTS):
        point = {n: np.asarray(v + spread * rng.normal(size=np.shape(v))) for n, v in start.items()}
        drawn = pm.draw(discrete_rvs, random_seed=rng, mode=INTERPRETED) if discrete_rvs else []
        point |= {model.rvs_to_values[rv].name: np.asarray(v) for rv, v in zip(discrete_rvs, drawn, strict=True)}
        points.append(point)
    return points
