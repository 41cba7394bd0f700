"""The models of `marginal_models` in JAX: marginalised by hand, and by NumPyro's enumeration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln
from jax.scipy.stats import norm

from benchmarks.marginal_models import ASSOCIATIVE, IN_JAX, SCAN, Case

type LogDensity = Callable[[Any], Any]


def _simplex(free: Any) -> tuple[Any, Any]:
    """Return log-probabilities along the last axis and the log-Jacobian, up to a constant."""
    full = jnp.concatenate([free, -jnp.sum(free, axis=-1, keepdims=True)], axis=-1)
    logs = jax.nn.log_softmax(full, axis=-1)
    return logs, logs.sum()


def _parameters(case: Case, x: Any) -> tuple[dict[str, Any], Any]:
    """Return the values of the variables at an unconstrained point, and the log-Jacobian; simplexes as logarithms."""
    parts, start = {}, 0
    for name, value in case.at.items():
        parts[name] = x[start : start + value.size].reshape(value.shape)
        start += value.size
    jacobian = 0.0
    for name in ("w", "P"):
        if name in parts:
            parts[name], more = _simplex(parts[name])
            jacobian += more
    if "sigma" in parts:
        jacobian += parts["sigma"].sum()
        parts["sigma"] = jnp.exp(parts["sigma"])
    if "psi" in parts:
        psi = jax.nn.sigmoid(parts["psi"])
        jacobian += jnp.sum(jnp.log(psi) + jnp.log1p(-psi))
        parts["psi"] = psi
    return {n: v[0] if v.shape == (1,) else v for n, v in parts.items()}, jacobian


def mixture_by_hand(case: Case) -> LogDensity:
    y = case.data["y"]

    def logdensity(x: Any) -> Any:
        values, jacobian = _parameters(case, x)
        weights, mu, sigma = (values[name][:, None] for name in ("w", "mu", "sigma"))
        terms = weights + norm.logpdf(y, mu, sigma)
        prior = norm.logpdf(values["mu"], 70, 20).sum() + norm.logpdf(values["sigma"], 0, 10).sum()
        return jax.nn.logsumexp(terms, axis=0).sum() + prior + jacobian

    return logdensity


def poisson_by_hand(case: Case) -> LogDensity:
    covariate, y = case.data["x"], case.data["y"]

    def logdensity(x: Any) -> Any:
        values, jacobian = _parameters(case, x)
        log_rate = values["a"] + values["b"] * covariate
        inside = jnp.log(values["psi"]) + y * log_rate - jnp.exp(log_rate) - gammaln(y + 1.0)
        terms = jnp.where(y == 0, jnp.logaddexp(inside, jnp.log1p(-values["psi"])), inside)
        return terms.sum() + norm.logpdf(values["a"], 0, 2) + norm.logpdf(values["b"], 0, 2) + jacobian

    return logdensity


def _hmm_parts(case: Case, x: Any) -> tuple[Any, Any, Any]:
    """Return log-transitions, log-emissions with the first state's probability, and the rest of the density."""
    values, jacobian = _parameters(case, x)
    emission = norm.logpdf(case.data["y"][:, None], values["mu"], values["sigma"])
    emission = emission.at[0].add(-np.log(case.num_states))
    prior = norm.logpdf(values["mu"], 0, 30).sum() + norm.logpdf(values["sigma"], 0, 5)
    return values["P"], emission, prior + jacobian


def hmm_by_scan(case: Case) -> LogDensity:
    def logdensity(x: Any) -> Any:
        transition, emission, rest = _hmm_parts(case, x)

        def step(old: Any, new: Any) -> tuple[Any, None]:
            return new + jax.nn.logsumexp(old[:, None] + transition, axis=0), None

        return jax.nn.logsumexp(jax.lax.scan(step, emission[0], emission[1:])[0]) + rest

    return logdensity


def hmm_by_associative_scan(case: Case) -> LogDensity:
    """Multiply the transition matrices pairwise in the log-semiring: the parallel form."""

    def logdensity(x: Any) -> Any:
        transition, emission, rest = _hmm_parts(case, x)
        matrices = transition + emission[1:, None, :]

        def product(a: Any, b: Any) -> Any:
            return jax.nn.logsumexp(a[..., :, None] + b[..., None, :, :], axis=-2)

        total = jax.lax.associative_scan(product, matrices)[-1]
        return jax.nn.logsumexp(emission[0][:, None] + total) + rest

    return logdensity


def by_hand(case: Case) -> dict[str, LogDensity]:
    """Return the densities by what the table calls them."""
    if case.kind == "hmm":
        return {SCAN: hmm_by_scan(case), ASSOCIATIVE: hmm_by_associative_scan(case)}
    form = {"mixture": mixture_by_hand, "poisson": poisson_by_hand}[case.kind]
    return {IN_JAX: form(case)}


def in_numpyro(case: Case) -> Callable[[], None]:
    """Return the NumPyro model with the discrete variables that its enumeration sums out."""
    import numpyro
    import numpyro.distributions as dist
    from numpyro.contrib.control_flow import scan

    y, num_states = case.data["y"], case.num_states

    def mixture() -> None:
        weights = numpyro.sample("w", dist.Dirichlet(jnp.ones(num_states)))
        mu = numpyro.sample("mu", dist.Normal(70, 20).expand([num_states]).to_event(1))
        sigma = numpyro.sample("sigma", dist.HalfNormal(10).expand([num_states]).to_event(1))
        with numpyro.plate("points", y.size):
            k = numpyro.sample("k", dist.Categorical(weights))
            numpyro.sample("y", dist.Normal(mu[k], sigma[k]), obs=y)

    def hmm() -> None:
        transition = numpyro.sample("P", dist.Dirichlet(jnp.ones((num_states, num_states))).to_event(1))
        mu = numpyro.sample("mu", dist.Normal(0, 30).expand([num_states]).to_event(1))
        sigma = numpyro.sample("sigma", dist.HalfNormal(5))
        # From the state before the first one, all are equally probable.
        rows = jnp.concatenate([transition, jnp.full((1, num_states), 1 / num_states)])

        def step(old: Any, point: Any) -> tuple[Any, None]:
            s = numpyro.sample("s", dist.Categorical(rows[old]))
            numpyro.sample("y", dist.Normal(mu[s], sigma), obs=point)
            return s, None

        scan(step, num_states, y)

    def poisson() -> None:
        psi = numpyro.sample("psi", dist.Beta(1, 1))
        a, b = numpyro.sample("a", dist.Normal(0, 2)), numpyro.sample("b", dist.Normal(0, 2))
        with numpyro.plate("points", y.size):
            z = numpyro.sample("z", dist.Bernoulli(psi))
            # A rate of zero gives NaN there.
            numpyro.sample("y", dist.Poisson(jnp.where(z == 1, jnp.exp(a + b * case.data["x"]), 1e-300)), obs=y)

    return {"mixture": mixture, "hmm": hmm, "poisson": poisson}[case.kind]


def by_enumeration(case: Case) -> LogDensity:
    from numpyro.contrib.funsor import config_enumerate, enum, log_density

    model = enum(config_enumerate(in_numpyro(case)), first_available_dim=-1 if case.kind == "hmm" else -2)

    def logdensity(x: Any) -> Any:
        values, jacobian = _parameters(case, x)
        params = {name: jnp.exp(v) if name in ("w", "P") else v for name, v in values.items()}
        return log_density(model, (), {}, params)[0] + jacobian

    return logdensity
