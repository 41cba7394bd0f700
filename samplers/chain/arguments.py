"""The arguments of a run: checked, and seeds for its chains."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.errors import SamplingError
from samplers.centring.observations import rows_of_window
from samplers.chain.metric import Learnt
from samplers.chain.workspace import MAX_TREE_DEPTH
from samplers.tuning.adaptation import EARLY_FRACTION
from samplers.tuning.agreement import EARLY_SWEEPS, MOST_TUNE
from samplers.tuning.learning import MetricChoice, check_metric, is_learnt_between

type Callback = Callable[[list[dict[str, Any]]], None]


@dataclass(frozen=True, eq=False)
class RunSettings:
    """How a sweep is run, whatever it was compiled by.

    Parameters
    ----------
    tune : int
        Number of sweeps in which step size, inverse mass matrix and proposal scales are learnt.
    draws : int
        Number of draws of each chain.
    seed : int, sequence of int, SeedSequence or None
        The draws of a chain depend on the seed and the number of the chain, not on ``cores``.
    cores : int, optional
        Number of threads; by default one for each chain, at most one for each CPU. The C backend uses one, and in JAX
        the number has no influence.
    target_accept : float
        Acceptance rate that NUTS aims at; in (0, 1).
    max_tree_depth : int
        Trajectories have at most ``2**max_tree_depth - 1`` steps; 1 to 20.
    thin : int
        Keep one draw out of this many sweeps, after tuning.
    keep_tuning : bool
        Whether to return the tuning draws.
    keep : sequence of str, optional
        Variables of the joint state that are recorded, in its order; all by default.
    callback : callable, optional
        Called a few times a second, in the thread of the caller, with one dict for each chain: ``chain``, ``draw``,
        ``tuning``, ``tune``, ``draws``, ``divergences``, ``step_size``, ``num_gradients``. It may raise
        KeyboardInterrupt.
    metric : {"auto", "diag", "dense", "low_rank"}
        The inverse mass matrix that NUTS blocks learn; "auto": dense where it pays, else diagonal. JAX keeps one of low
        rank as a matrix.
    is_pooled : bool
        Whether all chains learn one metric from the draws of all.
    learnt : sequence of sequence of Learnt, optional
        Step size and metric of each NUTS block of each chain to start with, as in ``SweepResult.learnt``.
    tunes_until_agreed : bool
        Whether the warm-up ends when chains agree: ``tune``, `LEAST_TUNE`, is then what it lasts at least.
    first_chain, of_chains : int
        Number of the first chain, and of all chains, where these are some of the chains of a run: they draw what they
        would draw in it, where ``CompiledSweep.has_separate_chains``, and rest where all chains have to meet: to learn
        one metric, or to decide whether the warm-up is long enough.

    Raises
    ------
    SamplingError
        If one of them is out of range.
    """

    tune: int
    draws: int
    seed: Any = None
    cores: int | None = None
    target_accept: float = 0.8
    max_tree_depth: int = 10
    thin: int = 1
    keep_tuning: bool = False
    keep: Sequence[str] | None = None
    callback: Callback | None = None
    metric: MetricChoice = "auto"
    is_pooled: bool = False
    learnt: Sequence[Sequence[Learnt]] | None = None
    tunes_until_agreed: bool = False
    first_chain: int = 0
    of_chains: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("tune", 0, np.inf),
            ("draws", 0, np.inf),
            ("thin", 1, np.inf),
            ("max_tree_depth", 1, MAX_TREE_DEPTH),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                most = f", at most {high}." if high < np.inf else "."
                raise SamplingError(f"{name} is {value}; it must be at least {low}{most}")
        if not 0.0 < self.target_accept < 1.0:
            raise SamplingError(f"target_accept is {self.target_accept}; it must lie between 0 and 1.")
        check_metric(self.metric, self.tune)

    @property
    def most_tune(self) -> int:
        """How many sweeps the warm-up may have."""
        return MOST_TUNE if self.tunes_until_agreed else self.tune

    @property
    def num_early(self) -> int:
        """How many sweeps at the beginning have short trajectories: the same number whenever the warm-up ends."""
        return EARLY_SWEEPS if self.tunes_until_agreed else ceil(EARLY_FRACTION * self.tune)

    def num_window(self, sizes: Iterable[int], num_centred: int = 0) -> int:
        """Return the number of tuning sweeps whose positions and gradients are kept to learn from.

        Parameters
        ----------
        sizes : iterable of int
            Number of elements of each block that has a metric, ``Sweep.metric_sizes``.
        num_centred : int
            Number of elements of the joint state, where coordinates are learnt, too.
        """
        is_learning = any(is_learnt_between(self.metric, size, is_pooled=self.is_pooled) for size in sizes)
        if is_learning or not num_centred:
            return self.tune if is_learning else 0
        if self.tunes_until_agreed:
            # Of a warm-up that may become longer all sweeps are kept, as far as that takes no more than of others.
            return min(self.tune, rows_of_window(2 * self.tune, num_centred))
        return rows_of_window(self.tune, num_centred)


def checked_starts(init: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return where chains start, shape (chains, size).

    Raises
    ------
    SamplingError
        If it has another shape, or is not finite.
    """
    init = np.ascontiguousarray(init, np.float64)
    if init.ndim != 2 or init.shape[1] != size or len(init) == 0:
        raise SamplingError(f"init has shape {init.shape}; it must be (chains, {size}), with at least one chain.")
    if not np.isfinite(init).all():
        number, element = np.argwhere(~np.isfinite(init))[0]
        raise SamplingError(
            f"Chain {number} starts at {init[number, element]} (element {element}): not a finite number."
        )
    return init


def spawn_seeds(seed: Any, num_chains: int) -> list[np.random.SeedSequence]:
    """Return one seed for each chain; that of a chain does not depend on how many there are."""
    if isinstance(seed, np.random.SeedSequence):
        # A copy: spawning twice from one object gives other seeds.
        return np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key, pool_size=seed.pool_size).spawn(
            num_chains
        )
    return np.random.SeedSequence(seed).spawn(num_chains)


def start_words(rng: np.random.Generator) -> NDArray[np.uint64]:
    """Return the state of the sampler's own generator, drawn from NumPy's, which advances."""
    return rng.integers(0, 2**64, size=4, dtype=np.uint64)
