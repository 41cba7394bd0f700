"""The random generator of compiled programs: xoshiro256++, with uniform, normal and exponential draws.

A generator is a ``uint64[4]`` array that every ``random_*`` function updates in place. The ``draw_*`` functions do the
same on a tuple of four words and return ``(draw, words)``: inside a loop the words then stay in registers, which is
what makes a normal draw cost 2 ns. Both kinds can be called from Python and from compiled code, and give the same
numbers.

References
----------
Blackman and Vigna (2021), Scrambled linear pseudorandom number generators, ACM TOMS 47(4), 36.
Marsaglia and Tsang (2000), The ziggurat method for generating random variables, J. Stat. Software 5(8).
"""

from __future__ import annotations

from math import exp, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.library.ziggurat import (
    EXPONENTIAL_HEIGHT,
    EXPONENTIAL_TAIL,
    EXPONENTIAL_THRESHOLD,
    EXPONENTIAL_WIDTH,
    NORMAL_HEIGHT,
    NORMAL_TAIL,
    NORMAL_THRESHOLD,
    NORMAL_WIDTH,
    NUM_LAYERS,
)
from graphs.backends.numba.machine_code.kept import njit

type Words = tuple[np.uint64, np.uint64, np.uint64, np.uint64]


_LAYER_MASK = np.uint64(NUM_LAYERS - 1)
_U11, _U17, _U19, _U23, _U41, _U45 = (np.uint64(n) for n in (11, 17, 19, 23, 41, 45))
_UNIT = 2.0**-53


@njit(cache=True, inline="always")
def load_words(rng: NDArray[np.uint64]) -> Words:
    """Return the four words of a generator."""
    return rng[0], rng[1], rng[2], rng[3]


@njit(cache=True, inline="always")
def store_words(rng: NDArray[np.uint64], words: Words) -> None:
    """Write four words back into a generator."""
    rng[0] = words[0]
    rng[1] = words[1]
    rng[2] = words[2]
    rng[3] = words[3]


@njit(cache=True, forceinline=True)
def draw_bits(words: Words) -> tuple[np.uint64, Words]:
    """Draw 64 random bits (xoshiro256++)."""
    s0, s1, s2, s3 = words
    total = s0 + s3
    bits = ((total << _U23) | (total >> _U41)) + s0
    shifted = s1 << _U17
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    s2 ^= shifted
    s3 = (s3 << _U45) | (s3 >> _U19)
    return bits, (s0, s1, s2, s3)


@njit(cache=True, forceinline=True)
def draw_uniform(words: Words) -> tuple[float, Words]:
    """Draw a multiple of 2**-53 in [0, 1)."""
    bits, words = draw_bits(words)
    return np.int64(bits >> _U11) * _UNIT, words


@njit(cache=True, forceinline=True)
def draw_positive(words: Words) -> tuple[float, Words]:
    """Draw a multiple of 2**-53 in (0, 1], whose logarithm is finite."""
    bits, words = draw_bits(words)
    return (np.int64(bits >> _U11) + 1) * _UNIT, words


@njit(cache=True)
def _draw_normal_edge(layer: np.uint64, integer: np.int64, words: Words) -> tuple[float, Words]:
    """Finish a normal draw whose first point fell outside the inner rectangle of its layer."""
    while True:
        x = integer * NORMAL_WIDTH[layer]
        if abs(integer) < NORMAL_THRESHOLD[layer]:
            return x, words
        if layer == 0:
            while True:
                u, words = draw_positive(words)
                v, words = draw_positive(words)
                excess = -log(u) / NORMAL_TAIL
                if -2.0 * log(v) > excess * excess:
                    return (NORMAL_TAIL + excess if integer >= 0 else -NORMAL_TAIL - excess), words
        u, words = draw_uniform(words)
        below = NORMAL_HEIGHT[layer]
        if below + u * (NORMAL_HEIGHT[layer - np.uint64(1)] - below) < exp(-0.5 * x * x):
            return x, words
        bits, words = draw_bits(words)
        layer = bits & _LAYER_MASK
        integer = np.int64(bits) >> 11


