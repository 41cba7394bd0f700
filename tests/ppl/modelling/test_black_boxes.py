"""Models that hold Python code: planned, sampled and refused as they should be.

Answers: closed forms, and quadrature by SciPy.
"""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from scipy import stats

import ppl
from graphs.errors import DerivationError, SamplingError
from samplers import RunSettings, compile_sweep

MONTE_CARLO = 5.0
"""Standard errors that a mean may be off: once in two million."""


class Quadratic(Op):
    """Minus half the square of the distance from one, summed; Python code without a gradient."""

    def __init__(self, fails_above=np.inf):
        self.fails_above = fails_above

    def __str__(self):
        return "Quadratic"

    def make_node(self, x):
        return Apply(self, [pt.as_tensor(x)], [pt.dscalar()])

    def perform(self, node, inputs, output_storage):
        if np.max(inputs[0]) > self.fails_above:
            raise ValueError("too large")
        output_storage[0][0] = np.asarray(-0.5 * np.sum((inputs[0] - 1) ** 2))


def model(op=None):
    """Normal with mean 0.8 and variance 0.8, beside a conjugate normal that knows nothing of it."""
    mu = ppl.Normal("mu", 0, 2)
    other = ppl.Normal("other", 0, 1)
    data = {ppl.Normal("y", other, 1): 2.0}
    return ppl.Model(data, ppl.Potential("black", (op or Quadratic())(mu)))


def test_the_plan():
    assert ppl.plan(model()).method_of("mu") == "slice"
    planned = ppl.plan(model(), marginalize=False)
    assert planned.method_of("mu") == "slice"
    assert planned.method_of("other") in ("nuts", "gibbs")
    assert "Quadratic has no gradient" in str(planned)
    assert str(planned).count("Quadratic: evaluated in Python") == 1
    by_gibbs = ppl.plan(model(), sampler="gibbs")
    assert {a.name: a.method for a in by_gibbs.assignments} == {"mu": "slice", "other": "gibbs"}
    for sampler in ("nuts", {"mu": "nuts"}):
        with pytest.raises(DerivationError, match=r"gradient with respect to mu, and Quadratic has no.*Leave sampler"):
            ppl.plan(model(), sampler=sampler)
    assert "Python" not in str(ppl.plan(ppl.Model(ppl.Normal("x", 0, 1))))


def assert_mean(draws, mean, sd):
    """Of four chains, with the effective sample size that they show."""
    import arviz_stats

    draws = np.asarray(draws)
    effective = float(arviz_stats.ess(draws))
    assert abs(draws.mean() - mean) < MONTE_CARLO * sd / np.sqrt(effective)
    assert abs(draws.std() - sd) < MONTE_CARLO * sd / np.sqrt(effective)


@pytest.mark.parametrize("backend", ["numba", *(pytest.param(name, marks=pytest.mark.slow) for name in ("c", "jax"))])
def test_the_posterior(backend):
    """In several threads at once where compiled."""
    trace = ppl.sample(model(), draws=400, tune=200, seed=1, backend=backend, progress=False)
    assert_mean(trace.posterior["mu"], 0.8, 0.8**0.5)
    assert_mean(trace.posterior["other"], 1.0, 0.5**0.5)


@pytest.mark.parametrize("backend", ["numba", "c"])
def test_an_error_from_the_start(backend):
    with pytest.raises(SamplingError, match=r"Quadratic failed: ValueError: too large\. .*of black, .*-inf or NaN"):
        ppl.sample(model(Quadratic(-9.0)), draws=5, tune=5, chains=2, seed=1, backend=backend, progress=False)


@pytest.mark.parametrize("backend", ["numba", "c"])
def test_an_error_on_the_way_loses_nothing(backend):
    """The chain that it happened to stops, and says why; what had been drawn is there, the others go on."""
    op = Quadratic()
    planned = ppl.plan(model(op), marginalize=False)
    sweep = compile_sweep(planned.sweep, backend=backend)
    start = np.tile(planned.sweep.layout.pack({"mu": 0.0, "other": 0.0, "mu_scale__": 1.0}), (2, 1))

    def fail_later(progress):
        if max(p["draw"] for p in progress if not p["tuning"]) > 100:
            op.fails_above = -9.0

    result = sweep.run(start, RunSettings(tune=0, draws=2_000_000, seed=1, cores=1, callback=fail_later))
    stopped = np.flatnonzero(result.status == 5)
    assert stopped.size
    for chain in stopped:
        assert result.reasons[chain] == "Quadratic failed: ValueError: too large"
        number = result.num_draws[chain]
        assert np.isfinite(result.draws[chain, :number]).all()
        assert np.isnan(result.draws[chain, number:]).all()
    assert result.num_draws.min() > 0


def test_a_density_in_python():
    """Of a custom distribution: Student's t, in one dimension by quadrature."""

    class LogT(Quadratic):
        def perform(self, node, inputs, output_storage):
            output_storage[0][0] = np.asarray(stats.t.logpdf(inputs[0], 3).sum())

    location = ppl.Normal("location", 0, 1)
    y = ppl.CustomDist("y", location, logp=lambda value, location: LogT()(value - location), size=2)
    data = np.array([0.5, 3.0])
    trace = ppl.sample(ppl.Model({y: data}), draws=500, tune=300, seed=1, progress=False)
    grid = np.linspace(-6, 8, 4001)
    weights = stats.norm.pdf(grid) * stats.t.pdf(data[:, None] - grid, 3).prod(axis=0)
    mean = np.average(grid, weights=weights)
    assert_mean(trace.posterior["location"], mean, np.sqrt(np.average((grid - mean) ** 2, weights=weights)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:DifferentialEquation should implement:FutureWarning")
def test_differential_equations_of_pymc():
    """Exponential decay: the log-likelihood that the closed form has, and NUTS where the equation has sensitivities."""
    from pymc.ode import DifferentialEquation

    times = np.array([0.5, 1.0, 2.0])
    ode = DifferentialEquation(lambda y, t, p: -p[0] * y[0], times=times, n_states=1, n_theta=1, t0=0)
    with pm.Model() as pm_model:
        rate = pm.HalfNormal("rate", 1)
        pm.Normal("y", ode(y0=[2.0], theta=[rate])[:, 0], 0.1, observed=[1.5, 1.1, 0.5])
    taken = ppl.from_pymc(pm_model)
    planned = ppl.plan(taken)
    assert planned.method_of("rate") == "nuts"
    compiled = compile_sweep(planned.sweep)
    [(_, evaluate)] = compiled.evaluators(np.zeros(1))
    x = 0.3
    found, gradient = evaluate(np.array([x]))

    def exact(x):
        rate = np.exp(x)
        terms = stats.norm.logpdf([1.5, 1.1, 0.5], 2 * np.exp(-rate * times), 0.1).sum()
        return terms + stats.halfnorm.logpdf(rate) + x

    # Tolerances of PyMC's solver: 1.5e-8.
    assert found == pytest.approx(exact(x), abs=1e-4)
    assert gradient[0] == pytest.approx((exact(x + 1e-5) - exact(x - 1e-5)) / 2e-5, abs=1e-3)
