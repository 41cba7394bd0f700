"""What was asked for of centring, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from graphs.centring import why_not_located
from graphs.errors import ModelError
from graphs.joint.joint_logprob import LogProb

Centring = Literal["auto"] | float | Mapping[str, Any]
"""What is asked for: learnt, or a number for all, or by name."""


@dataclass(frozen=True)
class CentringChoice:
    """What was asked for.

    Parameters
    ----------
    share : float
        Of variables that are not named, between 0 (not centred) and 1 (as declared); NaN where it is learnt.
    named : mapping of str to array
        The same of those that are.
    note : str
        What the plan says of those that could be centred, and are not.
    """

    share: float
    named: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    note: str = ""


AS_DECLARED_IN_JAX = CentringChoice(1.0, note="centred as declared, as always in JAX")


def checked_centring(centring: Any, latent: Sequence[str]) -> CentringChoice:
    """Return what was asked for.

    Parameters
    ----------
    centring : "auto", number, mapping, or CentringChoice
        As `ppl.plan` takes it.
    latent : sequence of str
        The names of the latent variables.

    Raises
    ------
    ModelError
        If it is something else, or names what is no latent variable.
    """
    if isinstance(centring, CentringChoice):
        return centring
    if isinstance(centring, str) and centring == "auto":
        return CentringChoice(np.nan)
    if isinstance(centring, Mapping):
        for name in centring:
            if name not in latent:
                known = ", ".join(latent) or "none"
                raise ModelError(f"centring names {name!r}; the latent variables are {known}.", name)
        return CentringChoice(np.nan, {name: _shares(value, name) for name, value in centring.items()})
    if not isinstance(centring, Real) or isinstance(centring, bool):
        raise ModelError(
            f"centring is 'auto', a number between 0 (not centred) and 1 (as declared), or a mapping of names to "
            f"these, not {centring!r}."
        )
    return CentringChoice(float(_shares(centring, None)))


def _shares(value: Any, name: str | None) -> NDArray[np.float64]:
    what = "centring" if name is None else f"The centring of {name}"
    try:
        shares = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise ModelError(f"{what} is a number between 0 (not centred) and 1 (as declared), not {value!r}.") from None
    if not ((shares >= 0.0) & (shares <= 1.0)).all():
        raise ModelError(f"{what} lies between 0 (not centred) and 1 (as declared); it is {value!r}.", name)
    return shares


def check_named(joint: LogProb, choice: CentringChoice) -> None:
    """Raise ModelError if a variable that is named has no location and scale, or shares have another shape."""
    for name, shares in choice.named.items():
        why = why_not_located(joint, name)
        if why:
            raise ModelError(
                f"centring names {name}, which has none: {why}. Leave it out, or declare it by location and scale.",
                name,
            )
        shape = joint.values[name].type.shape
        if shares.shape not in ((), shape):
            raise ModelError(f"The centring of {name} has shape {shares.shape}; give a number, or shape {shape}.", name)
