"""Models with many discrete variables: declared here, marginalised by hand in PyMC, and for pymc-extras to sum out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from numpy.typing import NDArray

import ppl
from benchmarks import mixture_density as mixture

IN_JAX, SCAN, ASSOCIATIVE = "JAX by hand", "JAX by hand, lax.scan", "JAX by hand, associative scan"
type Array = NDArray[Any]


@dataclass(frozen=True)
class Case:
    """One model in three forms.

    Parameters
    ----------
    name : str
        What the table calls it.
    kind : {"mixture", "hmm", "poisson"}
        Which model.
    data : mapping of str to array
        Observations and predictors.
    num_states : int
        States of each discrete variable.
    latent : str
        The name of the discrete variable.
    declare : callable
        Returns our model.
    by_hand : callable
        Returns the PyMC model without the discrete variable.
    automatic : callable
        Returns the PyMC model with the discrete variable, for pymc-extras to sum out.
    at : mapping of str to array
        Where the density is evaluated: unconstrained values, by variable, in the order of declaration.
    """

    name: str
    kind: str
    data: Mapping[str, Array]
    num_states: int
    latent: str
    declare: Callable[[], ppl.Model]
    by_hand: Callable[[], pm.Model]
    automatic: Callable[[], pm.Model]
    at: Mapping[str, Array]

    def point(self, inputs: list[Any]) -> Array:
        """Return the place of evaluation in the order of a density's inputs."""
        return np.concatenate([self.at[v.name.split("_")[0]].ravel() for v in inputs])


def simplex(probabilities: Array) -> Array:
    """Return PyMC's unconstrained coordinates of probabilities along the last axis."""
    logs = np.log(probabilities)
    return (logs - logs.mean(axis=-1, keepdims=True))[..., :-1]


def mixture_case(num_points: int, num_components: int) -> Case:
    points = mixture.data(num_points, num_components)
    at = {
        "w": np.zeros(num_components - 1),
        "mu": 54.0 + 25.0 * np.arange(num_components),
        "sigma": np.log(np.full(num_components, 6.0)),
    }
    forms = [mixture.declare, mixture.marginalised, mixture.automatic]
    builders = [partial(form, points, num_components) for form in forms]
    name = f"mixture n={num_points}, K={num_components}"
    return Case(name, "mixture", {"y": points}, num_components, "k", *builders, at)


def transitions(num_states: int) -> Array:
    """Return a matrix that stays in its state nine times of ten."""
    return np.eye(num_states) * (0.9 - 0.1 / (num_states - 1)) + 0.1 / (num_states - 1)


def walk(num_steps: int, num_states: int) -> Array:
    """Return the emissions of a sticky chain: states three standard deviations apart."""
    rng = np.random.default_rng(1)
    moves = np.where(rng.random(num_steps) < 0.1, rng.integers(1, num_states, num_steps), 0)
    return 3.0 * (np.cumsum(moves) % num_states) + rng.standard_normal(num_steps)


def declared_hmm(y: Array, num_states: int) -> ppl.Model:
    transition = ppl.Dirichlet("P", np.ones((num_states, num_states)))
    mu, sigma = ppl.Normal("mu", 0, 30, size=num_states), ppl.HalfNormal("sigma", 5)
    s = ppl.MarkovChain("s", transition, np.full(num_states, 1 / num_states), steps=y.size)
    return ppl.Model({ppl.Normal("y", mu[s], sigma): y})


def forward_hmm(y: Array, num_states: int) -> pm.Model:
    """Return the forward algorithm as one writes it: a scan over logarithms."""

    def step(emission: Any, old: Any, log_transition: Any) -> Any:
        return emission + pt.logsumexp(old[:, None] + log_transition, axis=0)

    with pm.Model() as model:
        transition = pm.Dirichlet("P", np.ones((num_states, num_states)))
        mu, sigma = pm.Normal("mu", 0, 30, shape=num_states), pm.HalfNormal("sigma", 5)
        emission = pm.logp(pm.Normal.dist(mu, sigma), y[:, None])
        forward = pytensor.scan(
            step,
            sequences=[emission[1:]],
            outputs_info=[emission[0] - np.log(num_states)],
            non_sequences=[pt.log(transition)],
            return_updates=False,
        )
        pm.Potential("y", pt.logsumexp(forward[-1]))
    return model


