"""What was sent to workers: waited for, and what is said where it does not come back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from graphs.errors import PPLError, SamplingError
from ppl.distributing.pieces import Done


class WorkersFailed(SamplingError):
    """Workers cannot do what they were given."""


def ready_of(waiting: Iterable[Any], seconds: float, which: str = "FIRST_COMPLETED") -> list[Any]:
    """Return the futures that are there, which are waited for so long."""
    from distributed import wait

    futures = [*waiting]
    if futures:
        with suppress(TimeoutError):
            wait(futures, seconds, which)
    return [future for future in futures if future.done()]


def done_by(future: Any, chains: range, seconds: float) -> Done | None:
    """Return what was done; None where it does not come for so long.

    Who did it may have died with it, and then it is done again as soon as there is somebody to do it.

    Raises
    ------
    WorkersFailed
        If it was not done.
    """
    from distributed import KilledWorker

    which = f"chains {chains.start} to {chains.stop - 1}"
    try:
        found: Done = future.result(seconds)
    except KilledWorker as error:
        raise WorkersFailed(
            f"Several workers died one after the other while they ran {which}, for lack of memory perhaps: {error} "
            "Give workers more memory, or keep less of each draw with var_names."
        ) from error
    except TimeoutError as error:
        # The worker may have met one, too.
        if future.status != "error":
            return None
        raise WorkersFailed(f"A worker failed while it ran {which}: {error!r}.") from error
    except PPLError as error:
        raise WorkersFailed(f"A worker failed while it ran {which}: {error}") from error
    except (Exception, asyncio.CancelledError) as error:
        lacking = _lacking(error)
        remedy = f"Install {lacking} there" if lacking else "It needs every module that the model uses"
        raise WorkersFailed(
            f"A worker failed while it ran {which}: {error!r}. {remedy}, with the same versions of rvgraph and of what "
            "that depends on."
        ) from error
    return found


def _lacking(error: BaseException | None) -> str:
    """Return which module a worker lacks, if that is the cause; else nothing."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:  # an error that is raised again may be its own context
        seen.add(id(error))
        if isinstance(error, ModuleNotFoundError) and error.name:
            return f"the module {error.name}"
        error = error.__cause__ or error.__context__
    return ""
