"""The log-likelihood, row by row, of a model in which discrete variables were summed out.

Rows that share no discrete element are independent given the continuous variables: each has a number of its own. Those
that do (a series, a group, the visits to a site, two variables with one index) have one together:
the log of the sum over the discrete elements of prior times likelihood, relative to the same sum without the data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.joint.terms import joint_name
from graphs.marginal.elimination.factor_tables import Integers
from graphs.marginal.elimination.factoring import FiniteVariable
from graphs.marginal.elimination.summation import Summation, sum_over
from graphs.marginal.lifting import ABSENT, MOST_STATES, Lifted, lift, of_states
from graphs.surgery.rebuilding import substitute


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


def pointwise(
    terms: Mapping[str, TensorVariable],
    observed: Sequence[str],
    variables: Sequence[FiniteVariable],
    priors: Sequence[str],
    max_states: int = MOST_STATES,
) -> dict[str, Entry]:
    """Return the log-likelihood of each independent part of the data.

    Parameters
    ----------
    terms : mapping of str to TensorVariable
        The joint log-probability in natural space, the variables not yet summed out.
    observed : sequence of str
        Names of the terms of data.
    variables : sequence of FiniteVariable
        What is summed out.
    priors : sequence of str
        Names of the terms that are the log-probabilities of these.
    max_states : int
        As in `sum_over`.

    Returns
    -------
    dict of str to Entry
        By the name of the observed variable, or of several joined by ``+`` where they are tied together.
    """
    entries: dict[str, Entry] = {}
    if not variables:
        return {name: Entry(terms[name], name, tuple(range(terms[name].type.ndim))) for name in observed}
    summation = sum_over(terms, variables, max_states=max_states)
    totals = _by_component(summation, terms, observed, priors, max_states)
    members: dict[tuple[str, ...], list[str]] = {}
    for name in observed:
        atoms = summation.elements.get(name)
        is_free = (atoms is None or not np.any(atoms != ABSENT)) and name not in _in_pieces(summation)
        if is_free and name in summation.rest:
            graph = summation.rest[name]
            entries[name] = Entry(graph, name, tuple(range(graph.type.ndim)))
    labels = {name: _labels(summation, name) for name in observed if name in summation.elements}
    together = _tied(labels)
    for names in together:
        members.setdefault(names, list(names))
    for names in members:
        entries[joint_name(names)] = _entry(names, labels, together[names], totals, terms, variables, summation)
    return entries


def _in_pieces(summation: Summation) -> set[str]:
    return {name for piece in summation.pieces for name in piece.names}


def _labels(summation: Summation, name: str) -> Integers:
    atoms = summation.elements[name]
    return np.where(atoms == ABSENT, -1, summation.eliminated.labels[atoms])


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


@dataclass(frozen=True, eq=False)
class _Totals:
    """One number per component: a vector, and where each component stands in it."""

    graph: TensorVariable
    place: Integers

    def at(self, labels: Integers) -> TensorVariable:
        places = self.place[labels]
        if np.array_equal(places.ravel(), np.arange(int(self.graph.type.shape[0]))):
            return self.graph.reshape(labels.shape)
        return self.graph[places]


def _totals(summation: Summation, labels: Integers) -> _Totals:
    place = np.full(len(labels), -1)
    start = 0
    for piece in summation.pieces:
        found = labels[piece.ends]
        place[found] = np.arange(start, start + len(found))
        start += len(found)
    graphs = [piece.graph for piece in summation.pieces]
    return _Totals(pt.concatenate(graphs) if len(graphs) > 1 else graphs[0], place)


def _by_component(
    summation: Summation,
    terms: Mapping[str, TensorVariable],
    observed: Sequence[str],
    priors: Sequence[str],
    max_states: int,
) -> _Totals:
    """Return the log-likelihood of each component."""
    labels = summation.eliminated.labels
    totals = _totals(summation, labels)
    if _in_pieces(summation) <= set(priors) | set(observed):
        # The priors of the discrete variables sum to one.
        return totals
    without = sum_over(
        {n: t for n, t in terms.items() if n not in observed}, summation.variables, max_states=max_states
    )
    # Without the data a component may fall apart.
    parts = pt.zeros(totals.graph.type.shape)
    for piece in without.pieces:
        parts = parts[totals.place[labels[piece.ends]]].inc(piece.graph)
    return _Totals(totals.graph - parts, totals.place)


def _entry(
    names: tuple[str, ...],
    labels: Mapping[str, Integers],
    components: Integers,
    totals: _Totals,
    terms: Mapping[str, TensorVariable],
    variables: Sequence[FiniteVariable],
    summation: Summation,
) -> Entry:
    for name in names:
        own = labels[name]
        is_alone = len(names) == 1 and len(np.unique(own[own >= 0])) == np.count_nonzero(own >= 0)
        if is_alone and np.isin(own[own >= 0], components).all():
            return Entry(_each(own, totals, terms[name], variables), name, tuple(range(own.ndim)))
        axes = _axes_of_components(own, components)
        if axes is not None:
            first = own[tuple(slice(None) if axis in axes else 0 for axis in range(own.ndim))]
            return Entry(totals.at(first), name, axes)
    for variable in variables:
        atoms = summation.atoms_of(variable.name)
        own = summation.eliminated.labels[atoms].reshape(variable.shape)
        if own.size == len(components) and np.array_equal(np.sort(own.ravel()), components):
            return Entry(totals.at(own), variable.name, tuple(range(own.ndim)))
    return Entry(totals.at(components), None, ())


def _each(own: Integers, totals: _Totals, term: TensorVariable, variables: Sequence[FiniteVariable]) -> TensorVariable:
    """Return one number per element of a term; those that depend on no discrete variable are as they are."""
    if (own >= 0).all():
        return totals.at(own)
    states: dict[Variable, Variable] = {
        v.value: pt.constant(np.full(v.shape, v.states[0]), dtype=v.value.type.dtype) for v in variables
    }
    [at_first] = substitute([term], states)
    return pt.switch(own >= 0, totals.at(np.where(own >= 0, own, own.max())), at_first)


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


def best_over_states(
    terms: Mapping[str, TensorVariable], names: Sequence[str], variables: Sequence[FiniteVariable]
) -> dict[str, TensorVariable]:
    """Return the largest log-probability of each element of some terms, over all states of discrete variables.

    Parameters
    ----------
    terms : mapping of str to TensorVariable
        The joint log-probability, the variables not yet summed out.
    names : sequence of str
        The terms in question.
    variables : sequence of FiniteVariable
        What is summed out.

    Returns
    -------
    dict of str to TensorVariable
        In the shape of each term; terms that cannot be evaluated element by element are missing.
    """
    bindings: dict[Variable, Lifted] = {}
    count = 0
    for v in variables:
        bindings[v.value] = of_states(v.value, v.states, np.arange(count, count + v.size).reshape(v.shape))
        count += v.size
    found = {}
    for name, lifted in zip(names, lift([terms[name] for name in names], bindings), strict=True):
        if isinstance(lifted, Lifted):
            best = pt.max(lifted.value, axis=tuple(range(len(lifted.slots)))) if lifted.slots else lifted.value
            found[name] = pt.broadcast_to(best, lifted.shape)
    return found
