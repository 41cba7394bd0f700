"""The generator is the published one, and its draws have the distributions that they claim.

Answers: Blackman and Vigna's algorithm in Python integers, and SciPy's distributions.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from graphs.backends.numba.library import rng as generator
from graphs.backends.numba.library.rng_discrete import draw_binomial, draw_categorical, draw_poisson
from graphs.backends.numba.library.rng_gamma import draw_beta, draw_gamma
from graphs.backends.numba.machine_code.kept import njit

MASK = (1 << 64) - 1
NUM_DRAWS = 200_000
# Chance that one of the about 40 tests of this file rejects a right generator: 4 in a million. The seeds are fixed.
FALSE_ALARM = 1e-7


def rotate(x, k):
    return ((x << k) | (x >> (64 - k))) & MASK


def reference(state):
    """Blackman and Vigna's xoshiro256++, on Python integers."""
    s = list(state)
    while True:
        yield (rotate((s[0] + s[3]) & MASK, 23) + s[0]) & MASK
        t = (s[1] << 17) & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotate(s[3], 45)


@njit(cache=True)
def repeat0(draw, rng, out):
    words = generator.load_words(rng)
    for i in range(out.size):
        out[i], words = draw(words)
    generator.store_words(rng, words)


@njit(cache=True)
def repeat1(draw, rng, out, a):
    words = generator.load_words(rng)
    for i in range(out.size):
        out[i], words = draw(a, words)
    generator.store_words(rng, words)


@njit(cache=True)
def repeat2(draw, rng, out, a, b):
    words = generator.load_words(rng)
    for i in range(out.size):
        out[i], words = draw(a, b, words)
    generator.store_words(rng, words)


def draws(function, *parameters, seed=0, size=NUM_DRAWS):
    out = np.empty(size)
    state = generator.seed_states(seed, 1)[0]
    (repeat0, repeat1, repeat2)[len(parameters)](function, state, out, *parameters)
    return out


def bits(seed=0, size=NUM_DRAWS, stream=0):
    out = np.empty(size, np.uint64)
    repeat0(generator.draw_bits, generator.seed_states(seed, stream + 1)[stream], out)
    return out


def test_bits_are_those_of_the_published_algorithm():
    for seed in range(5):
        expected = reference([int(word) for word in generator.seed_states(seed, 1)[0]])
        assert [int(drawn) for drawn in bits(seed, size=200)] == [next(expected) for _ in range(200)]


def test_first_output_of_the_state_one_two_three_four():
    # rotl(1 + 4, 23) + 1, by hand.
    out = np.empty(1, np.uint64)
    repeat0(generator.draw_bits, np.array([1, 2, 3, 4], np.uint64), out)
    assert out[0] == 5 * 2**23 + 1


def test_draws_called_from_python_are_those_of_compiled_code():
    state = generator.seed_states(3, 1)[0]
    np.testing.assert_array_equal(
        [generator.random_uniform(state) for _ in range(50)], draws(generator.draw_uniform, seed=3, size=50)
    )


def test_fill_normal_draws_the_same_as_single_draws():
    out = np.empty(1000)
    generator.fill_normal(generator.seed_states(4, 1)[0], out)
    np.testing.assert_array_equal(out, draws(generator.draw_normal, seed=4, size=1000))


def test_streams_depend_on_the_seed_and_their_number_only():
    np.testing.assert_array_equal(generator.seed_states(5, 3)[:2], generator.seed_states(5, 2))
    np.testing.assert_array_equal(
        generator.seed_states(5, 2)[1], np.random.SeedSequence(5).spawn(2)[1].generate_state(4, np.uint64)
    )
    sequence = np.random.SeedSequence(5)
    np.testing.assert_array_equal(generator.seed_states(sequence, 2), generator.seed_states(sequence, 2))
    assert len({tuple(row) for row in generator.seed_states(5, 100)}) == 100
    assert not np.array_equal(generator.seed_states(5, 1), generator.seed_states(6, 1))
    assert generator.seed_states(1, 0).shape == (0, 4)


