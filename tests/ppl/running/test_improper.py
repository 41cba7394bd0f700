"""Full conditionals that become improper: the chain stops with a reason, and keeps what was drawn.

Answers: the points where a law is improper, by hand; messages are written out.
"""

from __future__ import annotations

import logging

import numpy as np
import pytensor.tensor as pt
import pytest

import ppl
from graphs.errors import DerivationError, SamplingError


def sometimes_improper(kind):
    """The second parameter of g leaves its domain where x is far below zero."""
    x, g = ppl.Normal("x", 0, 1), ppl.Gamma("g", 2, 1)
    term = {"shape": 0.9 * x * pt.log(g), "rate": -0.4 * x * g}[kind]
    return ppl.Model({}, ppl.Potential("p", term))


@pytest.mark.parametrize("kind", ["shape", "rate"])
@pytest.mark.parametrize("backend", ["numba", "c", "jax"])
def test_the_chain_stops_and_keeps_its_draws(kind, backend, caplog):
    """x walks freely to where the law of g is improper: shape 2 + 0.9 x, or rate 1 + 0.4 x."""
    sampler = {"x": "rmh", "g": "gibbs"}
    options = {"draws": 3000 if backend != "c" else 300, "tune": 10, "chains": 2, "seed": 3}
    with caplog.at_level(logging.WARNING):
        trace = ppl.sample(sometimes_improper(kind), sampler=sampler, backend=backend, progress=False, **options)
    x, g = trace.posterior["x"].to_numpy(), trace.posterior["g"].to_numpy()
    lengths = np.isfinite(g).sum(axis=1)
    for chain, length in enumerate(lengths):
        assert np.isfinite(g[chain, :length]).all()
        assert (g[chain, :length] > 0).all()
        assert np.isnan(x[chain, length:]).all()
        if length < g.shape[1]:
            expected = f"Chain {chain} stopped after {length} draws: a value that is not finite was drawn for g"
            assert expected in caplog.text


@pytest.mark.parametrize("backend", ["numba", "c", "jax"])
def test_a_chain_that_starts_there_says_so(backend):
    model = sometimes_improper("rate")
    with pytest.raises(SamplingError, match="Chain 0 cannot start: a value that is not finite was drawn for g"):
        ppl.sample(
            model,
            sampler={"x": "rmh", "g": "gibbs"},
            backend=backend,
            init={"x": -6.0, "g": 1.0},
            draws=10,
            tune=5,
            chains=1,
            progress=False,
        )


@pytest.mark.parametrize("sampler", ["gibbs", {"h": "gibbs"}])
def test_a_density_that_is_improper_whatever_the_rest_is_refused(sampler):
    """One observation with a flat prior on the precision, divided by its square: shape -1/2."""
    h, m = ppl.HalfFlat("h"), ppl.Normal("m", 0, 1)
    model = ppl.Model({ppl.Normal("z", m, 1 / pt.sqrt(h)): np.array([0.3])}, ppl.Potential("q", -2 * pt.log(h)))
    message = r"h has no distribution given the rest, its density is improper: Gamma\(shape=-0.5, .* needs shape > 0"
    with pytest.raises(DerivationError, match=message):
        ppl.plan(model, sampler=sampler)


@pytest.mark.parametrize("prior", [ppl.Flat, ppl.HalfFlat])
def test_a_flat_prior_that_nothing_depends_on_is_refused(prior):
    """exp(0 f) is 1: any f is as good as any other."""
    model = ppl.Model({ppl.Normal("y", 0, pt.exp(0 * prior("f"))): 1.0})
    with pytest.raises(DerivationError, match="f has no distribution: its prior is flat"):
        ppl.plan(model)


def test_flat_priors_within_bounds_that_others_set_are_none():
    """A potential that forbids all but an interval, a uniform child, and data."""
    f, g, h = ppl.Flat("f"), ppl.HalfFlat("g"), ppl.Flat("h")
    child = ppl.Uniform("child", 0, g)
    inside = ppl.Potential("inside", pt.switch(pt.abs(f) < 1, 0.0, -np.inf))
    plan = ppl.plan(ppl.Model({child: 1.0, ppl.Normal("y", h, 1): 0.5}, inside, ppl.Potential("bound", -2 * pt.log(g))))
    assert {a.name for a in plan.assignments} == {"f", "g", "h"}


def test_the_term_that_prevents_a_law_is_named():
    x, y = ppl.Normal("x", 0, 1), ppl.Normal("y", 0, 1)
    model = ppl.Model({ppl.Normal("u", x + y, 1.0): 0.1, ppl.Normal("v", pt.sin(y), 1.0): 0.3})
    with pytest.raises(DerivationError, match=r"no Gibbs step for y: sin\(y\) .* \(in the log-probability of v\)"):
        ppl.plan(model, sampler={"y": "gibbs"})
    assert ppl.plan(model, sampler={"x": "gibbs"}).method_of("y") == "nuts"


@pytest.mark.parametrize("backend", ["numba", "c", "jax"])
def test_a_count_stops_its_chain_too(backend, caplog):
    """A geometric count of which every unit weighs exp(0.5 b): improper where b is above -2 log 0.7."""
    b, n = ppl.Normal("b", 0, 1), ppl.Geometric("n", 0.3)
    model = ppl.Model({}, ppl.Potential("p", 0.5 * n * b - 0.1 * n * b**2), n, b)
    with caplog.at_level(logging.WARNING):
        trace = ppl.sample(
            model, draws=300, tune=5, chains=2, seed=3, sampler={"b": "rmh", "n": "gibbs"}, backend=backend,
            init={"b": -1.0, "n": 2}, progress=False,
        ).posterior  # fmt: skip
    assert "a value that is not finite was drawn for n" in caplog.text
    drawn = np.isfinite(trace["b"].to_numpy())
    assert not drawn.all()
    assert (trace["n"].to_numpy()[drawn] >= 1).all()


@pytest.mark.parametrize("sampler", [None, "gibbs"])
def test_variables_that_are_improper_together_are_refused(sampler):
    """Each is normal given the other, and data say nothing of their difference."""
    a, b = ppl.Flat("a"), ppl.Flat("b")
    with pytest.raises(DerivationError, match="a, b have no distribution together given the rest, its density is imp"):
        ppl.plan(ppl.Model({ppl.Normal("y", a + b, 1.0): 1.3}), sampler=sampler)


def test_what_no_data_see_is_refused_without_being_asked():
    """Also where another variable has no law, so that NUTS would move all."""
    a, c = ppl.Flat("a", size=3), ppl.Normal("c", 0, 1)
    data = {ppl.Normal("y", a[np.array([0, 1, 1])], 1.0): np.ones(3), ppl.Poisson("z", pt.exp(c)): 2}
    with pytest.raises(DerivationError, match="a has no distribution given the rest, its density is improper: Normal"):
        ppl.plan(ppl.Model(data))
