"""Derivations that a model can be sampled without: whatever goes wrong in one, draws are right.

The laws are checked against the joint, the distributions are SciPy's.

Answers: the joint log-density (tests/laws), and SciPy's distributions.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import special, stats

import ppl
from graphs.conditional import find_conditional
from graphs.errors import DerivationError
from graphs.joint.logprob import logprob
from graphs.optional import optional
from tests.laws.conditionals import assert_is_full_conditional

N = 3
FORMS: dict[str, Callable] = {
    "twice": lambda x: pt.concatenate([x, x]),
    "tile": lambda x: pt.tile(x, 2),
    "repeat": lambda x: pt.repeat(x, 2),
    "stacked and flat": lambda x: pt.stack([x, x]).ravel(),
    "outer": lambda x: (np.ones(2)[:, None] * x).ravel(),
    "a part twice": lambda x: pt.concatenate([x, x[:1], x]),
    "broadcast": lambda x: pt.broadcast_to(x, (2, N)).T.ravel()[::2],
    "three axes": lambda x: x[None, :, None].repeat(2, axis=2).reshape((-1,)),
    "turned": lambda x: pt.stack([x, x]).T.reshape((2, -1))[1],
}


@pytest.mark.parametrize(
    ("kind", "form"),
    [("normal", form) for form in FORMS] + [("finite", form) for form in FORMS if form != "a part twice"],
)
def test_a_variable_that_occurs_twice_in_an_array_has_its_law(kind: str, form: str) -> None:
    x = pm.Normal.dist(0.3, 1.2, shape=N) if kind == "normal" else pm.Categorical.dist([0.2, 0.3, 0.5], shape=N)
    mean = FORMS[form](x)
    y = pm.Normal.dist(mean if kind == "normal" else pt.exp(mean), 0.7)
    data = np.random.default_rng(3).normal(size=mean.type.shape)
    joint = logprob({y: data}, marginalize=False)
    [value] = joint.values.values()
    law, reason = find_conditional(joint.logdensity, value)
    assert law is not None, reason
    assert_is_full_conditional(joint.logdensity, value, law)


def test_a_discrete_variable_beside_a_slice_of_an_autoregression_is_summed_out() -> None:
    """The shape of the slice is known only from its value: log(0.9 p(y | 0) + 0.1 p(y | 1)) by SciPy."""
    x = pm.AR.dist(rho=[0.9], sigma=0.3, init_dist=pm.Normal.dist(0, 1, shape=1), steps=4, ar_order=1)
    z = pm.Bernoulli.dist(0.1, shape=1)
    y = pm.Normal.dist(10 * z, pt.exp(x[-1:]), shape=1)
    at = np.array([0.1, -0.2, 0.3, 0.0, 0.4])
    found = logprob({y: np.array([0.3]), x: at})
    walk = stats.norm.logpdf(at[0]) + stats.norm.logpdf(at[1:], 0.9 * at[:-1], 0.3).sum()
    own = special.logsumexp(stats.norm.logpdf(0.3, [0, 10], np.exp(0.4)), b=[0.9, 0.1])
    assert len(found.summed) == 1
    np.testing.assert_allclose(found.total.eval(), walk + own, rtol=1e-12)


def fail(*arguments, **options):
    raise ZeroDivisionError("on purpose")


def mixed_model(*, has_scale: bool = False) -> ppl.Model:
    """Two normal means, tied discrete elements and a logistic part: every kind of derivation has something to do.

    With a scale that is not known it pays to integrate one of the means out.
    """
    b = ppl.Normal("b", 0.0, 1.0, size=2)
    mu, nu = ppl.Normal("mu", 0.0, 1.0), ppl.Normal("nu", 0.0, pt.exp(b[0]) if has_scale else 1.0)
    z = ppl.Bernoulli("z", 0.5, size=2)
    data = {
        ppl.Normal("y", mu + nu, 1.0, size=40): np.full(40, 0.5),
        ppl.Normal("v", 3.0 * z[0] * z[1], 1.0): 1.0,
        ppl.Bernoulli("w", logit_p=b): np.array([1, 0]),
    }
    return ppl.Model(data)


PLACES = {
    "laws": "graphs.conditional.derive.find_discrepancy",
    "joint laws": "graphs.conditional.quadratic.joint.multivariate_normal_law",
    "groups": "graphs.conditional.quadratic.joint._Blocks",
    "compression": "graphs.compression.compress.Totals",
    "auxiliary variables": "graphs.augmentation.search.augment",
    "sums": "graphs.marginal.summing_out.sum_out",
    "groups of elements": "samplers.conditionals.coloured.factors",
    "pilot runs": "ppl.planning.comparing.policy.pilot",
    "work": "ppl.planning.comparing.costs.work_of",
    "plans by laws": "ppl.planning.sweeps.gibbs_block",
    "integrals": "ppl.planning.integrating.integrate",
    "integrals together": "graphs.integral.integrating.block_step",
    "groups of integrals": "graphs.integral.grouping.in_coordinates",
    "work of integrals": "ppl.planning.worth.work_of",
    "gradients of integrals": "ppl.planning.grouping.at_fixed_points",
}


def break_derivation(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    # Functions of the same names hide some of the modules.
    module, name = PLACES[place].rsplit(".", 1)
    monkeypatch.setattr(sys.modules[module], name, fail)


@pytest.mark.parametrize("place", list(PLACES))
@pytest.mark.usefixtures("without_tables")
def test_a_derivation_that_fails_leaves_a_plan(place: str, monkeypatch, unforeseen) -> None:
    """With sampler=None nothing that may be left out is missed; each variable is still moved or summed out."""
    break_derivation(monkeypatch, place)
    model = mixed_model(has_scale=place == "gradients of integrals")
    plan = ppl.plan(model, marginalize=False if place == "groups of elements" else "auto")
    assert unforeseen
    assert {a.name for a in plan.assignments} == {"mu", "nu", "z", "b"}
    moved = {str(v.name) for block in plan.sweep.blocks for v in block.variables}
    assert moved >= {a.name for a in plan.assignments if a.method not in ("marginalize", "integrate")}


@pytest.mark.parametrize("place", ["laws", "compression", "auxiliary variables"])
def test_what_is_drawn_without_a_derivation_is_right(place: str, monkeypatch, unforeseen) -> None:
    """The mean of y ~ N(mu, 1), 40 times 0.5, mu ~ N(0, 1) is 20 / 41 with variance 1 / 41."""
    break_derivation(monkeypatch, place)
    mu = ppl.Normal("mu", 0.0, 1.0)
    b = ppl.Normal("b", 0.0, 1.0, size=2)
    data = {
        ppl.Normal("y", mu, 1.0, size=40): np.full(40, 0.5),
        ppl.Bernoulli("w", logit_p=b): np.array([1, 0]),
    }
    trace = ppl.sample(
        ppl.Model(data), sampler="gibbs", backend="c", draws=400, tune=300, chains=2, seed=3, progress=False
    )
    assert unforeseen
    # 800 draws are 200 effective ones at least: four standard errors of a mean.
    assert abs(float(trace.posterior["mu"].mean()) - 20 / 41) < 4 * np.sqrt(1 / 41 / 200)
    assert abs(float(trace.posterior["b"].mean())) < 4 * np.sqrt(1 / 200)


def test_what_is_lost_from_its_group_is_moved_by_another_step(monkeypatch, unforeseen) -> None:
    monkeypatch.setattr("graphs.augmentation.search.Augmenter._group", fail)
    plan = ppl.plan(mixed_model(), sampler="gibbs")
    assert plan.method_of("b") == "nuts"
    with pytest.raises(DerivationError, match="no Gibbs step for b"):
        ppl.plan(mixed_model(), sampler={"b": "gibbs"}, marginalize=["z"])
    assert unforeseen["groups with auxiliary variables"] == 2


def test_failures_are_logged_and_counted_and_refusals_are_not(caplog, unforeseen) -> None:
    @optional("a number", otherwise=lambda why, error: why)
    def derived(error):
        raise error

    with caplog.at_level(logging.DEBUG, logger="rvgraph.derivation"):
        assert derived(DerivationError("There is none.")) == "There is none."
        assert not unforeseen
        assert not caplog.records
        assert "ZeroDivisionError: by hand" in derived(ZeroDivisionError("by hand"))
    assert unforeseen["a number"] == 1
    line, traceback = caplog.records
    assert (line.levelno, traceback.levelno) == (logging.INFO, logging.DEBUG)
    assert traceback.exc_info is not None
    with pytest.raises(KeyboardInterrupt):
        derived(KeyboardInterrupt())
