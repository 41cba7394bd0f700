"""Expectation-maximisation: maximum likelihood or posterior modes of models with latent variables.

The expectation step is the gradient of the log of the sum over discrete latent variables, or of the log-normaliser of
the law of continuous ones; the maximisation step takes the mode of the full conditional of each parameter under the
expected log-probability, one after the other (ECM, Meng and Rubin, Biometrika 80, 1993). Both come from the graph of
the model, as two compiled functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

import graphs
from graphs.backends import BackendName
from graphs.conditional import Law
from graphs.errors import ModelError, SamplingError
from graphs.expectation.matrix_modes import MatrixMode
from graphs.joint.joint_logprob import LogProb
from graphs.marginal.lifting import MOST_STATES
from samplers.maximising.steps import EMSteps, FailedStartError, Objective

Report = Callable[[int, float], None]


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
        For each discrete latent variable the probability of each state of each element, given the data and the point;
        shape ``(*shape, K)``.
    means : dict of str to array
        The mean of each continuous latent variable, given the same.
    is_converged : bool
        Whether the last increase was below the tolerance.
    restarts : (restarts,) float64 array
        What each start reached, not a number for those that failed.
    laws : dict of str to Law or MatrixMode
        For each continuous latent variable the law whose means the expectation step takes, and for each parameter the
        law whose mode the maximisation step takes.
    """

    point: dict[str, NDArray]
    trace: NDArray[np.float64]
    responsibilities: dict[str, NDArray]
    means: dict[str, NDArray]
    is_converged: bool
    restarts: NDArray[np.float64]
    laws: dict[str, Law | MatrixMode]

    def __str__(self) -> str:
        """Write where it ended, and how."""
        ended = "converged" if self.is_converged else "stopped"
        lines = [f"{ended} after {len(self.trace) - 1} iterations at {self.trace[-1]:.6g}"]
        lines += [f"{name} = {np.array2string(value, precision=4)}" for name, value in self.point.items()]
        return "\n".join(lines)

    def dprint(self, file: TextIO | None = None) -> None:
        """Print the law of each latent variable and of each parameter whose mean or mode an iteration takes.

        Parameters
        ----------
        file : text stream, optional
            Where to print; standard output by default.
        """
        for law in self.laws.values():
            print(law, file=file)


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
    backend: BackendName = "numba",
    report: Report | None = None,
    max_states: int = MOST_STATES,
) -> EMResult:
    """Find parameters of highest likelihood or posterior density, with latent variables summed or integrated out.

    Parameters
    ----------
    model : ppl.Model, LogProb, or what `graphs.logprob` takes
        The model. Each parameter needs a full conditional of a known family given the others and the latent variables;
        so do continuous latent variables. Covariance and precision matrices may have any prior whose logarithm is made
        of log-determinants and traces, or none (`ppl.Flat`).
    latent : sequence of str, optional
        Variables to take the expectation over, discrete or continuous: all discrete ones by default. Discrete
        variables have to be among these, and continuous ones have to be named.
    objective : {"posterior", "likelihood"}
        What is maximised: with the priors of the parameters, or without.
    init : mapping of str to array, optional
        Values of all parameters to start from; by default latent variables are drawn at random.
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
    report : callable, optional
        Called with the number of each iteration, 0 at every start, and the objective there.
    max_states : int
        Most joint states of what one factor depends on.

    Returns
    -------
    EMResult

    Raises
    ------
    DerivationError
        If a parameter, or a continuous latent variable, has no full conditional of a known family, or laws of latent
        variables depend on each other: names it and the reason.
    SamplingError
        If no start gave finite parameters inside their supports, or an iteration lowered the objective.

    References
    ----------
    Dempster, Laird and Rubin, "Maximum likelihood from incomplete data via the EM algorithm", Journal of the Royal
    Statistical Society B 39, 1977.
    """
    steps = EMSteps(_read(model), latent, objective, backend, max_states)
    if init is not None and restarts != 1:
        raise ModelError("init is one point to start from: leave restarts at 1.")
    rng = np.random.default_rng(seed)
    runs: list[_Run] = []
    values = np.full(restarts, np.nan)
    reason = ""
    for i in range(restarts):
        try:
            start = steps.random_start(rng) if init is None else steps.given_start(init)
            runs.append(climb(steps, start, max_iterations, tolerance, report))
            values[i] = runs[-1].trace[-1]
        except FailedStartError as error:
            reason = str(error)
    if not runs:
        raise SamplingError(
            f"No start led to a maximum: {reason}. The likelihood may be unbounded (a component on a single point): "
            "give priors that keep scales from zero, and use objective='posterior'."
        )
    best = max(runs, key=lambda run: run.trace[-1])
    point = dict(zip(steps.names, best.point, strict=True))
    return EMResult(
        point,
        np.array(best.trace),
        steps.responsibilities(best.point),
        steps.means(best.point),
        best.is_converged,
        values,
        {**steps.latent_laws, **steps.laws},
    )


@dataclass(frozen=True, eq=False)
class _Run:
    point: list[NDArray]
    trace: list[float]
    is_converged: bool


def climb(
    steps: EMSteps,
    point: list[NDArray],
    max_iterations: int,
    tolerance: float,
    report: Report | None,
) -> _Run:
    """Iterate from a point until an iteration raises the objective by less than the tolerance."""
    trace: list[float] = []
    for i in range(max_iterations + 1):
        value, following = steps.iterate(point)
        if not np.isfinite(value):
            raise FailedStartError(f"the objective is {value} after {i} iterations")
        size = 1 + abs(value)
        if trace and value < trace[-1] - 1e-9 * size:
            steps.check(point, is_open=True)
            raise SamplingError(
                f"Iteration {i} lowered the objective from {trace[-1]:.12g} to {value:.12g}: an expected conditional "
                "has a mode that is not its maximum."
            )
        trace.append(value)
        if report is not None:
            report(i, value)
        if i and value - trace[-2] < tolerance * size:
            return _Run(point, trace, True)
        if i < max_iterations:
            steps.check(following)
            point = following
    return _Run(point, trace, False)


def _read(model: Any) -> LogProb:
    return model if isinstance(model, LogProb) else graphs.logprob(model, marginalize=False)
