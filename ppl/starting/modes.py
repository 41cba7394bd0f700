"""Chains do not start below modes that hold nearly nothing of the posterior."""

from __future__ import annotations

import logging
from collections.abc import Callable
from math import exp, inf, isfinite, log, nan, pi
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppl.starting.initial import StartingPoints
from samplers.tuning.climbing import Summit, climber

type Vector = NDArray[np.float64]
type Evaluate = Callable[[Vector], tuple[float, Vector]]

logger = logging.getLogger("rvgraph")

NUM_STARTS, NUM_MORE = 8, 24
"""So many starts are looked at, and so many more where the first lead to different modes."""
NUM_LOST = 4
"""If so many lead to no mode, as in funnels, others are not asked."""
LEAST_SHARE = 1e-2
"""Of the best mode's evidence: of four chains one that stays where there is less weighs it by a quarter."""
SAME_HEIGHT = 0.1
"""Modes whose log-densities differ by less are one: those of exchanged labels are alike in all that is asked."""
MOST_ELEMENTS = 500
"""The curvature at a mode takes four gradients for each."""

NUM_DRAWS = 32

_STREAM = 22  # apart from the streams of starting points and of the chains themselves

_FIRST_STEP, _STEP = 1e-4, 1e-2  # absolute; in standard deviations


class LaplaceMode(NamedTuple):
    """A mode with its normal approximation.

    Attributes
    ----------
    position : array, shape (d,), float64
        Where it is.
    height : float
        Its log-density.
    evidence : float
        The logarithm of the integral, by Laplace's approximation; infinite where it has none, so that it is kept.
    bound : float
        The evidence lower bound of that approximation: far below where the density is not like it, as on a plateau.
    factor : array, shape (d, d), float64, or None
        Lower, of the matrix of negative second derivatives.
    """

    position: Vector
    height: float
    evidence: float
    bound: float
    factor: NDArray[np.float64] | None


class Modes:
    """The modes that are found on the way.

    Parameters
    ----------
    climb : callable
        ``joint state -> Summit``.
    evaluate : callable
        ``joint state -> (log-density, gradient)``.
    """

    def __init__(self, climb: Callable[[Vector], Summit], evaluate: Evaluate):
        self._climb, self._evaluate = climb, evaluate
        self._found: list[LaplaceMode] = []

    def differ(self, starts: NDArray[np.float64]) -> bool:
        """Return whether starts lead to modes of different heights."""
        heights: list[float] = []
        for number, start in enumerate(starts):
            summit = self._climb(start)
            heights += [summit.value] if summit.is_mode else []
            if number + 1 == NUM_LOST and not heights:
                return False
        return len(heights) > 1 and max(heights) - min(heights) > SAME_HEIGHT

    def above(self, start: Vector) -> LaplaceMode | None:
        """Return the mode that a start leads to, if there is one."""
        summit = self._climb(start)
        if not summit.is_mode:
            return None
        for mode in self._found:
            if abs(mode.height - summit.value) < SAME_HEIGHT:
                return mode
        self._found.append(_laplace(self._evaluate, summit))
        return self._found[-1]


