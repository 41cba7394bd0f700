"""Whether chains agree about what they have learnt, and how long they go on learning where they do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from samplers.chain.plain_arrays import State, packed, unpacked
from samplers.tuning.adaptation import FINAL_FRACTION
from samplers.tuning.effective import Centred
from samplers.tuning.ranks import normal_scores, sorted_with_places

LEAST_TUNE, MOST_TUNE = 100, 2000
"""Sweeps of a warm-up whose end is not given."""
EARLY_SWEEPS = 300
"""In these trajectories are short (`samplers.tuning.adaptation.EARLY_TREE_DEPTH`), as in a warm-up of 1000 sweeps: as
long as chains do not agree, their metrics are guesses."""
_GROWTH = 1.5
"""From one warm-up that might do to the next; less than what would turn a late sweep into an early one, 0.85 / 0.3."""
_LARGEST_R_HAT = 1.1
"""Of log-densities: chains that are on their way differ by more, 1.3 to 90 of those that were measured; of chains that
are there, 43 draws have more in 1 of 30 runs."""
_LARGEST_SPREAD = 0.25
"""Standard deviation, over chains, of logarithms of scales: step sizes, standard deviations of metrics, proposals. Of
23 reference posteriors, chains that drew as fast as after 1000 sweeps had at most 0.21, slower ones at least 0.29."""
_SAME_KIND_UNTIL, _SAME_KIND = 500, 0.9
"""Metrics of different kinds in more than a tenth of the chains are no agreement before; later both may be as good."""


class Knowledge(NamedTuple):
    """What one chain has learnt by some sweep."""

    levels: NDArray[np.float64]  # (n, blocks): log-densities after each of the last sweeps
    log_step_sizes: NDArray[np.float64]  # (blocks,)
    log_scales: Sequence[NDArray[np.float64]]  # of each block, (n, d): logarithms of the metric's standard deviations
    kinds: tuple[str, ...]  # of each block: of the metric
    log_proposals: NDArray[np.float64]  # (k,): of scales of proposals that blocks without metric learn

    @property
    def is_empty(self) -> bool:
        """Whether nothing is learnt."""
        return not (self.levels.size or self.kinds or self.log_proposals.size)

    def state(self) -> State:
        """Return it as arrays."""
        scales = {f"log_scales_{block}": scales for block, scales in enumerate(self.log_scales)}
        return self._asdict() | {"kinds": packed(" ".join(self.kinds)), "log_scales": np.zeros(0)} | scales

    @classmethod
    def of_state(cls, state: Mapping[str, NDArray]) -> Knowledge:
        """Return that of arrays."""
        kinds = tuple(unpacked(state["kinds"]).split())
        scales = [state[f"log_scales_{block}"] for block in range(len(kinds))]
        return cls(state["levels"], state["log_step_sizes"], scales, kinds, state["log_proposals"])


def warm_up_lengths() -> list[int]:
    """Return the numbers of sweeps that a warm-up may have, whose end is found while it lasts.

    A warm-up of so many sweeps learns as one that was asked for does until the last 15% of it; then it is found out
    whether chains agree, and else it becomes one of the next number.
    """
    found: list[float] = [LEAST_TUNE]
    while found[-1] * _GROWTH < MOST_TUNE:
        found.append(found[-1] * _GROWTH)
    return [*(round(number) for number in found), MOST_TUNE]


def decided_after(tune: int) -> int:
    """Return after how many sweeps it is decided whether a warm-up of so many is long enough."""
    return tune - int(FINAL_FRACTION * tune)


def next_stage(tune: int) -> int | None:
    """Return how many sweeps a warm-up has that so many were too few for; None where there are no more."""
    return next((number for number in warm_up_lengths() if number > tune), None)


def agree(chains: Sequence[Knowledge], num_done: int, *, is_pooled: bool = False) -> bool:
    """Return whether chains have come to the same place, and learnt the same.

    Parameters
    ----------
    chains : sequence of Knowledge
        Those that have not stopped.
    num_done : int
        Number of sweeps.
    is_pooled : bool
        Whether all of them learn one metric: what is given is then what each would have learnt alone, from the first
        and the second half of what that is learnt from.

    Examples
    --------
    >>> one = Knowledge(np.zeros((50, 0)), np.zeros(1), [np.zeros((1, 2))], ("diag",), np.zeros(0))
    >>> agree([one, one._replace(log_step_sizes=np.ones(1))], 85)
    False
    """
    if len(chains) < 2:
        return True
    shortest = min(len(chain.levels) for chain in chains)
    levels = np.stack([chain.levels[len(chain.levels) - shortest :] for chain in chains])
    if any(_r_hat(levels[:, :, block]) > _LARGEST_R_HAT for block in range(levels.shape[2])):
        return False
    if not _is_close([chain.log_proposals for chain in chains]):
        return False
    for block in range(len(chains[0].kinds)):
        kinds = Counter(chain.kinds[block] for chain in chains)
        if max(kinds.values()) < _SAME_KIND * len(chains) and num_done < _SAME_KIND_UNTIL and not is_pooled:
            return False
        for kind in kinds:
            own = [chain for chain in chains if chain.kinds[block] == kind]
            if not _is_close([chain.log_step_sizes[block : block + 1] for chain in own]):
                return False
            if not _is_close([row for chain in own for row in chain.log_scales[block]]):
                return False
    return True


def is_settled(
    chains: Sequence[Knowledge], before: Sequence[Knowledge], num_done: int, *, is_pooled: bool = False
) -> bool:
    """Return whether chains agree; one alone, which has nobody to agree with, has to agree with itself before.

    Parameters
    ----------
    chains, before : sequence of Knowledge
        Now, and a stage before; empty where there was none.
    num_done, is_pooled
        As in `agree`.
    """
    if len(chains) > 1:
        return agree(chains, num_done, is_pooled=is_pooled)
    if len(chains) == 1 and (before or chains[0].is_empty):
        return agree([*chains, *before[:1]], num_done)
    return False


def _is_close(chains: Sequence[NDArray[np.float64]]) -> bool:
    """Whether numbers differ little between chains, on average over all of them."""
    if len(chains) < 2 or not len(chains[0]):
        return True
    with np.errstate(invalid="ignore"):
        variances = np.var(np.stack(chains), axis=0, ddof=1)
    return bool(np.mean(variances) <= _LARGEST_SPREAD**2)


def _r_hat(levels: NDArray[np.float64]) -> float:
    """Return the rank-normalised R-hat of half chains (chains, n); one where nothing can be said."""
    half = levels.shape[1] // 2
    if half < 2 or not np.isfinite(levels).all() or np.ptp(levels) == 0:
        return 1.0
    halves = np.concatenate([levels[:, :half], levels[:, levels.shape[1] - half :]])
    scores = normal_scores(*sorted_with_places(halves.reshape(1, -1))).reshape(halves.shape)
    found = float(Centred.of(scores).r_hat)
    return 1.0 if np.isnan(found) else found
