"""What all loops of one program share: its names, the statements before its first step, the functions it calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from graphs.backends.numba.compiler.foreign import foreign_function
from graphs.backends.numba.library import (
    intrinsics,
    numerics,
    rng,
    rng_continuous,
    rng_discrete,
    rng_gamma,
    rng_gig,
    rng_polya_gamma,
    rng_vector,
    vector_erf,
    vector_gamma,
    vector_math,
)

if TYPE_CHECKING:
    from graphs.backends.numba.compiler.callback import Callback

_LIBRARY = (
    numerics,
    rng,
    rng_continuous,
    rng_discrete,
    rng_gamma,
    rng_gig,
    rng_polya_gamma,
    rng_vector,
    vector_erf,
    vector_gamma,
    vector_math,
)


def _library() -> dict[str, Any]:
    """Return the functions that generated source may call."""
    return {name: function for module in _LIBRARY for name, function in module.NAMES.items()}


@dataclass
class Script:
    """The parts of a program that do not belong to one graph.

    Parameters
    ----------
    names : dict
        Global names that the source uses.
    preface : list of str
        Statements before all others.
    known : dict
        Of the names of foreign functions, what their machine code depends on; None if that cannot be told.
    can_fail : bool
        Whether a check may make the program fail.
    uses_rng : bool
        Whether it draws random numbers.
    callbacks : list of Callback
        What it calls Python for.
    addresses : dict
        Of routines of other libraries by name, the expressions of where they are.
    """

    names: dict[str, Any] = field(default_factory=_library)
    preface: list[str] = field(default_factory=list)
    known: dict[str, str | None] = field(default_factory=dict)
    can_fail: bool = False
    uses_rng: bool = False
    callbacks: list[Callback] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)
    count: int = 0

    def name(self, prefix: str) -> str:
        """Return a new local name."""
        self.count += 1
        return f"{prefix}{self.count}"

    def intrinsic(self, name: str) -> str:
        """Return the name of an intrinsic, made known to the source."""
        self.names[name] = getattr(intrinsics, name)
        return name

    def foreign(self, op: Op, node: Apply) -> str | None:
        """Return the name of PyTensor's Numba implementation of a node, or None if there is none."""
        found = foreign_function(op, node)
        if found is None:
            return None
        function, key = found
        name = next((name for name, known in self.known.items() if known == key is not None), None)
        if name is None:
            name = self.name("foreign")
            self.names[name], self.known[name] = function, key
        return name
