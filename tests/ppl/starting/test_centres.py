"""Starting values drawn from the prior: possible ones, of each variable given those that it depends on.

Answers: SciPy's distributions.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pymc as pm
import pytest
from scipy import stats

import ppl
from graphs.joint.logprob import logprob
from ppl.planning.planning import plan
from ppl.starting.centres import central_values
from ppl.starting.initial import StartingPoints

LIMIT = 800.0
EXCESS = (LIMIT**2 + 2 * LIMIT + 2) / (LIMIT + 1) - LIMIT
"""The mean of a gamma variable of shape two beyond the limit, less the limit: its density is ``x exp(-x)``."""

pytestmark = pytest.mark.filterwarnings("ignore::pymc.distributions.mixture.MixtureTransformWarning")


def beyond(rate: Any = 1.0, **more: Any) -> Any:
    return pm.Truncated.dist(pm.Gamma.dist(2, rate), lower=LIMIT, **more)


def started(*variables: Any, seed: int = 1) -> dict[str, Any]:
    planned = plan(ppl.Model({}, *variables))
    natural = {str(planned.mixed.values[n].name): planned.mixed.natural[n] for n in planned.mixed.values}
    centre = central_values(planned, {}, "prior", seed)
    inputs = {v: centre[str(v.name)] for v in planned.mixed.values.values()}
    return {
        n.removesuffix("_interval__").removesuffix("_log__"): v.eval(inputs, on_unused_input="ignore")
        for n, v in natural.items()
    }


def test_components_far_out_are_drawn() -> None:
    x = started(ppl.Mixture("x", [0.5, 0.5], [beyond(), pm.Normal.dist(0, 1)], size=1000))["x"]
    far = x[x > 10]
    assert abs(len(far) - 500) < 5 * np.sqrt(250)
    assert abs((far - LIMIT).mean() - EXCESS) < 5 / np.sqrt(len(far))
    assert stats.kstest(x[x < 10], "norm").pvalue > 1e-4


def test_whole_numbers_far_out_are_drawn() -> None:
    x = started(
        ppl.Mixture("x", [0.5, 0.5], [pm.Truncated.dist(pm.Poisson.dist(2), lower=400), pm.Poisson.dist(1)], size=50)
    )["x"]
    assert set(x[x > 20]) <= {400, 401}
    assert 5 < (x < 20).sum() < 45


@pytest.mark.parametrize("seed", range(3))
def test_bounds_that_are_variables_are_those_that_were_drawn(seed: int) -> None:
    a = ppl.Truncated("a", pm.Normal.dist(0, 1), lower=30)
    x = ppl.Truncated("x", pm.Gamma.dist(2, 0.01), lower=100 * a, size=20)
    values = started(x, seed=seed)
    assert 30 < values["a"] < 31
    assert (values["x"] > 100 * values["a"]).all()
    assert abs(np.mean(values["x"] - 100 * values["a"]) - 103) < 5 * 103 / np.sqrt(20)


def test_a_mixture_of_one_array_lies_between_the_outermost_bounds() -> None:
    def mixed(size: int = 3) -> Any:
        return ppl.Mixture("x", [0.5, 0.5], pm.Uniform.dist([0, 1], [5, 6]), size=size)

    data = np.array([0.5, 2.0, 5.5])
    expected = np.log(0.5 * stats.uniform.pdf(data, 0, 5) + 0.5 * stats.uniform.pdf(data, 1, 5)).sum()
    np.testing.assert_allclose(logprob(ppl.Model({mixed(): data})).total.eval(), expected)
    with pytest.raises(ppl.ModelError, match=r"data of x lie outside its support.*x\[1\] = 6.5"):
        ppl.Model({mixed(): np.array([0.5, 6.5, 5.5])})
    x = started(mixed(500))["x"]
    assert stats.kstest(x, lambda t: 0.5 * stats.uniform.cdf(t, 0, 5) + 0.5 * stats.uniform.cdf(t, 1, 5)).pvalue > 1e-4


@pytest.mark.usefixtures("without_tables")
def test_what_a_pilot_run_found_is_where_chains_start() -> None:
    """Central values are not computed again, and are what they would be."""
    mu, sigma = ppl.Normal("mu", 0, 10), ppl.HalfNormal("sigma", 2)
    theta = ppl.Normal("theta", mu, sigma, shape=8)
    y = ppl.Normal("y", theta, 1.0)
    planned = plan(ppl.Model({y: np.linspace(-1, 5, 8)}))
    assert planned.centre is not None
    found = StartingPoints(planned)(None, 3, 1)
    np.testing.assert_array_equal(found, StartingPoints(replace(planned, centre=None))(None, 3, 1))


@pytest.mark.parametrize("coefficients", [[0.5], [0.5, 0.2]])
def test_autoregressions_that_start_flat_have_central_values(coefficients: list[float]) -> None:
    """Flat variables have no draws, and none are needed: central values of sequences look at their shape alone."""
    x = ppl.AR("x", rho=coefficients, sigma=ppl.HalfNormal("s", 1), init_dist=pm.Flat.dist(), shape=6)
    plan = ppl.plan(ppl.Model({ppl.Poisson("y", pm.math.exp(x)): np.ones(6, int)}))
    np.testing.assert_array_equal(central_values(plan, {}, "support_point", 0)["x"], np.zeros(6))
