"""The loop with the functions of a family, compiled by Numba, and kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from graphs.backends.numba.machine_code.kept import njit
from graphs.backends.numba.machine_code.source import renamed
from graphs.once import once
from samplers.approximations import loop
from samplers.approximations.families.family import FittedFamily


class FittingLoop(NamedTuple):
    """The functions of `samplers.approximations.loop`, of one family."""

    ascend: Callable[..., None]
    estimate: Callable[..., None]


@once
def compiled_loop(family: type[FittedFamily], is_whole: bool) -> FittingLoop:
    """Return the loop.

    Parameters
    ----------
    family : type
        Whose functions it calls.
    is_whole : bool
        Whether it calls the density by address, and is one function of machine code; else it is Python, its parts are.
    """

    def compiled(function: Any) -> Any:
        own = renamed(function, f"rvgraph_{function.__name__}_{family.name}", names)
        return njit(nogil=True, cache=True, error_model="numpy")(own)

    names: dict[str, Any] = vars(loop) | family.functions._asdict()
    names["draw_rows"] = compiled(loop.draw_rows)
    for part in (loop.begin_step, loop.propose, loop.absorb, loop.update):
        names[part.__name__] = compiled(part)
    if is_whole:
        return FittingLoop(compiled(loop.ascend), compiled(loop.estimate))
    whole: tuple[Any, ...] = (loop.ascend, loop.estimate)
    return FittingLoop(
        *(renamed(function, f"rvgraph_plain_{function.__name__}_{family.name}", names) for function in whole)
    )
