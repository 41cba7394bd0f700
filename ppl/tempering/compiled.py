"""A model compiled for tempered sequential Monte Carlo: run any number of times."""

from __future__ import annotations

import logging
import os
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xarray import DataTree

from graphs.backends import get_backend
from graphs.backends.blas import one_blas_thread
from graphs.deriving import deriving
from graphs.errors import BackendError, DerivationError, ModelError, SamplingError
from graphs.garbage import rarely_collected
from graphs.joint.logprob import Marginalize
from graphs.layout import Layout
from ppl.diagnosing.judged import drawn_attributes
from ppl.modelling.model import Model, require_model
from ppl.planning.centring.asked import AS_DECLARED_IN_JAX as AS_DECLARED
from ppl.planning.planning import plan
from ppl.planning.plans import BY_GRADIENT, Plan, Sampler
from ppl.reporting.stages import doing, stages
from ppl.running.exact import ExactModel
from ppl.running.expansion import DrawExpansion
from ppl.running.results import to_datatree, versions
from ppl.running.wanted import LOGDENSITY
from ppl.stopping.counts import check_counts, checked_seed
from ppl.tempering.evidence import LOG_EVIDENCE, LOG_EVIDENCE_ERROR
from ppl.tempering.prior_draws import FirstParticles, check_proper
from ppl.tempering.simulating import check_simulators, simulators_of, tolerances
from ppl.tempering.tempered import TemperedPlan, tempered
from samplers.loop.run import CompiledSweep
from samplers.particles.mover import ParticleMover
from samplers.particles.tempering import TemperedRun, run_tempered

logger = logging.getLogger("rvgraph")
_STREAM = 20261201
_FEW_FOUNDERS = 20
"""With so few first ancestors the estimate of the variance has itself a relative error of a third and more."""
_MOST_COPIES = 0.9
_CHAINS = 4


