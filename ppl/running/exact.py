"""Models of which nothing is left to sample: draws from the posterior itself, in balance."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any, cast

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable
from xarray import DataTree

from graphs.backends import get_backend
from graphs.balancing import balanced_signs, with_given_signs
from graphs.errors import ModelError, SamplingError
from graphs.integral import drawn_back
from graphs.joint.joint_logprob import strip
from graphs.joint.logprob import logprob
from graphs.surgery.interpreting import interpret
from graphs.surgery.random_graph import static_shape
from graphs.surgery.rebuilding import substitute
from ppl.background.control import Clock
from ppl.diagnosing.judged import constant_variables
from ppl.distributing.clients import check_client
from ppl.keeping.keeper import BLOCK
from ppl.keeping.manifest import check_free
from ppl.modelling.members import by_member, given_arrays
from ppl.planning.plans import Plan
from ppl.predicting.missing_draws import NUMBER
from ppl.predicting.recovery import LOG_EVIDENCE, recovery_graphs
from ppl.running.memory import bytes_of_draw, check_memory_of_draws, most_draws
from ppl.running.results import plain_attributes, to_datatree, versions
from ppl.starting.initial import given_values
from ppl.starting.log_terms import LogTerms
from ppl.stopping.asked import Asked, Tune
from ppl.stopping.conducting import draw_until
from ppl.stopping.judging import look_at
from ppl.stopping.options import Adapt
from ppl.stopping.until import Until
from ppl.storing.exact_store import begun
from ppl.storing.until_enough import written_until
from samplers.tuning.learning import MetricChoice

LOG_PROBABILITY = ""
_STREAM = 20261204
"""Tells the generators of these draws from others that have the same seed."""


class ExactModel:
    """A model all of whose latent variables are summed or integrated out, ready to sample.

    Each draw takes the steps of sums and integrals backwards: no chain, no tuning. They are exact, and in balance.

    Attributes
    ----------
    plan : Plan
        What is summed out and how.
    backend : str
        ``numba``, ``c`` or ``jax``.
    precision : str
        Double: no gradient is evaluated.
    compile_seconds : float
        How long planning and compiling took.
    compile_options : dict
        What `ppl.compile` was asked for, as far as that can be written down.
    log_evidence : float
        Log-probability of the data, all latent variables summed out.
    """

    precision = "float64"

    def __init__(self, plan: Plan, backend: str):
        start = time.perf_counter()
        self.plan = plan
        self.backend = backend
        self.compile_options: dict[str, Any] = {}
        self.log_evidence = float(interpret([], _without_elements(plan, [plan.mixed.total])[0])())
        self._graphs, self._rng = self._all_graphs()
        graphs, signs = with_given_signs(list(self._graphs.values()))
        self._signs = [static_shape(sign) for sign in signs]
        self._function = get_backend(backend).map([NUMBER, *signs], graphs, rng=self._rng)
        self.compile_seconds = time.perf_counter() - start

    def __reduce__(self) -> tuple[Any, ...]:
        # Machine code belongs to a process.
        return ExactModel, (self.plan, self.backend)

    def __repr__(self) -> str:
        return f"ExactModel({self.plan.model!r}, backend={self.backend!r})"

    def dprint(self, file: Any = None) -> None:
        """Print the plan and its graphs."""
        self.plan.dprint(file=file)

    def _all_graphs(self) -> tuple[dict[str, TensorVariable], Variable]:
        """Return the graphs of a draw by name: latent variables, deterministics, and their joint log-probability."""
        model, names, mixed = self.plan.model, list(self.plan.natural.summed), self.plan.mixed
        joint = strip(logprob(model, marginalize=False, apart=self.plan.natural.apart), names)
        graphs, rng_of_sums = recovery_graphs(model, joint, names, probs=False, most_probable=False)
        rng: Variable = pt.random.rng("rng")
        next_rng, integrated = drawn_back(self.plan.natural.integrals, rng, {})
        others = [n for n in joint.values if n not in names]
        found = [integrated[n] if n in integrated else mixed.natural[n] for n in others]
        natural = _without_elements(self.plan, found)
        known: dict[Variable, Variable] = dict(zip((joint.values[n] for n in others), natural, strict=True))
        graphs = dict(zip(graphs, substitute(list(graphs.values()), {**known, rng_of_sums: next_rng}), strict=True))
        known |= {joint.values[name]: graphs[name] for name in names}
        arrays = {name: pt.as_tensor(known[value]) for name, value in joint.values.items()}
        data = dict(model.graph.observed.values())
        computed = given_arrays(list(model.deterministics.values()), model.latent, arrays, joint.plates, data)
        [total] = substitute([joint.total], known)
        outputs = {
            **{n: array for n, array in arrays.items() if n in model.latent or n in joint.plates},
            **dict(zip(model.deterministics, computed, strict=True)),
            LOG_PROBABILITY: total,
        }
        return {name: pt.as_tensor(graph) for name, graph in outputs.items()}, rng

    def sample(
        self,
        draws: int | None = None,
        tune: Tune = 1000,
        chains: int = 4,
        cores: int | None = None,
        seed: int | None = None,
        *,
        until: Until | None = None,
        init: Any = None,
        progress: bool = True,
        target_accept: float = 0.8,
        max_tree_depth: int = 10,
        thin: int = 1,
        keep_tuning: bool = False,
        var_names: Sequence[str] | None = None,
        metric: MetricChoice = "auto",
        adapt: Adapt = "chain",
        store: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        client: Any = None,
    ) -> DataTree:
        """Draw; the arguments are those of `ppl.sample`, of which those of chains that move have nothing to do.

        Parameters
        ----------
        draws, chains : int
            Draws of each chain from the posterior, in balance (`graphs.balancing`), and chains, which are no different
            from each other.
        seed, until, var_names, store, overwrite
            As of `ppl.sample`.
        tune, cores, init, progress, target_accept, max_tree_depth, thin, keep_tuning, metric, adapt, client
            Checked as for `ppl.sample`, and not used: nothing moves, so that nothing is tuned.

        Returns
        -------
        xarray.DataTree
            As `ppl.sample` gives it; its attribute ``log_evidence`` is the log-probability of the data.

        Raises
        ------
        SamplingError
            If the data are impossible, or an argument is.
        """
        asked = Asked(
            draws, tune, chains, cores, seed, target_accept, max_tree_depth, thin, keep_tuning, metric, adapt, until
        )
        check_client(client)
        seed = cast(int, asked.settings().seed)
        if not isinstance(init, DataTree) and not (isinstance(init, str) and init == "pathfinder"):
            given_values(self.plan, init, chains)
        if not isfinite(self.log_evidence):
            raise SamplingError(LogTerms(self.plan).failure(self._nowhere()) or "The data are impossible.")
        names = self._chosen(var_names)
        asked.check(names, constant_variables(self.plan.declared))
        if store is not None:
            wanted = {"draws": asked.num_draws, "chains": chains, "seed": seed, "var_names": names}
            wanted |= {} if until is None else {"draws": None, "until": written_until(until)}
            return begun(self, check_free(store, overwrite), wanted)
        start = time.perf_counter()
        if until is None:
            return self._drawn(asked.num_draws, chains, seed, names, start)
        run = _Repeated(lambda number: self._drawn(number, chains, seed, names, start), Clock(until.seconds))
        # A draw may be there twice, in a shorter run and in a longer one.
        most = most_draws(chains, 0, 0, {name: 2 * size for name, size in bytes_of_draw(self._graphs).items()})
        num_threads = cores or os.cpu_count() or 1
        ending = draw_until(
            run, until, chains, most, lambda _: look_at(run.trace, until, num_threads), lambda: run.clock.is_over
        )
        if run.trace is None:
            raise SamplingError(f"Nothing was drawn: {ending.reason}. Give until more seconds.")
        run.trace.attrs |= plain_attributes(ending.attributes() | {"interrupted": ending.is_interrupted})
        return run.trace

    def _drawn(self, draws: int, chains: int, seed: int, names: Sequence[str], start: float) -> DataTree:
        """Return so many draws of each chain."""
        check_memory_of_draws(self._graphs, chains * draws)
        parts = [[self.block(seed, chain, first, draws) for first in range(0, draws, BLOCK)] for chain in range(chains)]
        values = {n: np.stack([np.concatenate([part[n] for part in own]) for own in parts]) for n in parts[0][0]}
        return self.trace(values, names, self.attributes(seed, time.perf_counter() - start))

    def block(self, seed: int, chain: int, first: int, stop: int) -> dict[str, NDArray]:
        """Return the draws of one block of a chain, (n, ...): those before a number, and no others whatever is asked.

        Parameters
        ----------
        seed, chain : int
            Which generator the block has, with its number.
        first, stop : int
            Number of its first draw, a multiple of `BLOCK`; and of the first that is not wanted.
        """
        own = np.random.SeedSequence(seed, spawn_key=(_STREAM, chain, first // BLOCK))
        count = min(stop - first, BLOCK)
        # XLA may round otherwise for another number of draws.
        made = BLOCK if self.backend == "jax" else count
        signs = balanced_signs(self._signs, made, np.random.default_rng(own.spawn(1)[0]))
        arrays = self._function(np.random.default_rng(own), np.zeros(made), *signs)
        return {name: np.asarray(array)[:count] for name, array in zip(self._graphs, arrays, strict=True)}

    def trace(self, values: Mapping[str, NDArray], names: Sequence[str], attributes: Mapping[str, Any]) -> DataTree:
        """Return the trace of draws (chains, draws, ...), as `block` names them."""
        declared = by_member(dict(values), self.plan.natural.plates)
        groups = {"posterior": {n: declared[n] for n in names}, "sample_stats": {"lp": declared[LOG_PROBABILITY]}}
        return to_datatree(self.plan.model, groups, attributes)

    def attributes(self, seed: int, seconds: float) -> dict[str, Any]:
        """Return what is worth knowing about a run that took so many seconds."""
        return {
            "inference_library": "rvgraph",
            "backend": self.backend,
            "seed": seed,
            "tune": 0,
            "sampling_seconds": seconds,
            "tuning_seconds": 0.0,
            "compile_seconds": self.compile_seconds,
            "num_gradients": 0,
            "interrupted": False,
            LOG_EVIDENCE: self.log_evidence,
            "plan": str(self.plan),
            "versions": versions(),
        }

    def _nowhere(self) -> dict[str, NDArray]:
        return {str(v.name): np.zeros(v.type.shape, v.type.dtype) for v in self.plan.mixed.values.values()}

    def _chosen(self, var_names: Sequence[str] | None) -> list[str]:
        known = [*self.plan.model.latent, *(n for n in self.plan.model.deterministics if n in self._graphs)]
        if var_names is None:
            return known
        if isinstance(var_names, str):
            raise ModelError(f"var_names is a list of names: [{var_names!r}].")
        for name in var_names:
            if name not in known:
                raise ModelError(f"var_names asks for {name!r}; the model has {', '.join(known)}.", name)
        chosen = set(var_names)
        return [name for name in known if name in chosen]


class _Repeated:
    """Draws made anew whenever there are to be more: a run of so many is then the same as one that asked for them.

    Parameters
    ----------
    draw : callable
        Makes so many.
    clock : Clock
        When to stop.
    """

    def __init__(self, draw: Callable[[int], DataTree], clock: Clock):
        self.clock = clock
        self.trace: Any = None
        self._draw = draw

    def advance(self, draws: int | None = None) -> bool:
        """Make so many draws, if there is time."""
        if draws is None or self.clock.is_over:
            return False
        self.trace = self._draw(draws)
        return True


def _without_elements(plan: Plan, graphs: Sequence[TensorVariable]) -> list[TensorVariable]:
    """Return graphs of what is left to sample, which has no elements, as graphs of nothing."""
    nothing = {value: pt.zeros(value.type.shape, dtype=value.type.dtype) for value in plan.mixed.values.values()}
    return [pt.as_tensor(graph) for graph in substitute(list(graphs), nothing)]
