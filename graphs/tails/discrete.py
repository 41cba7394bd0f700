"""Both tails of discrete distributions: ``P(X <= value)`` and ``P(X > value)``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from graphs.surgery.known import known_value
from graphs.tails.ops import log_betainc, log_betaincc, log_gammainc, log_gammaincc
from graphs.tails.registry import register
from graphs.tails.small_probabilities import log1mexp, log_positive

type T = TensorVariable
LARGEST_TABLE = 100_000
"""Values that are added up one by one, of distributions without a closed form."""


def _from_zero(value: T, tail: Callable[[T], T], below: float) -> T:
    """Return the tail at whole numbers from zero, and what it is below."""
    count = pt.floor(value)
    is_below = pt.lt(count, 0.0)
    return pt.switch(is_below, below, tail(pt.switch(is_below, 0.0, count)))


def _in_range(value: T, n: T, tail: Callable[[T], T], below: float, beyond: float) -> T:
    """Return the tail at the whole numbers of [0, n), and what it is on both sides."""
    count = pt.floor(value)
    is_beyond = pt.ge(count, n)
    inside = pt.maximum(pt.switch(is_beyond, n - 1.0, count), 0.0)
    return pt.switch(pt.lt(count, 0.0), below, pt.switch(is_beyond, beyond, tail(inside)))


def _binomial_lower(value: T, n: T, p: T) -> T:
    return _in_range(value, n, lambda k: log_betaincc(k + 1.0, pt.maximum(n - k, 1.0), p), -np.inf, 0.0)


def _binomial_upper(value: T, n: T, p: T) -> T:
    return _in_range(value, n, lambda k: log_betainc(k + 1.0, pt.maximum(n - k, 1.0), p), 0.0, -np.inf)


def _negative_binomial_lower(value: T, n: T, p: T) -> T:
    return _from_zero(value, lambda k: log_betainc(n, k + 1.0, p), -np.inf)


def _negative_binomial_upper(value: T, n: T, p: T) -> T:
    return _from_zero(value, lambda k: log_betaincc(n, k + 1.0, p), 0.0)


def _poisson_lower(value: T, mu: T) -> T:
    return _from_zero(value, lambda k: log_gammaincc(k + 1.0, mu), -np.inf)


def _poisson_upper(value: T, mu: T) -> T:
    return _from_zero(value, lambda k: log_gammainc(k + 1.0, mu), 0.0)


def _bernoulli_upper(value: T, p: T) -> T:
    return pt.switch(pt.lt(value, 0.0), 0.0, pt.switch(pt.lt(value, 1.0), pt.log(p), -np.inf))


def _geometric_lower(value: T, p: T) -> T:
    return _from_zero(value - 1.0, lambda k: log1mexp((k + 1.0) * pt.log1p(-p)), -np.inf)


def _geometric_upper(value: T, p: T) -> T:
    return _from_zero(value - 1.0, lambda k: (k + 1.0) * pt.log1p(-p), 0.0)


def _discrete_weibull_lower(value: T, q: T, beta: T) -> T:
    return _from_zero(value, lambda k: log1mexp(pt.log(q) * (k + 1.0) ** beta), -np.inf)


def _discrete_weibull_upper(value: T, q: T, beta: T) -> T:
    return _from_zero(value, lambda k: pt.log(q) * (k + 1.0) ** beta, 0.0)


def _discrete_uniform_upper(value: T, lower: T, upper: T) -> T:
    beyond = log_positive(upper - pt.floor(value)) - log_positive(upper - lower + 1.0)
    return pt.switch(pt.lt(value, lower), 0.0, beyond)


def _categorical_lower(value: T, p: T) -> T:
    return _added(value, pt.log(p), is_upper=False)


def _categorical_upper(value: T, p: T) -> T:
    return _added(value, pt.log(p), is_upper=True)


def _beta_binomial_lower(value: T, n: T, alpha: T, beta: T) -> T:
    return _added(value, _beta_binomial(n, alpha, beta), is_upper=False)


def _beta_binomial_upper(value: T, n: T, alpha: T, beta: T) -> T:
    return _added(value, _beta_binomial(n, alpha, beta), is_upper=True)


def _beta_binomial(n: T, alpha: T, beta: T) -> T:
    return pm.BetaBinomial.logp(_states(n), *(v[..., None] for v in map(pt.as_tensor, (n, alpha, beta))))


def _hypergeometric_lower(value: T, good: T, bad: T, n: T) -> T:
    return _added(value, _hypergeometric(good, bad, n), is_upper=False)


def _hypergeometric_upper(value: T, good: T, bad: T, n: T) -> T:
    return _added(value, _hypergeometric(good, bad, n), is_upper=True)


def _hypergeometric(good: T, bad: T, n: T) -> T:
    return pm.HyperGeometric.logp(_states(n), *(v[..., None] for v in map(pt.as_tensor, (good, bad, n))))


def _states(n: T) -> T:
    """Return the whole numbers from zero to the largest ``n``."""
    largest = known_value(pt.max(n))
    if largest is None:
        raise NotImplementedError("The cumulative probability is a sum, which needs a constant number of terms.")
    if largest > LARGEST_TABLE:
        raise NotImplementedError(f"The cumulative probability is a sum over {int(largest)} values.")
    return pt.arange(int(largest) + 1)


def _added(value: T, log_probabilities: T, *, is_upper: bool) -> T:
    """Add up the probabilities, on the last axis, of 0, 1, ..., up to a value or beyond it."""
    value = pt.as_tensor(value)
    states = pt.arange(log_probabilities.shape[-1])
    is_part = pt.gt(states, value[..., None]) if is_upper else pt.le(states, value[..., None])
    parts = pt.switch(is_part, log_probabilities, -np.inf)
    # Where there is no part the gradient of the logarithm of the sum would not be a number.
    is_empty = ~pt.any(pt.and_(is_part, pt.gt(log_probabilities, -np.inf)), axis=-1)
    return pt.switch(is_empty, -np.inf, pt.logsumexp(pt.switch(is_empty[..., None], 0.0, parts), axis=-1))


register(pm.Binomial, lower=_binomial_lower, upper=_binomial_upper)
register(pm.NegativeBinomial, lower=_negative_binomial_lower, upper=_negative_binomial_upper)
register(pm.Poisson, lower=_poisson_lower, upper=_poisson_upper)
register(pm.Bernoulli, upper=_bernoulli_upper)
register(pm.Geometric, lower=_geometric_lower, upper=_geometric_upper)
register(pm.DiscreteWeibull, lower=_discrete_weibull_lower, upper=_discrete_weibull_upper)
register(pm.DiscreteUniform, upper=_discrete_uniform_upper)
register(pm.Categorical, lower=_categorical_lower, upper=_categorical_upper)
register(pm.BetaBinomial, lower=_beta_binomial_lower, upper=_beta_binomial_upper, checks=pm.BetaBinomial.logp)
register(pm.HyperGeometric, lower=_hypergeometric_lower, upper=_hypergeometric_upper, checks=pm.HyperGeometric.logp)
