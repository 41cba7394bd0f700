"""Which terms are computed of some of their rows, and of how many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphs.errors import ModelError
from graphs.joint.joint_logprob import LogProb

type Sizes = int | Mapping[str, int]


def wanted_sizes(logprob: LogProb, sizes: Any) -> dict[str, int]:
    """Return the number of rows by term.

    Raises
    ------
    ModelError
        If a size is no positive whole number, or a name is not that of an observed variable or potential.
    """
    names_of = {term: _declared(logprob, term) for term in logprob.terms}
    known = [name for names in names_of.values() for name in names]
    if not isinstance(sizes, Mapping):
        size = _checked(sizes, None)
        return {term: size for term, names in names_of.items() if names}
    if not sizes:
        raise ModelError("minibatch={} names nothing: give a number of rows, or {'y': 1000}.")
    for name in sizes:
        if name not in known:
            said = ", which is latent" if name in logprob.graph.latent else ""
            raise ModelError(
                f"minibatch names {name!r}{said}; observed variables and potentials are {', '.join(known) or 'none'}.",
                name if isinstance(name, str) else None,
            )
    found: dict[str, int] = {}
    for term, names in names_of.items():
        given = {_checked(sizes[name], name) for name in names if name in sizes}
        if len(given) > 1:
            raise ModelError(
                f"{', '.join(names)} are one term, as what they depend on was summed out: give all the same minibatch.",
                names[0],
            )
        if given:
            found[term] = given.pop()
    return found


def _checked(size: Any, name: str | None) -> int:
    is_whole = isinstance(size, int | np.integer) and not isinstance(size, bool)
    if not is_whole or size < 1:
        of = "" if name is None else f" of {name}"
        raise ModelError(
            f"The minibatch{of} is {size!r}; it must be a whole number of rows, at least 1, or a mapping of names to "
            "these.",
            name,
        )
    return int(size)


def _declared(logprob: LogProb, term: str) -> list[str]:
    """Return the names by which people know what is observed in a term, none of a term of latent variables."""
    parts = [term] if term in logprob.members else term.split("+")
    names = [name for part in parts for name in logprob.members.get(part, (part,))]
    graph = logprob.graph
    return [_plain(name, logprob) for name in names if name in graph.observed or name in graph.potentials]


def _plain(name: str, logprob: LogProb) -> str:
    """Return the name of a variable of which a part is observed."""
    whole = name.removesuffix("_observed")
    return whole if whole != name and f"{whole}_missing" in logprob.graph.latent else name