@njit(cache=True, forceinline=True)
def draw_normal(words: Words) -> tuple[float, Words]:
    """Draw from the standard normal distribution (ziggurat)."""
    bits, words = draw_bits(words)
    layer = bits & _LAYER_MASK
    # The sign comes with the upper 53 bits, the layer from the lower eight: they are independent.
    integer = np.int64(bits) >> 11
    if abs(integer) < NORMAL_THRESHOLD[layer]:
        return integer * NORMAL_WIDTH[layer], words
    return _draw_normal_edge(layer, integer, words)


@njit(cache=True)
def _draw_exponential_edge(layer: np.uint64, integer: np.int64, words: Words) -> tuple[float, Words]:
    """Finish an exponential draw whose first point fell outside the inner rectangle of its layer."""
    start = 0.0
    while True:
        x = integer * EXPONENTIAL_WIDTH[layer]
        if integer < EXPONENTIAL_THRESHOLD[layer]:
            return start + x, words
        if layer == 0:
            # Without memory: beyond the last layer the distribution is the same again.
            start += EXPONENTIAL_TAIL
        else:
            u, words = draw_uniform(words)
            below = EXPONENTIAL_HEIGHT[layer]
            if below + u * (EXPONENTIAL_HEIGHT[layer - np.uint64(1)] - below) < exp(-x):
                return start + x, words
        bits, words = draw_bits(words)
        layer = bits & _LAYER_MASK
        integer = np.int64(bits >> _U11)


@njit(cache=True, forceinline=True)
def draw_exponential(words: Words) -> tuple[float, Words]:
    """Draw from the exponential distribution of mean one (ziggurat)."""
    bits, words = draw_bits(words)
    layer = bits & _LAYER_MASK
    integer = np.int64(bits >> _U11)
    if integer < EXPONENTIAL_THRESHOLD[layer]:
        return integer * EXPONENTIAL_WIDTH[layer], words
    return _draw_exponential_edge(layer, integer, words)


@njit(cache=True)
def random_uniform(rng: NDArray[np.uint64]) -> float:
    """Draw a multiple of 2**-53 in [0, 1); ``rng`` is updated in place."""
    draw, words = draw_uniform(load_words(rng))
    store_words(rng, words)
    return draw


@njit(cache=True)
def fill_normal(rng: NDArray[np.uint64], out: NDArray[np.float64]) -> None:
    """Fill a vector with independent standard normal draws; ``rng`` is updated in place."""
    words = load_words(rng)
    for i in range(out.size):
        out[i], words = draw_normal(words)
    store_words(rng, words)


@njit(cache=True)
def fill_uniform(rng: NDArray[np.uint64], out: NDArray[np.float64]) -> None:
    """Fill a vector with independent draws from [0, 1); ``rng`` is updated in place."""
    words = load_words(rng)
    for i in range(out.size):
        out[i], words = draw_uniform(words)
    store_words(rng, words)


@njit(cache=True)
def fill_exponential(rng: NDArray[np.uint64], out: NDArray[np.float64]) -> None:
    """Fill a vector with independent standard exponential draws; ``rng`` is updated in place."""
    words = load_words(rng)
    for i in range(out.size):
        out[i], words = draw_exponential(words)
    store_words(rng, words)


def seed_states(seed: Any, num_streams: int) -> NDArray[np.uint64]:
    """Return the generators of independent streams.

    Parameters
    ----------
    seed : int, sequence of int, SeedSequence or None
        What ``numpy.random.SeedSequence`` takes; ``None`` draws entropy from the system.
    num_streams : int
        Number of streams, for example chains.

    Returns
    -------
    array, shape (num_streams, 4), uint64
        One generator per row; row ``i`` does not depend on ``num_streams``.

    Examples
    --------
    >>> rng = seed_states(1, num_streams=2)[0]
    >>> 0.0 <= random_uniform(rng) < 1.0
    True
    """
    if isinstance(seed, np.random.SeedSequence):
        # A copy: spawning twice from one object would give other streams.
        seed = np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key, pool_size=seed.pool_size)
    else:
        seed = np.random.SeedSequence(seed)
    return np.array([child.generate_state(4, np.uint64) for child in seed.spawn(num_streams)]).reshape(num_streams, 4)


NAMES = {
    "draw_bits": draw_bits,
    "draw_uniform": draw_uniform,
    "draw_positive": draw_positive,
    "draw_normal": draw_normal,
    "draw_exponential": draw_exponential,
}
"""What generated source calls."""
