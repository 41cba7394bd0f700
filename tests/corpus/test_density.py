"""The law of `ppl.from_pymc`: the log-density of a PyMC model in unconstrained space, and its gradient, are PyMC's."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytest

import ppl
from graphs.interpreting import INTERPRETED, interpret
from graphs.logprob import logprob
from tests.corpus import discrete, hierarchies, regressions, series, structures
from tests.corpus.catalogue import in_double_precision

CORPUS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": make
    for module in (regressions, hierarchies, series, discrete, structures)
    for name, make in module.MODELS.items()
}
# Each takes a second or more, and what they hold is elsewhere in part.
LONG = {
    "regressions.ordered_probit",
    "regressions.multivariate",
    "hierarchies.varying_slopes",
    "hierarchies.varying_slopes_centred",
    "hierarchies.factor_analysis",
    "series.walks_of_other_steps",
    "series.gaussian_process_latent",
    "series.gaussian_process_by_basis",
    "discrete.zero_inflated_and_hurdle",
    "discrete.missing_counts",
    "discrete.other_counts",
    "structures.correlation",
    "structures.heavy_vectors",
    "structures.priors_on_the_line",
    "structures.priors_between_bounds",
}
POINTS = 3


def reference(model: pm.Model, points: list[dict[str, Any]]) -> list[list[Any]]:
    """Return PyMC's log-density and gradient at points, in double precision."""
    total = model.logp()
    values = model.value_vars
    continuous = [v for v in values if v.dtype.startswith("float")]
    function = pytensor.function(values, [total, *pytensor.grad(total, continuous)], mode=INTERPRETED)
    return [function(*(point[v.name] for v in values)) for point in points]


def random_points(model: pm.Model, seed: int) -> list[dict[str, Any]]:
    """Return points around the initial one; discrete variables are drawn from their priors."""
    rng = np.random.default_rng(seed)
    start = model.initial_point()
    discrete_rvs = [rv for rv in model.free_RVs if not rv.dtype.startswith("float")]
    points = []
    for _ in range(POINTS):
        point = {n: np.asarray(v + 0.5 * rng.normal(size=np.shape(v))) for n, v in start.items()}
        drawn = pm.draw(discrete_rvs, random_seed=rng, mode=INTERPRETED) if discrete_rvs else []
        point |= {model.rvs_to_values[rv].name: np.asarray(v) for rv, v in zip(discrete_rvs, drawn, strict=True)}
        points.append(point)
    return points


# What PyMC 6.4 itself calls.
@pytest.mark.filterwarnings("ignore:pytensor.tensor.linalg.trace is deprecated:FutureWarning")
@pytest.mark.filterwarnings("ignore:SplineWrapper should implement `pullback`:FutureWarning")
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in LONG else ()) for n in CORPUS])
def test_log_density_and_gradient_are_pymcs(name):
    derived = logprob(ppl.from_pymc(CORPUS[name]()), space="unconstrained", marginalize=False)
    with in_double_precision():
        pm_model = CORPUS[name]()
        points = random_points(pm_model, zlib.crc32(name.encode()))
        expected = reference(pm_model, points)
    by_name = {v.name: v for v in derived.values.values()}
    assert set(by_name) == set(points[0])
    values = [by_name[v.name] for v in pm_model.value_vars]
    continuous = [v for v in values if v.dtype.startswith("float")]
    total = derived.total
    gradient = pytensor.grad(total, continuous)
    function = interpret(values, [total, *gradient])
    for point, (logp, *slopes) in zip(points, expected, strict=True):
        found, *found_slopes = function(*(point[v.name] for v in values))
        assert np.isfinite(logp)
        np.testing.assert_allclose(found, logp, rtol=1e-10)
        for value, slope, found_slope in zip(continuous, slopes, found_slopes, strict=True):
            np.testing.assert_allclose(found_slope, slope, rtol=1e-10, atol=1e-10, err_msg=value.name)
