"""Metrics of chains in JAX, learnt in Python between chunks as `samplers.tuning.learning` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samplers.blocks import Sweep
from samplers.chain.arguments import RunSettings
from samplers.chain.metric import Learnt, Metric
from samplers.chain.plain_arrays import State, part_of, with_prefix
from samplers.chain.result import STATUS_DONE
from samplers.loop.jax.block import MetricMemory
from samplers.loop.jax.chunks import JaxChain
from samplers.loop.jax.record import Chunk
from samplers.tuning.agreement import Knowledge
from samplers.tuning.jax_adaptation import start_averaging
from samplers.tuning.learning import MetricLearner, SoFar, Trail


class _BlockMetrics:
    """The metrics of one block of all chains: what its memory in JAX holds, as arrays that can be written.

    Parameters
    ----------
    memory : MetricMemory
        Of all chains.
    trails : sequence of Trail
        Of each chain.
    """

    def __init__(self, memory: MetricMemory, trails: Sequence[Trail]):
        self._memory = memory
        self.trails = trails
        self._gradients = np.array(memory.gradient)
        self._variances = np.array(memory.adaptation.inverse_mass_matrix)
        self._is_adapting = np.array(memory.is_adapting)

    def metric(self, chain: int) -> Metric:
        """Return the metric that a chain uses."""
        return self.trails[chain].metric(self._variances[chain])

    def use(self, chains: Sequence[int], metric: Metric, *, is_adapting: bool = False) -> bool:
        """Change the metric of some chains; return whether it is of another kind for any of them."""
        is_new = any(self.metric(chain).kind != metric.kind for chain in chains)
        for chain in chains:
            self._gradients[chain] = self.trails[chain].turned(self._gradients[chain], metric)
            self._variances[chain] = metric.scale**2 if metric.kind == "diag" else 1.0
            self._is_adapting[chain] = is_adapting
        return is_new

    def written(self, averaging: Any = None) -> MetricMemory:
        """Return the memory with the metrics in use, and the step sizes if they are given."""
        factor, adaptation = self._memory.factor, self._memory.adaptation
        if factor.shape[-1] > 0:
            unit = np.eye(factor.shape[-1])
            factor = np.stack([unit if t.factor is None else t.factor.factor for t in self.trails])
        if averaging is not None:
            adaptation = adaptation._replace(averaging=averaging)
        return self._memory._replace(
            gradient=self._gradients,
            adaptation=adaptation._replace(inverse_mass_matrix=self._variances),
            factor=factor,
            is_adapting=self._is_adapting,
        )


class JaxLearning:
    """What the chains of a run in JAX have learnt.

    Parameters
    ----------
    sweep : Sweep
        The blocks.
    num_chains : int
        Number of chains.
    settings : RunSettings
        What is learnt, and by each chain for itself or by all together.
    """

    def __init__(self, sweep: Sweep, num_chains: int, settings: RunSettings):
        sizes = sweep.metric_sizes
        num_window = settings.num_window(sizes)
        self._blocks = [b for b, block in enumerate(sweep.blocks) if block.has_metric]
        windows = [np.zeros((num_chains, num_window, 2, size)) for size in sizes]
        slices = [[sweep.layout.slice_of(str(v.name)) for v in sweep.blocks[b].variables] for b in self._blocks]
        self._where = [slice(min(s.start for s in found), max(s.stop for s in found)) for found in slices]
        self._windows: list[NDArray[np.float64]] = windows
        self._trails = [[Trail(window[chain]) for chain in range(num_chains)] for window in windows]
        self._num_sweeps = 0
        everybody = range(num_chains)
        self._groups: list[Sequence[int]] = [everybody] if settings.is_pooled else [[chain] for chain in everybody]
        self.learners: list[MetricLearner] = []
        if num_window:
            self.learners = [MetricLearner(settings.metric, sizes, settings.tune) for _ in self._groups]

    def set_tune(self, tune: int) -> None:
        """Learn as in a warm-up of so many sweeps from now on."""
        if not self.learners:
            return
        more = [np.zeros((len(w), tune - w.shape[1], *w.shape[2:])) for w in self._windows]
        self._windows = [np.concatenate(pair, axis=1) for pair in zip(self._windows, more, strict=True)]
        for window, trails in zip(self._windows, self._trails, strict=True):
            for chain, trail in enumerate(trails):
                trail.window = window[chain]
        self.learners = [learner.of_length(tune) for learner in self.learners]

    def knowledge(self, chains: JaxChain, levels: NDArray[np.float64], scales: Sequence[int]) -> list[Knowledge]:
        """Return what each chain that has not stopped has learnt.

        Parameters
        ----------
        chains : JaxChain
            All chains.
        levels : array, shape (sweeps, chains, blocks), float64
            Log-densities after the last sweeps.
        scales : sequence of int
            Elements of the joint state that are scales of proposals.
        """
        blocks, done = self._metrics(chains), self._num_sweeps
        steps = [np.asarray(chains.memories[b].adaptation.averaging.log_step_size_avg) for b in self._blocks]
        is_pooled = any(len(group) > 1 for group in self._groups)
        status, x = np.asarray(chains.status), np.asarray(chains.x)
        found = []
        for chain in np.flatnonzero(status == STATUS_DONE).tolist():
            metrics = [block.metric(chain) for block in blocks]
            trails = [block.trails[chain] for block in blocks]
            alone = [
                trail.alone(done, metric) if is_pooled else [metric]
                for trail, metric in zip(trails, metrics, strict=True)
            ]
            found.append(
                Knowledge(
                    levels[:, chain],
                    np.array([step[chain] for step in steps]),
                    [0.5 * np.log([each.variances for each in own]) for own in alone],
                    tuple(metric.kind for metric in metrics),
                    np.log(np.abs(x[chain, list(scales)])),
                )
            )
        return found

    def add(self, chunk: Chunk) -> None:
        """Keep positions and gradients of a chunk of tuning sweeps."""
        rows = slice(self._num_sweeps, self._num_sweeps + len(chunk.draws))
        self._num_sweeps, first = rows.stop, 0
        if not self.learners:
            return
        for where, window in zip(self._where, self._windows, strict=True):
            last = first + window.shape[-1]
            window[:, rows, 0] = chunk.draws[:, :, where].swapaxes(0, 1)
            window[:, rows, 1] = chunk.gradients[:, :, first:last].swapaxes(0, 1)
            first = last

    def _metrics(self, chains: JaxChain) -> list[_BlockMetrics]:
        return [_BlockMetrics(chains.memories[b], t) for b, t in zip(self._blocks, self._trails, strict=True)]

    def _written(self, chains: JaxChain, memories: Sequence[MetricMemory]) -> JaxChain:
        found = dict(enumerate(chains.memories)) | dict(zip(self._blocks, memories, strict=True))
        return chains._replace(memories=tuple(found.values()))

    def update(self, chains: JaxChain, num_done: int) -> tuple[JaxChain, bool]:
        """Learn from the draws so far; return the chains with their metrics, and whether step sizes are to be found."""
        blocks, num_gradients = self._metrics(chains), np.asarray(chains.num_gradients)

        def so_far(chain: int) -> SoFar:
            metrics, trails = [block.metric(chain) for block in blocks], [block.trails[chain] for block in blocks]
            return SoFar(self._num_sweeps, int(num_gradients[chain]), metrics, trails)

        is_new = False
        for learner, group in zip(self.learners, self._groups, strict=True):
            learnt = learner.learn(num_done, [so_far(chain) for chain in group])
            for block, metric in zip(blocks, learnt, strict=True):
                if metric is not None:
                    is_new |= block.use(group, metric)
        return self._written(chains, [block.written() for block in blocks]), is_new

    def resume(self, chains: JaxChain, learnt: Sequence[Sequence[Learnt]]) -> JaxChain:
        """Return chains that begin with step sizes and metrics."""
        memories = []
        for k, block in enumerate(self._metrics(chains)):
            known = [of_chain[k] for of_chain in learnt]
            for chain, one in enumerate(known):
                block.use([chain], one.metric, is_adapting=one.metric.kind == "diag")
            steps = np.array([one.step_size for one in known])
            averaging = start_averaging(steps)
            shaped = type(averaging)(*(np.broadcast_to(field, steps.shape) for field in averaging))
            memories.append(block.written(shaped))
        return self._written(chains, memories)

    def state(self) -> State:
        """Return what is remembered besides what is in the chains, as arrays."""
        found: State = {"num_sweeps": np.array(self._num_sweeps)}
        found["has_chosen"] = np.array([learner.has_chosen for learner in self.learners], bool)
        for block, trails in enumerate(self._trails):
            for chain, trail in enumerate(trails):
                found |= with_prefix(f"block_{block}_chain_{chain}_", trail.state(self._num_sweeps))
        return found

    def restore(self, state: Mapping[str, NDArray]) -> None:
        """Remember what `state` returned."""
        self._num_sweeps = int(state["num_sweeps"])
        for learner, has_chosen in zip(self.learners, state["has_chosen"], strict=True):
            learner.has_chosen = bool(has_chosen)
        for block, trails in enumerate(self._trails):
            for chain, trail in enumerate(trails):
                trail.restore(part_of(state, f"block_{block}_chain_{chain}_"))

    def learnt(self, chains: JaxChain) -> tuple[tuple[Learnt, ...], ...]:
        """Return step sizes and metrics of all chains."""
        blocks = self._metrics(chains)
        steps = [np.asarray(chains.memories[b].adaptation.averaging.log_step_size_avg) for b in self._blocks]
        return tuple(
            tuple(Learnt(exp(s[chain]), block.metric(chain)) for block, s in zip(blocks, steps, strict=True))
            for chain in range(len(chains.num_gradients))
        )
