"""Plans: what is summed out, drawn by Gibbs, NUTS or RMH, why, and how to override it.

Answers: texts written beside each model.
"""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytest

import ppl
from graphs.errors import DerivationError, ModelError

Y = np.array([-1.3, 0.4, 2.2, 0.7])


def mixture():
    w = ppl.Dirichlet("w", np.array([2.0, 3.0]))
    mu = ppl.Normal("mu", 0, 3, size=2)
    k = ppl.Categorical("k", w, size=4)
    y = ppl.Normal("y", mu[k], 1.1)
    return ppl.Model({y: Y}, ppl.Deterministic("centre", mu[k]))


def counts():
    rate = ppl.Gamma("rate", 2.0, 1.5)
    n = ppl.Poisson("n", rate, size=4)
    return ppl.Model({ppl.Normal("y", n, 1.0): Y})


def test_default_plan():
    plan = ppl.plan(mixture())
    assert plan.method_of("k") == "marginalize"
    assert plan.method_of("w") == plan.method_of("mu") == "tabulated"
    assert plan.policy.startswith("Few numbers are left")
    assert list(plan.later) == ["centre"]
    text = str(plan)
    assert "summed out" in text
    assert "2 states, 4 elements one by one" in text
    assert "ppl.recover" in text
    assert "<table>" in plan._repr_html_()


def tied_counts():
    n = ppl.Poisson("n", 3.0, size=100)
    return ppl.Model({ppl.Normal("y", pt.sqrt(n.sum()), 1.0): 17.0})


def test_gibbs_is_used_where_a_law_exists():
    plan = ppl.plan(mixture(), sampler="gibbs", marginalize=False)
    assert {a.name: a.method for a in plan.assignments} == {"w": "gibbs", "mu": "gibbs", "k": "gibbs"}
    assert plan.laws["w"].family == "Dirichlet"
    assert plan.laws["mu"].family == "Normal"


def test_unbounded_counts_are_drawn_within_windows_and_say_so():
    plan = ppl.plan(counts())
    assert plan.method_of("n") == "gibbs"
    assert "discrete without bounds; full conditional within windows" in str(plan)
    assert ppl.plan(counts(), sampler={"n": "rmh"}).method_of("n") == "rmh"
    assert ppl.plan(tied_counts()).method_of("n") == "rmh"
    assert ppl.plan(counts(), sampler={"rate": "gibbs"}).method_of("rate") == "gibbs"


def test_dprint_shows_laws_and_log_density(capsys):
    ppl.plan(mixture(), sampler={"mu": "gibbs"}, marginalize=False).dprint()
    out = capsys.readouterr().out
    assert "Normal" in out
    assert "log-density" in out


def test_what_cannot_be_summed_is_drawn():
    k = ppl.Bernoulli("k", 0.3, size=3)
    model = ppl.Model({ppl.Normal("y", pt.cumsum(k) * 1.0, 1.1): Y[:3]})
    plan = ppl.plan(model, max_states=4)
    assert plan.method_of("k") in ("gibbs", "rmh")
    assert "3 discrete elements" in str(plan)
    with pytest.raises(DerivationError, match="k cannot be summed out"):
        ppl.plan(model, marginalize="require", max_states=4)


def test_a_transform_that_restricts_is_not_forgotten_by_gibbs():
    mu = ppl.Normal("mu", 0, 1, size=2, transform="ordered")
    model = ppl.Model({ppl.Normal("y", mu, 1.0): Y[:2]})
    assert ppl.plan(model, sampler="gibbs").method_of("mu") == "nuts"
    # Nor by an integral over what the law says.
    assert ppl.plan(model).method_of("mu") == "tabulated"
    with pytest.raises(DerivationError, match=r"mu cannot be integrated out: its transform .*ordered"):
        ppl.plan(model, marginalize=["mu"])
    with pytest.raises(DerivationError, match="ordered"):
        ppl.plan(model, sampler={"mu": "gibbs"})


@pytest.mark.filterwarnings("ignore:No safe default transform")
def test_atoms_among_continuous_values_are_refused():
    import pymc as pm

    for k in (ppl.HurdleGamma("k", 0.5, 2.0, 1.0), ppl.Censored("k", pm.Normal.dist(2.0, 1.0), lower=1.0, upper=3.0)):
        with pytest.raises(DerivationError, match="k has single values of positive probability"):
            ppl.plan(ppl.Model({ppl.Normal("y", k, 1.0): 1.5}))


def test_sums_that_become_possible_by_other_sums():
    k = ppl.Categorical("k", np.array([0.2, 0.5, 0.3]), size=4)
    z = ppl.Bernoulli("z", 0.4)
    mu = ppl.Normal("mu", 0, 1, size=3)
    plan = ppl.plan(ppl.Model({ppl.Normal("y", mu[k] + z, 1.0): Y}))
    assert plan.method_of("k") == plan.method_of("z") == "marginalize"


@pytest.mark.parametrize(
    ("make", "options", "error", "message"),
    [
        (mixture, {"sampler": {"z": "nuts"}}, ModelError, "sampler names 'z'.*"),
        (mixture, {"sampler": "hmc"}, ModelError, "Unknown sampler 'hmc'; choose from gibbs, .*nuts, rmh"),
        (counts, {"sampler": {"n": "nuts"}}, ModelError, "n is discrete and NUTS needs a gradient"),
        (counts, {"marginalize": ["n"]}, ModelError, "'n' cannot be summed out"),
        (counts, {"marginalize": "never"}, ModelError, "marginalize is"),
        (counts, {"marginalize": 3}, ModelError, "marginalize is"),
        (counts, {"sampler": ["nuts"]}, ModelError, "sampler is gibbs, .*nuts, .*, or a mapping"),
        (tied_counts, {"sampler": {"n": "gibbs"}}, DerivationError, "no Gibbs step for n"),
        (counts, {"marginalize": "require"}, DerivationError, r"n cannot be summed out: .*infinitely many.*bound"),
    ],
)
def test_bad_overrides(make, options, error, message):
    with pytest.raises(error, match=message):
        ppl.plan(make(), **options)


def test_deterministics_that_a_model_does_not_keep_are_named():
    """Of those that nothing depends on; ancestors of what is given are kept."""
    a = ppl.Normal("a", 0, 1)
    twice = ppl.Deterministic("twice", 2 * a)
    lost = ppl.Deterministic("lost", a + 1)
    elsewhere = ppl.Deterministic("elsewhere", ppl.Normal("b", 0, 1) + 1)
    y = ppl.Normal("y", twice, 1)
    assert "not kept: lost (nothing depends on it: give it to ppl.Model)" in str(ppl.plan(ppl.Model({y: 0.3})))
    whole = ppl.Model({y: 0.3}, lost)
    assert list(whole.deterministics) == ["twice", "lost"]
    assert "not kept" not in str(ppl.plan(whole))
    assert "elsewhere" not in whole.named_variables
    assert elsewhere.name == "elsewhere"
