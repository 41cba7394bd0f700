r"""Tempered sequential Monte Carlo: particles from a prior to a posterior, by ever higher powers of the likelihood.

Particles are drawn from the prior, and go through the densities
:math:`p(x)\, L(x)^{t}` with :math:`0 = t_0 < t_1 < \dots = 1`. At each step they are weighted by
:math:`L(x)^{t' - t}`, resampled, and moved by steps that leave the new density as it is. The product of the mean
weights estimates the integral of :math:`p L` without bias but for what adaptation brings [1]_.

References
----------
.. [1] Del Moral, Doucet and Jasra (2006). Sequential Monte Carlo samplers. JRSS B 68.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from graphs.errors import SamplingError
from samplers.particles.genealogies import Genealogy, error_of_logarithm
from samplers.particles.mover import ParticleMover
from samplers.particles.resampling import normalized, systematic
from samplers.particles.temperatures import next_temperature

type Vector = NDArray[np.float64]
type Matrix = NDArray[np.float64]

MOVED_ENOUGH = 0.5
"""Mean squared distance from where particles began a stage, over that of two independent ones: of the slowest number,
or of the log-likelihood. With 0.25 and 0.8 evidence and moments of eight schools as declared, a curved ridge and two
modes of different widths were the same within their errors (500 particles, 12 seeds)."""
_LEAST_GAIN = 0.2
"""Where a sweep adds a smaller share to the distance of what is slower, what is left lies beyond what moves can cross:
between modes, say. Of the same three models 0.05 took two to four times the sweeps in schools and ridge, 0.5 half of
them in schools; evidence and moments were the same within their errors."""
_MOST_STAGES = 1000


@dataclass(eq=False)
class TemperedRun:
    """Particles that have come to the last density, and what was seen on the way.

    Parameters
    ----------
    particles : array, shape (n, d), float64
        Of the same weight; descendants of one particle side by side.
    loglikelihoods : array, shape (n,), float64
        At each.
    temperatures : list of float
        Of the stages, zero first.
    acceptance : list of list of float
        Of each stage after it, the acceptance rates of the blocks in its last sweep.
    sweeps : list of int
        How many sweeps each stage had.
    distances : list of float
        How far particles moved in each: one is as far as independent ones.
    log_evidence, relative_variance : float
        Logarithm of the estimate of the integral, and its variance over its square.
    num_founders : int
        Of how many of the first particles there are descendants.
    num_not_a_number : int
        Evaluations of the likelihood that were no number, which counted as impossible.
    seconds : float
        How long it took.
    """

    particles: Matrix
    loglikelihoods: Vector
    temperatures: list[float] = field(default_factory=lambda: [0.0])
    acceptance: list[list[float]] = field(default_factory=list)
    sweeps: list[int] = field(default_factory=list)
    distances: list[float] = field(default_factory=list)
    log_evidence: float = 0.0
    relative_variance: float = 0.0
    num_founders: int = 0
    num_not_a_number: int = 0
    seconds: float = 0.0

    @property
    def log_evidence_error(self) -> float:
        """The standard error of ``log_evidence``."""
        return error_of_logarithm(self.relative_variance, self.num_founders, len(self.particles))

    @property
    def share_of_unique(self) -> float:
        """How many particles are no copies of their neighbours, as a share of all."""
        is_copy = (self.particles[1:] == self.particles[:-1]).all(axis=1)
        return 1.0 - float(is_copy.sum()) / len(self.particles)


def run_tempered(
    particles: Matrix,
    loglikelihood: Callable[[Matrix], Vector],
    mover: ParticleMover,
    generator: np.random.Generator,
    share: float = 0.5,
    most_sweeps: int = 20,
    say: Callable[[TemperedRun], None] = lambda run: None,
) -> TemperedRun:
    """Take particles from the first density to the last.

    Parameters
    ----------
    particles : array, shape (n, d), float64
        Independent draws of the first density.
    loglikelihood : callable
        Of particles (n, d), what is tempered (n,).
    mover : ParticleMover
        Moves them.
    generator : numpy.random.Generator
        Of the resampling.
    share : float
        Effective size of the weights of each stage, over the number of particles.
    most_sweeps : int
        Sweeps of each stage at most.
    say : callable
        Given the run so far after each stage.

    Returns
    -------
    TemperedRun

    Raises
    ------
    SamplingError
        If the likelihood of no particle is above zero.
    """
    start = perf_counter()
    run = TemperedRun(particles.copy(), np.zeros(len(particles)))
    run.loglikelihoods = _evaluated(run, loglikelihood)
    if not np.isfinite(run.loglikelihoods).any():
        raise SamplingError(
            f"None of {len(particles)} draws from the prior has a likelihood above zero: the data are impossible, or "
            "nearly so, under the prior. Give a prior that allows for them, or more particles."
        )
    genealogy = Genealogy(len(particles))
    while run.temperatures[-1] < 1.0:
        if len(run.temperatures) > _MOST_STAGES:
            raise SamplingError(
                f"The temperature is {run.temperatures[-1]:.3g} after {_MOST_STAGES} stages: likelihoods differ too "
                "much between particles. Give more particles, or a smaller target_ess."
            )
        following = next_temperature(run.temperatures[-1], run.loglikelihoods, share)
        weights, log_mean = normalized((following - run.temperatures[-1]) * run.loglikelihoods)
        ancestors = systematic(weights, generator.uniform())
        genealogy.add(weights, ancestors)
        run.log_evidence += log_mean
        run.temperatures.append(following)
        run.particles, run.loglikelihoods = run.particles[ancestors], run.loglikelihoods[ancestors]
        _move(run, loglikelihood, mover, most_sweeps)
        run.relative_variance, run.num_founders = genealogy.relative_variance, genealogy.num_founders
        run.seconds = perf_counter() - start
        say(run)
    return run


def _evaluated(run: TemperedRun, loglikelihood: Callable[[Matrix], Vector]) -> Vector:
    """Return the log-likelihoods of the particles; what is no number is impossible."""
    found = np.asarray(loglikelihood(run.particles), np.float64)
    is_lost = np.isnan(found) | (found == np.inf)
    run.num_not_a_number += int(is_lost.sum())
    return np.where(is_lost, -np.inf, found)


def _move(run: TemperedRun, loglikelihood: Callable[[Matrix], Vector], mover: ParticleMover, most_sweeps: int) -> None:
    """Sweep until particles are far from where they began, or do not get any further."""
    mover.learn(run.particles, run.temperatures[-1])
    before = np.column_stack([run.particles, run.loglikelihoods])
    distances, count = np.zeros(before.shape[1]), 0
    for _ in range(most_sweeps):
        mover.move(run.particles)
        count += 1
        run.loglikelihoods = _evaluated(run, loglikelihood)
        further = _distances(before, np.column_stack([run.particles, run.loglikelihoods]))
        is_short, gains = further < MOVED_ENOUGH, further - distances
        distances = further
        if mover.is_settled and not (is_short & (gains > _LEAST_GAIN * further)).any():
            break
    run.acceptance.append(list(mover.acceptance))
    run.sweeps.append(count)
    run.distances.append(float(distances.min()))


def _distances(before: Matrix, after: Matrix) -> Vector:
    """Return the mean squared distance of each column, over twice its variance: one of independent rows."""
    is_finite = np.isfinite(before[:, -1]) & np.isfinite(after[:, -1])
    old, new = before[is_finite], after[is_finite]
    spread = old.var(axis=0) + new.var(axis=0)
    is_spread = spread > 1e-24 * (1.0 + np.abs(old).max(axis=0, initial=0.0)) ** 2
    squares = ((new - old) ** 2).mean(axis=0)
    found: Vector = np.where(is_spread, squares / np.where(is_spread, spread, 1.0), 1.0)
    return found