def unpacked(words):
    return np.unpackbits(words.view(np.uint8))


def test_every_bit_is_set_half_of_the_time():
    shifted = (bits()[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    deviations = (shifted.mean(axis=0) - 0.5) * 2 * math.sqrt(NUM_DRAWS)
    assert abs(deviations).max() < scipy.stats.norm.isf(FALSE_ALARM / 128)
    assert scipy.stats.chi2.sf((deviations**2).sum(), 64) > FALSE_ALARM


def test_runs_of_bits_are_as_many_as_they_should_be():
    stream = unpacked(bits(seed=1))
    changes = (stream[1:] != stream[:-1]).sum()
    assert scipy.stats.binomtest(int(changes), len(stream) - 1).pvalue > FALSE_ALARM


def test_bytes_are_uniform():
    counts = np.bincount(bits(seed=2).view(np.uint8), minlength=256)
    assert scipy.stats.chisquare(counts).pvalue > FALSE_ALARM


def test_pairs_of_low_bytes_are_uniform():
    low = (bits(seed=7) & np.uint64(15)).astype(int)
    counts = np.bincount(16 * low[:-1:2] + low[1::2], minlength=256)
    assert scipy.stats.chisquare(counts).pvalue > FALSE_ALARM


@pytest.mark.parametrize("lag", [1, 2, 4])
def test_successive_draws_are_uncorrelated(lag):
    u = draws(generator.draw_uniform, seed=8)
    assert scipy.stats.pearsonr(u[:-lag], u[lag:]).pvalue > FALSE_ALARM


def test_streams_are_uncorrelated():
    streams = np.array([bits(seed=9, stream=k, size=20_000).astype(float) for k in range(6)])
    correlations = np.corrcoef(streams)[np.triu_indices(6, 1)] * math.sqrt(20_000)
    assert abs(correlations).max() < scipy.stats.norm.isf(FALSE_ALARM / 30)


CONTINUOUS = {
    "uniform": (generator.draw_uniform, (), scipy.stats.uniform()),
    "normal": (generator.draw_normal, (), scipy.stats.norm()),
    "exponential": (generator.draw_exponential, (), scipy.stats.expon()),
    **{f"gamma {a}": (draw_gamma, (a,), scipy.stats.gamma(a)) for a in (0.05, 0.5, 1.0, 1.5, 3.0, 250.0)},
    **{
        f"beta {a} {b}": (draw_beta, (a, b), scipy.stats.beta(a, b))
        for a, b in ((0.5, 0.5), (0.2, 3.0), (2.0, 5.0), (1.0, 1.0), (0.1, 0.3))
    },
}


@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous_draws_follow_their_distribution(name):
    function, parameters, distribution = CONTINUOUS[name]
    sample = draws(function, *parameters, seed=11)
    assert scipy.stats.kstest(sample, distribution.cdf).pvalue > FALSE_ALARM
    error = distribution.std() / math.sqrt(NUM_DRAWS)
    assert abs(sample.mean() - distribution.mean()) < scipy.stats.norm.isf(FALSE_ALARM / 2) * error


@pytest.mark.parametrize("name", ["normal", "exponential"])
def test_ziggurat_moments(name):
    function, _, distribution = CONTINUOUS[name]
    sample = draws(function, seed=12)
    for order in (1, 2, 3, 4):
        error = math.sqrt((distribution.moment(2 * order) - distribution.moment(order) ** 2) / NUM_DRAWS)
        assert abs((sample**order).mean() - distribution.moment(order)) < 5.5 * error


@pytest.mark.parametrize(
    ("name", "tail"), [("normal", generator.NORMAL_TAIL), ("exponential", generator.EXPONENTIAL_TAIL)]
)
def test_ziggurat_tails_beyond_the_last_layer(name, tail):
    function, _, distribution = CONTINUOUS[name]
    sample = draws(function, seed=13, size=4_000_000)
    sides = (sample, -sample) if name == "normal" else (sample,)
    for side in sides:
        beyond = side[side > tail]
        assert scipy.stats.binomtest(len(beyond), len(side), distribution.sf(tail)).pvalue > FALSE_ALARM
        conditional = scipy.stats.kstest(beyond, lambda x: 1 - distribution.sf(x) / distribution.sf(tail))
        assert conditional.pvalue > FALSE_ALARM


def test_ziggurat_layers_have_no_seams():
    # Counts in bins much finer than the layers would show a wrong wedge or threshold.
    sample = draws(generator.draw_normal, seed=14, size=4_000_000)
    edges = scipy.stats.norm.ppf(np.linspace(0, 1, 2001))
    counts, _ = np.histogram(sample, edges)
    assert scipy.stats.chisquare(counts).pvalue > FALSE_ALARM


def test_uniform_draws_are_below_one_and_positive_draws_above_zero():
    full = np.full(4, MASK, np.uint64)
    # s0 + s3 = MASK - 1, and so on: the extreme outputs come from draw_bits; here only the arithmetic is checked.
    assert 0.0 <= generator.random_uniform(full) < 1.0
    assert (MASK >> 11) * 2.0**-53 < 1.0
    assert ((MASK >> 11) + 1) * 2.0**-53 == 1.0


@pytest.mark.parametrize("shape", [-1.0, math.nan])
def test_gamma_draws_with_impossible_parameters_are_nan(shape):
    assert np.isnan(draws(draw_gamma, shape, size=10)).all()


def test_small_beta_parameters_do_not_underflow():
    sample = draws(draw_beta, 1e-4, 1e-4, seed=15, size=2000)
    assert np.isfinite(sample).all()
    assert abs(sample.mean() - 0.5) < 0.07


DISCRETE = {
    **{f"poisson {m}": (draw_poisson, (m,), scipy.stats.poisson(m)) for m in (0.0, 0.3, 9.9, 10.1, 47.5, 1e4)},
    **{
        f"binomial {n} {p}": (draw_binomial, (n, p), scipy.stats.binom(n, p))
        for n, p in ((1, 0.3), (20, 0.4), (20, 0.0), (20, 1.0), (100, 0.5), (1000, 0.03), (500, 0.9), (10**6, 0.25))
    },
}


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete_draws_follow_their_distribution(name):
    function, parameters, distribution = DISCRETE[name]
    check_counts(draws(function, *parameters, seed=16), distribution)


def test_categorical_draws_follow_their_probabilities():
    weights = np.array([0.2, 0.0, 0.5, 0.3, 0.0])
    sample = draws(draw_categorical, 3 * weights, seed=17)
    counts = np.bincount(sample.astype(int), minlength=5)
    assert counts[1] == counts[4] == 0
    assert scipy.stats.chisquare(counts[[0, 2, 3]], weights[[0, 2, 3]] * NUM_DRAWS).pvalue > FALSE_ALARM


def check_counts(sample, distribution):
    """Compare the counts in cells of at least 20 expected draws with their expectation."""
    if distribution.std() == 0:
        assert (sample == distribution.mean()).all()
        return
    cuts = np.unique(distribution.ppf(np.linspace(0.001, 0.999, 200)))
    cumulative = np.concatenate([[0.0], distribution.cdf(cuts), [1.0]])
    expected = np.diff(cumulative) * len(sample)
    counts = np.bincount(np.searchsorted(cuts, sample), minlength=len(cuts) + 1)
    keep = expected > 5
    statistic = ((counts[keep] - expected[keep]) ** 2 / expected[keep]).sum()
    assert scipy.stats.chi2.sf(statistic, max(keep.sum() - 1, 1)) > FALSE_ALARM
