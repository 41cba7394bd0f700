"""The steps of expectation-maximisation as compiled functions of the parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.backends import get_backend
from graphs.backends.base import ArrayFunction
from graphs.conditional import Law, find_conditional
from graphs.conditional.quadratic.blocks import block_normal_law
from graphs.density import LogDensity
from graphs.errors import DerivationError, ModelError
from graphs.expectation.continuous import average, starting_features
from graphs.expectation.discrete import Expectation, expectation
from graphs.expectation.matrix_modes import MatrixMode, find_matrix_mode, is_square
from graphs.joint.joint_logprob import LogProb, finite_of, strip
from graphs.marginal.elimination.summation import sum_over
from graphs.marginal.elimination.traceback import probabilities_of
from graphs.supports import OTHER, POSITIVE, POSITIVE_DEFINITE, REAL, Support
from graphs.surgery.rebuilding import substitute
from samplers.maximising.latent import latent_names

Objective = Literal["posterior", "likelihood"]
_STARTING_SWEEPS = 3
_LARGEST_ROUNDING = 1e-8
_SMALLEST_RATIO = 1e-12


class FailedStartError(Exception):
    """Internal: a start that left the supports of the parameters."""


@dataclass(frozen=True, eq=False)
class _Expected:
    """What the expectation step gives: an expected log-probability as a function of inputs, and these.

    Parameters
    ----------
    objective, rounding : TensorVariable
        What is maximised, and how large the rounding errors of its terms are; shape ().
    expected : TensorVariable
        The expected log-probability; shape ().
    inputs : mapping of TensorVariable to Support
        What it depends on besides the parameters.
    values : sequence of TensorVariable
        The values of the inputs, graphs of the parameters.
    start : callable
        Returns random values of the inputs.
    laws : mapping of str to Law
        The laws of continuous variables.
    """

    objective: TensorVariable
    rounding: TensorVariable
    expected: TensorVariable
    inputs: Mapping[TensorVariable, Support]
    values: Sequence[TensorVariable]
    start: Callable[[np.random.Generator], list[NDArray]]
    laws: Mapping[str, Law]


@dataclass(frozen=True, eq=False)
class _Compiled:
    """The two steps in machine code: from parameters to expectations, and from both to the next parameters."""

    found: _Expected
    expect: ArrayFunction
    maximize: ArrayFunction


class EMSteps:
    """The compiled steps of a model.

    Parameters
    ----------
    joint : LogProb
        The model, nothing summed out.
    latent : sequence of str, optional
        The variables to take the expectation over.
    objective : {"posterior", "likelihood"}
        Whether the priors of the parameters count.
    backend : {"numba", "c", "jax"}
        What makes machine code.
    max_states : int
        Most joint states of what one factor depends on.

    Raises
    ------
    DerivationError
        If a parameter has no mode in closed form.
    """

    def __init__(self, joint: LogProb, latent: Sequence[str] | None, objective: str, backend: str, max_states: int):
        if objective not in ("posterior", "likelihood"):
            raise ModelError(f"objective is 'posterior' or 'likelihood', not {objective!r}.")
        self.latent = latent_names(joint, latent)
        self.continuous = [n for n in self.latent if not joint.supports[n].is_discrete]
        self.names = [name for name in joint.values if name not in self.latent]
        if not self.names:
            raise ModelError("There is nothing to maximise: every variable is latent.")
        self.joint = strip(joint, self.latent)
        self._finite = [] if self.continuous else [finite_of(self.joint, name) for name in self.latent]
        self.values = [joint.values[n] for n in self.names]
        self.supports = {n: joint.supports[n] for n in self.names}
        self.terms = dict(self.joint.terms)
        if objective == "likelihood":
            self.terms = {name: term for name, term in self.terms.items() if name not in self.names}
        self.max_states = max_states
        self.compiler = get_backend(backend)
        # Square matrices may be covariances; those that turn out to be none are real numbers again.
        self.matrices = {n for n, v in zip(self.names, self.values, strict=True) if is_square(v) and _may(joint, n)}
        self.laws: dict[str, Law | MatrixMode] = {}
        self._fast = self._compiled(is_interpolated=True)
        self._exact: _Compiled | None = None
        self._probabilities: ArrayFunction | None = None

    def _compiled(self, *, is_interpolated: bool) -> _Compiled:
        found, laws = self._derived(is_interpolated)
        if any(not isinstance(laws[name], MatrixMode) for name in self.matrices):
            self.matrices = {name for name in self.matrices if isinstance(laws[name], MatrixMode)}
            found, laws = self._derived(is_interpolated)
        self.laws = self.laws or laws
        expect = self.compiler.function(self.values, [found.objective, found.rounding, *found.values])
        maximize = self.compiler.function([*self.values, *found.inputs], self._modes(laws))
        return _Compiled(found, expect, maximize)

    def _derived(self, is_interpolated: bool) -> tuple[_Expected, dict[str, Law | MatrixMode]]:
        found = self._averaged() if self.continuous else self._summed(is_interpolated)
        return found, self._laws(found)

    def _summed(self, is_interpolated: bool) -> _Expected:
        found = expectation(
            self.terms, self._finite, self._parameters(), self.max_states, is_interpolated=is_interpolated
        )
        inputs = dict.fromkeys(found.counts, POSITIVE)
        return _Expected(
            found.log_sum, found.rounding, found.expected, inputs, found.counted, partial(_random_counts, found), {}
        )

    def _averaged(self) -> _Expected:
        latent = {name: self.joint.values[name] for name in self.continuous}
        supports: dict[Variable, Support] = {v: self.joint.supports[n] for n, v in self.joint.values.items()}
        supports |= self._parameters()
        total = pt.add(*(pt.sum(term) for term in self.terms.values()), 0.0)
        found = average(total, latent, supports)
        start = partial(starting_features, found, list(latent.values()), supports)
        zero = pt.as_tensor(np.float64(0.0))
        return _Expected(found.log_integral, zero, found.expected, found.supports, found.averages, start, found.laws)

    def _laws(self, found: _Expected) -> dict[str, Law | MatrixMode]:
        supports: dict[Variable, Support] = {**self._parameters(), **found.inputs}
        density = LogDensity(found.expected, (*self.values, *found.inputs), supports)
        laws: dict[str, Law | MatrixMode] = {}
        for name, value in zip(self.names, self.values, strict=True):
            mode: Law | MatrixMode | None = find_matrix_mode(density, value) if name in self.matrices else None
            reason = "it is no covariance or precision matrix"
            if mode is None and value.type.ndim > 1:
                # Rows of coefficients are solved for one by one.
                mode = block_normal_law(density.total, value, {**supports, value: self.supports[name]})
            if mode is None:
                mode, reason = find_conditional(density, value, self.supports[name])
            if mode is None:
                raise DerivationError(f"{name} has no maximum in closed form given the others: {reason}.", name, value)
            laws[name] = mode
        return laws

    def _parameters(self) -> dict[TensorVariable, Support]:
        return {
            v: POSITIVE_DEFINITE if n in self.matrices else self.supports[n]
            for n, v in zip(self.names, self.values, strict=True)
        }

    def _modes(self, laws: Mapping[str, Law | MatrixMode]) -> list[TensorVariable]:
        """Return the parameters after a maximisation step, each given the new values of those before it."""
        current: dict[Variable, Variable] = {}
        for value, law in zip(self.values, laws.values(), strict=True):
            [mode] = substitute([law.mode()], current)
            current[value] = pt.cast(mode, value.type.dtype)
        return [current[value] for value in self.values]

    def iterate(self, point: Sequence[NDArray]) -> tuple[float, list[NDArray]]:
        """Return the objective at a point, and the point after it."""
        compiled = self._exact or self._fast
        value, rounding, *counted = compiled.expect(*point)
        if self._exact is None and np.isfinite(rounding) and rounding > _LARGEST_ROUNDING:
            # Components so narrow that the interpolation loses digits.
            self._exact = self._compiled(is_interpolated=False)
            return self.iterate(point)
        return float(value), [np.asarray(v) for v in compiled.maximize(*point, *counted)]

    def check(self, point: Sequence[NDArray], *, is_open: bool = False) -> None:
        """Raise if a parameter left its support, or reached its bounds."""
        for name, value in zip(self.names, point, strict=True):
            if isinstance(self.laws[name], MatrixMode):
                _check_definite(name, value)
            support = self.supports[name]
            is_inside = np.isfinite(value).all()
            if support.kind in ("interval", "simplex"):
                is_inside = is_inside and (value >= support.lower).all() and (value <= support.upper).all()
            if is_open and support.kind == "interval":
                is_inside = is_inside and (value > support.lower).all() and (value < support.upper).all()
            if not is_inside:
                raise FailedStartError(f"{name} became {np.array2string(value, precision=4)}, not inside its support")

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
        """Return the parameters at which random values of the latent variables would put them."""
        start = self._fast.found.start(rng)
        point = [self._middle(n, v) for n, v in zip(self.names, self.values, strict=True)]
        for _ in range(_STARTING_SWEEPS):
            point = [np.asarray(v) for v in self._fast.maximize(*point, *start)]
        self.check(point)
        return point

    def _middle(self, name: str, value: TensorVariable) -> NDArray:
        """Return a value inside the support of a parameter."""
        support, shape = self.supports[name], tuple(int(n) for n in value.type.shape)
        if isinstance(self.laws[name], MatrixMode):
            return np.broadcast_to(np.eye(shape[-1]), shape).copy()
        if support.kind == "simplex":
            return np.full(shape, 1.0 / shape[-1])
        lower, upper = support.lower, support.upper
        if np.isfinite(lower) and np.isfinite(upper):
            return np.full(shape, 0.5 * (lower + upper))
        return np.full(shape, lower + 1.0 if np.isfinite(lower) else upper - 1.0 if np.isfinite(upper) else 0.0)

    def responsibilities(self, point: Sequence[NDArray]) -> dict[str, NDArray]:
        """Return the probabilities of the states of each discrete latent variable, on the last axis."""
        if self.continuous:
            return {}
        if self._probabilities is None:
            summation = sum_over(self.terms, self._finite, with_probes=True, max_states=self.max_states)
            self._probabilities = self.compiler.function(self.values, list(probabilities_of(summation).values()))
        found = self._probabilities(*point)
        return {name: np.moveaxis(np.asarray(p), 0, -1) for name, p in zip(self.latent, found, strict=True)}

    @property
    def latent_laws(self) -> Mapping[str, Law]:
        """The laws of continuous latent variables."""
        return self._fast.found.laws

    def means(self, point: Sequence[NDArray]) -> dict[str, NDArray]:
        """Return the mean of each continuous latent variable."""
        means = {name: law.mean() for name, law in self.latent_laws.items()}
        found = self.compiler.function(self.values, list(means.values()))(*point) if means else []
        return {name: np.asarray(value) for name, value in zip(means, found, strict=True)}


def _random_counts(found: Expectation, rng: np.random.Generator) -> list[NDArray]:
    """Return the counts of a few random elements, of random states."""
    counts = []
    for shape in found.shapes:
        # Of each column one state counts, by a weight so variable that few elements decide.
        states = int(np.prod(shape[:-1]))
        weights = np.exp(3.0 * rng.normal(size=shape[-1])) * (states if shape[-1] == 1 else 1.0)
        table = rng.dirichlet(np.full(states, 0.3), size=shape[-1]).T * weights
        counts.append(table.reshape(shape))
    return found.gathered(counts)


def _may(joint: LogProb, name: str) -> bool:
    """Whether the support of a square matrix leaves open that it is a covariance or precision matrix."""
    return joint.supports[name] in (REAL, POSITIVE_DEFINITE, OTHER)


def _check_definite(name: str, matrices: NDArray) -> None:
    """Raise if a matrix is singular to working precision."""
    is_finite = np.isfinite(matrices).all(axis=(-2, -1))
    sizes = np.linalg.eigvalsh(np.where(is_finite[..., None, None], matrices, 0.0))
    is_definite = is_finite & (sizes[..., 0] > _SMALLEST_RATIO * sizes[..., -1])
    if is_definite.all():
        return
    place = tuple(int(i) for i in np.argwhere(~is_definite)[0])
    which = f"{name}[{', '.join(map(str, place))}]" if place else name
    raise FailedStartError(f"the matrix {which} became singular, {np.array2string(matrices[place], precision=4)}")
