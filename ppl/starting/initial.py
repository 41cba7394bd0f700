"""Where chains start."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from math import inf, isfinite, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.errors import ModelError, SamplingError
from graphs.supports import REAL
from graphs.variables.simulators import NUM_SEEDS, NoiseRV
from ppl.planning.plans import Assignment, Plan
from ppl.starting.centres import central_values, checked_value
from ppl.starting.log_terms import LogTerms
from ppl.starting.possible import PossibleValues
from ppl.starting.widths import displacements

logger = logging.getLogger("rvgraph")

type LogDensity = Callable[[NDArray[np.float64]], float]

NUM_TRIES = 20
NUM_TRIES_AT_ZERO = 10
NUM_SEARCHES = 3
"""For discrete values that fit together: continuous ones may be at fault as well, and are displaced in between."""
SHRINKAGE_AT_ZERO = 0.3
LEAST_LOGDENSITY = -1e10
"""Far below, log-densities have no digits left to tell a good step from a bad one."""
_LARGEST_COUNT_LOG2 = 40
_STREAM = 20  # apart from the streams of the chains themselves


class StartingPoints:
    """Where the chains of a plan start; what can be evaluated once for all runs is kept.

    Parameters
    ----------
    plan : Plan
        What is sampled.
    new_logdensity : callable, optional
        Makes a function that returns the log-density of everything at a joint state, to be used by one thread. Without
        it terms are evaluated one by one, interpreted: of a model with loops in a hundred times the time.
    """

    def __init__(self, plan: Plan, new_logdensity: Callable[[], LogDensity] | None = None):
        self.plan = plan
        self._new_logdensity = new_logdensity
        self._centres: dict[tuple[tuple[str, bytes], ...], Mapping[str, NDArray]] = {}
        if plan.centre is not None:
            self._centres[()] = plan.centre

    @cached_property
    def _log_terms(self) -> LogTerms:
        # Beside a compiled log-density they only have to say once what is wrong.
        return LogTerms(self.plan, is_often=self._new_logdensity is None)

    @cached_property
    def _nearer(self) -> Mapping[str, NDArray]:
        return displacements(self.plan)

    @cached_property
    def _possible_values(self) -> PossibleValues:
        return PossibleValues(self.plan)

    def _support_points(self, given: Mapping[str, Any]) -> Mapping[str, NDArray]:
        """Return central values where some are given; the last are kept: to find them takes longer than many runs."""
        key = tuple((name, np.asarray(value, "float64").tobytes()) for name, value in sorted(given.items()))
        if key not in self._centres:
            self._centres = {key: central_values(self.plan, given, "support_point", 0)}
        return self._centres[key]

    def __call__(
        self, init: str | Mapping[str, Any] | Sequence[Mapping[str, Any]] | None, chains: int, seed: int
    ) -> NDArray[np.float64]:
        """Return the joint state at which each chain starts.

        Parameters
        ----------
        init : None, "jitter", "support_point", "prior", mapping, or sequence of mappings
            Values in natural space by name, for all chains or one mapping per chain; variables that are not named
            start at a central point of their distribution. By default (``"jitter"``) every variable that NUTS moves, or
            that is drawn on the real line, is displaced by a uniform number between -1 and 1 there (between -3 and 3
            scales where these are numbers and that is nearer), up to 20 times
            until the log-density is finite and above -1e10, then up to 10 times around zero, ever closer;
            ``"prior"`` starts at draws from the prior.
        chains : int
            Number of chains.
        seed : int
            Seed of the displacements and draws.

        Returns
        -------
        (chains, size) float64 array

        Raises
        ------
        ModelError
            If a name or a shape does not fit.
        SamplingError
            If the log-density is not finite; names the term.
        """
        given = given_values(self.plan, init, chains)
        generators = [np.random.default_rng(s) for s in np.random.SeedSequence([seed, _STREAM]).spawn(chains)]
        is_jittered = init is None or (isinstance(init, str) and init == "jitter")
        logdensity = None if self._new_logdensity is None else self._new_logdensity()
        points = []
        for values, generator in zip(given, generators, strict=True):
            centre: Mapping[str, NDArray]
            if isinstance(init, str) and init == "prior":
                centre = central_values(self.plan, values, "prior", int(generator.integers(2**31)))
            else:
                centre = self._support_points(values)
            points.append(self._finite_point(centre, generator, is_jittered, values, logdensity))
        return np.stack(points)

    def without_gradient(self, state: NDArray[np.float64]) -> str:
        """Name the term whose gradient is not finite at a joint state; empty if each is finite."""
        return self._log_terms.without_gradient(self.plan.sweep.layout.unpack(state))

    def explained(self, error: SamplingError) -> SamplingError:
        """Return the error of an operation with the terms that hold it; other errors as they are."""
        terms = [] if error.op is None else self._log_terms.holding(error.op)
        if not terms:
            return error
        return SamplingError(
            f"{error} It is part of the log-probability of {', '.join(terms)}, and needs a value wherever the "
            "variables above it may go: where it has none, let it return -inf or NaN.",
            op=error.op,
        )

    def _finite_point(
        self,
        centre: Mapping[str, NDArray],
        generator: np.random.Generator,
        is_jittered: bool,
        given: Mapping[str, Any],
        logdensity: LogDensity | None,
    ) -> NDArray[np.float64]:
        best, highest, failed = None, -inf, None
        for values in self._candidates(centre, generator, is_jittered):
            found, total = self._raised(values, given, logdensity)
            if total >= (LEAST_LOGDENSITY if is_jittered else -inf):
                return self.plan.sweep.layout.pack(found)
            if total > highest:
                best, highest = found, total
            failed = failed or values
        if best is not None:
            return self.plan.sweep.layout.pack(best)
        for values in islice(self._candidates(centre, generator, is_jittered), NUM_SEARCHES):
            for found in self._possible_values.sweeps(values, given, generator):
                if isfinite(self._total(found, logdensity)):
                    return self.plan.sweep.layout.pack(found)
        assert failed is not None
        reason = "The log-density is not finite at the initial point: give starting values with init={...}."
        raise SamplingError(self._log_terms.failure(failed) or reason)

    def _candidates(
        self, centre: Mapping[str, NDArray], generator: np.random.Generator, is_jittered: bool
    ) -> Iterator[Mapping[str, NDArray]]:
        if not is_jittered:
            yield centre
            return
        for _ in range(NUM_TRIES):
            yield _displaced(self.plan, centre, generator, self._nearer)
        # The mean of a heavy-tailed scale, say, may be far from any data.
        initial = {str(self.plan.mixed.values[n].name) for n in self.plan.model.parts.initial_values}
        moved = _moved(self.plan) - initial
        centre = {name: np.zeros_like(value) if name in moved else value for name, value in centre.items()}
        for attempt in range(NUM_TRIES_AT_ZERO):
            # Ever closer: exponentials of covariates that nobody has scaled overflow nearly everywhere else.
            yield _displaced(self.plan, centre, generator, self._nearer, SHRINKAGE_AT_ZERO**attempt)

    def _raised(
        self, values: Mapping[str, NDArray], given: Mapping[str, Any], logdensity: LogDensity | None
    ) -> tuple[Mapping[str, NDArray], float]:
        """Return the values, counts being raised where others need them to be larger, and the log-density there."""
        total = self._total(values, logdensity)
        if isfinite(total):
            return values, total
        counts = [n for n, s in self.plan.mixed.supports.items() if s.is_discrete and s.upper == inf and n not in given]
        raised = dict(values)
        for least in 2 ** np.arange(_LARGEST_COUNT_LOG2) if counts else ():
            for name in counts:
                key = str(self.plan.mixed.values[name].name)
                raised[key] = np.maximum(np.asarray(values[key]), least)
            total = self._total(raised, logdensity)
            if isfinite(total):
                return raised, total
        return values, nan

    def _total(self, values: Mapping[str, NDArray], logdensity: LogDensity | None) -> float:
        """Return the log-density at a point; not finite where a term is not."""
        if logdensity is not None:
            return logdensity(self.plan.sweep.layout.pack(values))
        return self._log_terms.total(values)


def given_values(plan: Plan, init: Any, chains: int) -> list[Mapping[str, Any]]:
    """Return the values that are given for each chain.

    Parameters
    ----------
    plan : Plan
        What is sampled.
    init : None, str, mapping, or sequence of mappings
        As `StartingPoints` takes it.
    chains : int
        Number of chains.

    Raises
    ------
    ModelError
        If a name, a shape or a value does not fit.
    """
    if init is None or (isinstance(init, str) and init in ("jitter", "support_point", "prior")):
        return [{}] * chains
    if isinstance(init, str):
        raise ModelError(
            f"init is 'jitter', 'support_point', 'prior', 'pathfinder', values by name or a trace, not {init!r}."
        )
    is_sequence = isinstance(init, Sequence) and all(isinstance(given, Mapping) for given in init)
    if not isinstance(init, Mapping) and not is_sequence:
        raise ModelError(
            "init is 'jitter', 'support_point', 'prior', 'pathfinder', a trace, values by name, or one such mapping "
            f"per chain, not {type(init).__name__}."
        )
    per_chain = [init] * chains if isinstance(init, Mapping) else list(init)
    if len(per_chain) != chains:
        raise ModelError(f"init has {len(per_chain)} starting points for {chains} chains; give one for each.")
    for given in per_chain:
        for name, value in given.items():
            _check_given(plan, name, value)
    unused = [a.name for a in plan.declared if a.method == "integrate" and any(a.name in given for given in per_chain)]
    if unused:
        names = ", ".join(unused)
        logger.info("Starting values of what is integrated out are not used, since it starts nowhere: %s.", names)
    return [{name: value for name, value in given.items() if name not in unused} for given in per_chain]


def _check_given(plan: Plan, name: str, value: Any) -> None:
    assigned = {a.name: a for a in plan.declared}
    if name not in assigned:
        raise ModelError(f"init names {name!r}; the latent variables are {', '.join(assigned)}.", name)
    assignment = assigned[name]
    if assignment.method == "marginalize":
        raise ModelError(f"init names {name!r}, which is summed out and does not start anywhere.", name)
    checked_value(assignment, value)


def starting_values(plan: Plan, seed: int) -> tuple[dict[str, NDArray], dict[str, NDArray] | None]:
    """Return where a short run of a plan starts, by name, in the space where it is sampled; and the central values.

    That is where a chain would: only the log-density tells which values of discrete variables are possible, and the
    central values are None then.

    Raises
    ------
    SamplingError
        If no such point is found.
    """
    if any(a.support.is_discrete and a.method not in ("marginalize", "integrate") for a in plan.assignments):
        return plan.sweep.layout.unpack(StartingPoints(plan)(None, 1, seed)[0]), None
    centre = central_values(plan, {}, "support_point", 0)
    return _displaced(plan, centre, np.random.default_rng(seed), displacements(plan)), centre


def _displaced(
    plan: Plan,
    centre: Mapping[str, NDArray],
    generator: np.random.Generator,
    nearer: Mapping[str, NDArray],
    width: float = 1.0,
) -> dict[str, NDArray]:
    moved = _moved(plan)
    seeds = {n for n in plan.mixed.values if isinstance(plan.mixed.graph.latent[n].owner.op, NoiseRV)}
    return {
        name: value + nearer.get(name, 1.0) * generator.uniform(-width, width, np.shape(value))
        if name in moved
        else value
        for name, value in centre.items()
    } | {name: np.asarray(generator.integers(NUM_SEEDS)) for name in seeds}


def _moved(plan: Plan) -> set[str]:
    """Return the names of what is displaced, as it is sampled."""
    return {str(plan.mixed.values[a.name].name) for a in plan.assignments if _is_on_the_real_line(a)}


def _is_on_the_real_line(assignment: Assignment) -> bool:
    """Whether a variable may be displaced: effects that all lie at their mean leave no spread to draw a scale from."""
    if assignment.builder is not None:
        # What is moved by itself goes wherever it is pulled.
        return assignment.builder.is_joint and not assignment.support.is_discrete
    return assignment.method == "gibbs" and assignment.support == REAL
