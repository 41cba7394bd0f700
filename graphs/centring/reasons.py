"""Why a variable has no coordinates between centred and non-centred ones."""

from __future__ import annotations

import pytensor.tensor as pt

from graphs.centring.families import is_exponential, is_located
from graphs.centring.sequences import is_sequence
from graphs.joint.joint_logprob import LogProb


def why_not_located(logprob: LogProb, name: str) -> str:
    """Return why a variable cannot be partially centred, in words; empty where it can.

    Parameters
    ----------
    logprob : LogProb
        What NUTS sees.
    name : str
        The variable.
    """
    rv = logprob.graph.latent[name]
    if not (is_located(rv) or is_exponential(rv) or is_sequence(rv)):
        return (
            "its distribution is not a location plus a scale times what has neither, on the whole real line, nor of "
            "the exponential of that, nor such steps, one after the other (random walks, autoregressions of first "
            "order)"
        )
    natural, value = logprob.natural[name], logprob.values[name]
    if is_exponential(rv):
        owner = natural.owner
        is_moved_as_logarithm = owner is not None and owner.op == pt.exp and owner.inputs[0] is value
        return "" if is_moved_as_logarithm and name in logprob.terms else "what is moved is not its logarithm"
    if natural is not value:
        return "it has a transform of its own"
    if name not in logprob.terms:
        return "its log-probability is not known apart from that of other variables"
    return ""
