"""Sum discrete variables out of a joint log-probability."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from graphs.joint.terms import joint_name
from graphs.marginal.elimination.engine import Eliminated, eliminate_all
from graphs.marginal.elimination.factor_tables import Integers, family
from graphs.marginal.elimination.factoring import CannotSumError, FiniteVariable, factors_of
from graphs.marginal.lifting import MOST_STATES, TooLargeError
from graphs.recursion.op import Mode
from graphs.surgery.random_graph import unused_name


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of the joint log-probability after the sum: one number per connected component.

    Parameters
    ----------
    names : tuple of str
        The terms that are in it.
    graph : TensorVariable
        Shape (m,).
    components : (m,) int64 array
        The label of each component.
    ends : (m,) int64 array
        The atom of each component that was eliminated last.
    """

    names: tuple[str, ...]
    graph: TensorVariable
    components: Integers
    ends: Integers


@dataclass(frozen=True, eq=False)
class Summation:
    """Discrete variables summed out of a joint log-probability.

    Parameters
    ----------
    variables : tuple of FiniteVariable
        The variables.
    offsets : mapping of str to int
        The first atom of each.
    pieces : tuple of Piece
        What the sum left of the terms that depend on them.
    rest : mapping of str to TensorVariable
        The terms, or parts of them, that do not.
    eliminated : Eliminated
        The steps.
    elements : mapping of str to int64 array
        For each term that depends on them an atom of each of its elements, `ABSENT` where an element depends on none;
        terms that were taken apart are missing.
    probes : mapping of str to TensorVariable
        Zeros of shape (K, *shape) that were added to the log-probability of each state: the gradient of the sum with
        respect to them is the probability of each state.
    """

    variables: tuple[FiniteVariable, ...]
    offsets: Mapping[str, int]
    pieces: tuple[Piece, ...]
    rest: Mapping[str, TensorVariable]
    eliminated: Eliminated
    elements: Mapping[str, Integers]
    probes: Mapping[str, TensorVariable]

    def atoms_of(self, name: str) -> slice:
        """Return the atoms of a variable."""
        [variable] = [v for v in self.variables if v.name == name]
        return slice(self.offsets[name], self.offsets[name] + variable.size)


def sum_over(
    terms: Mapping[str, TensorVariable],
    variables: Sequence[FiniteVariable],
    *,
    mode: Mode = "sum",
    max_states: int = MOST_STATES,
    with_probes: bool = False,
) -> Summation:
    """Sum over the states of discrete variables.

    Parameters
    ----------
    terms : mapping of str to TensorVariable
        The joint log-probability.
    variables : sequence of FiniteVariable
        What to sum out.
    mode : {"sum", "max"}
        Sum over states, or take the best ones.
    max_states : int
        Most joint states of what any factor depends on.
    with_probes : bool
        Whether to add `Summation.probes`.

    Raises
    ------
    CannotSumError
        If it is not possible; with the variables to leave.
    """
    factors = factors_of(terms, variables, max_states)
    offsets, numbers, states = factors.offsets, factors.numbers, factors.states
    families, rest, elements = list(factors.families), factors.rest, factors.elements
    probes: dict[str, TensorVariable] = {}
    if with_probes:
        for v in variables:
            probes[v.name] = pt.zeros((len(v.states), *v.shape))
            flat = probes[v.name].reshape((len(v.states), v.size))
            families.append(family((v.name,), flat, numbers[v.name][:, None]))
    try:
        eliminated = eliminate_all(families, states, mode=mode, max_states=max_states)
    except TooLargeError as error:
        raise CannotSumError([_largest(error, variables, offsets)], str(error), is_too_large=True) from error
    pieces = [
        Piece(part.names, _one_each(part.table, len(ends)), components, ends)
        for part, components, ends in zip(eliminated.finished, eliminated.components, eliminated.ends, strict=True)
    ]
    return Summation(tuple(variables), offsets, tuple(pieces), rest, eliminated, elements, probes)


def _one_each(table: TensorVariable, count: int) -> TensorVariable:
    return table if table.type.shape == (count,) else pt.alloc(table, count)


def _largest(error: TooLargeError, variables: Sequence[FiniteVariable], offsets: Mapping[str, int]) -> str:
    """Return the variable that most of a clique belongs to."""
    atoms = np.array(error.atoms)

    def weight(v: FiniteVariable) -> float:
        inside = (atoms >= offsets[v.name]) & (atoms < offsets[v.name] + v.size)
        return float(inside.sum() * np.log(len(v.states)))

    return max(variables, key=weight).name


def terms_after(summation: Summation, order: Sequence[str], priors: Collection[str] = ()) -> dict[str, TensorVariable]:
    """Return the terms of the joint log-probability after a sum.

    What was summed together is one term, named by the variables that it is about, joined by ``+``: the children of the
    discrete variables, or these themselves where they have none.

    Parameters
    ----------
    summation : Summation
        The sum.
    order : sequence of str
        The names of the terms in the order in which they are joined.
    priors : collection of str
        The terms that are log-probabilities of the discrete variables themselves.
    """
    summed = {v.name for v in summation.variables} | set(priors)
    terms = dict(summation.rest)
    grouped: dict[str, list[Piece]] = {}
    for piece in summation.pieces:
        children = [n for n in order if n in piece.names and n not in summed] or [n for n in order if n in piece.names]
        grouped.setdefault(joint_name(children), []).append(piece)
    for name, pieces in grouped.items():
        graphs = [_in_shape(piece, summation) for piece in pieces]
        graph = graphs[0] if len(graphs) == 1 else pt.concatenate([g.ravel() for g in graphs])
        terms[unused_name(name, terms)] = graph
    return terms


def _in_shape(piece: Piece, summation: Summation) -> TensorVariable:
    """Lay out one number per element of a variable like that variable."""
    for variable in summation.variables:
        start = summation.offsets[variable.name]
        if len(piece.ends) != variable.size or len(variable.shape) == 1:
            continue
        if np.array_equal(piece.ends, np.arange(start, start + variable.size)):
            return piece.graph.reshape(variable.shape)
    return piece.graph