def automatic_hmm(y: Array, num_states: int) -> pm.Model:
    from pymc_extras.distributions import DiscreteMarkovChain

    with pm.Model() as model:
        transition = pm.Dirichlet("P", np.ones((num_states, num_states)))
        mu, sigma = pm.Normal("mu", 0, 30, shape=num_states), pm.HalfNormal("sigma", 5)
        start = pm.Categorical.dist(np.full(num_states, 1 / num_states))
        s = DiscreteMarkovChain("s", P=transition, init_dist=start, shape=(y.size,))
        pm.Normal("y", mu[s], sigma, observed=y)
    return model


def hmm_case(num_steps: int, num_states: int) -> Case:
    y = walk(num_steps, num_states)
    at = {"P": simplex(transitions(num_states)), "mu": 3.0 * np.arange(num_states), "sigma": np.zeros(1)}
    builders = [partial(form, y, num_states) for form in (declared_hmm, forward_hmm, automatic_hmm)]
    return Case(f"HMM T={num_steps}, K={num_states}", "hmm", {"y": y}, num_states, "s", *builders, at)


def counts(num_points: int) -> tuple[Array, Array]:
    """Return a predictor and counts, a third of them zero for no reason of theirs."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal(num_points)
    return x, rng.poisson(np.exp(1.0 + 0.5 * x)) * (rng.random(num_points) < 2 / 3)


def _rate(d: Any, x: Array) -> Any:
    return pt.exp(d.Normal("a", 0, 2) + d.Normal("b", 0, 2) * x)


def declared_poisson(x: Array, y: Array) -> ppl.Model:
    psi, rate = ppl.Beta("psi", 1, 1), _rate(ppl, x)
    z = ppl.Bernoulli("z", psi, size=y.size)
    return ppl.Model({ppl.Poisson("y", z * rate): y})


def zero_inflated(x: Array, y: Array) -> pm.Model:
    with pm.Model() as model:
        pm.ZeroInflatedPoisson("y", pm.Beta("psi", 1, 1), _rate(pm, x), observed=y)
    return model


def automatic_poisson(x: Array, y: Array) -> pm.Model:
    with pm.Model() as model:
        psi, rate = pm.Beta("psi", 1, 1), _rate(pm, x)
        z = pm.Bernoulli("z", psi, shape=y.size)
        pm.Poisson("y", z * rate, observed=y)
    return model


def poisson_case(num_points: int) -> Case:
    x, y = counts(num_points)
    at = {"psi": np.array([0.7]), "a": np.array([1.0]), "b": np.array([0.5])}
    builders = [partial(form, x, y) for form in (declared_poisson, zero_inflated, automatic_poisson)]
    return Case(f"zero-inflated Poisson n={num_points}", "poisson", {"x": x, "y": y}, 2, "z", *builders, at)


TRANSITIONS, LEVELS = np.array([0.2, 0.7]), np.array([-1.0, 1.5])


def declared_loop(num_steps: int) -> dict[Any, float]:
    """Return the observations of a chain of Bernoullis written one by one."""
    y = np.random.default_rng(1).normal(size=num_steps)
    mu = ppl.Normal("mu", 0, 1, size=2)
    s, observed = ppl.Bernoulli("s0", 0.5), {}
    for t in range(num_steps):
        if t:
            s = ppl.Bernoulli(f"s{t}", pt.as_tensor(TRANSITIONS)[s])
        observed[ppl.Normal(f"y{t}", mu[s], 1)] = y[t]
    return observed


def loop_in_pymc(num_steps: int) -> pm.Model:
    y = np.random.default_rng(1).normal(size=num_steps)
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 1, shape=2)
        s = pm.Bernoulli("s0", 0.5)
        for t in range(num_steps):
            if t:
                s = pm.Bernoulli(f"s{t}", pt.as_tensor(TRANSITIONS)[s])
            pm.Normal(f"y{t}", mu[s], 1, observed=y[t])
    return model
