"""Expectation-maximisation: maximum likelihood or posterior modes of models with discrete latent variables.

The expectation step is the gradient of the log of the sum over the latent variables; the maximisation step takes the
mode of the full conditional of each parameter under the expected log-probability, one after the other (ECM, Meng and
Rubin, Biometrika 80, 1993). Both come from the graph of the model, and one iteration is one compiled function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

import graphs
from graphs.backends import get_backend
from graphs.conditional import Law, find_conditional
from graphs.density import LogDensity
from graphs.elimination.expectation import Expectation, expectation
from graphs.elimination.summation import sum_over
from graphs.elimination.traceback import probabilities_of
from graphs.errors import DerivationError, ModelError, SamplingError
from graphs.lifting import MOST_STATES
from graphs.logprob import LogProb, finite_of, states_of, strip
from graphs.rebuilding import substitute
from graphs.supports import POSITIVE, Support

Objective = Literal["posterior", "likelihood"]
_STARTING_SWEEPS = 3


@dataclass(frozen=True, eq=False)
class EMResult:
    """Where expectation-maximisation ended.

    Parameters
    ----------
    point : dict of str to array
        The parameters.
    trace : (iterations + 1,) float64 array
        The log-likelihood, or the log of the posterior density up to a constant, at the start and after each iteration;
        it never decreases.
    responsibilities : dict of str to array
        For each latent variable the probability of each state of each element, given the data and the point; shape
        (*shape, K).
    is_converged : bool
        Whether the last increase was below the tolerance.
    restarts : (restarts,) float64 array
        What each start reached, not a number for those that failed.
    laws : dict of str to Law
        For each parameter the law whose mode the maximisation step takes.
    """

    point: dict[str, NDArray]
    trace: NDArray[np.float64]
    responsibilities: dict[str, NDArray]
    is_converged: bool
    restarts: NDArray[np.float64]
    laws: dict[str, Law]

    def __str__(self) -> str:
        """Write where it ended, and how."""
        ended = "converged" if self.is_converged else "stopped"
        lines = [f"{ended} after {len(self.trace) - 1} iterations at {self.trace[-1]:.6g}"]
        lines += [f"{name} = {np.array2string(value, precision=4)}" for name, value in self.point.items()]
        return "\n".join(lines)


def em(
    model: Any,
    latent: Sequence[str] | None = None,
    *,
    objective: Objective = "posterior",
    init: Mapping[str, Any] | None = None,
    restarts: int = 1,
    max_iterations: int = 1000,
    tolerance: float = 1e-10,
    seed: int | None = None,
    backend: str = "numba",
    progress: Callable[[int, float], None] | None = None,
    max_states: int = MOST_STATES,
) -> EMResult:
    """Find parameters of highest likelihood or posterior density, summing over discrete latent variables.

    Parameters
    ----------
    model : ppl.Model, LogProb, or what `graphs.logprob` takes
        The model. Each parameter needs a full conditional of a known family given the others and the latent variables.
    latent : sequence of str, optional
        Discrete variables to take the expectation over; all of them have to be among these. All by default.
    objective : {"posterior", "likelihood"}
        What is maximised: with the priors of the parameters, or without.
    init : mapping of str to array, optional
        Values of all parameters to start from; by default expected counts are drawn at random.
    restarts : int
        Number of random starts, of which the best is returned.
    max_iterations : int
        Most iterations of each.
    tolerance : float
        Stop when an iteration raises the objective by less than this, relative to one plus its magnitude.
    seed : int, optional
        Seed of the random starts.
    backend : {"numba", "c", "jax"}
        What makes machine code.
    progress : callable, optional
        Called with the number of the iteration and the objective.
    max_states : int
        Most joint states of what one factor depends on.

    Returns
    -------
    EMResult

    Raises
    ------
    DerivationError
        If a parameter has no full conditional of a known family: names it and the reason.
    SamplingError
        If no start gave finite parameters inside their supports, or an iteration lowered the objective.

    References
    ----------
    Dempster, Laird and Rubin, "Maximum likelihood from incomplete data via the EM algorithm", Journal of the Royal
    Statistical Society B 39, 1977.
    """
    steps = _Steps(_read(model), latent, objective, backend, max_states)
    if init is not None and restarts != 1:
        raise ModelError("init is one point to start from: leave restarts at 1.")
    rng = np.random.default_rng(seed)
    runs: list[_Run] = []
    values = np.full(restarts, np.nan)
    reason = ""
    for i in range(restarts):
        try:
            start = steps.random_start(rng) if init is None else steps.given_start(init)
            runs.append(_climb(steps, start, max_iterations, tolerance, progress))
            values[i] = runs[-1].trace[-1]
        except _FailedStartError as error:
            reason = str(error)
    if not runs:
        raise SamplingError(
            f"No start led to a maximum: {reason}. The likelihood may be unbounded (a component on a single point): "
            "give priors that keep scales from zero, and use objective='posterior'."
        )
    best = max(runs, key=lambda run: run.trace[-1])
    point = dict(zip(steps.names, best.point, strict=True))
    return EMResult(
        point, np.array(best.trace), steps.responsibilities(best.point), best.is_converged, values, steps.laws
    )


class _FailedStartError(Exception):
    """A start that left the supports of the parameters."""


@dataclass(frozen=True, eq=False)
class _Run:
    point: list[NDArray]
    trace: list[float]
    is_converged: bool


def _climb(
    steps: _Steps,
    point: list[NDArray],
    max_iterations: int,
    tolerance: float,
    progress: Callable[[int, float], None] | None,
) -> _Run:
    trace: list[float] = []
    for i in range(max_iterations + 1):
        value, following = steps.iterate(point)
        if not np.isfinite(value):
            raise _FailedStartError(f"the objective is {value} after {i} iterations")
        size = 1 + abs(value)
        if trace and value < trace[-1] - 1e-9 * size:
            steps.check(point, is_open=True)
            raise SamplingError(
                f"Iteration {i} lowered the objective from {trace[-1]:.12g} to {value:.12g}: an expected conditional "
                "has a mode that is not its maximum."
            )
        trace.append(value)
        if progress is not None:
            progress(i, value)
        if i and value - trace[-2] < tolerance * size:
            return _Run(point, trace, True)
        if i < max_iterations:
            steps.check(following)
            point = following
    return _Run(point, trace, False)


class _Steps:
    """The compiled steps of a model."""

    def __init__(self, joint: LogProb, latent: Sequence[str] | None, objective: str, backend: str, max_states: int):
        if objective not in ("posterior", "likelihood"):
            raise ModelError(f"objective is 'posterior' or 'likelihood', not {objective!r}.")
        self.latent = _latent_names(joint, latent)
        self.names = [name for name in joint.values if name not in self.latent]
        if not self.names:
            raise ModelError("There is nothing to maximise: every variable is latent.")
        self.joint = strip(joint, self.latent)
        self.values = [joint.values[n] for n in self.names]
        self.supports = {n: joint.supports[n] for n in self.names}
        terms = dict(self.joint.terms)
        if objective == "likelihood":
            terms = {name: term for name, term in terms.items() if name not in self.names}
        variables = [finite_of(self.joint, n) for n in self.latent]
        supports = {v: self.supports[n] for n, v in zip(self.names, self.values, strict=True)}
        found = expectation(terms, variables, supports, max_states)
        self.laws = self._laws(found)
        compiler = get_backend(backend)
        modes = self._modes()
        counts: dict[Variable, Variable] = dict(zip(found.counts, found.counted, strict=True))
        self._iterate = compiler.function(self.values, [found.log_sum, *substitute(modes, counts)])
        self._maximize = compiler.function([*self.values, *found.counts], modes)
        self._expectation = found
        summation = sum_over(terms, variables, with_probes=True, max_states=max_states)
        probabilities = probabilities_of(summation)
        self._probabilities = compiler.function(self.values, list(probabilities.values()))

    def _laws(self, found: Expectation) -> dict[str, Law]:
        supports = {v: self.supports[n] for n, v in zip(self.names, self.values, strict=True)}
        supports |= dict.fromkeys(found.counts, POSITIVE)
        density = LogDensity(found.expected, (*self.values, *found.counts), supports)
        laws = {}
        for name, value in zip(self.names, self.values, strict=True):
            law, reason = find_conditional(density, value)
            if law is None:
                raise DerivationError(f"{name} has no maximum in closed form given the others: {reason}.", name, value)
            laws[name] = law
        return laws

    def _modes(self) -> list[TensorVariable]:
        """Return the parameters after a maximisation step, each given the new values of those before it."""
        current: dict[Variable, Variable] = {}
        for value, law in zip(self.values, self.laws.values(), strict=True):
            [mode] = substitute([law.mode()], current)
            current[value] = pt.cast(mode, value.type.dtype)
        return [current[value] for value in self.values]

    def iterate(self, point: Sequence[NDArray]) -> tuple[float, list[NDArray]]:
        """Return the objective at a point, and the point after it."""
        value, *following = self._iterate(*point)
        return float(value), [np.asarray(v) for v in following]

    def check(self, point: Sequence[NDArray], *, is_open: bool = False) -> None:
        """Raise if a parameter left its support, or reached its bounds."""
        for name, value in zip(self.names, point, strict=True):
            support = self.supports[name]
            is_inside = np.isfinite(value).all()
            if support.kind in ("interval", "simplex"):
                is_inside = is_inside and (value >= support.lower).all() and (value <= support.upper).all()
            if is_open and support.kind == "interval":
                is_inside = is_inside and (value > support.lower).all() and (value < support.upper).all()
            if not is_inside:
                raise _FailedStartError(f"{name} became {np.array2string(value, precision=4)}, not inside its support")

    def given_start(self, init: Mapping[str, Any]) -> list[NDArray]:
        """Return a point by name in order."""
        point = []
        for name, value in zip(self.names, self.values, strict=True):
            if name not in init:
                raise ModelError(f"init lacks {name}; it needs {', '.join(self.names)}.", name)
            array = np.asarray(init[name], value.type.dtype)
            if array.shape != value.type.shape:
                raise ModelError(f"init of {name} has shape {array.shape}; its shape is {value.type.shape}.", name)
            point.append(array)
        unknown = [name for name in init if name not in self.names]
        if unknown:
            raise ModelError(f"init names {unknown[0]}; the parameters are {', '.join(self.names)}.", unknown[0])
        return point

    def random_start(self, rng: np.random.Generator) -> list[NDArray]:
        """Return the parameters at which a few random elements, of random states, would put them."""
        counts = []
        for shape in self._expectation.shapes:
            # Of each column one state counts, by a weight so variable that few elements decide.
            states = int(np.prod(shape[:-1]))
            weights = np.exp(3.0 * rng.normal(size=shape[-1])) * (states if shape[-1] == 1 else 1.0)
            table = rng.dirichlet(np.full(states, 0.3), size=shape[-1]).T * weights
            counts.append(table.reshape(shape))
        point = [_middle(self.supports[n], v) for n, v in zip(self.names, self.values, strict=True)]
        for _ in range(_STARTING_SWEEPS):
            point = [np.asarray(v) for v in self._maximize(*point, *self._expectation.gathered(counts))]
        self.check(point)
        return point

    def responsibilities(self, point: Sequence[NDArray]) -> dict[str, NDArray]:
        """Return the probabilities of the states of each latent variable, on the last axis."""
        found = self._probabilities(*point)
        return {name: np.moveaxis(np.asarray(p), 0, -1) for name, p in zip(self.latent, found, strict=True)}


def _read(model: Any) -> LogProb:
    return model if isinstance(model, LogProb) else graphs.logprob(model, marginalize=False)


def _latent_names(joint: LogProb, latent: Sequence[str] | None) -> list[str]:
    finite = [name for name in joint.values if states_of(joint, name) is not None]
    chosen = finite if latent is None else list(latent)
    for name in chosen:
        if name not in finite:
            raise ModelError(
                f"{name!r} is no latent variable of finitely many states; these are {', '.join(finite) or 'none'}.",
                name,
            )
    left = [n for n, s in joint.supports.items() if s.is_discrete and n not in chosen]
    if left:
        raise ModelError(
            f"{left[0]} is discrete, and no parameter to maximise: it has to be among the latent variables"
            + ("." if left[0] in finite else ", which need finitely many states: give it a bound."),
            left[0],
        )
    if not chosen:
        raise ModelError("The model has no discrete latent variable to take the expectation over.")
    return chosen


def _middle(support: Support, value: TensorVariable) -> NDArray:
    """Return a value inside a support."""
    shape = tuple(int(n) for n in value.type.shape)
    if support.kind == "simplex":
        return np.full(shape, 1.0 / shape[-1])
    lower, upper = support.lower, support.upper
    if np.isfinite(lower) and np.isfinite(upper):
        return np.full(shape, 0.5 * (lower + upper))
    return np.full(shape, lower + 1.0 if np.isfinite(lower) else upper - 1.0 if np.isfinite(upper) else 0.0)
