"""Data that choose between functions: each function is evaluated at the rows that take it.

Answers: SciPy's densities and distribution functions, and central differences of these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from scipy import stats

import graphs
import ppl
from graphs.compression import compressed, restriction
from graphs.compression.choices import MOST_PARTS, by_branch
from graphs.compression.restriction import Restriction
from graphs.compression.rows import Rows

rng = np.random.default_rng(4)
N = 120
X = rng.normal(size=(N, 3))
ETA = X @ np.array([1.0, -0.5, 0.3])
NOISY = ETA + rng.normal(size=N)
GROUP = rng.integers(0, 5, N)
COUNTS = rng.poisson(np.exp(0.5 * ETA)) * (rng.random(N) < 0.7)
AMOUNTS = np.where(rng.random(N) < 0.6, np.exp(NOISY), 0.0)
PANEL = rng.random((8, 15)) < 0.4


def probit(b, s):
    return stats.norm.logcdf(np.where(NOISY > 0, 1, -1) * (X @ b)).sum()


def cloglog(b, s):
    rate = np.exp(X @ b)
    return np.where(NOISY > 0, np.log(-np.expm1(-rate)), -rate).sum()


def tobit(b, s):
    mean = X @ b
    inside = stats.norm.logpdf(NOISY, mean, s)
    below, above = stats.norm.logcdf(-0.5, mean, s), stats.norm.logsf(0.5, mean, s)
    return np.select([NOISY <= -0.5, NOISY >= 0.5], [below, above], inside).sum()


def survival(b, s):
    scale = np.exp(X @ b)
    time, is_event = np.minimum(np.exp(NOISY), 1.5), np.exp(NOISY) < 1.5
    law = stats.weibull_min(s, scale=scale)
    return np.where(is_event, law.logpdf(time), law.logsf(time)).sum()


def inflated(b, s):
    share, rate = 1 / (1 + s), np.exp(X @ b)
    zero = np.log(1 - share + share * np.exp(-rate))
    return np.where(COUNTS == 0, zero, np.log(share) + stats.poisson.logpmf(COUNTS, rate)).sum()


def hurdle(b, s):
    share = 1 / (1 + s)
    with np.errstate(divide="ignore"):
        amount = np.log(share) + stats.lognorm.logpdf(AMOUNTS, s, scale=np.exp(X @ b))
    return np.where(AMOUNTS == 0, np.log(1 - share), amount).sum()


def panel(b, s):
    ability, difficulty = b[0] * np.arange(8)[:, None] / 8, s * np.arange(15)[None, :] / 15 + b[1]
    return stats.norm.logcdf(np.where(PANEL, 1, -1) * (ability - difficulty)).sum()


def weighted(b, s):
    """Exponential times of which some are censored, rows with weights."""
    rate = np.exp(X @ b)
    logs = np.where(NOISY > 0, stats.expon.logpdf(np.abs(ETA), scale=1 / rate), -rate * np.abs(ETA))
    return float((np.arange(N) % 3 * logs).sum()) * s


def declared(name: str) -> ppl.Model:
    b, s = ppl.Normal("b", 0, 1, size=3), ppl.HalfNormal("s", 1)
    mean = X @ b
    if name == "probit":
        return ppl.Model({ppl.Bernoulli("y", p=pm.math.invprobit(mean)): NOISY > 0, ppl.Normal("z", s, 1): 0.0})
    if name == "cloglog":
        p = 1 - pt.exp(-pt.exp(mean))
        return ppl.Model({ppl.Bernoulli("y", p=p): NOISY > 0, ppl.Normal("z", s, 1): 0.0})
    if name == "tobit":
        y = ppl.Censored("y", pm.Normal.dist(mean, s), lower=-0.5, upper=0.5)
        return ppl.Model({y: np.clip(NOISY, -0.5, 0.5)})
    if name == "survival":
        y = ppl.Censored("y", pm.Weibull.dist(s, pt.exp(mean)), lower=None, upper=1.5)
        return ppl.Model({y: np.minimum(np.exp(NOISY), 1.5)})
    if name == "inflated":
        return ppl.Model({ppl.ZeroInflatedPoisson("y", 1 / (1 + s), pt.exp(mean)): COUNTS})
    if name == "hurdle":
        return ppl.Model({ppl.HurdleLogNormal("y", 1 / (1 + s), mean, s): AMOUNTS})
    if name == "panel":
        ability, difficulty = b[0] * np.arange(8)[:, None] / 8, s * np.arange(15)[None, :] / 15 + b[1]
        return ppl.Model({ppl.Bernoulli("y", p=pm.math.invprobit(ability - difficulty)): PANEL})
    rate, time = pt.exp(mean), np.abs(ETA)
    logs = pt.switch(NOISY > 0, pm.logp(pm.Exponential.dist(rate), time), -rate * time)
    return ppl.Model(b, s, ppl.Potential("y", np.arange(N) % 3 * logs * s))


DENSITIES: dict[str, Callable[[Any, float], float]] = {
    each.__name__: each for each in (probit, cloglog, tobit, survival, inflated, hurdle, panel, weighted)
}


@pytest.mark.parametrize("name", list(DENSITIES))
def test_sums_of_branches_are_those_of_scipy(name: str) -> None:
    """Values to 1e-11; gradients to what central differences have, 1e-6."""
    joint = graphs.logprob(declared(name))
    smaller, found = compressed(joint)
    assert "branches at their own rows" in next(c.how for c in found if c.name == "y")
    b, s = joint.values["b"], joint.values["s"]
    term = smaller.terms["y"]
    function = pytensor.function([b, s], [term, *pytensor.grad(term, [b, s], disconnected_inputs="ignore")])
    for seed in range(3):
        at = np.random.default_rng(seed)
        point, width = at.normal(size=3) * 0.5, at.uniform(0.5, 2.0)
        value, by_b, by_s = function(point, width)
        reference = DENSITIES[name]
        np.testing.assert_allclose(value, reference(point, width), rtol=1e-11)
        steps = 1e-5 * np.eye(3)
        slopes = [(reference(point + d, width) - reference(point - d, width)) / 2e-5 for d in steps]
        slope = (reference(point, width + 1e-5) - reference(point, width - 1e-5)) / 2e-5
        np.testing.assert_allclose([*by_b, by_s], [*slopes, slope], rtol=1e-6, atol=1e-6)


def test_what_is_left_of_a_branch_has_statistics() -> None:
    """Rows of a censored regression that are seen are a least squares, which a triangle of 4 by 4 holds."""
    _, [found] = compressed(graphs.logprob(declared("tobit")))
    assert "QR of 3 columns" in found.how
    assert found.numbers < X.size


def test_impossible_rows_stay_impossible() -> None:
    s = ppl.HalfNormal("s", 1)
    counts = np.where(np.arange(60) % 2, 0, 3)
    p = pt.switch(counts > 0, 0.0, 1.0) * pt.exp(-s)
    joint = graphs.logprob(ppl.Model({ppl.Bernoulli("y", p=p): counts > 0}))
    smaller, _ = compressed(joint)
    assert smaller.total.eval({joint.values["s"]: 0.3}) == -np.inf


def test_few_parts_are_made_of_many_choices() -> None:
    """Three choices of data have eight patterns; two are taken, and the third stays a choice within each part."""
    x = pt.vector("x", shape=(64,))
    bits = [(np.arange(64) >> k & 1).astype(bool) for k in range(3)]
    term = x
    for k, bit in enumerate(bits):
        term = pt.switch(bit, pt.exp(term), pt.sin(term) + k)
    parts = by_branch(Rows(term), term)
    assert len(parts) == MOST_PARTS
    assert sum(count for _, count in parts) == 64
    at = np.linspace(-1, 1, 64)
    expected = at
    for k, bit in enumerate(bits):
        expected = np.where(bit, np.exp(expected), np.sin(expected) + k)
    total = sum(part.sum() for part, _ in parts)
    np.testing.assert_allclose(total.eval({x: at}), expected.sum(), rtol=1e-13)


@pytest.mark.parametrize("is_seen", [np.ones(40, bool), np.zeros(40, bool)])
def test_a_choice_that_all_rows_make_is_no_choice(is_seen: np.ndarray) -> None:
    x = pt.vector("x", shape=(40,))
    assert by_branch(Rows(x), pt.switch(is_seen, pt.exp(x), x)) == []


def test_a_cheap_choice_is_left() -> None:
    """A bent line: to gather rows costs more than the branch that is thrown away."""
    b = ppl.Normal("b", 0, 1, size=N)
    joint = graphs.logprob(ppl.Model(b, ppl.Potential("y", pt.switch(NOISY > 0, b, -b))))
    assert "y" not in {c.name for c in compressed(joint)[1]}


def test_runs_agree_with_the_truth() -> None:
    """Coefficients of 120 rows lie within three standard deviations of what made them; the slope that is 1, above 0."""
    trace = ppl.sample(declared("probit"), sampler="nuts", draws=200, tune=200, chains=1, seed=1, progress=False)
    found = trace.posterior["b"].values.reshape(-1, 3)
    assert (np.abs(found.mean(0) - [1.0, -0.5, 0.3]) < 3 * found.std(0)).all()
    assert found[:, 0].min() > 0


def survival(num_steps: int) -> ppl.Model:
    """Animals that are alive or dead, step by step: each step reads both states of the step before it twice."""
    seen = np.random.default_rng(1).random((40, num_steps)) < 0.4
    p, stays = ppl.Beta("p", 1, 1), ppl.Beta("stays", 1, 1, size=num_steps)
    alive, dead = pt.zeros(40), pt.zeros(40) - 50.0
    for t in range(num_steps):
        dies = pt.logsumexp(pt.stack([alive + pt.log1p(-stays[t]), dead], axis=1), axis=1)
        alive = alive + pt.log(stays[t]) + pt.switch(seen[:, t], pt.log(p), pt.log1p(-p))
        dead = dies + pt.switch(seen[:, t], -np.inf, 0.0)
    return ppl.Model(p, stays, ppl.Potential("rows", pt.logsumexp(pt.stack([alive, dead], axis=1), axis=1)))


def test_steps_of_a_loop_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, number, numbers = Restriction._restricted, 0, []

    def counted(self: Restriction, variable: Any) -> Any:
        nonlocal number
        number += 1
        return plain(self, variable)

    monkeypatch.setattr(Restriction, "_restricted", counted)
    for num_steps in (16, 32, 64):
        density, number = graphs.logprob(survival(num_steps)), 0
        compressed(density)
        numbers.append(number)
    assert numbers[0] > 100
    assert numbers[2] - numbers[1] == pytest.approx(2 * (numbers[1] - numbers[0]), rel=0.1)


def test_rows_of_their_own_are_left_where_they_would_be_many_times_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restriction, "_FEWEST_VARIABLES", 0)
    monkeypatch.setattr(restriction, "_MOST_FOLD", 0)
    model = ppl.Model({ppl.Bernoulli("y", p=ppl.Beta("p", 1, 1, size=N)): PANEL.ravel()[:N]})
    density = graphs.logprob(model)
    assert compressed(density) == (density, ())
