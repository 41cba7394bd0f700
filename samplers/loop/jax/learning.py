"""Metrics of chains in JAX, learnt in Python between chunks as `samplers.tuning.learning` does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from samplers.blocks import Sweep
from samplers.chain.programs import Programs
from samplers.chain.state import NUM_GRADIENTS, NUM_ITERATIONS, new_chain
from samplers.loop.jax.block import MetricMemory
from samplers.loop.jax.chunks import Chain
from samplers.loop.jax.record import Chunk
from samplers.tuning.adaptation import IS_ADAPTING, IS_NEW, LOG_STEP_SIZE
from samplers.tuning.jax_adaptation import start_averaging
from samplers.tuning.learning import Learnt, Member, MetricChoice, MetricLearner


class JaxLearning:
    """What the chains of a run in JAX have learnt, as chains of the other backends hold it.

    Parameters
    ----------
    sweep : Sweep
        The blocks.
    num_chains, num_window : int
        Number of chains, and of tuning sweeps whose positions and gradients are kept.
    """

    def __init__(self, sweep: Sweep, num_chains: int, num_window: int):
        size, num_blocks = sweep.layout.size, len(sweep.blocks)
        seed = np.random.SeedSequence(0)
        self.mirrors = [
            new_chain(np.zeros(size), seed, num_blocks, 0, 0, num_window=num_window) for _ in range(num_chains)
        ]
        self._blocks = [b for b, block in enumerate(sweep.blocks) if block.has_metric]
        self._where = []
        for b in self._blocks:
            slices = [sweep.layout.slice_of(str(v.name)) for v in sweep.blocks[b].variables]
            self._where.append((min(s.start for s in slices), max(s.stop for s in slices)))
        programs = [Programs([None] * num_blocks) for _ in self.mirrors]
        self.members = [
            [
                Member(mirror, own, b, first, last - first)
                for b, (first, last) in zip(self._blocks, self._where, strict=True)
            ]
            for mirror, own in zip(self.mirrors, programs, strict=True)
        ]
        self._elements = np.concatenate([np.zeros(0, np.int64), *(np.arange(*where) for where in self._where)])
        self.learners: list[MetricLearner] = []

    def start(self, kind: MetricChoice, tune: int, is_pooled: bool) -> None:
        """Let each chain learn a metric of its own, or all of them one."""
        groups = [self.members] if is_pooled else [[members] for members in self.members]
        self.learners = [MetricLearner(kind, group, tune) for group in groups]

    def add(self, chunk: Chunk) -> None:
        """Keep positions and gradients of a chunk of tuning sweeps."""
        for number, mirror in enumerate(self.mirrors):
            begin = int(mirror.counters[NUM_ITERATIONS])
            rows = slice(begin, begin + len(chunk.draws))
            mirror.window[rows, 0] = chunk.draws[:, number]
            mirror.window[rows, 1, self._elements] = chunk.gradients[:, number]
            mirror.counters[NUM_ITERATIONS] = rows.stop

    def update(self, chains: Chain, num_done: int) -> tuple[Chain, bool]:
        """Learn from the draws so far; return the chains with their metrics, and whether step sizes are to be found."""
        self.pull(chains)
        for learner in self.learners:
            learner.update(num_done)
        is_new = any(mirror.tuning[b, IS_NEW] for mirror in self.mirrors for b in self._blocks)
        return self.push(chains), is_new

    def resume(self, chains: Chain, learnt: Sequence[Sequence[Learnt]]) -> Chain:
        """Return chains that begin with step sizes and metrics."""
        self.pull(chains)
        for members, known in zip(self.members, learnt, strict=True):
            for member, one in zip(members, known, strict=True):
                member.resume(one)
        chains = self.push(chains)
        memories = list(chains.memories)
        for k, b in enumerate(self._blocks):
            steps = np.array([known[k].step_size for known in learnt])
            averaging = memories[b].adaptation.averaging
            new = start_averaging(steps)
            shaped = type(averaging)(*(np.broadcast_to(f, steps.shape) for f in new))
            memories[b] = memories[b]._replace(adaptation=memories[b].adaptation._replace(averaging=shaped))
        return chains._replace(memories=tuple(memories))

    def learnt(self, chains: Chain) -> tuple[tuple[Learnt, ...], ...]:
        """Return step sizes and metrics of all chains."""
        self.pull(chains)
        return tuple(tuple(member.learnt for member in members) for members in self.members)

    def pull(self, chains: Chain) -> None:
        """Read what the chains hold."""
        for mirror, count in zip(self.mirrors, np.asarray(chains.num_gradients), strict=True):
            mirror.counters[NUM_GRADIENTS] = count
        for b, (first, last) in zip(self._blocks, self._where, strict=True):
            memory: MetricMemory = chains.memories[b]
            gradients, metrics = np.asarray(memory.gradient), np.asarray(memory.adaptation.inverse_mass_matrix)
            steps = np.asarray(memory.adaptation.averaging.log_step_size_avg)
            for number, mirror in enumerate(self.mirrors):
                mirror.gradient[first:last] = gradients[number]
                mirror.inverse_mass_matrix[first:last] = metrics[number]
                mirror.tuning[b, LOG_STEP_SIZE] = steps[number]
                mirror.tuning[b, IS_NEW] = 0.0

    def push(self, chains: Chain) -> Chain:
        """Return the chains with gradients and metrics as they are here."""
        memories = list(chains.memories)
        for k, (b, (first, last)) in enumerate(zip(self._blocks, self._where, strict=True)):
            memory: MetricMemory = memories[b]
            if memory.factor.shape[-1] > 0:
                unit = np.eye(last - first)
                factors = [m[k].metric.factor if m[k].metric.kind != "diag" else unit for m in self.members]
                memory = memory._replace(factor=np.stack(factors))
            metrics = np.stack([mirror.inverse_mass_matrix[first:last] for mirror in self.mirrors])
            memories[b] = memory._replace(
                gradient=np.stack([mirror.gradient[first:last] for mirror in self.mirrors]),
                adaptation=memory.adaptation._replace(inverse_mass_matrix=metrics),
                is_adapting=np.array([mirror.tuning[b, IS_ADAPTING] != 0.0 for mirror in self.mirrors]),
            )
        return chains._replace(memories=tuple(memories))
