"""What chains have drawn, as one result."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from samplers.blocks import Sweep
from samplers.chain.result import STATUS_DONE, STATUS_INTERRUPTED, STATUS_STRIDE, SweepResult, explain_status
from samplers.chain.state import NUM_GRADIENTS, NUM_WITHOUT_GRADIENT
from samplers.loop.chain_run import ChainRun
from samplers.loop.record import Record
from samplers.tuning.learning import variances_of


def result_of(
    sweep: Sweep,
    runs: Sequence[ChainRun],
    record: Record,
    tuning_record: Record | None,
    tune: int,
    seconds: float,
    interrupted: bool,
) -> SweepResult:
    """Return what chains have drawn, cut where they stopped.

    Parameters
    ----------
    sweep : Sweep
        What they ran.
    runs : sequence of ChainRun
        The chains.
    record, tuning_record : Record
        Draws after and during the warm-up; None if the latter are not returned.
    tune : int
        Number of sweeps of the warm-up.
    seconds : float
        How long they took so far.
    interrupted : bool
        Whether somebody interrupted them.
    """
    num_draws = np.array([run.num_kept for run in runs])
    num_tuned = np.array([min(run.num_done, tune) for run in runs])
    has_stopped = np.array([run.status != STATUS_DONE for run in runs])
    record = record.until(num_draws, has_stopped, interrupted)
    if tuning_record is not None:
        tuning_record = tuning_record.until(num_tuned, has_stopped, interrupted)
    tuned = 0.0 if tune == 0 else max(seconds if np.isnan(run.tuned_at) else run.tuned_at for run in runs)
    found = tuple(tuple(member.learnt for member in run.members) for run in runs)
    unfinished = np.array([not run.is_finished for run in runs])
    return SweepResult(
        draws=record.draws,
        stats=record.named(sweep),
        step_size=np.array([known[0].step_size if known else np.nan for known in found]),
        inverse_mass_matrix=variances_of(found),
        learnt=found,
        state=np.where(has_stopped[:, None], np.nan, [run.chain.state for run in runs]),
        num_gradients=sum(int(run.chain.counters[NUM_GRADIENTS]) for run in runs),
        tuning_seconds=float(tuned),
        sampling_seconds=float(seconds - tuned),
        tuning_draws=None if tuning_record is None else tuning_record.draws,
        tuning_stats=None if tuning_record is None else tuning_record.named(sweep),
        interrupted=interrupted,
        num_draws=num_draws,
        num_tuned=num_tuned,
        status=np.where(unfinished, STATUS_INTERRUPTED, [run.status % STATUS_STRIDE for run in runs]),
        reasons=tuple(str(run.failure or explain_status(run.status, sweep)).rstrip(".") for run in runs),
        num_without_gradient=np.array([run.chain.counters[NUM_WITHOUT_GRADIENT] for run in runs]),
        without_gradient=np.stack([run.chain.without_gradient for run in runs]),
        tune=tune,
    )
