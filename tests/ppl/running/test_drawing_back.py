"""What was integrated out is drawn back exactly, and is in traces like all else.

Of ``y ~ N(effects, 1)`` and ``effects ~ N(0, scale)`` the effects are given the scale independent, normal with the mean
``y scale^2 / (1 + scale^2)`` and the variance ``scale^2 / (1 + scale^2)``.

Answers: closed forms by hand.
"""

from __future__ import annotations

import logging
import pickle

import numpy as np
import pytensor.tensor as pt
import pytest
from scipy import stats
from xarray import DataTree

import ppl
from graphs.errors import ModelError, SamplingError
from ppl.running.drawing_back import DrawingBack

Y = np.array([0.3, -1.2, 2.5])
SETTINGS = {"draws": 40, "tune": 20, "chains": 2, "seed": 1, "progress": False}


def model() -> ppl.Model:
    scale = ppl.HalfNormal("scale", 2.0)
    effects = ppl.Normal("effects", 0.0, scale, size=3)
    total = ppl.Deterministic("total", effects.sum())
    twice = ppl.Deterministic("twice", 2.0 * scale)
    return ppl.Model({ppl.Normal("y", effects, 1.0): Y}, total, twice)


@pytest.fixture(scope="module", params=["numba", "jax"])
def compiled(request: pytest.FixtureRequest) -> ppl.CompiledModel:
    return ppl.compile(model(), marginalize=["effects"], sampler={"scale": "slice"}, backend=request.param)


@pytest.fixture(scope="module")
def numba() -> ppl.CompiledModel:
    return ppl.compile(model(), marginalize=["effects"], sampler={"scale": "slice"})


@pytest.fixture(scope="module")
def whole(numba: ppl.CompiledModel) -> DataTree:
    return numba.sample(**SETTINGS, keep_tuning=True)


def standardised(trace: DataTree, group: str = "posterior") -> np.ndarray:
    """The effects less their mean given the scale, over their deviation: independent and standard normal."""
    square = trace[group]["scale"].to_numpy()[..., None] ** 2
    effects: np.ndarray = trace[group]["effects"].to_numpy()
    return (effects - Y * square / (1.0 + square)) / np.sqrt(square / (1.0 + square))


def test_draws_are_those_of_the_law_given_the_rest(compiled) -> None:
    trace = compiled.sample(**SETTINGS | {"draws": 2000})
    z = standardised(trace)
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-4
    # Of each pair of rows one has the opposite signs of the other; magnitudes are independent.
    np.testing.assert_array_equal(np.sign(z[:, 1:-1:2]), -np.sign(z[:, 2::2]))
    # 12,000 independent numbers: four standard errors of a correlation.
    size = np.abs(z)
    assert abs(np.corrcoef(size[:, :-1].ravel(), size[:, 1:].ravel())[0, 1]) < 4.0 / np.sqrt(12_000)
    assert abs(np.corrcoef(z[..., 0].ravel(), z[..., 1].ravel())[0, 1]) < 4.0 / np.sqrt(4_000)
    np.testing.assert_allclose(trace.posterior["total"], trace.posterior["effects"].sum("effects_dim_0"), rtol=1e-12)
    scale = trace.posterior["scale"].to_numpy()[..., None]
    effects = trace.posterior["effects"].to_numpy()
    expected = stats.norm.logpdf(effects, 0.0, scale) + stats.norm.logpdf(Y, effects, 1.0)
    expected = expected.sum(-1) + stats.halfnorm.logpdf(scale[..., 0], 0, 2.0) + np.log(scale[..., 0])
    np.testing.assert_allclose(trace.sample_stats["lp"], expected, rtol=1e-10)


@pytest.mark.parametrize("names", [["effects"], ["total"], ["total", "scale"], ["twice"]])
def test_draws_are_the_same_whatever_is_kept(numba, whole, names) -> None:
    part = numba.sample(**SETTINGS, var_names=names, keep_tuning=True)
    assert set(part.posterior.data_vars) == set(names)
    for group in ("posterior", "warmup_posterior"):
        for name in names:
            np.testing.assert_array_equal(part[group][name], whole[group][name])


def test_the_draws_of_a_chain_are_its_own(numba, whole, monkeypatch) -> None:
    """Neither more chains nor more draws change those that there were."""
    monkeypatch.setattr("ppl.running.expansion.ROWS_AT_ONCE", 7)
    longer = numba.sample(**SETTINGS | {"chains": 3, "draws": 50})
    np.testing.assert_array_equal(longer.posterior["effects"][:2, :40], whole.posterior["effects"])
    z = [standardised(whole)[:, :20], standardised(whole, "warmup_posterior")]
    assert not np.isclose(*z).any()
    assert not np.isclose(*standardised(whole)).any()


