"""The log-likelihood, row by row, of a model in which discrete variables were summed out.

Rows that share no discrete element are independent given the continuous variables: each has a number of its own. Those
that do (a series, a group, the visits to a site, two variables with one index) have one together:
the log of the sum over the discrete elements of prior times likelihood, relative to the same sum without the data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.marginal.elimination.entries import ComponentTotals, Entry, entries_of
from graphs.marginal.elimination.factor_tables import Integers
from graphs.marginal.elimination.factoring import FiniteVariable
from graphs.marginal.elimination.summation import Summation, sum_over
from graphs.marginal.lifting import ABSENT, MOST_STATES, Lifted, lift, of_states
from graphs.surgery.rebuilding import substitute


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
    for name in observed:
        atoms = summation.elements.get(name)
        is_free = (atoms is None or not np.any(atoms != ABSENT)) and name not in _in_pieces(summation)
        if is_free and name in summation.rest:
            graph = summation.rest[name]
            entries[name] = Entry(graph, name, tuple(range(graph.type.ndim)))
    labels = {name: _labels(summation, name) for name in observed if name in summation.elements}
    states: dict[Variable, Variable] = {
        v.value: pt.constant(np.full(v.shape, v.states[0]), dtype=v.value.type.dtype) for v in variables
    }
    plain = dict(zip(labels, substitute([terms[name] for name in labels], states), strict=True))
    sites = {v.name: summation.eliminated.labels[summation.atoms_of(v.name)].reshape(v.shape) for v in variables}
    entries |= entries_of(labels, totals, plain, sites)
    return entries


def _in_pieces(summation: Summation) -> set[str]:
    return {name for piece in summation.pieces for name in piece.names}


def _labels(summation: Summation, name: str) -> Integers:
    atoms = summation.elements[name]
    return np.where(atoms == ABSENT, -1, summation.eliminated.labels[atoms])


def _totals(summation: Summation, labels: Integers) -> ComponentTotals:
    place = np.full(len(labels), -1)
    start = 0
    for piece in summation.pieces:
        found = labels[piece.ends]
        place[found] = np.arange(start, start + len(found))
        start += len(found)
    graphs = [piece.graph for piece in summation.pieces]
    return ComponentTotals(pt.concatenate(graphs) if len(graphs) > 1 else graphs[0], place)


def _by_component(
    summation: Summation,
    terms: Mapping[str, TensorVariable],
    observed: Sequence[str],
    priors: Sequence[str],
    max_states: int,
) -> ComponentTotals:
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
    return ComponentTotals(totals.graph - parts, totals.place)


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
