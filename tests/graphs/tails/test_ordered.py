"""Ordered categories far out: differences of cumulative probabilities in as many digits as it takes.

Answers: mpmath; SciPy.
"""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pymc as pm
import pytensor
import pytest
import scipy.stats as st
from pytensor.graph.traversal import toposort
from pytensor.tensor.basic import Join

import graphs
import ppl
from graphs.surgery.interpreting import INTERPRETED

DIGITS = 600
CUTPOINTS = (-0.5, 0.0, 1.0)
PREDICTORS = np.array([-60.0, 45.0, 0.3, -25.0, 60.0, -45.0, 38.0, 2.0])
DATA = np.array([1, 1, 2, 3, 0, 2, 3, 0])
SIGMA = 1.3
TINY = mp.mpf(10) ** -40


def logistic(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def probit(x: Any) -> Any:
    return mp.erfc(-x / mp.mpf(SIGMA) / mp.sqrt(2)) / 2


KINDS = {
    "logistic": (ppl.OrderedLogistic, {}, logistic),
    "probit": (ppl.OrderedProbit, {"sigma": SIGMA}, probit),
}


def exact(cumulative: Any, y: int, eta: Any, cutpoints: Any) -> Any:
    low = cumulative(cutpoints[y - 1] - eta) if y > 0 else mp.mpf(0)
    high = cumulative(cutpoints[y] - eta) if y < len(cutpoints) else mp.mpf(1)
    return mp.log(high - low)


def total(cumulative: Any, predictors: Any, cutpoints: Any) -> Any:
    return mp.fsum(exact(cumulative, int(y), e, cutpoints) for y, e in zip(DATA, predictors, strict=True))


def slopes(function: Any, at: list[Any]) -> np.ndarray:
    moved = [[x + (step if i == j else 0) for j, x in enumerate(at)] for i in range(len(at)) for step in (TINY, -TINY)]
    values = [function(x) for x in moved]
    return np.array([float((up - down) / (2 * TINY)) for up, down in zip(values[::2], values[1::2], strict=True)])


@pytest.mark.parametrize("kind", KINDS)
def test_values_and_gradients_far_out(kind):
    make, options, cumulative = KINDS[kind]
    eta = ppl.Normal("eta", 0, 100, size=len(DATA))
    cutpoints = ppl.Normal("cutpoints", 0, 100, size=len(CUTPOINTS))
    logprob = graphs.logprob(ppl.Model({make("y", eta, cutpoints, **options): DATA}))
    inputs = [logprob.values["eta"], logprob.values["cutpoints"]]
    term = logprob.terms["y"].sum()
    function = pytensor.function(inputs, [term, *pytensor.grad(term, inputs)], mode=INTERPRETED)
    value, by_eta, by_cutpoints = function(PREDICTORS, np.array(CUTPOINTS))
    with mp.workdps(DIGITS):
        at, cuts = [mp.mpf(float(x)) for x in PREDICTORS], [mp.mpf(c) for c in CUTPOINTS]
        right = float(total(cumulative, at, cuts))
        right_by_eta = [
            slopes(lambda x, y=y: exact(cumulative, y, *x, cuts), [e]) for y, e in zip(DATA, at, strict=True)
        ]
        right_by_cutpoints = slopes(lambda c: total(cumulative, at, c), cuts)
    np.testing.assert_allclose(value, right, rtol=1e-13)
    np.testing.assert_allclose(by_eta, np.ravel(right_by_eta), rtol=1e-10, atol=1e-300)
    np.testing.assert_allclose(by_cutpoints, right_by_cutpoints, rtol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_known_parameters(kind):
    make, options, cumulative = KINDS[kind]
    logprob = graphs.logprob(ppl.Model({make("y", PREDICTORS, np.array(CUTPOINTS), **options): DATA}))
    with mp.workdps(DIGITS):
        right = [
            float(exact(cumulative, int(y), mp.mpf(float(e)), CUTPOINTS)) for y, e in zip(DATA, PREDICTORS, strict=True)
        ]
    np.testing.assert_allclose(logprob.terms["y"].eval(mode=INTERPRETED), right, rtol=1e-12, atol=1e-300)


def of_two_states(y: int) -> float:
    with mp.workdps(200):
        far, near = (mp.exp(exact(logistic, y, mp.mpf(eta), (0, 1))) for eta in (-60, 40))
        return float(mp.log(mp.mpf("0.7") * far + mp.mpf("0.3") * near))


def test_predictors_of_summed_out_variables():
    z = ppl.Bernoulli("z", 0.3, size=3)
    logprob = graphs.logprob(ppl.Model({ppl.OrderedLogistic("y", 100.0 * z - 60.0, [0.0, 1.0]): [0, 1, 2]}))
    total_now = sum(term.sum() for term in logprob.terms.values())
    np.testing.assert_allclose(total_now.eval(mode=INTERPRETED), sum(map(of_two_states, range(3))), rtol=1e-13)


def test_ordered_variables_that_are_summed_out():
    y = ppl.OrderedLogistic("y", -60.0, [0.0, 1.0])
    logprob = graphs.logprob(ppl.Model({ppl.Normal("x", 50.0 * y, 1.0): 100.0}))
    with mp.workdps(200):
        parts = [mp.exp(exact(logistic, k, -60, (0, 1)) - mp.mpf(100 - 50 * k) ** 2 / 2) for k in range(3)]
        right = float(mp.log(mp.fsum(parts) / mp.sqrt(2 * mp.pi)))
    total_now = sum(term.sum() for term in logprob.terms.values())
    np.testing.assert_allclose(total_now.eval(mode=INTERPRETED), right, rtol=1e-13)


def test_many_scalars_and_counts():
    """Variables of the same form are taken together; counts of ordered categories have the same probabilities."""
    eta = ppl.Normal("eta", 0, 100)
    scalars = {ppl.OrderedLogistic(f"y{i}", eta, [0.0, 1.0]): 2 for i in range(25)}
    counts = {ppl.OrderedMultinomial("counts", eta, [0.0, 1.0], 1): [0, 1, 0]}
    logprob = graphs.logprob(ppl.Model({**scalars, **counts}))
    data = sum(term.sum() for name, term in logprob.terms.items() if name != "eta")
    with mp.workdps(200):
        right = float(25 * exact(logistic, 2, -60, (0, 1)) + exact(logistic, 1, -60, (0, 1)))
    np.testing.assert_allclose(data.eval({logprob.values["eta"]: -60.0}, mode=INTERPRETED), right, rtol=1e-13)


def test_models_of_pymc():
    with pm.Model() as model:
        eta = pm.Normal("eta", 0, 100)
        pm.OrderedProbit("y", eta, [0.0, 1.0], sigma=SIGMA, observed=[0, 1, 2])
    logprob = graphs.logprob(ppl.from_pymc(model))
    found = logprob.terms["y"].eval({logprob.values["eta"]: 50.0}, mode=INTERPRETED)
    with mp.workdps(DIGITS):
        right = [float(exact(probit, k, 50, (0, 1))) for k in range(3)]
    np.testing.assert_allclose(found, right, rtol=1e-13, atol=1e-300)


@pytest.mark.parametrize("eta", [0.3, 900.0])
def test_cutpoints_out_of_order_are_impossible(eta):
    cutpoints = ppl.Normal("cutpoints", 0, 100, size=2)
    logprob = graphs.logprob(ppl.Model({ppl.OrderedLogistic("y", eta, cutpoints): [0, 2]}))
    [found] = graphs.get_backend("c").function([logprob.values["cutpoints"]], [logprob.total])(np.array([1.0, 0.0]))
    assert found == -np.inf


def test_conditions_are_no_differences_of_cutpoints() -> None:
    """The log-density of a Poisson count that depends on others holds an exponential of conditions; by SciPy."""
    count, rate, most = ppl.Poisson("count", 3.0, size=3), ppl.Gamma("rate", 2, 1), np.array([2, 4, 3])
    arrivals = ppl.Potential("arrivals", pm.logp(pm.Poisson.dist(rate), most - count).sum())
    joint = graphs.logprob(ppl.Model(arrivals, count, rate), marginalize=False)
    values = {"count": np.array([1, 0, 3]), "rate": 1.5}
    expected = st.poisson.logpmf(values["count"], 3.0).sum() + st.gamma.logpdf(1.5, 2.0)
    expected += st.poisson.logpmf(most - values["count"], 1.5).sum()
    found = joint.total.eval({joint.values[name]: np.asarray(value) for name, value in values.items()})
    assert found == pytest.approx(expected, rel=1e-12)


SHAPES = {
    "vector": ((7,), (3,)),
    "one cutpoint": ((7,), (1,)),
    "matrix": ((4, 3), (2,)),
    "cutpoints of each column": ((4, 3), (3, 2)),
    "cutpoints of each row": ((4, 1), (4, 1, 2)),
    "cutpoints of each outcome": ((7,), (7, 2)),
    "row beside column": ((1, 3), (4, 1, 2)),
    "scalar": ((), (4,)),
}


@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_of_an_outcome_its_category_alone_is_computed(kind, shapes):
    """By the cutpoints around it, however these and the predictor are broadcast."""
    make, options, cumulative = KINDS[kind]
    of_predictor, of_cutpoints = shapes
    rng = np.random.default_rng(1)
    shape = np.broadcast_shapes(of_predictor, of_cutpoints[:-1])
    data = rng.integers(0, of_cutpoints[-1] + 1, size=shape)
    eta, cutpoints = rng.normal(size=of_predictor), np.sort(rng.normal(size=of_cutpoints), axis=-1)
    predictor, cuts = ppl.Normal("eta", 0, 1, size=of_predictor), ppl.Normal("cuts", 0, 1, size=of_cutpoints)
    logprob = graphs.logprob(ppl.Model({make("y", predictor, cuts, **options): data}))
    term = logprob.terms["y"]
    found = term.eval({logprob.values["eta"]: eta, logprob.values["cuts"]: cutpoints}, mode=INTERPRETED)
    assert found.shape == shape
    etas, rows = np.broadcast_to(eta, shape), np.broadcast_to(cutpoints, (*shape, of_cutpoints[-1]))
    with mp.workdps(60):
        right = [
            float(exact(cumulative, int(y), mp.mpf(float(etas[at])), [mp.mpf(float(c)) for c in rows[at]]))
            for at, y in np.ndenumerate(data)
        ]
    np.testing.assert_allclose(np.ravel(found), right, rtol=1e-11)
    # All categories would be joined.
    assert not any(isinstance(node.op, Join) for node in toposort([term]))
