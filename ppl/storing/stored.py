"""A run that is kept in a store: begun there, or gone on with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from xarray import DataTree

from graphs.errors import SamplingError
from ppl.background.control import Clock, present_control, told
from ppl.diagnosing.diagnosis import judge
from ppl.diagnosing.judged import drawn_attributes
from ppl.keeping.keeper import StoreKeeper, rows_at_once
from ppl.keeping.manifest import MANIFEST, begin_store
from ppl.keeping.opening import SMALL_BYTES, last_draws, opened_trace
from ppl.keeping.place import Right, StorePlace
from ppl.modelling.fingerprint import fingerprint
from ppl.reporting.progress import ProgressBar
from ppl.running.continuation import ADAPTATION, what_was_learnt
from ppl.running.expansion import DrawExpansion
from ppl.running.losses import Losses
from ppl.running.named import named_groups
from ppl.running.results import logger, plain_attributes, to_datatree, versions
from ppl.stopping.conducting import Ending
from ppl.stopping.until import Until
from ppl.storing.beginning import arrays_of_learnt
from ppl.storing.naming import RowNaming
from ppl.storing.until_enough import clock_of, drawn_until, written_until
from samplers import SweepResult
from samplers.chain.arguments import RunSettings
from samplers.chain.going import SweepRun
from samplers.chain.result import statistic_dtypes
from samplers.loop.interrupts import HeldInterrupts

if TYPE_CHECKING:
    from ppl.running.compiled import CompiledModel


@dataclass(eq=False)
class StoredRun:
    """A run in a store that this process may write.

    Parameters
    ----------
    compiled : CompiledModel
        What samples.
    place, right
        The store, and the right to write it.
    settings : RunSettings
        How it runs.
    start : array, shape (chains, size), float64
        Where chains start, or did.
    expansion : DrawExpansion
        What becomes of draws.
    client : distributed.Client, optional
        Of the cluster whose workers draw; this process writes.
    until : Until, optional
        What the draws have to meet, where that is asked for in the place of a number of them.
    """

    compiled: CompiledModel
    place: StorePlace
    right: Right
    settings: RunSettings
    start: NDArray[np.float64]
    expansion: DrawExpansion
    client: Any = None
    until: Until | None = None

    @classmethod
    def begun(
        cls,
        compiled: CompiledModel,
        place: StorePlace,
        settings: RunSettings,
        start: NDArray[np.float64],
        expansion: DrawExpansion,
        asked: Mapping[str, Any],
        client: Any = None,
        until: Until | None = None,
    ) -> StoredRun:
        """Make a store for a run.

        Raises
        ------
        SamplingError
            If it cannot be written.
        """
        options = {
            name: _plain_number(getattr(settings, name))
            for name in (
                "draws",
                "tune",
                "tunes_until_agreed",
                "seed",
                "cores",
                "target_accept",
                "max_tree_depth",
                "thin",
                "keep_tuning",
                "metric",
            )
        }
        if until is not None:
            options["draws"] = None
        manifest = {
            "compile": compiled.compile_options,
            "sample": {**options, "chains": len(start), "until": written_until(until), **asked},
            "fingerprint": fingerprint(compiled.plan.model, compiled.plan),
            "versions": versions(),
        }
        right = begin_store(place, manifest, {"start": start, **arrays_of_learnt(settings)})
        return cls(compiled, place, right, settings, start, expansion, client, until)

    def sample(self, progress: bool) -> DataTree:
        """Draw, from where the store ends, and return its trace."""
        try:
            with HeldInterrupts() as interrupts:
                chains, settings = len(self.start), self.settings
                with ProgressBar(chains, settings.tune, settings.draws, progress) as bar:
                    result, losses = self._run(bar, interrupts)
                trace = opened_trace(self.place)
                if not losses.found:
                    losses.attempt("report", lambda: self._report(result, trace), None, is_long=True)
                if losses.found:
                    logger.warning("Left out of the store, which failed: %s.", losses)
        finally:
            self.right.release()
        return trace

    def _run(self, bar: ProgressBar, interrupts: HeldInterrupts) -> tuple[SweepResult, Losses]:
        """Advance the run, and commit how it ended."""
        losses, settings = Losses(interrupts), self.settings
        chains, expansion = len(self.start), self.expansion
        num_statistics = sum(len(block.statistics) for block in self.compiled.plan.sweep.blocks)
        naming = self._naming()
        row_bytes = 8 * (expansion.layout.size + num_statistics) + sum(expansion.new_bytes.values())
        keeper = StoreKeeper(
            self.place,
            rows_at_once(row_bytes, chains),
            lambda taken: naming(taken, losses),
            self._tree,
            max(
                settings.draws if self.until is None else self.until.most_draws,
                settings.most_tune if settings.keep_tuning else 0,
            ),
            in_blocks=naming.in_blocks,
            lends=naming if self.client is not None else None,
        )
        state = keeper.restore()
        clock = clock_of(self.until, state)
        settings = replace(settings, callback=told(bar, present_control(), clock))
        with self.compiled.explaining(self.start):
            with interrupts.allowed():
                run = self.compiled.begin(self.start, settings, keeper, self.client)
            if state is not None:
                run.restore(state)
            with present_control().drawing(self._so_far):
                ending = self._drawn(run, clock)
            result = run.result()
        losses.found |= keeper.lost
        if ending is not None:
            # Who ran out of time got what was asked for, unless that is nothing.
            is_cut_short = ending.is_interrupted or (result.interrupted and not result.num_draws.min())
            result = replace(result, interrupted=is_cut_short)
        attributes = self.compiled.attributes(result, int(settings.seed), settings.max_tree_depth, losses)
        attributes |= {} if ending is None else ending.attributes()
        if losses.found:
            attributes["left_out"] = str(losses)
        keeper.finish(
            run.state(), plain_attributes(attributes), {ADAPTATION: what_was_learnt(result, self.compiled.plan.sweep)}
        )
        if result.interrupted:
            logger.warning(
                "Interrupted: %d draws of each chain are in the store. ppl.resume(%r, model) goes on.",
                int(result.num_draws.min()),
                self.place.address,
            )
        return result, losses

    def _drawn(self, run: SweepRun, clock: Clock) -> Ending | None:
        """Let a run draw what was asked for; return why it stopped, if that was not a number of draws."""
        if self.until is None:
            run.advance()
            return None
        return drawn_until(run, self.until, len(self.start), self._so_far, clock, self.expansion.num_threads)

    def _so_far(self) -> DataTree:
        return opened_trace(self.place)

    def _naming(self) -> RowNaming:
        """Return what names rows."""
        var_names = self.place.read_json(MANIFEST)["sample"]["var_names"]
        plan, backend = self.compiled.plan, self.compiled.backend
        return RowNaming(plan, backend, var_names, int(self.settings.seed), self.expansion)

    def _tree(self, names: tuple[str, ...]) -> DataTree:
        """Return the trace without draws."""
        chains, settings, losses = len(self.start), self.settings, Losses()
        dtypes = statistic_dtypes(self.compiled.plan.sweep)
        stats = {name: np.zeros((chains, 1), dtypes.get(name, "float64")) for name in names if name}
        # Types and shapes of values are those of where chains started.
        first = self.start[:, None, self.compiled.plan.sweep.layout.elements(settings.keep)].copy()
        found = named_groups(self.expansion, first, stats, losses, (int(settings.seed), 0))
        groups = {group: {name: array[:, :0] for name, array in values.items()} for group, values in found.items()}
        if losses.found:
            raise SamplingError(f"What is kept of a draw cannot be computed: {losses}.")
        if settings.keep_tuning and settings.tune:
            groups |= {f"warmup_{group}": values for group, values in groups.items()}
        attributes = {
            "inference_library": "rvgraph",
            "backend": self.compiled.backend,
            "seed": settings.seed,
            **drawn_attributes(self.compiled.plan.declared),
            # As long as it has not ended.
            "interrupted": True,
            "plan": str(self.compiled.plan),
            "versions": versions(),
        }
        return to_datatree(self.compiled.plan.model, groups, attributes)

    def _report(self, result: SweepResult, trace: DataTree) -> None:
        """Log, once, what went wrong; of a very long trace only its end is looked at, which is soon read."""
        for chain, (reason, draws) in enumerate(zip(result.reasons, result.num_draws, strict=True)):
            if reason:
                logger.warning(
                    "Chain %d stopped after %d draws: %s. Its remaining draws are missing.", chain, draws, reason
                )
        if not trace["posterior"].sizes["draw"]:
            return
        draws = trace["posterior"].sizes["draw"]
        most = max(draws * SMALL_BYTES // trace.nbytes, 1)
        looked_at = trace if draws <= most else last_draws(trace, most).load()
        diagnosis = judge(looked_at, None, None, self.expansion.num_threads)
        if not diagnosis.is_ok:
            which = "" if draws <= most else f"Of the last {most:,} draws of each chain (ppl.diagnose looks at all): "
            logger.warning("%s%s", which, diagnosis)


def _plain_number(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def written_sampler(sampler: Any) -> Any:
    """Return a choice of samplers as it is written down; those of users have to be given again."""
    if sampler is None or isinstance(sampler, str):
        return sampler
    if isinstance(sampler, Mapping) and all(isinstance(each, str) for each in sampler.values()):
        return {str(name): each for name, each in sampler.items()}
    return {"": "given again"}
