"""Draws in JAX where PyTensor's own lowering is wrong or missing.

Checked against PyTensor 3.3.7. Its categorical passes the *logits* of the probabilities where JAX wants logarithms:
probabilities 0.2, 0.3, 0.1, 0.4 come out as 0.17, 0.30, 0.08, 0.45. Its Bernoulli returns booleans, two of which add up
to one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytensor.tensor.random.basic as ptr
from pymc.distributions.continuous import TruncatedNormalRV
from pytensor.graph.basic import Apply
from pytensor.link.jax.dispatch.random import jax_sample_fn

from graphs.balancing import SignedLogGammaRV, first_of_gamma
from graphs.variables.gig import GIGRV, hat_of, is_proper, proposed
from graphs.variables.polya_gamma import MOST_TERMS, PolyaGammaRV, moments_of, num_terms, remainder, weight_of

Sampler = Callable[..., jax.Array]


def _shape(size: tuple[int, ...] | None, *parameters: Any) -> tuple[int, ...]:
    return jnp.broadcast_shapes(*(jnp.shape(p) for p in parameters)) if size is None else tuple(size)


@jax_sample_fn.register(ptr.CategoricalRV)
def categorical(op: ptr.CategoricalRV, node: Apply) -> Sampler:
    """Draw indices with probabilities ``p``."""

    def sample(key: jax.Array, size: Any, dtype: str, p: Any) -> jax.Array:
        p = jnp.asarray(p)
        return jax.random.categorical(key, jnp.log(p), shape=_shape(size, p[..., 0])).astype(dtype)

    return sample


@jax_sample_fn.register(ptr.BernoulliRV)
def bernoulli(op: ptr.BernoulliRV, node: Apply) -> Sampler:
    """Draw 0 and 1."""

    def sample(key: jax.Array, size: Any, dtype: str, p: Any) -> jax.Array:
        return jax.random.bernoulli(key, p, shape=_shape(size, p)).astype(dtype)

    return sample


@jax_sample_fn.register(ptr.BinomialRV)
def binomial(op: ptr.BinomialRV, node: Apply) -> Sampler:
    """Draw numbers of successes."""

    def sample(key: jax.Array, size: Any, dtype: str, n: Any, p: Any) -> jax.Array:
        n, p = jnp.asarray(n, "float64"), jnp.asarray(p, "float64")
        return jax.random.binomial(key, n, p, shape=_shape(size, n, p)).astype(dtype)

    return sample


@jax_sample_fn.register(ptr.WeibullRV)
def weibull(op: ptr.WeibullRV, node: Apply) -> Sampler:
    """Draw from the standard Weibull distribution of a given shape."""

    def sample(key: jax.Array, size: Any, dtype: str, shape: Any) -> jax.Array:
        return jax.random.exponential(key, _shape(size, shape), dtype) ** (1 / jnp.asarray(shape))

    return sample


@jax_sample_fn.register(ptr.HalfCauchyRV)
def half_cauchy(op: ptr.HalfCauchyRV, node: Apply) -> Sampler:
    """Draw distances of Cauchy draws from their location."""

    def sample(key: jax.Array, size: Any, dtype: str, loc: Any, scale: Any) -> jax.Array:
        return loc + jnp.abs(jax.random.cauchy(key, _shape(size, loc, scale), dtype)) * scale

    return sample


@jax_sample_fn.register(ptr.TriangularRV)
def triangular(op: ptr.TriangularRV, node: Apply) -> Sampler:
    """Draw by the inverse of the distribution function."""

    def sample(key: jax.Array, size: Any, dtype: str, left: Any, mode: Any, right: Any) -> jax.Array:
        return jax.random.triangular(key, left, mode, right, _shape(size, left, mode, right), dtype)

    return sample


@jax_sample_fn.register(TruncatedNormalRV)
def truncated_normal(op: TruncatedNormalRV, node: Apply) -> Sampler:
    """Draw by the inverse of the distribution function; far out by rejection from an exponential one (Robert, 1995)."""

    def sample(key: jax.Array, size: Any, dtype: str, loc: Any, scale: Any, lower: Any, upper: Any) -> jax.Array:
        shape = _shape(size, loc, scale, lower, upper)
        low, high = (jnp.broadcast_to((jnp.asarray(b, "float64") - loc) / scale, shape) for b in (lower, upper))
        is_mirrored = low + high > 0
        # The nearer bound is the upper one now, and most of the mass is left of zero.
        low, high = jnp.where(is_mirrored, -high, low), jnp.where(is_mirrored, -low, high)
        is_far = high < -5.0
        start, key = jax.random.split(key)
        left, right = jax.scipy.special.ndtr(low), jax.scipy.special.ndtr(high)
        uniform = jax.random.uniform(start, shape, "float64")
        value = jnp.clip(jax.scipy.special.ndtri(left + (right - left) * uniform), low, high)
        nearest = jnp.where(is_far, -high, 1.0)
        rate = 0.5 * (nearest + jnp.sqrt(nearest * nearest + 4.0))
        width = -jnp.expm1(-rate * jnp.where(is_far, high - low, 1.0))

        def attempt(state: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
            key, value, is_done = state
            key, now = jax.random.split(key)
            u, v = jax.random.uniform(now, (2, *shape), "float64")
            x = nearest - jnp.log1p(-u * width) / rate
            is_accepted = jnp.log1p(-v) <= -0.5 * (x - rate) ** 2
            return key, jnp.where(is_done, value, -x), is_done | is_accepted

        _, value, _ = jax.lax.while_loop(lambda s: ~s[2].all(), attempt, (key, value, ~is_far))
        value = jnp.where(is_mirrored, -value, value)
        return jnp.where(lower < upper, loc + scale * value, jnp.nan).astype(dtype)

    return sample


@jax_sample_fn.register(GIGRV)
def generalised_inverse_gaussian(op: GIGRV, node: Apply) -> Sampler:
    """Draw by rejection, until all elements are accepted."""

    def sample(key: jax.Array, size: Any, dtype: str, *parameters: Any) -> jax.Array:
        shape = _shape(size, *parameters)
        arrays = [jnp.broadcast_to(jnp.asarray(p, "float64"), shape) for p in parameters]
        hat, proper = hat_of(jnp, *arrays), is_proper(jnp, *arrays)

        def is_waiting(state: tuple[jax.Array, ...]) -> jax.Array:
            return ~state[2].all()

        def attempt(state: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
            key, value, is_done = state
            key, now = jax.random.split(key)
            found, is_accepted = proposed(jnp, hat, *jax.random.uniform(now, (3, *shape), "float64"))
            return key, jnp.where(is_done, value, found), is_done | is_accepted

        start = (key, jnp.full(shape, jnp.nan), ~proper)
        return jax.lax.while_loop(is_waiting, attempt, start)[1].astype(dtype)

    return sample


@jax_sample_fn.register(SignedLogGammaRV)
def signed_log_gamma(op: SignedLogGammaRV, node: Apply) -> Sampler:
    """Draw once, and again by JAX where that is not taken."""

    def sample(key: jax.Array, size: Any, dtype: str, alpha: Any, is_positive: Any) -> jax.Array:
        shape = _shape(size, alpha, is_positive)
        keys = jax.random.split(key, 4)
        signed = jnp.abs(jax.random.normal(keys[0], shape, "float64")) * jnp.where(is_positive, 1.0, -1.0)
        increased, first, is_taken = first_of_gamma(jnp, alpha, signed, jax.random.uniform(keys[1], shape, "float64"))
        others = jax.random.loggamma(keys[2], increased, shape, "float64")
        found = jnp.where(is_taken, jnp.log(first), others)
        found += jnp.where(increased > alpha, jnp.log1p(-jax.random.uniform(keys[3], shape, "float64")) / alpha, 0.0)
        return jnp.where(alpha > 0.0, found, jnp.where(alpha == 0.0, -jnp.inf, jnp.nan)).astype(dtype)

    return sample


@jax_sample_fn.register(PolyaGammaRV)
def polya_gamma(op: PolyaGammaRV, node: Apply) -> Sampler:
    """Draw by the sum of weighted gamma variables."""

    def sample(key: jax.Array, size: Any, dtype: str, count: Any, tilt: Any) -> jax.Array:
        shape = _shape(size, count, tilt)
        count = jnp.broadcast_to(jnp.asarray(count, "float64"), shape)
        tilt = jnp.broadcast_to(jnp.asarray(tilt, "float64"), shape)
        proper, is_zero = (count >= 0) & jnp.isfinite(tilt), count == 0
        count, tilt = jnp.where(proper & ~is_zero, count, 1.0), jnp.where(proper, jnp.abs(tilt), 0.0)
        largest = jnp.minimum(tilt.max(initial=0.0), MOST_TERMS)
        terms = jnp.minimum(MOST_TERMS, num_terms(0.0) + largest)

        def add(state: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
            k, key, total, mean, variance = state
            key, now = jax.random.split(key)
            weight = weight_of(k, tilt)
            total = total + weight * jax.random.gamma(now, count, shape, "float64")
            return k + 1, key, total, mean - weight, variance - weight * weight

        key, last = jax.random.split(key)
        start = (jnp.asarray(0), key, jnp.zeros(shape), *moments_of(jnp, tilt))
        _, _, total, mean, variance = jax.lax.while_loop(lambda s: s[0] < terms, add, start)
        left, scale = remainder(jnp, count, mean, variance)
        total = total + scale * jax.random.gamma(last, left, shape, "float64")
        return jnp.where(proper, jnp.where(is_zero, 0.0, total), jnp.nan).astype(dtype)

    return sample
