"""Priors that do not suffice: flat ones that data leave flat, scales of few groups, components that change places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from math import prod
from typing import Any

import numpy as np
import pytensor
from numpy.typing import NDArray
from pytensor.graph.traversal import ancestors

from graphs.joint.logprob import logprob
from graphs.marginal.finite import finite_states
from graphs.surgery.interpreting import interpret, without_c
from graphs.surgery.random_graph import parameters_of, static_shape, without_axes
from graphs.variables.transform_images import can_be_put_in_order, puts_in_order
from ppl.checking.concern import Concern
from ppl.checking.draws import PriorDraws, values_at
from ppl.checking.structure import is_missing_data
from ppl.declaring.flat import has_flat_prior
from ppl.modelling.model import Model

MOST_FLAT = 200
FEW_GROUPS = 4
MOST_COMPONENTS, _MOST_SETS = 12, 64
_STEP = 1e-4


def improper(draws: PriorDraws) -> Iterator[Concern]:
    """Yield directions of flat variables along which the density does not change: the posterior is improper."""
    names = list(draws.flat)
    if not names or not draws.is_small:
        return
    joint = logprob(draws.model, marginalize=False)
    values = [joint.values[n] for n in names if n in joint.values]
    size = sum(prod(v.type.shape) for v in values)
    usable = [draw for draw in draws.draws if all(n in draw for n in joint.values)][:2]
    if not values or size > MOST_FLAT or len(usable) < 2:
        return
    with without_c(), np.errstate(all="ignore"):
        slopes = pytensor.grad(joint.total, values, disconnected_inputs="ignore")
        function = interpret(list(joint.values.values()), slopes)
        found = [_bends(function, joint, draw, [n for n in names if n in joint.values]) for draw in usable]
    if not all(np.isfinite(matrix).all() for matrix in found):
        return
    stacked = np.concatenate(found)
    _, weights, axes = np.linalg.svd(stacked, full_matrices=True)
    weights = np.concatenate([weights, np.zeros(size - len(weights))])
    still = axes[weights <= 1e-7 * max(weights.max(), 1.0)]
    if not len(still):
        return
    owners = np.repeat([n for n in names if n in joint.values], [prod(v.type.shape) for v in values])
    loads = np.abs(still).max(axis=0)
    culprits = tuple(dict.fromkeys(owners[loads > 0.05].tolist()))
    yield Concern(
        "improper",
        "error",
        culprits,
        f"Priors of {', '.join(culprits)} are flat, and data say nothing along {len(still)} "
        f"direction{'s' if len(still) > 1 else ''}: the posterior is improper.",
        "Give proper priors.",
    )


def _bends(function: Any, joint: Any, draw: dict[str, NDArray], names: Sequence[str]) -> NDArray[np.float64]:
    """Return slopes, and how they change, along each element of some variables; one column an element."""
    here = values_at(joint, draw)

    def slope(values: dict[str, NDArray]) -> NDArray[np.float64]:
        return np.concatenate([np.ravel(np.asarray(s, np.float64)) for s in function(*values.values())])

    start = slope(here)
    rows = [start]
    for name in names:
        for element in range(here[name].size):
            moved = here[name].astype(np.float64).copy()
            moved.flat[element] += _STEP
            rows.append((slope({**here, name: moved.reshape(here[name].shape)}) - start) / _STEP)
    found = np.stack(rows)
    scale = np.abs(found).max()
    # What rounding leaves of differences.
    return np.where(np.abs(found) < 1e-6 * max(scale, 1.0), 0.0, found)


def scales_of_few(model: Model) -> Iterator[Concern]:
    """Yield scales without a proper prior, of fewer groups than could tell them."""
    flat = {rv: name for name, rv in model.latent.items() if has_flat_prior(rv)}
    for name, rv in model.latent.items():
        shape = static_shape(rv)
        for parameter in parameters_of(rv):
            scale = flat.get(without_axes(parameter))
            if scale is not None and scale != name and prod(shape) <= FEW_GROUPS:
                yield Concern(
                    "few-groups",
                    "warning",
                    (scale, name),
                    f"{scale}, the scale of {name}, has a flat prior: {prod(shape)} effects hardly tell it.",
                    f"Give it a proper prior: ppl.HalfNormal({scale!r}, ...).",
                )


def exchangeable(draws: PriorDraws) -> Iterator[Concern]:
    """Yield components that can change places without the density noticing: their labels mean nothing."""
    model = draws.model
    places = _axes_by_length(model)
    usable = [draw for draw in draws.draws if draw][:2]
    if not places or len(usable) < 2:
        return
    joint = logprob(model)
    left = [n for n in joint.values if n in model.latent]
    if len(left) < len(joint.values):
        return
    with without_c(), np.errstate(all="ignore"):
        function = interpret(list(joint.values.values()), joint.total)
        for axes in places.values():
            known = [(n, axis) for n, axis in axes if n in joint.values]
            chosen = _least_symmetric(function, joint, usable, known)
            if chosen:
                yield _of_exchange(model, chosen)


def _axes_by_length(model: Model) -> dict[int, list[tuple[str, int]]]:
    """Return, by length, the axes along which continuous variables may change places."""
    informed = [*model.observed.values(), *model.potentials.values()]
    discrete = [rv for rv in model.latent.values() if not rv.type.dtype.startswith("float")]
    lengths = {len(states) for rv in discrete if (states := finite_states(rv)) is not None}
    found: dict[int, list[tuple[str, int]]] = {}
    above = set(ancestors(informed))
    for name, rv in model.latent.items():
        if rv.type.dtype.startswith("float") and not is_missing_data(model, name) and rv in above:
            shape = static_shape(rv)
            # Of what is in order along its last axis, vectors may still change places as wholes.
            free = shape[:-1] if puts_in_order(model.parts.transforms.get(name)) else shape
            for axis, length in enumerate(free):
                if 2 <= length <= MOST_COMPONENTS and (length in lengths or not discrete):
                    found.setdefault(length, []).append((name, axis))
    return found


def _least_symmetric(
    function: Any, joint: Any, draws: Sequence[dict[str, NDArray]], axes: Sequence[tuple[str, int]]
) -> tuple[tuple[str, int], ...]:
    """Return the fewest axes whose first two elements can change places together; none if there are none."""
    sets = (chosen for size in range(1, len(axes) + 1) for chosen in combinations(axes, size))
    for number, chosen in enumerate(sets):
        if number >= _MOST_SETS:
            break
        if all(_is_unchanged(function, joint, draw, chosen) for draw in draws):
            return chosen
    return ()


def _is_unchanged(function: Any, joint: Any, draw: dict[str, NDArray], chosen: Sequence[tuple[str, int]]) -> bool:
    here = values_at(joint, draw)
    there = dict(here)
    for name, axis in chosen:
        order = [1, 0, *range(2, here[name].shape[axis])]
        there[name] = np.take(there[name], order, axis=axis)
    before, after = float(function(*here.values())), float(function(*there.values()))
    return np.isfinite(before) and abs(before - after) <= 1e-9 * max(1.0, abs(before))


def _of_exchange(model: Model, chosen: Sequence[tuple[str, int]]) -> Concern:
    names = tuple(dict.fromkeys(name for name, _ in chosen))
    return Concern(
        "exchangeable",
        "warning",
        names,
        f"The elements of {', '.join(names)} can change places, and the density is the same: chains may label them "
        "differently.",
        _how_to_label(model, chosen),
    )


def _how_to_label(model: Model, chosen: Sequence[tuple[str, int]]) -> str:
    """Say which variable can be put in order, or what of the draws does not depend on labels where none can."""
    orderable = [(name, axis) for name, axis in chosen if can_be_put_in_order(model.latent[name])]
    for name, axis in orderable:
        # One number a component: an order of several would leave most of the posterior out.
        shape = static_shape(model.latent[name])
        if axis == len(shape) - 1 and prod(shape) == shape[axis]:
            return f'Put them in order where {name} is declared: transform="ordered".'
    invariant = "take from the draws only what does not depend on labels, such as predictions and who belongs together."
    if orderable:
        name = orderable[0][0]
        return (
            f'Declare one number a component of {name} as a vector of its own, with transform="ordered"; or {invariant}'
        )
    return f"None of them can be put in order: {invariant}"