class TemperedModel:
    """A model ready for tempered sequential Monte Carlo; the parameters are those of `ppl.smc`.

    Attributes
    ----------
    plan : Plan
        Of the posterior.
    compile_seconds : float
        How long planning and compiling took.
    """

    def __init__(
        self,
        model: Model,
        *,
        sampler: Sampler = None,
        marginalize: Marginalize = "auto",
        backend: str = "numba",
        progress: bool = True,
    ):
        start = time.perf_counter()
        require_model(model)
        if backend == "jax":
            raise BackendError("Particles are moved by compiled loops: use backend='numba' or 'c'.", backend)
        get_backend(backend)
        check_proper(model)
        if not model.latent:
            raise ModelError("There is nothing for particles to be: none of the variables is latent.")
        self.backend = backend
        with deriving(), stages(progress):
            check_simulators(model)
            self.plan: Plan = _planned(model, sampler, marginalize)
            self.exact = ExactModel(self.plan, backend) if self.plan.is_exact else None
            if self.exact is None:
                self._compile()
        self.compile_seconds = time.perf_counter() - start

    def _compile(self) -> None:
        doing("Compiling what moves particles")
        self._tempered: TemperedPlan = tempered(self.plan)
        self._variables = self._tempered.variables
        self._layout = Layout.of(self._variables)
        self._sweep = CompiledSweep(self._tempered.sweep, self.backend)
        doing("Compiling draws from the prior and the likelihood")
        self._prior = FirstParticles(self.plan, self.backend)
        compiler = get_backend(self.backend)
        self._likelihood = compiler.shared_map(list(self._variables), [self._tempered.loglikelihood])
        self._total = compiler.shared_map(list(self._variables), [self.plan.sampled.total])
        self._expansion = DrawExpansion.of(self.plan, self.backend)

    def sample(
        self,
        particles: int = 2000,
        *,
        chains: int | None = None,
        cores: int | None = None,
        seed: int | None = None,
        target_ess: float = 0.5,
        max_sweeps: int = 20,
        progress: bool = True,
    ) -> DataTree:
        """Run; the parameters and what is returned are those of `ppl.smc`."""
        check_counts(particles=particles, chains=chains, cores=cores, max_sweeps=max_sweeps)
        chains = _arranged(int(particles), chains)
        if isinstance(target_ess, bool) or not isinstance(target_ess, int | float | np.floating):
            raise SamplingError(f"target_ess is a number between 0 and 1, not {target_ess!r}.")
        if not 0.0 < target_ess < 1.0:
            raise SamplingError(f"target_ess is a share of the particles, between 0 and 1, not {target_ess!r}.")
        seed = checked_seed(seed)
        if self.exact is not None:
            trace = self.exact.sample(int(particles) // chains, chains=chains, seed=seed, progress=progress)
            trace.attrs |= {LOG_EVIDENCE: self.exact.log_evidence, LOG_EVIDENCE_ERROR: 0.0, "method": "smc"}
            return trace
        if particles < 2:
            raise SamplingError("One particle tells no evidence and no error: give particles=2000, or two at least.")
        start = time.perf_counter()
        of_prior, of_moves, of_resampling = np.random.SeedSequence([seed, _STREAM]).spawn(3)
        names = list(self._layout.names)
        layout = self._sweep.layout
        threads = cores or os.cpu_count() or 1
        mover = ParticleMover(
            self._sweep,
            layout.elements(names),
            layout.slice_of(str(self._tempered.temperature.name)).start,
            of_moves,
            int(particles),
            # Threads would wait for each other in Python.
            1 if self.plan.called_back else cores,
        )
        with stages(progress), rarely_collected(), one_blas_thread(), mover:
            doing("Drawing particles from the prior")
            first = self._prior(int(particles), of_prior, self._variables)
            run = run_tempered(
                first,
                lambda positions: self._evaluated(self._likelihood, positions, threads),
                mover,
                np.random.default_rng(of_resampling),
                float(target_ess),
                int(max_sweeps),
                lambda run: doing(f"Temperature {run.temperatures[-1]:.3g}, stage {len(run.sweeps)}"),
            )
        seconds = time.perf_counter() - start
        return self._trace(run, mover, chains, seed, seconds, threads)

    def _evaluated(self, function: Any, positions: NDArray[np.float64], threads: int) -> NDArray[np.float64]:
        arrays = list(self._layout.unpack(positions, copy=False).values())
        with np.errstate(all="ignore"):
            return np.asarray(function(arrays, threads)[0], np.float64)

    def _as_recorded(self, particles: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return particles as the plan's own sweep would record them; what it learns while tuning is nothing here."""
        whole, own = self._expansion.layout, self._layout
        rows = np.zeros((len(particles), whole.size))
        for name in set(whole.names).intersection(own.names):
            rows[:, whole.slice_of(name)] = particles[:, own.slice_of(name)]
        return rows

    def _trace(
        self, run: TemperedRun, mover: ParticleMover, chains: int, seed: int, seconds: float, threads: int
    ) -> DataTree:
        shape = (chains, len(run.particles) // chains)
        total = self._evaluated(self._total, run.particles, threads).reshape(shape)
        values = self._expansion(self._as_recorded(run.particles).reshape(*shape, -1), seed=(seed, 0))
        lp = values.pop(LOGDENSITY, total)
        attributes = {
            "inference_library": "rvgraph",
            "method": "smc",
            "backend": self.backend,
            "seed": seed,
            "tune": 0,
            "particles": len(run.particles),
            LOG_EVIDENCE: run.log_evidence,
            LOG_EVIDENCE_ERROR: run.log_evidence_error,
            "temperatures": np.array(run.temperatures),
            "acceptance": _mean_rates(run),
            "sweeps": np.array(run.sweeps),
            "distances": np.array(run.distances),
            "num_founders": run.num_founders,
            "num_divergent": mover.num_divergent,
            "num_failed": mover.num_failed,
            "num_not_a_number": run.num_not_a_number,
            "num_gradients": mover.num_gradients,
            "sampling_seconds": seconds,
            "tuning_seconds": 0.0,
            "compile_seconds": self.compile_seconds,
            "interrupted": False,
            "plan": str(self.plan),
            **tolerances(self.plan.model, run.temperatures),
            **drawn_attributes(self.plan.declared),
            "versions": versions(),
        }
        for sentence in _said(run):
            logger.warning("%s", sentence)
        return to_datatree(self.plan.model, {"posterior": values, "sample_stats": {"lp": lp}}, attributes)


def _planned(model: Model, sampler: Sampler, marginalize: Marginalize) -> Plan:
    """Return a plan without pilot runs: particles are moved by trajectories where there are gradients."""
    if sampler is not None:
        return plan(model, sampler=sampler, marginalize=marginalize, centring=1.0)
    if not simulators_of(model):
        try:
            return plan(model, sampler=BY_GRADIENT, marginalize=marginalize, centring=1.0)
        except DerivationError as error:
            logger.debug("Not everything has a gradient: %s", error)
    return plan(model, sampler={}, marginalize=marginalize, centring=AS_DECLARED)


def _arranged(particles: int, chains: int | None) -> int:
    """Return as how many chains particles are arranged."""
    if chains is None:
        return next(n for n in range(min(_CHAINS, particles), 0, -1) if particles % n == 0)
    if particles % chains:
        raise SamplingError(f"{particles} particles cannot be arranged as {chains} chains of equal length.")
    return int(chains)


def _mean_rates(run: TemperedRun) -> NDArray[np.float64]:
    """Return the acceptance rate of each stage, averaged over what moves variables; NaN where nothing is refused."""
    rates = np.array(run.acceptance).reshape(len(run.sweeps), -1)
    known = ~np.isnan(rates)
    return np.where(known.any(axis=1), np.nansum(rates, axis=1) / np.maximum(known.sum(axis=1), 1), np.nan)


def _said(run: TemperedRun) -> list[str]:
    """Return what the result should be read with, in words."""
    found = []
    if run.num_founders < _FEW_FOUNDERS:
        found.append(
            f"All particles descend from {run.num_founders} of the {len(run.particles)} drawn from the prior: "
            "the evidence and its error are rough. Give more particles, or a narrower prior."
        )
    if run.share_of_unique < _MOST_COPIES:
        found.append(
            f"Of the {len(run.particles)} particles {1.0 - run.share_of_unique:.0%} are copies of others that have not "
            "moved since: hardly any move was accepted. Give more max_sweeps, or another sampler."
        )
    if run.num_not_a_number:
        found.append(
            f"The likelihood was no number in {run.num_not_a_number} evaluations, which counted as impossible."
        )
    return found
