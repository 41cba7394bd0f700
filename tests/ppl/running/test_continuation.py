"""Metrics by name, and runs that go on from a trace; the posterior is a normal distribution in closed form.

Answers: a normal posterior in closed form.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from arviz_stats.base import array_stats
from xarray import DataTree, open_datatree

import ppl
from graphs.errors import SamplingError

X = np.column_stack([np.ones(50), np.linspace(20.0, 30.0, 50)])
Y = X @ [1.0, 0.5] + np.random.default_rng(1).normal(size=50)


def regression(size: int = 2) -> ppl.Model:
    """A line far from its intercept: strongly correlated coefficients, and a closed form given the scale."""
    beta = ppl.Normal("beta", 0.0, 10.0, size=size)
    return ppl.Model({ppl.Normal("y", X @ beta[:2], 1.0): Y}, *([] if size == 2 else [beta]))


PRECISION = X.T @ X + np.eye(2) / 100.0
MEAN, COVARIANCE = np.linalg.solve(PRECISION, X.T @ Y), np.linalg.inv(PRECISION)


def assert_posterior(trace: Any) -> None:
    """Means and variances within five Monte Carlo errors."""
    draws = trace.posterior["beta"].to_numpy()
    for i in range(2):
        for values, expected in (
            (draws[..., i], MEAN[i]),
            ((draws[..., i] - MEAN[i]) ** 2, COVARIANCE[i, i]),
        ):
            size = array_stats.ess(values, chain_axis=0, draw_axis=1, method="mean")
            assert abs(values.mean() - expected) < 5.0 * values.std() / np.sqrt(size)


def sampled(**options: Any) -> Any:
    arguments = {
        "draws": 400,
        "tune": 300,
        "chains": 3,
        "seed": 1,
        "sampler": "nuts",
        "progress": False,
        "compress": False,
    }
    return ppl.sample(regression(), **(arguments | options))


@pytest.mark.parametrize("metric", ["auto", "dense", "low_rank"])
@pytest.mark.parametrize("adapt", ["chain", "pooled"])
def test_metrics_decorrelate(metric: str, adapt: str) -> None:
    trace = sampled(metric=metric, adapt=adapt)
    assert_posterior(trace)
    assert trace.sample_stats["n_steps"].mean() < 8
    group = trace["adaptation"]
    # Variances within a factor of two are left alone where the rank is low.
    np.testing.assert_allclose(group["inverse_mass_matrix_0"].mean("chain"), np.diag(COVARIANCE), rtol=1.0)


def test_a_run_goes_on_without_warm_up() -> None:
    first = sampled(metric="dense", draws=20)
    second = sampled(init=first, tune=0, draws=800, seed=2)
    assert_posterior(second)
    assert second.sample_stats["n_steps"].mean() < 8
    np.testing.assert_allclose(second.sample_stats["step_size"][:, 0], first["adaptation"]["step_size_0"])
    # Draws begin where the others ended, not at a new starting point.
    start = np.abs(second.posterior["beta"][:, 0] - MEAN) / np.sqrt(np.diag(COVARIANCE))
    assert float(start.max()) < 5.0
    third = sampled(init=second, tune=50, draws=300, seed=3)
    assert_posterior(third)


def test_adaptation_survives_a_file(tmp_path: Any) -> None:
    pytest.importorskip("h5netcdf")
    first = sampled(draws=20)
    first.to_netcdf(tmp_path / "trace.nc", engine="h5netcdf")
    with open_datatree(tmp_path / "trace.nc", engine="h5netcdf") as kept:
        again = sampled(init=kept.load(), tune=0, draws=10, seed=2)
    np.testing.assert_array_equal(
        again.posterior["beta"], sampled(init=first, tune=0, draws=10, seed=2).posterior["beta"]
    )


def test_traces_that_do_not_fit() -> None:
    first = sampled(draws=10)
    with pytest.raises(SamplingError, match="has 3 chains: use chains=3, not 4"):
        sampled(init=first, chains=4)
    with pytest.raises(
        SamplingError, match=r"does not fit the model, which samples beta\[3\]: the trace holds beta\[2\]"
    ):
        ppl.sample(regression(3), init=first, chains=3, sampler="nuts", progress=False, compress=False)
    with pytest.raises(SamplingError, match="has no group 'adaptation'"):
        sampled(init=DataTree())


def test_bad_options() -> None:
    with pytest.raises(SamplingError, match="metric is 'full'; choose from auto, diag, dense, low_rank"):
        sampled(metric="full")
    with pytest.raises(SamplingError, match="adapt is 'all'; choose 'chain', or 'pooled'"):
        sampled(adapt="all")
    with pytest.raises(SamplingError, match="metric='dense' is learnt from at least 35 tuning iterations; tune is 10"):
        sampled(metric="dense", tune=10)
    with pytest.raises(SamplingError, match=r"there are target_accept.*metric, adapt"):
        sampled(matric="dense")


@pytest.fixture(scope="module")
def ways():
    """One model, compiled in each way."""
    theta = ppl.Normal("theta", 0, 1, dims={"unit": list("abc")})
    model = ppl.Model({ppl.Normal("y", theta, 1): np.ones(3)})
    return {sampler: ppl.compile(model, sampler=sampler) for sampler in ("nuts", "gibbs", "slice", "rmh")}


@pytest.mark.parametrize("first", ["nuts", "gibbs", "slice", "rmh"])
def test_another_way_of_sampling_goes_on_from_the_last_values(ways, first, caplog) -> None:
    trace = ways[first].sample(draws=5, tune=5, chains=2, thin=2, seed=1, progress=False)
    for then, compiled in ways.items():
        caplog.clear()
        start, learnt = compiled._start(trace, 2, 0, 0)
        assert (learnt is not None) == (first == then)
        is_said = any("sampled in another way" in record.message for record in caplog.records)
        assert is_said == (first != then and then in ("nuts", "rmh"))
        values = compiled.plan.sweep.layout.unpack(start)["theta"]
        np.testing.assert_array_equal(values, trace.posterior["theta"][:, -1])
        again = compiled.sample(draws=3, tune=0, chains=2, init=trace, seed=2, progress=False)
        assert again.posterior["theta"].shape == (2, 3, 3)


def test_what_was_summed_out_has_to_be_recovered_before_it_is_drawn() -> None:
    z = ppl.Bernoulli("z", 0.3, size=4)
    model = ppl.Model({ppl.Normal("y", z * ppl.Normal("mu", 0, 1), 1): np.arange(4.0)})
    summed, drawn = ppl.compile(model), ppl.compile(model, marginalize=False)
    trace = summed.sample(draws=5, tune=5, chains=2, seed=1, progress=False)
    with pytest.raises(SamplingError, match=r"holds no values of z.*ppl.recover"):
        drawn.sample(draws=5, tune=0, chains=2, init=trace, progress=False)
    recovered = ppl.recover(model, trace, seed=1)
    assert drawn.sample(draws=5, tune=0, chains=2, init=recovered, progress=False).posterior["z"].shape == (2, 5, 4)
    back = drawn.sample(draws=5, tune=5, chains=2, init=recovered, seed=1, progress=False)
    assert summed.sample(draws=5, tune=5, chains=2, init=back, progress=False).posterior["mu"].shape == (2, 5)
    other = ppl.Model({ppl.Normal("y", ppl.Normal("nu", 0, 1), 1): 1.0})
    with pytest.raises(SamplingError, match="holds no values of nu"):
        ppl.sample(other, init=trace, chains=2, sampler="nuts", progress=False)
