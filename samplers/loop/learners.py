"""Who learns the metrics of chains: each by itself, or all of them together."""

from __future__ import annotations

from collections.abc import Sequence

from samplers.loop.workers import ChainRun
from samplers.tuning.learning import Learnt, Member, MetricChoice, MetricLearner


def share_learners(
    runs: Sequence[ChainRun], members: Sequence[Sequence[Member]], metric: MetricChoice, tune: int, *, is_pooled: bool
) -> None:
    """Give each chain a learner of its own, or all of them one.

    Parameters
    ----------
    runs : sequence of ChainRun
        The chains, which call their learner between sweeps.
    members : sequence of sequence of Member
        The NUTS blocks of each.
    metric : str
        What is learnt.
    tune : int
        Number of sweeps of the warm-up.
    is_pooled : bool
        Whether all chains have one.
    """
    common = MetricLearner(metric, members, tune) if is_pooled else None
    for run, own in zip(runs, members, strict=True):
        run.learner = common or MetricLearner(metric, [own], tune)


def resume(members: Sequence[Sequence[Member]], learnt: Sequence[Sequence[Learnt]]) -> None:
    """Let the blocks of each chain start with what was learnt before.

    Parameters
    ----------
    members : sequence of sequence of Member
        The NUTS blocks of each chain.
    learnt : sequence of sequence of Learnt
        What was learnt of each.
    """
    for chain_members, chain_learnt in zip(members, learnt, strict=True):
        for member, known in zip(chain_members, chain_learnt, strict=True):
            member.resume(known)
