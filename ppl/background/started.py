"""Runs in the background: `ppl.start`."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from functools import cache
from typing import Any, Concatenate, cast

from xarray import DataTree

from graphs.errors import SamplingError
from ppl.background.control import Control, under
from ppl.modelling.model import Model
from ppl.running.compiled import CompiledModel
from ppl.running.exact import ExactModel
from ppl.running.sampling import sample


@dataclass(frozen=True)
class Progress:
    """How far a run is; ``print`` shows it in one line.

    Parameters
    ----------
    stage : str
        "compiling" (planning included), "sampling", "finished" or "failed".
    seconds : float
        Since the run was started; of one that is over, how long it took.
    chains : tuple of dict
        For each chain ``chain``, ``tuning`` (whether it is in its warm-up), ``draw`` (of the warm-up, or kept after
        it), ``tune`` and ``draws`` (how many of each there are to be, as far as is known), ``divergences``,
        ``step_size`` and ``num_gradients``. Empty before sampling.
    """

    stage: str
    seconds: float
    chains: tuple[dict[str, Any], ...]

    def __str__(self) -> str:
        parts = [f"{self.stage}, {self.seconds:.0f} s"]
        for state in self.chains:
            phase, total = ("tuning", state["tune"]) if state["tuning"] else ("draw", state["draws"])
            parts.append(f"chain {state['chain']} {phase} {state['draw']:,} of {total:,}")
        return "; ".join(parts)


class StartedRun:
    """A run in the background; made by `ppl.start`.

    Parameters
    ----------
    model : Model, CompiledModel or ExactModel
        What is sampled.
    arguments, options
        Those of `ppl.sample`.
    """

    def __init__(self, model: Any, arguments: tuple[Any, ...], options: dict[str, Any]):
        self._control = Control()
        self._result: DataTree | None = None
        self._error: BaseException | None = None
        self._start = time.monotonic()
        self._seconds: float | None = None
        # No daemon: what is compiled at that moment must not be torn down with the interpreter.
        self._thread = threading.Thread(target=self._work, args=(model, arguments, options), name="run")
        _stop_at_exit()
        _RUNNING.add(self)
        self._thread.start()

    def _work(self, model: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        try:
            with under(self._control):
                sampler = model.sample if isinstance(model, CompiledModel | ExactModel) else None
                self._result = sampler(*arguments, **options) if sampler else sample(model, *arguments, **options)
        except BaseException as error:  # raised where somebody waits for the result
            self._error = error
        finally:
            self._seconds = time.monotonic() - self._start

    @property
    def progress(self) -> Progress:
        """How far the run is."""
        states = self._control.states
        if self._thread.is_alive():
            stage = "sampling" if states else "compiling"
        else:
            stage = "failed" if self._error is not None else "finished"
        seconds = time.monotonic() - self._start if self._seconds is None else self._seconds
        return Progress(stage, seconds, states)

    def trace(self) -> DataTree:
        """Return what has been drawn so far, cut to the shortest chain, while the run goes on; at its end, the result.

        What was learnt is not in it before the end, so that it cannot be gone on from (``init=trace``).

        Raises
        ------
        SamplingError
            If sampling has not begun; and whatever the run has failed with.
        """
        asked = self._control.ask()
        if asked is not None:
            try:
                return asked.result()
            except CancelledError:  # it has failed
                self._thread.join()
        if self._thread.is_alive() and not self._control.states:
            raise SamplingError(
                "Nothing has been drawn yet: the model is being planned and compiled. Ask again later (run.progress), "
                "or wait for the result: run.wait()."
            )
        # All has been drawn, and is being judged.
        self._thread.join()
        return self._outcome()

    def stop(self) -> None:
        """Let the run end within a fraction of a second; `wait` returns what it has drawn by then, as after Ctrl-C.

        While a model is being planned or compiled the run ends after that.
        """
        self._control.stop()

    def wait(self, seconds: float | None = None) -> DataTree:
        """Wait for the end of the run, and return the trace that `ppl.sample` returns.

        Ctrl-C ends the waiting, not the run.

        Parameters
        ----------
        seconds : float, optional
            Wait so long at most.

        Raises
        ------
        SamplingError
            If the run has not ended by then.
        BaseException
            Whatever the run has failed with.
        """
        self._thread.join(seconds)
        if self._thread.is_alive():
            raise SamplingError(f"The run has not ended after {seconds:g} seconds: wait longer, or run.stop() it.")
        return self._outcome()

    def _outcome(self) -> DataTree:
        if self._error is not None:
            raise self._error
        assert self._result is not None
        return self._result

    def __repr__(self) -> str:
        return f"StartedRun({self.progress})"


_RUNNING: weakref.WeakSet[StartedRun] = weakref.WeakSet()


@cache
def _stop_at_exit() -> None:
    """Let the interpreter stop runs at its exit, before it waits for their threads to end by themselves."""
    threading._register_atexit(_stop_all)  # type: ignore[attr-defined]


def _stop_all() -> None:
    runs = list(_RUNNING)
    for run in runs:
        run.stop()
    for run in runs:
        run._thread.join()


def _with_arguments_of[**P](
    sampling: Callable[Concatenate[Model, P], DataTree],
) -> Callable[[Callable[..., StartedRun]], Callable[Concatenate[Model | CompiledModel | ExactModel, P], StartedRun]]:
    """Give a function, for type checkers, the arguments that another one takes after the model."""
    return lambda starting: cast(Any, starting)


@_with_arguments_of(sample)
def start(model: Model | CompiledModel | ExactModel, *arguments: Any, **options: Any) -> StartedRun:
    """Sample in the background: plan, compile and draw in threads, and return at once.

    Parameters
    ----------
    model : Model, CompiledModel or ExactModel
        The model, compiled or not.
    *arguments, **options
        Those of `ppl.sample`, or of ``CompiledModel.sample``; progress is not shown unless ``progress=True``.

    Returns
    -------
    StartedRun
        ``run.trace()``: what has been drawn so far; ``run.progress``; ``run.stop()``; ``run.wait()``: the trace. What
        goes wrong is raised by ``trace`` and ``wait``. A run that nobody has stopped is stopped when Python exits.

    Examples
    --------
    >>> import numpy as np, ppl
    >>> mu = ppl.Normal("mu", 0, 10)
    >>> y = ppl.Normal("y", mu, 1)
    >>> run = ppl.start(ppl.Model({y: np.ones(5)}), draws=200, chains=2, seed=1)
    >>> run.wait().posterior["mu"].shape
    (2, 200)
    >>> run.progress.stage
    'finished'
    """
    return StartedRun(model, arguments, {"progress": False, **options})
