"""Metrics from variances of draws alone where few elements are slow, and larger aims after divergent trajectories.

Answers: closed forms, NumPy, and a count of effective draws of a density whose moments are known.
"""

from __future__ import annotations

from math import exp, log

import numpy as np
import pytest

import ppl
from benchmarks.nuts_tools import least_ess
from samplers.tuning.adaptation import (
    IS_BY_VARIANCE,
    LOG_MISS,
    LOG_STEP_SIZE,
    NUM_MOMENTS,
    NUM_TUNING_FIELDS,
    SETTLED_UPDATES,
    finish_averaging,
    notice_divergence,
    start_averaging,
    update_averaging,
    update_inverse_mass_matrix,
)
from samplers.tuning.few_slow import has_few_slow


def moments_of(products: np.ndarray) -> np.ndarray:
    """Return moments with these products of the variances of draws and gradients, of which one alone tells nothing."""
    rows = np.zeros((NUM_MOMENTS, products.size))
    rows[1] = np.geomspace(1e-3, 1e3, products.size)
    rows[3] = products / rows[1]
    return rows


@pytest.mark.parametrize(
    ("products", "is_right"),
    [
        (np.ones(200), False),  # independent normals
        (np.full(200, 50.0), False),  # all alike
        (np.array([*np.ones(199), 100.0]), True),
        (np.array([*np.ones(199), 10.0]), False),  # not slow enough
        (np.array([*np.ones(195), *np.full(5, 100.0)]), True),
        (np.array([*np.ones(140), *np.full(60, 1000.0)]), False),  # a hierarchy
        (np.array([100.0]), False),
        (np.array([*np.ones(30), 400.0]), False),
        (np.zeros(5), False),  # nothing has varied
        (np.array([*np.ones(198), 0.0, 100.0]), True),
        (np.array([*np.ones(198), np.nan, 100.0]), True),
        (np.array([*np.ones(198), np.inf, 1.0]), False),
    ],
)
def test_few_slow_elements_are_seen(products: np.ndarray, is_right: bool) -> None:
    assert bool(has_few_slow(*moments_of(products)[[1, 3]])) is is_right


def test_jax_sees_the_same() -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    from samplers.tuning.jax_adaptation import Moments, _has_few_slow

    rng = np.random.default_rng(1)
    seen = []
    for spread in np.linspace(0.0, 2.0, 60):
        rows = moments_of(np.exp(spread * rng.normal(size=128) * (rng.random(128) < rng.random())))
        squares = np.stack([np.stack([rows[1], rows[3]]), np.stack([rows[5], rows[7]])])
        ours = bool(has_few_slow(rows[1], rows[3]))
        assert bool(_has_few_slow(Moments(np.ones(2), np.zeros_like(squares), squares))) is ours
        seen.append(ours)
    assert 0 < sum(seen) < len(seen)


def test_the_metric_is_the_variance_where_few_elements_are_slow() -> None:
    """One of 140 elements has a gradient that varies 900 times as much as a normal one of its variance."""
    rng = np.random.default_rng(2)
    tune, size, last = 1000, 140, 850
    draws = rng.normal(0.0, np.linspace(1.0, 3.0, size), size=(tune, size))
    gradients = -draws / np.linspace(1.0, 3.0, size) ** 2
    gradients[:, 7] *= 30.0
    tuning, moments, learnt = np.zeros(NUM_TUNING_FIELDS), np.zeros((NUM_MOMENTS, size)), np.ones(size)
    news = [
        i for i in range(tune) if update_inverse_mass_matrix(tuning, i, tune, draws[i], gradients[i], moments, learnt)
    ]

    assert tuning[IS_BY_VARIANCE]
    # The first estimate, and the first from variances.
    assert len(news) == 2
    # The last window is not taken away where a new one could not be filled: it has 80 to 240 draws.
    matches = [np.allclose(learnt, draws[first:last].var(axis=0)) for first in range(last - 240, last - 79)]
    assert sum(matches) == 1


def test_divergent_trajectories_raise_the_acceptance_rate() -> None:
    """The share that is refused shrinks by exp(-0.15) for each, a quarter at the least, and the step size follows."""
    steps = {}
    for count in (0, 1, 5, 50):
        rng = np.random.default_rng(3)
        tuning = np.zeros(NUM_TUNING_FIELDS)
        start_averaging(tuning, 1.0)
        for i in range(3000):
            rate = exp(-exp(tuning[LOG_STEP_SIZE])) + rng.normal(0.0, 0.02)
            update_averaging(tuning, min(max(rate, 0.0), 1.0), 0.8)
            if 100 <= i < 100 + count:
                notice_divergence(tuning)
        finish_averaging(tuning)
        steps[count] = exp(tuning[LOG_STEP_SIZE])
        aim = 1.0 - 0.2 * max(exp(-0.15 * count), exp(-1.4))
        assert steps[count] == pytest.approx(-log(aim), rel=0.15)
    assert steps[0] > steps[1] > steps[5] > steps[50]


def test_divergences_of_a_step_size_that_is_still_found_do_not_count() -> None:
    tuning = np.zeros(NUM_TUNING_FIELDS)
    start_averaging(tuning, 1.0)
    for _ in range(int(SETTLED_UPDATES) - 1):
        update_averaging(tuning, 0.8, 0.8)
        notice_divergence(tuning)
    assert tuning[LOG_MISS] == 0.0
    update_averaging(tuning, 0.8, 0.8)
    notice_divergence(tuning)
    assert tuning[LOG_MISS] < 0.0


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["numba", "jax"])
def test_a_slow_scale_beside_many_elements(backend: str) -> None:
    """The scale of a hundred elements, non-centred, known by one number: its logarithm is free to wander.

    Its prior is normal, and so is the posterior of the others: the mean of the logarithm is found by quadrature to four
    standard errors of its effective draws.
    """
    if backend == "jax":
        pytest.importorskip("jax")
    log_scale = ppl.Normal("log_scale", 0.0, 1.0)
    raw = ppl.Normal("raw", 0.0, 1.0, size=100)
    y = ppl.Normal("y", np.exp(log_scale) * raw[0], 1.0)
    trace = ppl.sample(
        ppl.Model({y: 3.0}), sampler="nuts", marginalize=False, backend=backend, seed=1, draws=1000, progress=False
    )

    grid = np.linspace(-8.0, 8.0, 4001)
    variance = np.exp(2 * grid) + 1.0
    weight = np.exp(-(grid**2) / 2 - 4.5 / variance) / np.sqrt(variance)
    mean = (grid * weight).sum() / weight.sum()
    draws = trace.posterior["log_scale"].to_numpy()
    error = draws.std() / np.sqrt(least_ess({"log_scale": draws}))
    assert abs(draws.mean() - mean) < 4 * error