def chosen_starts(
    starting_points: StartingPoints, init: Any, chains: int, seed: int, sweep: Any
) -> NDArray[np.float64]:
    """Return where chains start; where some would below modes with nearly nothing in them, at draws from good modes.

    Chains that would start below a good mode are then drawn from that one; those below none start as they would have.

    Parameters
    ----------
    starting_points : StartingPoints
        Of the plan.
    init, chains, seed
        As these take them. Unless ``init`` is None, chains start where it says.
    sweep : CompiledSweep or JaxSweep
        The compiled sweep.

    Returns
    -------
    (chains, size) float64 array
    """
    modes = _modes_of(sweep) if init is None else None
    if modes is None:
        return starting_points(init, chains, seed)
    pool = starting_points(None, max(chains, NUM_STARTS), seed)
    # Those of the first chains, so that a chain starts where it does however many there are.
    if not modes.differ(pool[:NUM_STARTS]):
        return pool[:chains]
    pool = starting_points(None, max(chains, NUM_STARTS + NUM_MORE), seed)
    found = map(modes.above, pool[: NUM_STARTS + NUM_MORE])
    known = [mode for mode in found if mode is not None and mode.bound > -inf]
    starts = pool[:chains]
    if not known:
        return starts
    best = max(known, key=lambda mode: mode.bound)
    good = [mode for mode in known if mode.evidence >= best.bound + log(LEAST_SHARE)]
    own = list(map(modes.above, starts))
    if not any(mode is not None and _is_left(mode, good) for mode in (*known, *own)):
        return starts
    # Chains that begin high above a mode may pass it, and fall into one of those with nothing in them.
    shares = np.exp([mode.bound - best.bound for mode in good])
    generators = [np.random.default_rng(s) for s in np.random.SeedSequence([seed, _STREAM]).spawn(chains)]
    chosen, left = starts.copy(), {}
    for chain, mode in enumerate(own):
        generator = generators[chain]
        if mode is not None and _is_left(mode, good):
            left[chain] = exp(mode.evidence - best.bound)
            mode = good[generator.choice(len(good), p=shares / shares.sum())]
        if mode is not None and mode.factor is not None:
            chosen[chain] = mode.position + np.linalg.solve(mode.factor.T, generator.normal(size=mode.position.size))
    if left:
        logger.warning(
            "Chains %s do not start where they would have: the modes that they would climb to from there hold %s times "
            "as much of the posterior as the best that was found. (init='jitter' starts them there all the same.)",
            ", ".join(map(str, left)),
            ", ".join(f"{share:.1g}" for share in left.values()),
        )
    return chosen


def _modes_of(sweep: Any) -> Modes | None:
    """Return what finds modes; None unless NUTS moves everything, compiled by Numba."""
    climb = climber(sweep)
    if climb is None or sweep.layout.size > MOST_ELEMENTS:
        return None
    [(_, evaluate)] = sweep.evaluators(np.zeros(sweep.layout.size))
    return Modes(climb, evaluate)


def _is_left(mode: LaplaceMode, good: list[LaplaceMode]) -> bool:
    return mode.factor is not None and all(mode is not each for each in good)


def _laplace(evaluate: Evaluate, summit: Summit) -> LaplaceMode:
    """Return a mode with its evidence, by differences of gradients."""
    size = summit.position.size
    steps = np.full(size, _FIRST_STEP)
    curvature = np.diag(_negative_hessian(evaluate, summit.position, steps))
    with np.errstate(all="ignore"):
        hessian = _negative_hessian(
            evaluate, summit.position, np.where(curvature > 0, _STEP / np.sqrt(curvature), steps)
        )
    try:
        factor = np.linalg.cholesky(0.5 * (hessian + hessian.T))
    except np.linalg.LinAlgError:
        factor = np.full((size, size), nan)
    evidence = summit.value + 0.5 * size * log(2 * pi) - float(np.log(np.diag(factor)).sum())
    if not isfinite(evidence):
        return LaplaceMode(summit.position, summit.value, inf, -inf, None)
    noise = np.random.default_rng(_STREAM).normal(size=(NUM_DRAWS, size))
    draws = summit.position + np.linalg.solve(factor.T, noise.T).T
    # What the density has less than the approximation, on average over draws of that.
    gaps = [evaluate(draw)[0] - summit.value + 0.5 * z @ z for draw, z in zip(draws, noise, strict=True)]
    bound = evidence + float(np.mean(np.nan_to_num(gaps, nan=-inf)))
    return LaplaceMode(summit.position, summit.value, max(evidence, bound), bound, factor)


def _negative_hessian(evaluate: Evaluate, position: Vector, steps: Vector) -> NDArray[np.float64]:
    rows = []
    for element, step in enumerate(steps):
        above, below = position.copy(), position.copy()
        above[element] += step
        below[element] -= step
        rows.append((evaluate(below)[1] - evaluate(above)[1]) / (2 * step))
    return np.array(rows)
