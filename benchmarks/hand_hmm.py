"""The hidden Markov model of `marginal_models` written by hand for Numba: value and gradient of its log-density.

Forward and backward passes with probabilities that are normalised at each step. Where all states of a step are more
improbable than floating-point numbers can say it gives NaN; log-space forms do not.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from benchmarks.evaluation import Repeated
from benchmarks.marginal_models import Case


@njit
def _simplexes(free: Any, transition: Any) -> float:
    """Write the probabilities of each row; return the log-Jacobian up to a constant."""
    k, total = transition.shape[0], 0.0
    for i in range(k):
        transition[i, : k - 1] = free[i]
        transition[i, k - 1] = -free[i].sum()
        highest = transition[i].max()
        log_scale = highest + math.log(np.exp(transition[i] - highest).sum())
        for j in range(k):
            transition[i, j] -= log_scale
            total += transition[i, j]
            transition[i, j] = math.exp(transition[i, j])
    return total


@njit
def _forward(y: Any, mu: Any, sigma: float, transition: Any, heights: Any, forward: Any, scales: Any) -> float:
    total = -0.5 * math.log(2 * math.pi) * y.size - math.log(sigma) * y.size
    k = mu.size
    for t in range(y.size):
        scales[t] = 0.0
        for new in range(k):
            heights[t, new] = math.exp(-0.5 * ((y[t] - mu[new]) / sigma) ** 2)
            predicted = 1.0 / k
            if t > 0:
                predicted = 0.0
                for old in range(k):
                    predicted += forward[t - 1, old] * transition[old, new]
            forward[t, new] = predicted * heights[t, new]
            scales[t] += forward[t, new]
        for new in range(k):
            forward[t, new] /= scales[t]
        total += math.log(scales[t])
    return total


@njit
def _backward(
    y: Any, mu: Any, sigma: float, transition: Any, heights: Any, forward: Any, scales: Any, moves: Any, by: Any
) -> float:
    """Write expected numbers of moves and the gradient by the means; return the one by log sigma."""
    k, by_log_sigma = mu.size, 0.0
    backward, ahead = np.ones(k), np.empty(k)
    moves[:], by[:] = 0.0, 0.0
    for t in range(y.size - 1, -1, -1):
        for i in range(k):
            distance = (y[t] - mu[i]) / sigma
            probability = forward[t, i] * backward[i]
            by[i] += probability * distance / sigma
            by_log_sigma += probability * (distance * distance - 1.0)
        if t > 0:
            for j in range(k):
                ahead[j] = heights[t, j] * backward[j] / scales[t]
            for i in range(k):
                total = 0.0
                for j in range(k):
                    weight = transition[i, j] * ahead[j]
                    moves[i, j] += forward[t - 1, i] * weight
                    total += weight
                backward[i] = total
    return by_log_sigma


@njit
def value_and_gradient(x: Any, y: Any, k: int, gradient: Any, matrices: Any, passes: Any, scales: Any) -> float:
    num_free = k * (k - 1)
    free, mu, sigma = x[:num_free].reshape(k, k - 1), x[num_free:-1], math.exp(x[-1])
    transition, moves = matrices[0], matrices[1]
    value = _simplexes(free, transition)
    value += _forward(y, mu, sigma, transition, passes[0], passes[1], scales)
    by_mu = gradient[num_free:-1]
    gradient[-1] = _backward(y, mu, sigma, transition, passes[0], passes[1], scales, moves, by_mu)
    for i in range(k):
        # The Jacobian's log is the sum of all log-probabilities: one move more of each kind.
        moves[i] += 1.0
        by_logits = moves[i] - transition[i] * moves[i].sum()
        for j in range(k - 1):
            gradient[i * (k - 1) + j] = by_logits[j] - by_logits[k - 1]
        value -= 0.5 * (mu[i] / 30.0) ** 2
        by_mu[i] -= mu[i] / 900.0
    gradient[-1] += 1.0 - (sigma / 5.0) ** 2
    return value + x[-1] - 0.5 * (sigma / 5.0) ** 2


@njit
def _repeat(x: Any, y: Any, k: int, gradient: Any, matrices: Any, passes: Any, scales: Any, count: int) -> float:
    total = 0.0
    for _ in range(count):
        total += value_and_gradient(x, y, k, gradient, matrices, passes, scales)
        x[0] += 1e-12 * gradient[0]
    return total


def by_hand(case: Case) -> Repeated:
    y, k = case.data["y"], case.num_states
    start = np.concatenate([value.ravel() for value in case.at.values()])
    space = np.empty(start.size), np.empty((2, k, k)), np.empty((2, y.size, k)), np.empty(y.size)
    return lambda count: _repeat(start.copy(), y, k, *space, count)