@pytest.mark.parametrize("names", [None, ["total"]])
def test_threads_draw_the_same(numba, whole, monkeypatch, names) -> None:
    monkeypatch.setattr("ppl.running.drawing_back.FEWEST_SHARED", 0)
    trace = numba.sample(**SETTINGS, cores=3, var_names=names)
    np.testing.assert_array_equal(trace.posterior["total"], whole.posterior["total"])


def test_another_process_draws_the_same(numba, whole) -> None:
    again = pickle.loads(pickle.dumps(numba)).sample(**SETTINGS)
    assert again.posterior.equals(whole.posterior)


def test_a_run_goes_on_from_its_trace(numba, whole) -> None:
    on = [numba.sample(**SETTINGS | {"tune": 0}, init=whole) for _ in range(2)]
    assert on[0].posterior.equals(on[1].posterior)
    assert stats.kstest(standardised(on[0]).ravel(), "norm").pvalue > 1e-4
    sampled = ppl.compile(model(), sampler="rmh")
    start, learnt = sampled._start(whole, 2, 0, 0)
    assert learnt is None
    at = sampled.plan.sweep.layout.unpack(start)
    np.testing.assert_array_equal(at["effects"], whole.posterior["effects"][:, -1])
    there = sampled.sample(**SETTINGS, init=whole)
    assert numba.sample(**SETTINGS, init=there).posterior["effects"].shape == (2, 40, 3)


def test_starting_values_of_what_starts_nowhere_are_not_used(numba, caplog) -> None:
    """One line, whatever the number of chains; wrong ones are refused all the same."""
    init = {"scale": 0.7, "effects": np.ones(3)}
    with caplog.at_level(logging.INFO, "rvgraph"):
        given = numba.sample(**SETTINGS, init=init)
    [line] = [r.message for r in caplog.records if "not used" in r.message]
    assert line.endswith(": effects.")
    assert given.posterior.equals(numba.sample(**SETTINGS, init={"scale": 0.7}).posterior)
    with pytest.raises(ModelError, match="effects has shape"):
        numba.sample(**SETTINGS, init={"effects": 1.0})


@pytest.mark.parametrize("error", [MemoryError("3 GiB"), ValueError("odd"), KeyboardInterrupt()])
def test_what_cannot_be_drawn_back_is_lost_alone(numba, whole, monkeypatch, caplog, error) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(DrawingBack, "_fill", fail)
    with caplog.at_level(logging.WARNING, "rvgraph"):
        trace = numba.sample(**SETTINGS)
    is_interrupt = isinstance(error, KeyboardInterrupt)
    assert set(trace.posterior.data_vars) == ({"scale"} if is_interrupt else {"scale", "twice"})
    for name in trace.posterior.data_vars:
        np.testing.assert_array_equal(trace.posterior[name], whole.posterior[name])
    assert "lp" not in trace.sample_stats
    for name in ("effects", "total", "lp"):
        reason = "interrupted" if is_interrupt else f"{type(error).__name__}: {error}"
        assert f"{name} ({reason})" in trace.attrs["left_out"]
    assert any("Left out" in r.message for r in caplog.records)


def test_rows_of_a_stopped_chain_are_missing(numba) -> None:
    draws = np.random.default_rng(1).normal(size=(2, 10, numba.plan.sweep.layout.size))
    before = numba.expand(draws)
    draws[1, 6:] = np.nan
    for name, value in numba.expand(draws).items():
        np.testing.assert_array_equal(value[0], before[name][0])
        np.testing.assert_array_equal(value[1, :6], before[name][1, :6])
        assert np.isnan(value[1, 6:]).all()


def test_what_follows_from_draws_follows_from_these(numba, whole) -> None:
    found = ppl.log_likelihood(numba.plan.model, whole).log_likelihood["y"]
    effects = whole.posterior["effects"].to_numpy()
    np.testing.assert_allclose(found, stats.norm.logpdf(Y, effects, 1.0), rtol=1e-10)
    predicted = ppl.posterior_predictive(numba.plan.model, whole, seed=1).posterior_predictive["y"]
    assert predicted.shape == (2, 40, 3)


