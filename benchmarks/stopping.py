"""What stopping early does: chains whose effective draws are known, sampled until they look good enough.

``python -m benchmarks.stopping`` prints, for autoregressive chains of one and of five numbers and for rules that differ
in how often they look and how many good looks in succession they want, what share of runs stopped with less than nine
tenths of the effective draws that were asked for, how much too large estimates are, how many draws were taken, and how
often intervals of 95 % for the mean cover it. Then, for chains that are in different places, how often they pass.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from ppl.diagnosing.convergence import convergence

CHAINS, ESS, R_HAT, FIRST = 4, 400, 1.01, 100
RULES = {"a quarter more, one look": (1.25, 1), "half more, one look": (1.5, 1), "a quarter more, two looks": (1.25, 2)}
CORRELATIONS = (-0.3, 0.0, 0.3, 0.6, 0.9)
OFFSETS = (0.1, 0.2, 0.3)
MOST = 20_000


@dataclass(frozen=True)
class Stop:
    """Where one run stopped.

    Parameters
    ----------
    num_draws : int or None
        Of each chain; None where it never stopped.
    ess : float
        Estimated bulk effective draws of the first number.
    covers : bool
        Whether the interval of 95 % for the mean of the first number holds it.
    """

    num_draws: int | None
    ess: float = np.nan
    covers: bool = False


def autoregressive(rng: np.random.Generator, num_draws: int, size: int, correlation: float) -> NDArray[np.float64]:
    """Return stationary standard normal chains, shape (chains, draws, size)."""
    noise = rng.normal(size=(CHAINS, num_draws, size)) * np.sqrt(1 - correlation**2)
    noise[:, 0] /= np.sqrt(1 - correlation**2)
    chains: NDArray[np.float64] = lfilter([1.0], [1.0, -correlation], noise, axis=1)
    return chains


def stopped(chains: NDArray[np.float64], growth: float, in_succession: int) -> Stop:
    """Look at ever longer beginnings of chains, until so many in succession are good enough."""
    number, streak = FIRST, 0
    while number <= chains.shape[1]:
        found = convergence(chains[:, :number])
        smallest = min(found.ess_bulk.min(), found.ess_tail.min())
        streak = streak + 1 if smallest >= ESS and found.r_hat.max() <= R_HAT else 0
        if streak == in_succession:
            seen = chains[:, :number, 0]
            error = seen.std() / np.sqrt(found.ess_bulk[0])
            return Stop(number, float(found.ess_bulk[0]), bool(abs(seen.mean()) < 1.96 * error))
        number = ceil(growth * number)
    return Stop(None)


def row(correlation: float, size: int, rule: str, runs: int, seed: int = 0) -> tuple[float, ...]:
    """Return the numbers of one line of the first table."""
    rng = np.random.default_rng(seed)
    length = min(MOST, int(40 * FIRST * (1 + correlation) / (1 - correlation)))
    found = [stopped(autoregressive(rng, length, size, correlation), *RULES[rule]) for _ in range(runs)]
    ends = [stop for stop in found if stop.num_draws is not None]
    worth = np.array([CHAINS * (stop.num_draws or 0) for stop in ends]) * (1 - correlation) / (1 + correlation)
    estimates = np.array([stop.ess for stop in ends])
    return (
        len(ends) / runs,
        float((worth < 0.9 * ESS).mean()),
        float((worth < 0.8 * ESS).mean()),
        float((estimates / worth).mean()),
        float(worth.mean() / ESS),
        float(np.mean([stop.covers for stop in ends])),
    )


def apart(offset: float, rule: str, runs: int, seed: int = 0) -> float:
    """Return how often chains of independent draws pass whose means differ by so many standard deviations."""
    rng = np.random.default_rng(seed)
    passed = 0
    for _ in range(runs):
        chains = rng.normal(size=(CHAINS, 2000, 1)) + offset * rng.normal(size=(CHAINS, 1, 1))
        passed += stopped(chains, *RULES[rule]).num_draws is not None
    return passed / runs


def main(runs: int = 300) -> None:
    """Print both tables."""
    print("| correlation | numbers | rule | stopped | < 0.9 | < 0.8 | estimated / true | true / asked | covered |")
    print("|" + "---|" * 9)
    for correlation in CORRELATIONS:
        for size in (1, 5):
            for rule in RULES:
                cells = [f"{cell:.3f}" for cell in row(correlation, size, rule, runs)]
                print(f"| {correlation} | {size} | {rule} | " + " | ".join(cells) + " |", flush=True)
    print("\n| R-hat of infinitely many draws | rule | passed |\n|---|---|---|")
    for offset in OFFSETS:
        for rule in RULES:
            print(f"| {np.sqrt(1 + offset**2):.3f} | {rule} | {apart(offset, rule, runs):.3f} |", flush=True)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
