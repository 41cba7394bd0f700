"""Samplers that are asked for: all or one by one, by name or as a move of somebody's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from graphs.errors import ModelError
from ppl.modelling.model import Model
from ppl.planning.plans import BY_GRADIENT, Sampler
from samplers import BUILDERS
from samplers.move import Move
from samplers.registry import SamplerName

_METHODS = ("gibbs", *sorted(BUILDERS))


def moved_by_nuts(sampler: Sampler, centred: Mapping[str, Any]) -> Sampler:
    """Return what is asked for, with NUTS for variables whose centring is named and nothing else."""
    if not centred or not (sampler is None or isinstance(sampler, Mapping)):
        return sampler
    by_gradient: dict[str, SamplerName | Move] = dict.fromkeys(centred, BY_GRADIENT)
    return by_gradient | dict(sampler or {})


def checked_sampler(model: Model, sampler: Sampler) -> Sampler:
    """Return what is asked for, if it is known and may be."""
    if sampler is None:
        return None
    if not isinstance(sampler, Mapping):
        return _checked_method(sampler, None)
    for name in sampler:
        if name not in model.latent:
            raise ModelError(
                f"sampler names {name!r}; the latent variables are {', '.join(model.latent) or 'none'}.", name
            )
    return {name: _checked_method(method, name) for name, method in sampler.items()}


def _checked_method(method: Any, name: str | None) -> SamplerName | Move:
    if isinstance(method, Move):
        called = getattr(method, "name", None)
        is_ours = isinstance(called, str) and type(method) is type(BUILDERS.get(called))
        if not isinstance(called, str) or (called in ("marginalize", "integrate", *_METHODS) and not is_ours):
            raise ModelError(f"{type(method).__name__} needs a name of its own: it has {called!r}.", name)
        return method
    if not isinstance(method, str):
        given = "sampler" if name is None else f"The sampler of {name}"
        raise ModelError(
            f"{given} is {', '.join(_METHODS)}, a samplers.Move, or a mapping to these, not {method!r}.", name
        )
    if method not in _METHODS:
        raise ModelError(f"Unknown sampler {method!r}; choose from {', '.join(_METHODS)}.", name)
    return cast(SamplerName, method)
