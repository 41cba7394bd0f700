"""Whether a store was made from a model, and what differs if not."""

from __future__ import annotations

from collections.abc import Mapping

from graphs.errors import SamplingError
from ppl.modelling.fingerprint import Fingerprint

_WORDS = {
    "variables": "the variable",
    "data": "the data of",
    "constants": "the constant data",
    "chunks": "the data in chunks of",
    "coords": "the labels of",
    "plan": "the",
}


def check_same(stored: Mapping[str, Mapping[str, str]], found: Fingerprint, store: str) -> None:
    """Raise if a store was made from another model.

    Raises
    ------
    SamplingError
        Names what differs.
    """
    lines = []
    for what, digests in found.items():
        before = stored.get(what, {})
        lines += [f"{_WORDS[what]} {n} is not in the model" for n in before if n not in digests]
        lines += [f"{_WORDS[what]} {n} is not in the store" for n in digests if n not in before]
        lines += [f"{_WORDS[what]} {n} differs" for n in digests if n in before and before[n] != digests[n]]
    if lines:
        raise SamplingError(
            f"The store {store!r} is of another model: {'; '.join(lines)}. A run goes on with the model that it was "
            "begun with; sample this one to another store, or with overwrite=True."
        )
