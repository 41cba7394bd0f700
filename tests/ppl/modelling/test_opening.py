"""Distributions that are graphs of random variables: by enumeration, SciPy, and PyMC where it knows their density.

Answers: the enumeration, SciPy, and PyMC's densities.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from numpy.typing import NDArray
from pymc.pytensorf import collect_default_updates
from scipy import stats
from scipy.special import logsumexp

import ppl
from graphs.errors import DerivationError
from graphs.joint.logprob import logprob
from graphs.surgery.interpreting import interpret

# The usual spelling: the other way to write a scan takes no updates from PyMC.
pytestmark = pytest.mark.filterwarnings("ignore:Scan return signature will change:DeprecationWarning")

Y = np.array([-1.0, -0.8, 2.1, 1.9, 2.2, -1.1])
P = np.array([[0.7, 0.3], [0.2, 0.8]])
MU = np.array([-1.0, 2.0])
STEPS = len(Y)


def chain(table: Any, steps: Any, size: Any, count: int | None = None) -> Any:
    """A Markov chain as it is usually written: its first state, then a scan."""
    first = pm.Categorical.dist(p=table[0], size=count)

    def step(before: Any, table: Any) -> Any:
        state = pm.Categorical.dist(p=table[before])
        return state, collect_default_updates([state])

    later, _ = pytensor.scan(step, outputs_info=[first], non_sequences=[table], n_steps=steps - 1, strict=True)
    states = pt.concatenate([first[None], later])
    return states if count is None else pt.moveaxis(states, 0, -1)


def emissions(table: Any, mu: Any, steps: Any, size: Any) -> Any:
    return pm.Normal.dist(mu[chain(table, steps, size)], 1.0)


def sum_over_paths(y: NDArray) -> float:
    """Return the log-likelihood of a hidden Markov chain by enumeration."""
    terms = []
    for path in itertools.product([0, 1], repeat=len(y)):
        s = np.array(path)
        steps = np.log(P[0, s[0]]) + np.log(P[s[:-1], s[1:]]).sum()
        terms.append(steps + stats.norm.logpdf(y, MU[s], 1).sum())
    return float(logsumexp(terms))


def at(model: Any, **values: Any) -> float:
    lp = logprob(model)
    return float(interpret(list(lp.values.values()), lp.total)(*(np.asarray(values[n]) for n in lp.values)))


PRIOR = float(stats.norm.logpdf(MU, 0, 3).sum())
"""That of a flat Dirichlet table of two states is zero."""


def unknowns() -> tuple[Any, Any]:
    return ppl.Dirichlet("P", np.ones((2, 2))), ppl.Normal("mu", 0, 3, size=2)


def test_a_hidden_chain_from_pymc_keeps_its_name_and_is_summed_out() -> None:
    with pm.Model(coords={"t": range(STEPS)}) as pm_model:
        table, mu = pm.Dirichlet("P", np.ones((2, 2))), pm.Normal("mu", 0, 3, shape=2)
        s = pm.CustomDist("s", table, STEPS, dist=chain, signature="(k,k),()->(t)", dims="t", shape=STEPS)
        pm.Normal("y", mu[s], 1.0, observed=Y, dims="t")
    model = ppl.from_pymc(pm_model)
    assert set(model.latent) == {"P", "mu", "s"}
    assert model.dims["s"] == ("t",)
    assert logprob(model).summed == ("s",)
    np.testing.assert_allclose(at(model, P=P, mu=MU), sum_over_paths(Y) + PRIOR)
    prior = ppl.prior_predictive(model, draws=3, seed=1)["prior"]["s"]
    assert prior.shape[2:] == (STEPS,)
    assert set(np.unique(prior)) <= {0, 1}


def test_the_first_state_may_stand_in_a_list() -> None:
    """As in ``concatenate([[first], later])``, where it is an element of a vector."""

    def listed(table: Any, steps: Any, size: Any) -> Any:
        states = chain(table, steps, size)
        row, later = states.owner.inputs
        return pt.concatenate([[row.owner.inputs[0]], later])

    with pm.Model() as pymc_model:
        s = pm.CustomDist("s", P, STEPS, dist=listed, dtype="int64", shape=(STEPS,))
        pm.Normal("y", pt.as_tensor(MU)[s], 1.0, observed=Y)
    np.testing.assert_allclose(at(ppl.from_pymc(pymc_model)), sum_over_paths(Y), rtol=1e-12)


def test_two_states_before_the_first_step_may_stand_in_a_list() -> None:
    table = np.array([[[0.8, 0.2], [0.3, 0.7]], [[0.6, 0.4], [0.1, 0.9]]])
    first = pm.Categorical.dist(p=P[0])
    second = pm.Categorical.dist(p=pt.as_tensor(P)[first])

    def step(before: Any, last: Any, table: Any) -> Any:
        state = pm.Categorical.dist(p=table[before, last])
        return state, collect_default_updates([state])

    initial = {"initial": pt.stack([first, second]), "taps": [-2, -1]}
    later, _ = pytensor.scan(step, outputs_info=[initial], non_sequences=[pt.as_tensor(table)], n_steps=4, strict=True)
    s = np.array([0, 1, 1, 0, 1, 1])
    found = logprob({pt.concatenate([[first, second], later]): s}).total.eval()
    np.testing.assert_allclose(found, np.log(P[0, 0] * P[0, 1]) + np.log(table[s[:-2], s[1:-1], s[2:]]).sum())


def test_a_long_chain_is_that_of_a_markov_chain() -> None:
    y = np.tile(Y, 8)
    models = []
    for make in (
        lambda table: ppl.CustomDist("s", table, len(y), dist=chain, signature="(k,k),()->(t)"),
        lambda table: ppl.MarkovChain("s", table, table[0], steps=len(y)),
    ):
        table, mu = unknowns()
        models.append(ppl.Model({ppl.Normal("y", mu[make(table)], 1.0): y}))
    first, second = (at(model, P=P, mu=MU) for model in models)
    np.testing.assert_allclose(first, second, rtol=1e-13)


def test_chains_side_by_side() -> None:
    y = np.stack([Y, Y[::-1], Y + 0.3])
    table, mu = unknowns()

    def three(table: Any, steps: Any, size: Any) -> Any:
        return chain(table, steps, size, count=3)

    s = ppl.CustomDist("s", table, STEPS, dist=three, signature="(k,k),()->(t)")
    model = ppl.Model({ppl.Normal("y", mu[s], 1.0): y})
    assert set(model.latent) == {"P", "mu", "s"}
    np.testing.assert_allclose(at(model, P=P, mu=MU), sum(map(sum_over_paths, y)) + PRIOR)


def test_states_hidden_in_an_observed_variable() -> None:
    table, mu = unknowns()
    signature = "(k,k),(k),()->(t)"
    own = ppl.Model({ppl.CustomDist("y", table, mu, STEPS, dist=emissions, signature=signature): Y})
    with pm.Model() as pm_model:
        table, mu = pm.Dirichlet("P", np.ones((2, 2))), pm.Normal("mu", 0, 3, shape=2)
        pm.CustomDist("y", table, mu, STEPS, dist=emissions, signature=signature, observed=Y)
    for model in (own, ppl.from_pymc(pm_model)):
        np.testing.assert_allclose(at(model, P=P, mu=MU), sum_over_paths(Y) + PRIOR)
        assert all(name.startswith("y_") for name in logprob(model).summed)


def test_an_index_hidden_in_a_mixture() -> None:
    def mixture(q: Any, mu: Any, size: Any) -> Any:
        return pm.Normal.dist(mu[pm.Bernoulli.dist(q, size=size)], 1.0)

    q, mu = ppl.Beta("q", 1, 1), ppl.Normal("mu", 0, 3, size=2)
    model = ppl.Model({ppl.CustomDist("y", q, mu, dist=mixture, signature="(),(k)->()", size=STEPS): Y})
    expected = np.log(0.3 * stats.norm.pdf(Y, 2) + 0.7 * stats.norm.pdf(Y, -1)).sum() + PRIOR
    np.testing.assert_allclose(at(model, q=0.3, mu=MU), expected)


def walk(start: Any, scale: Any, steps: Any, size: Any) -> Any:
    def step(before: Any, scale: Any) -> Any:
        x = pm.Normal.dist(before, scale)
        return x, collect_default_updates([x])

    return pytensor.scan(step, outputs_info=[start], non_sequences=[scale], n_steps=steps, strict=True)[0]


@pytest.mark.parametrize("is_observed", [True, False])
def test_continuous_graphs_have_the_density_of_pymc(is_observed: bool) -> None:
    with pm.Model() as pm_model:
        scale = pm.HalfNormal("scale", 1.0, default_transform=None)
        arguments = {"observed": Y} if is_observed else {"shape": STEPS}
        zero = pt.constant(0.0, dtype="float64")
        x = pm.CustomDist("x", zero, scale, STEPS, dist=walk, signature="(),(),()->(t)", **arguments)
        log_normal = pm.CustomDist("z", scale, dist=lambda s, size: pt.exp(pm.Normal.dist(0, s, size=size)))
        if not is_observed:
            pm.Normal("y", x + log_normal, 1.0, observed=Y)
    values = {"scale": np.float64(0.7), "z": np.float64(0.4)} | ({} if is_observed else {"x": Y + 0.1})
    np.testing.assert_allclose(at(ppl.from_pymc(pm_model), **values), pm_model.compile_logp()(values), rtol=1e-12)


@pytest.mark.parametrize("is_observed", [True, False])
def test_a_walk_may_begin_with_what_it_starts_from(is_observed: bool) -> None:
    """The first position stands in a list, and follows a distribution of its own."""

    def begun(scale: Any, size: Any) -> Any:
        start = pm.Normal.dist(1.0, 2.0)
        return pt.concatenate([[start], walk(start, scale, STEPS - 1, size)])

    with pm.Model() as pm_model:
        scale = pm.HalfNormal("scale", 1.0, default_transform=None)
        x = pm.CustomDist("x", scale, dist=begun, **({"observed": Y} if is_observed else {"shape": STEPS}))
        if not is_observed:
            pm.Normal("y", x, 1.0, observed=Y)
    steps = stats.norm.logpdf(Y[0], 1, 2) + stats.norm.logpdf(np.diff(Y), 0, 0.7).sum() + stats.halfnorm.logpdf(0.7)
    values = {"scale": np.float64(0.7)} | ({} if is_observed else {"x": Y})
    expected = steps + (0 if is_observed else stats.norm.logpdf(Y, Y, 1).sum())
    np.testing.assert_allclose(at(ppl.from_pymc(pm_model), **values), expected, rtol=1e-12)


def test_a_mapping_of_values() -> None:
    y = pm.CustomDist.dist(P, MU, STEPS, dist=emissions, signature="(k,k),(k),()->(t)")
    np.testing.assert_allclose(logprob({y: Y}).total.eval(), sum_over_paths(Y))


def binary(q: Any, size: Any) -> Any:
    return pm.Bernoulli.dist(q, size=size)


def categorical(size: Any) -> Any:
    return pm.Categorical.dist(np.array(SHARES), size=size)


SHARES = (0.2, 0.3, 0.5)
Q = 0.3
COUNTED: dict[str, tuple[Any, dict[int, float]]] = {
    "one or three": (lambda q, size: 1 + 2 * binary(q, size), {1: 1 - Q, 3: Q}),
    "sum of two": (lambda q, size: binary(q, size) + binary(q, size), {0: 0.7**2, 1: 2 * 0.7 * Q, 2: Q**2}),
    "product": (
        lambda q, size: binary(q, size) * categorical(size),
        {0: 1 - Q + Q * 0.2, 1: Q * 0.3, 2: Q * 0.5},
    ),
    "greater of two": (
        lambda q, size: pt.maximum(binary(q, size), categorical(size)),
        {0: 0.2 * (1 - Q), 1: 0.3 + 0.2 * Q, 2: 0.5},
    ),
    "square": (lambda q, size: (categorical(size) - 1) ** 2, {0: 0.3, 1: 0.7}),
}


@pytest.mark.parametrize(("dist", "mass"), COUNTED.values(), ids=COUNTED)
def test_functions_of_finitely_many_states_are_counted(dist: Any, mass: dict[int, float]) -> None:
    q = ppl.Beta("q", 1, 1)
    data = np.array([*mass, min(mass)])
    observed = ppl.Model({ppl.CustomDist("s", q, dist=dist, size=len(data), dtype="int64"): data})
    np.testing.assert_allclose(at(observed, q=Q), np.log([mass[k] for k in data.tolist()]).sum(), rtol=1e-12)
    latent = ppl.Model({ppl.Normal("y", ppl.CustomDist("s", q, dist=dist, size=STEPS, dtype="int64"), 1.0): Y})
    each = sum(p * stats.norm.pdf(Y, k, 1) for k, p in mass.items())
    np.testing.assert_allclose(at(latent, q=Q), np.log(each).sum(), rtol=1e-12)
    prior = ppl.prior_predictive(latent, draws=50, seed=1)["prior"]
    assert set(np.unique(prior["s"])) == set(mass)


def total(count: int) -> Any:
    return ppl.CustomDist("s", ppl.Beta("q", 1, 1), dist=lambda q, size: binary(q, (count,)).sum(), signature="()->()")


def test_a_total_is_binomial() -> None:
    np.testing.assert_allclose(at(ppl.Model({total(4): 1}), q=Q), stats.binom.logpmf(1, 4, Q), rtol=1e-12)


def test_an_observed_function_of_variables_of_the_model() -> None:
    b, c = ppl.Bernoulli("b", Q, size=3), ppl.Binomial("c", 2, 0.4, size=3)
    data = np.array([1, 2, 3])
    model = ppl.Model({b + c: data})
    assert set(model.latent) == {"b", "c"}
    two = stats.binom.pmf([1, 2, 3], 2, 0.4) * (1 - Q) + stats.binom.pmf([0, 1, 2], 2, 0.4) * Q
    np.testing.assert_allclose(at(model), np.log(two).sum(), rtol=1e-12)
    trace = ppl.sample(model, draws=200, tune=0, chains=1, seed=1)
    drawn = ppl.recover(model, trace, seed=2)["posterior"] if "b" not in trace["posterior"] else trace["posterior"]
    np.testing.assert_array_equal(drawn["b"].values + drawn["c"].values, np.broadcast_to(data, drawn["b"].shape))


def test_what_is_no_density_is_refused_by_name() -> None:
    s = ppl.CustomDist("s", Q, dist=lambda q, size: 2 * pm.Poisson.dist(q, size=size), size=2)
    with pytest.raises(DerivationError, match="No log-probability can be derived for s"):
        logprob(ppl.Model({ppl.Normal("y", s, 1.0): Y[:2]}))
    # Of too many states to be enumerated.
    with pytest.raises(DerivationError, match="No log-probability can be derived for s"):
        logprob(ppl.Model({total(60): 20}))
