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
from pytensor.graph.basic import Apply
from pytensor.link.jax.dispatch.random import jax_sample_fn

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
