"""A sweep compiled into chunks of draws, between which Python has control."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from numpy.typing import NDArray

from samplers.blocks import Sweep
from samplers.chain.arguments import Callback, spawn_seeds
from samplers.chain.result import STATUS_DONE, cannot_start, statistic_names
from samplers.loop.jax.block import JaxBlock, JaxOptions, MetricMemory, Stats
from samplers.loop.jax.record import Chunk
from samplers.tuning.jax_adaptation import Phase, drawing_phases

# Python gets control (progress, interruption) about this often.
CHUNK_SECONDS = 0.3
FIRST_CHUNK_DRAWS = 8
LARGEST_GROWTH = 8
LARGEST_CHUNK_DRAWS = 4096
LARGEST_CHUNK_VALUES = 2**21


class JaxChain(NamedTuple):
    """The state of one chain; of all chains once a leading axis is added."""

    key: jax.Array  # () JAX key
    x: jax.Array  # (size,) float64: the joint state
    memories: tuple[Any, ...]  # what each block carries
    num_gradients: jax.Array  # () int64
    num_divergent: jax.Array  # () int64, after tuning
    num_completed: jax.Array  # () int64: sweeps before it failed, if it did
    status: jax.Array  # () int64, as in SweepResult


class ChunkPrograms(NamedTuple):
    """The compiled functions of a sweep, for a number of chains and a tree depth."""

    start: Callable[[jax.Array, NDArray], JaxChain]
    advance: Callable[..., tuple[JaxChain, Chunk]]
    capacity: int  # largest number of draws in one chunk
    sweep: Sweep


def compile_chunks(
    sweep: Sweep, num_chains: int, max_tree_depth: int, precision: str = "float64", *, has_factor: bool = False
) -> ChunkPrograms:
    """Compile a sweep for ``num_chains`` chains that run side by side; ``has_factor`` as in ``JaxOptions``.

    One program serves tuning and drawing, and chunks of any length up to its capacity. Where JAX has several devices,
    each runs as many of the chains: as many devices are used as divide the number of chains.
    """
    blocks = _blocks(sweep, JaxOptions(len(sweep.blocks) == 1, max_tree_depth, precision, has_factor))
    size = sweep.layout.size
    capacity = int(np.clip(LARGEST_CHUNK_VALUES // (num_chains * size), FIRST_CHUNK_DRAWS, LARGEST_CHUNK_DRAWS))
    keys = chain_keys(0, num_chains)
    init = np.zeros((num_chains, size))
    start = jax.jit(jax.vmap(lambda key, x: _start(blocks, key, x)))
    chains = jax.eval_shape(start, keys, init)
    phases = drawing_phases(capacity, is_start=False)
    arguments = (chains, phases, np.int64(0), np.int64(1), np.float64(0.8))
    sweep_all = jax.vmap(partial(_sweep, blocks, _statistic_names(sweep)), in_axes=(0, None, None))
    spread = _over_devices(partial(_advance, sweep_all, capacity), num_chains)
    advance = jax.jit(spread).lower(*arguments).compile()
    return ChunkPrograms(start.lower(keys, init).compile(), advance, capacity, sweep)


def _over_devices(advance: Callable[..., Any], num_chains: int) -> Callable[..., Any]:
    """Let every device advance its share of the chains by itself: none waits for the trajectories of another."""
    devices = jax.local_devices()
    num_devices = max(n for n in range(1, len(devices) + 1) if num_chains % n == 0)
    if num_devices == 1:
        return advance
    mesh = Mesh(np.array(devices[:num_devices]), ("chains",))
    chains, common, drawn = PartitionSpec("chains"), PartitionSpec(), PartitionSpec(None, "chains")
    specs = (chains, common, common, common, common)
    return jax.shard_map(advance, mesh=mesh, in_specs=specs, out_specs=(chains, drawn), check_vma=False)


def chain_keys(seed: Any, num_chains: int) -> jax.Array:
    """Return a JAX key for each chain; shape (num_chains,)."""
    return jax.random.wrap_key_data(np.stack([child.generate_state(2) for child in spawn_seeds(seed, num_chains)]))


def _blocks(sweep: Sweep, options: JaxOptions) -> list[JaxBlock]:
    """Convert the blocks of a sweep."""
    return [block.jax(sweep.layout, options) for block in sweep.blocks]


def _statistic_names(sweep: Sweep) -> list[dict[str, str]]:
    """Return, for each block, what each of its statistics is called in the result."""
    return [
        dict(zip(block.statistics, names, strict=True))
        for block, names in zip(sweep.blocks, statistic_names(sweep), strict=True)
    ]


def _start(blocks: list[JaxBlock], key: jax.Array, x: jax.Array) -> JaxChain:
    """Return the first state of one chain."""
    memories = tuple(block.init(x) for block in blocks)
    zero = jnp.zeros((), "int64")
    return JaxChain(key, x, memories, zero, zero, zero, zero + STATUS_DONE)


def _sweep(
    blocks: list[JaxBlock], names: list[dict[str, str]], chain: JaxChain, phase: Phase, target_accept: jax.Array
) -> tuple[JaxChain, Stats]:
    """Apply every block of one chain once."""
    key, *block_keys = jax.random.split(chain.key, 1 + len(blocks))
    x, status = chain.x, chain.status
    memories: list[Any] = []
    stats: Stats = {}
    num_gradients, num_divergent = chain.num_gradients, chain.num_divergent
    for i, block in enumerate(blocks):
        x, memory, block_status, block_stats = block.step(block_keys[i], x, chain.memories[i], phase, target_accept)
        memories.append(memory)
        status = jnp.where(status == STATUS_DONE, block_status, status)
        num_gradients += block_stats.get("n_steps", 0) + block.num_refreshing_gradients
        num_divergent += jnp.where(phase.is_tuning, 0, block_stats.get("diverging", 0))
        stats |= {names[i][name]: value for name, value in block_stats.items()}
    num_completed = chain.num_completed + (status == STATUS_DONE)
    return JaxChain(key, x, tuple(memories), num_gradients, num_divergent, num_completed, status), stats


def _advance(
    sweep: Callable[..., tuple[JaxChain, Stats]],
    capacity: int,
    chains: JaxChain,
    phases: Phase,
    num_draws: jax.Array,
    thin: jax.Array,
    target_accept: jax.Array,
) -> tuple[JaxChain, Chunk]:
    """Run ``num_draws * thin`` sweeps of all chains and keep every ``thin``-th."""

    def kept(chains: JaxChain, stats: Stats) -> Chunk:
        learning = [m.gradient for m in chains.memories if isinstance(m, MetricMemory) and m.factor.shape[-1] > 0]
        gradients = jnp.concatenate([*learning, jnp.zeros((len(chains.x), 0))], axis=1)
        return Chunk(chains.x, chains.status, stats, gradients)

    def body(i: jax.Array, carry: tuple) -> tuple:
        chains, buffers = carry
        slot = i // thin
        # Sweeps are thinned only while nothing is adapted, but for the search for a step size before the first.
        phase = jax.tree.map(lambda leaf: leaf[slot] & (i % thin == 0), phases)
        chains, stats = sweep(chains, phase, target_accept)
        return chains, jax.tree.map(lambda b, leaf: b.at[slot].set(leaf), buffers, kept(chains, stats))

    one_phase = jax.tree.map(lambda leaf: leaf[0], phases)
    shapes = jax.eval_shape(lambda: kept(*sweep(chains, one_phase, target_accept)))
    buffers = jax.tree.map(lambda leaf: jnp.zeros((capacity, *leaf.shape), leaf.dtype), shapes)
    return jax.lax.fori_loop(0, num_draws * thin, body, (chains, buffers))


class ChunkLoop:
    """The loop over chunks of draws.

    Parameters
    ----------
    programs : ChunkPrograms
        The compiled sweep.
    chains : JaxChain
        The states of all chains; replaced as they move.
    target_accept : float
        Acceptance rate at which NUTS's step size aims.
    callback : callable, optional
        Receives the progress of each chain after each chunk.

    Attributes
    ----------
    totals : dict of str to int
        What progress says of all chains: how many sweeps and draws there are to be.
    """

    def __init__(self, programs: ChunkPrograms, chains: JaxChain, target_accept: float, callback: Callback | None):
        self.programs = programs
        self.chains = chains
        self.target_accept = target_accept
        self.callback = callback
        self.totals: dict[str, int] = {}
        self._chunk_draws = FIRST_CHUNK_DRAWS

    def run(self, phases: Phase, thin: int, first: int, pause: Callable[[int, Chunk], None]) -> None:
        """Make one draw for each of ``phases``.

        Parameters
        ----------
        phases : Phase
            Each field of shape (n,).
        thin : int
            Sweeps for each draw.
        first : int
            Number of draws of this kind before these.
        pause : callable
            Given how many draws of this kind there are after each chunk, and the chunk.
        """
        total = len(phases.is_tuning)
        done = 0
        while done < total:
            num = min(self._chunk_draws, total - done)
            started = perf_counter()
            chunk = self._advance(Phase(*(field[done : done + num] for field in phases)), num, thin)
            self._resize_chunk(num, perf_counter() - started)
            done += num
            pause(first + done, chunk)
            self._check_started()
            if self.callback is not None:
                self.callback(self._progress(first + done, bool(phases.is_tuning[0])))

    def _advance(self, phases: Phase, num: int, thin: int) -> Chunk:
        padding = self.programs.capacity - num
        padded = Phase(*(np.pad(field, (0, padding)) for field in phases))
        self.chains, chunk = self.programs.advance(
            self.chains, padded, np.int64(num), np.int64(thin), np.float64(self.target_accept)
        )
        # Cut on the host: a slice in JAX would be compiled for every length.
        return jax.tree.map(lambda leaf: np.asarray(leaf)[:num].copy(), chunk)

    def _check_started(self) -> None:
        """Raise if a chain could not even make its first sweep."""
        status = np.asarray(self.chains.status)
        for chain in np.flatnonzero((status != STATUS_DONE) & (np.asarray(self.chains.num_completed) == 0)):
            raise cannot_start(int(chain), int(status[chain]), self.programs.sweep)

    def _resize_chunk(self, num: int, seconds: float) -> None:
        """Aim at a fixed time between two returns to Python."""
        wanted = int(num * min(CHUNK_SECONDS / max(seconds, 1e-6), LARGEST_GROWTH))
        self._chunk_draws = int(np.clip(wanted, 1, self.programs.capacity))

    def step_sizes(self) -> NDArray[np.float64]:
        """Return the step size of the first NUTS block, (chains,)."""
        adaptations = [memory.adaptation for memory in self.chains.memories if isinstance(memory, MetricMemory)]
        if not adaptations:
            return np.full(len(self.chains.num_gradients), np.nan)
        return np.exp(np.asarray(adaptations[0].averaging.log_step_size_avg))

    def num_without_gradient(self) -> NDArray[np.int64]:
        """Return the number of trajectories that ended where there is no gradient, (chains,)."""
        counts = [np.asarray(m.num_without_gradient) for m in self.chains.memories if isinstance(m, MetricMemory)]
        return np.sum([np.zeros(len(self.chains.num_gradients), np.int64), *counts], axis=0)

    def without_gradient(self) -> NDArray[np.float64]:
        """Return the joint state where each chain first met that, (chains, size); NaN where it did not."""
        found = np.full(self.chains.x.shape, np.nan)
        for memory in self.chains.memories:
            if isinstance(memory, MetricMemory):
                found = np.where(np.isnan(found), np.asarray(memory.without_gradient), found)
        return found

    def _progress(self, done: int, is_tuning: bool) -> list[dict[str, Any]]:
        columns = {
            "divergences": np.asarray(self.chains.num_divergent),
            "step_size": self.step_sizes(),
            "num_gradients": np.asarray(self.chains.num_gradients),
        }
        return [
            {"chain": chain, "draw": done, "tuning": is_tuning, **self.totals}
            | {name: column[chain].item() for name, column in columns.items()}
            for chain in range(len(columns["step_size"]))
        ]


def leaves_of(chains: JaxChain) -> list[NDArray]:
    """Return the arrays of chains, keys as words."""
    plain = chains._replace(key=jax.random.key_data(chains.key))
    return [np.array(leaf) for leaf in jax.tree.leaves(plain)]


def chains_of_leaves(chains: JaxChain, state: Mapping[str, NDArray]) -> JaxChain:
    """Return chains of the same structure with other arrays."""
    plain = chains._replace(key=jax.random.key_data(chains.key))
    before, structure = jax.tree.flatten(plain)
    leaves: list[Any] = [np.asarray(state[f"leaf_{i}"], leaf.dtype) for i, leaf in enumerate(before)]
    found = jax.tree.unflatten(structure, leaves)
    restored: JaxChain = found._replace(key=jax.random.wrap_key_data(found.key))
    return restored
