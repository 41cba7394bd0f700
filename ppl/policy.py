"""Which sampler is predicted to give more effective draws a second, where a model leaves the choice.

Gibbs sampling needs no gradients and no warm-up, but mixes slowly where variables that depend on each other are drawn
one by one. How slowly is seen in a short pilot run of the sweep, interpreted rather than compiled. The No-U-Turn
sampler is credited with an effective draw for every trajectory along the longest axis of the posterior, in steps of the
shortest, seven at least; it adapts to scales, so that these axes are those of the correlations of the pilot run, and in
few dimensions to correlations too, at the price of a matrix product for each gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray
from pytensor.graph.basic import Constant
from pytensor.graph.traversal import graph_inputs

from graphs.conditional import JointNormal, MultivariateNormal
from graphs.interpreting import interpret
from graphs.logprob import LogProb
from ppl.initial import starting_values
from ppl.plans import Plan
from samplers.blocks import DrawBlock
from samplers.fisher import MOST_DENSE

NUM_DISCARDED, NUM_KEPT = 50, 200
FEWEST_GRADIENTS = 7.0
GRADIENTS_PER_AXIS_RATIO = 1.5
MOST_CORRELATED = 40
OPERATIONS_PER_AUXILIARY = 60.0
OPERATIONS_PER_DRAW = 20.0
WARM_UP = 2.0
"""How much longer a run of NUTS takes for its warm-up, relative to what Gibbs sampling discards: seven regressions
of the reference posteriors, measured, gave 1.5 to 4."""
LEAST_EFFECTIVE = 0.1
"""Slower chains outlast their pilot run, of which this is 20 effective draws, and runs of ordinary length."""


@dataclass(frozen=True)
class Prediction:
    """What a pilot run of a Gibbs sweep says.

    Parameters
    ----------
    effective : float
        Effective draws per sweep, of the element that has the fewest; at most 1.
    gain : float
        Predicted effective draws per second, relative to those of NUTS.
    """

    effective: float
    gain: float

    @property
    def is_for_gibbs(self) -> bool:
        """Whether Gibbs sampling is to be preferred."""
        return self.gain >= 1 and self.effective >= LEAST_EFFECTIVE

    def __str__(self) -> str:
        if self.gain >= 1 and not self.is_for_gibbs:
            return (
                f"NUTS for all: Gibbs sampling mixes slowly ({self.effective:.2g} effective draws a sweep in a pilot "
                f"run of {NUM_KEPT}, less than {LEAST_EFFECTIVE:g}); sampler=... overrides"
            )
        chosen, other = ("Gibbs sampling", "NUTS") if self.gain >= 1 else ("NUTS", "Gibbs sampling")
        factor = self.gain if self.gain >= 1 else 1.0 / self.gain
        times = "more than 20" if factor > 20 else f"{factor:.2g}"
        return (
            f"{chosen} for all: predicted {times} times the effective draws a second of {other} "
            f"({self.effective:.2g} effective draws a sweep in a pilot run of {NUM_KEPT}); sampler=... overrides"
        )


def explain_missing(name: str) -> str:
    """Say why there was nothing to predict.

    Parameters
    ----------
    name : str
        A variable that has no full conditional; empty where a pilot run failed.
    """
    alone = f"{name} has no full conditional, so that NUTS has to run in any case (nothing was predicted)"
    why = alone if name else "a pilot run of Gibbs sampling left the domain of its laws"
    return f"NUTS for all continuous variables: {why}; sampler='gibbs' takes those that there are"


def predict(plan: Plan, compressed: LogProb) -> Prediction | None:
    """Return what a pilot run of a plan predicts, None where it is not by laws alone or does not run.

    Parameters
    ----------
    plan : Plan
        Of Gibbs sampling.
    compressed : LogProb
        What NUTS would see.
    """
    draws = _pilot(plan)
    if draws is None:
        return None
    effective = float(min(1.0, effective_fractions(draws).min()))
    size = sum(prod(a.shape) for a in plan.assignments)
    data = _num_data(plan.natural)
    gradient = 4.0 * (_num_data(compressed) + size) + 200.0
    sweep = 2.0 * data + OPERATIONS_PER_DRAW * size + _num_matrix_operations(plan) + 100.0
    sweep += OPERATIONS_PER_AUXILIARY * _num_auxiliary(plan)
    trajectory = _num_gradients(draws) * gradient
    if size <= MOST_DENSE:
        # A dense metric, which NUTS takes where it pays, makes all axes as long.
        trajectory = min(trajectory, FEWEST_GRADIENTS * (gradient + 2.0 * size**2))
    return Prediction(effective, effective * WARM_UP * trajectory / sweep)


def _num_gradients(draws: NDArray[np.float64]) -> float:
    """Return about how many gradients an effective draw of NUTS takes with a diagonal metric."""
    is_moving = draws.std(axis=0) > 0
    if not 2 <= is_moving.sum() <= MOST_CORRELATED:
        return FEWEST_GRADIENTS
    sizes = np.linalg.eigvalsh(np.corrcoef(draws[:, is_moving], rowvar=False))
    return float(max(FEWEST_GRADIENTS, GRADIENTS_PER_AXIS_RATIO * np.sqrt(sizes[-1] / max(sizes[0], 1e-8))))


def effective_fractions(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return effective draws per draw of each column, by Geyer's initial positive sequence.

    Parameters
    ----------
    draws : (num_draws, size) float64 array
        Of one chain.

    References
    ----------
    Geyer, "Practical Markov chain Monte Carlo", Statistical Science 7, 1992.
    """
    num_draws = len(draws)
    centred = draws - draws.mean(axis=0)
    spectrum = np.abs(np.fft.rfft(centred, 2 * num_draws, axis=0)) ** 2
    covariances = np.fft.irfft(spectrum, axis=0)[:num_draws]
    scale = np.where(covariances[0] > 0, covariances[0], 1.0)
    correlations = covariances / scale
    pairs = correlations[: 2 * (num_draws // 2)].reshape(num_draws // 2, 2, -1).sum(axis=1)
    is_kept = np.cumprod(pairs > 0, axis=0)
    times = 2.0 * (pairs * is_kept).sum(axis=0) - 1.0
    # What never moved is one draw.
    return np.where(covariances[0] > 0, 1.0 / np.maximum(times, 1.0 / num_draws), 1.0 / num_draws)


def _pilot(plan: Plan) -> NDArray[np.float64] | None:
    """Return draws of a short run; None where one fails."""
    blocks = plan.sweep.blocks
    drawn = [a.name for a in plan.assignments if a.method != "marginalize"]
    if not drawn or any(name not in plan.laws for name in drawn):
        return None
    variables = list(plan.sweep.variables)
    steps = []
    for block in blocks:
        if not isinstance(block, DrawBlock):
            return None
        steps.append((block.variables, interpret([block.rng, *variables], [block.next_rng, *block.draws])))
    start = starting_values(plan, 0)
    state = {v: np.asarray(start[str(v.name)], v.type.dtype) for v in variables}
    rng, kept = np.random.default_rng(0), []
    for sweep in range(NUM_DISCARDED + NUM_KEPT):
        for moved, step in steps:
            try:
                rng, *values = step(rng, *(state[v] for v in variables))
            except (ValueError, FloatingPointError, np.linalg.LinAlgError):
                return None
            state |= dict(zip(moved, values, strict=True))
        if sweep >= NUM_DISCARDED:
            kept.append(np.concatenate([np.ravel(state[v]) for v in variables]))
    draws = np.array(kept, dtype="float64")
    return draws if np.isfinite(draws).all() else None


def _num_data(logprob: LogProb) -> int:
    constants: Mapping[int, Constant] = {
        id(i): i for i in graph_inputs(list(logprob.terms.values())) if isinstance(i, Constant)
    }
    return sum(int(np.size(c.data)) for c in constants.values())


def _num_auxiliary(plan: Plan) -> int:
    return sum(prod(v.type.shape) for group in plan.groups for v in group.temporary)


def _num_matrix_operations(plan: Plan) -> float:
    """Return about how many operations dense joint draws take, and the matrices that weights change."""
    laws: Sequence[object] = list(dict.fromkeys(plan.laws.values()))
    weighted = {law for group in plan.groups for law in group.laws.values()}
    total = 0.0
    for law in laws:
        inner = law.law if isinstance(law, JointNormal) else law
        if isinstance(inner, MultivariateNormal):
            size = prod(inner.variable.type.shape)
            total += size**3 / 3.0 + (float(_num_auxiliary(plan) * size**2) if law in weighted else 0.0)
    return total
