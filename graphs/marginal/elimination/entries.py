"""Numbers of components of a model, laid out along the axes of what they belong to: entries of a log-likelihood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable

from graphs.joint.terms import joint_name
from graphs.marginal.elimination.factor_tables import Integers


@dataclass(frozen=True, eq=False)
class Entry:
    """Numbers of a pointwise log-likelihood.

    Parameters
    ----------
    graph : TensorVariable
        The numbers.
    source : str or None
        The variable along whose axes they lie; None where they are just numbered.
    axes : tuple of int
        Which axes of it.
    """

    graph: TensorVariable
    source: str | None
    axes: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class ComponentTotals:
    """One number per component.

    Parameters
    ----------
    graph : TensorVariable
        A vector.
    place : integers
        Where each component stands in it.
    """

    graph: TensorVariable
    place: Integers

    def at(self, labels: Integers) -> TensorVariable:
        """Return the numbers of components, in the shape of an array of these."""
        places = self.place[labels]
        if np.array_equal(places.ravel(), np.arange(int(self.graph.type.shape[0]))):
            return self.graph.reshape(labels.shape)
        return self.graph[places]


def entries_of(
    labels: Mapping[str, Integers],
    totals: ComponentTotals,
    plain: Mapping[str, TensorVariable],
    sites: Mapping[str, Integers],
) -> dict[str, Entry]:
    """Return the entries of a log-likelihood.

    Parameters
    ----------
    labels : mapping of str to integers
        For each variable, in its shape, of which component each element is; -1 where it is of none.
    totals : ComponentTotals
        The numbers of the components.
    plain : mapping of str to TensorVariable
        The numbers of the elements that are of none.
    sites : mapping of str to integers
        Of which component each element is of what was summed or integrated out, along whose axes numbers may lie.
    """
    entries = {}
    for names, components in _tied(labels).items():
        entries[joint_name(names)] = _entry(names, labels, components, totals, plain, sites)
    return entries


def _tied(labels: Mapping[str, Integers]) -> dict[tuple[str, ...], Integers]:
    """Return for each set of variables that are tied together the components in which they are."""
    names_of: dict[int, list[str]] = {}
    for name, own in labels.items():
        for label in np.unique(own[own >= 0]).tolist():
            names_of.setdefault(label, []).append(name)
    grouped: dict[tuple[str, ...], list[int]] = {}
    for label, names in names_of.items():
        grouped.setdefault(tuple(names), []).append(label)
    return {names: np.array(sorted(found)) for names, found in grouped.items()}


def _entry(
    names: tuple[str, ...],
    labels: Mapping[str, Integers],
    components: Integers,
    totals: ComponentTotals,
    plain: Mapping[str, TensorVariable],
    sites: Mapping[str, Integers],
) -> Entry:
    for name in names:
        own = labels[name]
        is_alone = len(names) == 1 and len(np.unique(own[own >= 0])) == np.count_nonzero(own >= 0)
        if is_alone and np.isin(own[own >= 0], components).all():
            return Entry(_each(own, totals, plain[name]), name, tuple(range(own.ndim)))
        axes = _axes_of_components(own, components)
        if axes is not None:
            first = own[tuple(slice(None) if axis in axes else 0 for axis in range(own.ndim))]
            return Entry(totals.at(first), name, axes)
    for name, own in sites.items():
        if own.size == len(components) and np.array_equal(np.sort(own.ravel()), components):
            return Entry(totals.at(own), name, tuple(range(own.ndim)))
    return Entry(totals.at(components), None, ())


def _each(own: Integers, totals: ComponentTotals, plain: TensorVariable) -> TensorVariable:
    """Return one number per element of a term; those that are of no component are as they are."""
    if (own >= 0).all():
        return totals.at(own)
    return pt.switch(own >= 0, totals.at(np.where(own >= 0, own, own.max())), plain)


def _axes_of_components(own: Integers, components: Integers) -> tuple[int, ...] | None:
    """Return the axes along which the elements are of different components, if they alone tell which."""
    if (own < 0).any():
        return None
    axes = tuple(axis for axis in range(own.ndim) if own.shape[axis] > 1 and _varies(own, axis))
    first = own[tuple(slice(None) if axis in axes else 0 for axis in range(own.ndim))]
    is_each_once = first.size == len(components) and np.array_equal(np.sort(first.ravel()), components)
    return axes if is_each_once else None


def _varies(array: NDArray, axis: int) -> bool:
    return bool(np.any(array != array.take([0], axis=axis)))
