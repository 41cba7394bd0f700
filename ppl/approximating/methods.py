"""The methods of approximation, each a function from a density and what was asked for to weighted draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from xarray import Dataset

from graphs.errors import ModelError
from ppl.approximating.density import ModelDensity
from ppl.approximating.minibatches import num_weighed, with_nothing_behind
from ppl.approximating.optimising import MOST_DENSE
from ppl.approximating.weights import said_by, smoothed
from samplers.approximations.dadvi import dadvi, fixed_draws
from samplers.approximations.families.family import FittedFamily
from samplers.approximations.families.full_rank import FullRank
from samplers.approximations.families.low_rank import LowRank
from samplers.approximations.families.mean_field import MeanField
from samplers.approximations.fitting import Fit, approximate_loop
from samplers.approximations.multipath import evaluated, multipath, resampled
from samplers.approximations.starting import begin_near
from samplers.approximations.target import Target

type Vector = NDArray[np.float64]
type Matrix = NDArray[np.float64]
type Method = Literal["meanfield", "fullrank", "lowrank", "pathfinder", "dadvi"]

METHODS: tuple[Method, ...] = get_args(Method.__value__)
_STREAM = 32  # apart from the streams of starts and of fits
_MOST_POINTS = 500
"""Of the trace of a bound: means over so many stretches of steps."""
_MEAN_ERROR = 0.1


@dataclass(frozen=True)
class Request:
    """What an approximation is asked for; as of `ppl.approximate`."""

    method: Method
    num_draws: int
    starts: int
    init: Any
    seed: int
    tolerance: float
    max_steps: int
    directions: int
    base_draws: int
    fitted: Target | None = None  # of some rows of the data, by which steps are made

    def rng(self) -> np.random.Generator:
        """Return the generator of all that is no fit."""
        return np.random.default_rng([self.seed, _STREAM])


@dataclass(frozen=True, eq=False)
class Approximated:
    """Draws of an approximation.

    Parameters
    ----------
    positions : array, shape (n, d), float64
        On the real line.
    values, weights : array, shape (n,), float64
        The log-density, and by how much it is more than that of the approximation.
    attributes : mapping
        What is worth knowing.
    fit : Dataset
        How it went.
    concerns : list of str
        What is to be said.
    """

    positions: Matrix
    values: Vector
    weights: Vector
    attributes: dict[str, Any]
    fit: Dataset
    concerns: list[str] = field(default_factory=list)


def approximated(density: ModelDensity, request: Request) -> Approximated:
    """Return draws of the approximation that was asked for."""
    number = [0]
    evaluate = density.target.evaluator()

    def counted(position: Vector) -> tuple[float, Vector]:
        number[0] += 1
        return evaluate(position)

    starts = density.starts(request.init, request.starts, request.seed)
    found = _METHODS[request.method](density, counted, starts, request)
    density.target.reraise()
    found.attributes["num_gradients"] += number[0]
    return found


def _by_steps(make: Callable[[int, Request], FittedFamily]) -> Callable[..., Approximated]:
    """Return the method that fits a family step by step."""

    def method(density: ModelDensity, evaluate: Any, starts: Matrix, request: Request) -> Approximated:
        family = make(density.layout.size, request)
        parameters, base = begin_near(family, evaluate, starts, request.rng())
        fit = approximate_loop(
            family,
            request.fitted or density.target,
            base,
            seed=request.seed,
            start=parameters,
            # Rows are noisier than draws.
            draws=2 if request.fitted is None else 1,
            tolerance=request.tolerance,
            max_steps=request.max_steps,
        )
        positions, own = fit.draw(request.num_draws, request.rng())
        number = len(own) if request.fitted is None else num_weighed(density, len(own))
        values = evaluated(evaluate, positions[:number])
        told = described(fit, said_by(values - own[:number], positions[:number], density.names_of))
        return Approximated(
            positions,
            with_nothing_behind(values, len(own)),
            with_nothing_behind(values - own[:number], len(own)),
            *told,
        )

    return method


def described(fit: Fit, of_weights: Mapping[str, Any]) -> tuple[dict[str, Any], Dataset, list[str]]:
    """Return attributes of a fit, how its bound rose, and what is to be said of it."""
    attributes = {
        "elbo": fit.elbo,
        "elbo_error": fit.elbo_error,
        "gain": fit.gain,
        "converged": fit.is_converged,
        "num_steps": len(fit.trace),
        "num_gradients": fit.num_gradients,
        **of_weights,
    }
    stretches = np.array_split(np.arange(len(fit.trace)), min(len(fit.trace), _MOST_POINTS))
    trace = np.array([_mean(fit.trace[stretch]) for stretch in stretches])
    steps = np.array([stretch[-1] + 1 for stretch in stretches])
    concerns = []
    if not fit.is_converged:
        concerns.append(
            f"The bound was still rising after {len(fit.trace)} steps: give max_steps, or a larger tolerance."
        )
    return attributes, Dataset({"elbo": ("step", trace)}, coords={"step": steps}), concerns


def _mean(estimates: Vector) -> float:
    known = estimates[~np.isnan(estimates)]
    return float(known.mean()) if known.size else np.nan


def _pathfinder(density: ModelDensity, evaluate: Any, starts: Matrix, request: Request) -> Approximated:
    rng = request.rng()
    # Twice as many draws as are taken: weights decide which.
    paths = multipath(evaluate, starts, 2 * request.num_draws, rng)
    weights, _ = smoothed(paths.weights)
    chosen = resampled(weights, request.num_draws, rng)
    attributes = {
        "elbo": float(np.nanmax(paths.bounds)),
        "num_paths": len(paths.normals),
        "num_distinct": len(np.unique(chosen)),
        "num_gradients": 0,
        **said_by(paths.weights),
    }
    fit = Dataset({"elbo": ("path", paths.bounds)}, coords={"path": np.arange(len(paths.bounds))})
    equal = np.zeros(request.num_draws)
    return Approximated(paths.positions[chosen], paths.values[chosen], equal, attributes, fit)


def _dadvi(density: ModelDensity, evaluate: Any, starts: Matrix, request: Request) -> Approximated:
    size, rng = density.layout.size, request.rng()
    _, base = begin_near(MeanField(size), evaluate, starts, rng)
    noise = fixed_draws(request.base_draws, size, rng)
    found = dadvi(evaluate, density.along, base, noise, MOST_DENSE)
    positions, own = found.draw(request.num_draws, rng)
    values = evaluated(evaluate, positions)
    scales = found.scales if found.factor is None else np.sqrt((found.factor**2).sum(axis=1))
    relative = float(np.max(found.errors / scales))
    attributes = {
        "elbo": found.elbo,
        "converged": found.is_converged,
        "linear_response": found.factor is not None,
        "mean_error": relative,
        "num_steps": len(found.trace),
        "num_gradients": 0,
        **said_by(values - own, positions, density.names_of),
    }
    concerns = []
    if found.factor is None:
        concerns.append(
            "There is no linear-response covariance: draws are of independent distributions. "
            + (f"More than {MOST_DENSE} numbers are too many." if size > MOST_DENSE else "The bound is not concave.")
        )
    elif relative > _MEAN_ERROR:
        worst = ", ".join(density.names_of([int(np.argmax(found.errors / scales))]))
        concerns.append(
            f"{request.base_draws} fixed draws leave an error of {relative:.2f} standard deviations in the mean of "
            f"{worst}: give base_draws={4 * request.base_draws}."
        )
    fit = Dataset({"elbo": ("step", found.trace)}, coords={"step": np.arange(1, len(found.trace) + 1)})
    return Approximated(positions, values, values - own, attributes, fit, concerns)


def _checked_directions(size: int, request: Request) -> FittedFamily:
    return LowRank(size, min(request.directions, size))


def _full_rank(size: int, request: Request) -> FittedFamily:
    if size > MOST_DENSE:
        raise ModelError(
            f"A normal distribution of {size} numbers has a covariance of {size} x {size}: more than {MOST_DENSE} rows "
            "are too many. Use method='lowrank', or integrate variables out (marginalize=[...])."
        )
    return FullRank(size)


_METHODS: dict[Method, Callable[..., Approximated]] = {
    "meanfield": _by_steps(lambda size, request: MeanField(size)),
    "fullrank": _by_steps(_full_rank),
    "lowrank": _by_steps(_checked_directions),
    "pathfinder": _pathfinder,
    "dadvi": _dadvi,
}