class TestExact:
    """Nothing is left to sample."""

    @staticmethod
    def model() -> ppl.Model:
        """Given its sign a normal mean; the sign is summed out."""
        is_high = ppl.Bernoulli("is_high", 0.3)
        mu = ppl.Normal("mu", 0.0, 2.0)
        return ppl.Model({ppl.Normal("y", mu, 1.0): 0.4, ppl.Normal("v", 3.0 * is_high, 1.0): 1.2})

    def test_starting_values_are_not_used(self, caplog) -> None:
        model = self.model()
        trace = ppl.sample(model, draws=20, chains=2, seed=1, progress=False)
        with caplog.at_level(logging.INFO, "rvgraph"):
            given = ppl.sample(model, draws=20, chains=2, seed=1, progress=False, init={"mu": 3.0})
        assert given.posterior.equals(trace.posterior)
        assert sum("not used" in r.message for r in caplog.records) == 1
        assert ppl.sample(model, draws=20, chains=2, seed=1, progress=False, init=trace).posterior.equals(
            trace.posterior
        )
        with pytest.raises(ModelError, match="init names 'nu'"):
            ppl.sample(model, draws=20, chains=2, progress=False, init={"nu": 3.0})

    def test_another_way_of_sampling_goes_on_from_exact_draws(self) -> None:
        model = self.model()
        trace = ppl.sample(model, draws=20, chains=2, seed=1, progress=False)
        drawn = ppl.compile(model, sampler="slice", marginalize=False)
        start, _ = drawn._start(trace, 2, 0, 0)
        np.testing.assert_array_equal(
            drawn.plan.sweep.layout.unpack(start)["mu"], trace.posterior["mu"][:, -1].to_numpy()
        )
        with pytest.raises(SamplingError, match="has 2 chains: use chains=2, not 3"):
            drawn.sample(draws=5, tune=5, chains=3, init=trace, progress=False)

    def test_probabilities_are_given_each_draw_of_the_rest(self) -> None:
        """Where what is summed out hangs together with what is integrated out."""
        is_high = ppl.Bernoulli("is_high", 0.3)
        mu = ppl.Normal("mu", 0.0, 2.0)
        model = ppl.Model({ppl.Normal("y", mu, 1.0): 0.4, ppl.Bernoulli("v", 0.2 + 0.5 * is_high): 1})
        trace = ppl.sample(model, draws=20, chains=2, seed=1, progress=False)
        assert "log_evidence" in trace.attrs
        evidence = np.log(0.3 * 0.7 + 0.7 * 0.2) + stats.norm.logpdf(0.4, 0.0, np.sqrt(5.0))
        np.testing.assert_allclose(trace.attrs["log_evidence"], evidence, rtol=1e-12)
        found = ppl.recover(model, trace, seed=2).posterior["is_high_probability"]
        np.testing.assert_allclose(found[..., 1], 0.3 * 0.7 / (0.3 * 0.7 + 0.7 * 0.2), rtol=1e-12)


def test_variables_that_were_declared_one_by_one_have_their_names() -> None:
    """Moved as one array, they are in the trace under the names that people know."""
    scale, y = ppl.HalfNormal("scale", 1.0), np.linspace(-2.0, 2.0, 25)
    effects = [ppl.Normal(f"effect_{i}", 0.0, scale) for i in range(25)]
    both = ppl.Deterministic("both", effects[0] + effects[3])
    data = {ppl.Normal(f"y_{i}", effect, 1.0): y[i] for i, effect in enumerate(effects)}
    compiled = ppl.compile(ppl.Model(data, both), sampler={"scale": "slice"})
    assert compiled.plan.method_of("effect_3") == "integrate"
    trace = compiled.sample(**SETTINGS)
    assert set(trace.posterior.data_vars) == {"scale", "both", *(f"effect_{i}" for i in range(25))}
    drawn = np.stack([trace.posterior[f"effect_{i}"] for i in range(25)], axis=-1)
    square = trace.posterior["scale"].to_numpy()[..., None] ** 2
    z = (drawn - y * square / (1.0 + square)) / np.sqrt(square / (1.0 + square))
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-4
    np.testing.assert_allclose(trace.posterior["both"], drawn[..., 0] + drawn[..., 3], rtol=1e-12)
    part = compiled.sample(**SETTINGS, var_names=["effect_3"], init={"effect_3": 1.0}).posterior
    assert list(part.data_vars) == ["effect_3"]
    np.testing.assert_array_equal(part["effect_3"], trace.posterior["effect_3"])


def test_a_law_whose_parameters_read_the_shape_of_its_variable() -> None:
    """Columns of a compressed regression are zeros as long as others.

    Given the angle the distance is normal, the coefficient of a column of ``1 / cos(angle)``.
    """
    x = np.linspace(0.5, 4.0, 100)
    y = 0.8 * x + 0.5 + 0.3 * np.sin(7.0 * x)
    angle, distance = ppl.Uniform("angle", -1.5, 1.5), ppl.Normal("distance", 0.0, 1.0)
    model = ppl.Model({ppl.Normal("y", pt.tan(angle) * x + distance / pt.cos(angle), 0.5): y})
    compiled = ppl.compile(model, sampler={"angle": "slice"}, marginalize=["distance"])
    assert compiled.plan.method_of("distance") == "integrate"
    assert compiled.plan.compression
    trace = compiled.sample(**SETTINGS | {"draws": 500})
    at = trace.posterior["angle"].to_numpy()
    precision = 1.0 + 100.0 / np.cos(at) ** 2 / 0.25
    mean = ((y - np.tan(at)[..., None] * x).sum(-1) / np.cos(at) / 0.25) / precision
    z = (trace.posterior["distance"].to_numpy() - mean) * np.sqrt(precision)
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-4
