"""Which latent variables the expectation is over."""

from __future__ import annotations

from collections.abc import Sequence

from graphs.errors import ModelError
from graphs.joint.joint_logprob import LogProb, states_of


def latent_names(joint: LogProb, latent: Sequence[str] | None) -> list[str]:
    """Return the names of the chosen variables, by default those of finitely many states, if they fit together.

    Parameters
    ----------
    joint : LogProb
        The joint log-probability.
    latent : sequence of str, optional
        Names that were given.
    """
    finite = [name for name in joint.values if states_of(joint, name) is not None]
    chosen = finite if latent is None else list(latent)
    for name in chosen:
        if name not in joint.values:
            raise ModelError(f"{name!r} is no latent variable of the model; these are {', '.join(joint.values)}.", name)
    left = [n for n, s in joint.supports.items() if s.is_discrete and (n not in chosen or n not in finite)]
    if left:
        raise ModelError(
            f"{left[0]} is discrete, and no parameter to maximise: it has to be among the latent variables"
            + ("." if left[0] in finite else ", which need finitely many states: give it a bound."),
            left[0],
        )
    if not chosen:
        raise ModelError(
            "The model has no discrete latent variable to take the expectation over; name continuous ones in `latent`."
        )
    mixed = [name for name in chosen if (name in finite) != (chosen[0] in finite)]
    if mixed:
        raise ModelError(
            f"{chosen[0]} and {mixed[0]} are discrete and continuous: the expectation is over one kind. Integrate over "
            "one of them in the declaration (a Student-t density for a scale mixture), or maximise over it.",
            mixed[0],
        )
    return chosen
