"""Sum discrete variables out of a joint log-probability."""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable

from graphs.joint.terms import joint_name
from graphs.limits.masked_slopes import with_masked_slopes
from graphs.marginal.elimination.batch import Mode
from graphs.marginal.elimination.engine import Eliminated, eliminate_all
from graphs.marginal.elimination.factor_tables import Family, Integers, families_of, family, one_atom_each
from graphs.marginal.elimination.summands import Opening, summands
from graphs.marginal.lifting import MOST_STATES, Lifted, MixingError, TooLargeError, lift, lift_nodes, of_states
from graphs.marginal.lifting.state import Lifting
from graphs.surgery.rebuilding import substitute


@dataclass(frozen=True, eq=False)
class FiniteVariable:
    """A variable of finitely many states.

    Parameters
    ----------
    name : str
        Its name.
    value : TensorVariable
        Its value variable.
    states : (K,) int64 array
        Its states.
    """

    name: str
    value: TensorVariable
    states: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return tuple(int(n) for n in self.value.type.shape)

    @property
    def size(self) -> int:
        """Number of its elements."""
        return prod(self.shape)


class CannotSumError(Exception):
    """Internal: some variables cannot be summed out.

    Parameters
    ----------
    names : sequence of str
        Those to leave.
    reason : str
        Why, in words.
    is_too_large : bool
        Whether they could be, if tables of more states were allowed.
    """

    def __init__(self, names: Sequence[str], reason: str, *, is_too_large: bool = False):
        super().__init__(reason)
        self.names = tuple(names)
        self.is_too_large = is_too_large


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


@dataclass(frozen=True, eq=False)
class Factors:
    """A joint log-probability as factors of discrete elements.

    Parameters
    ----------
    families : tuple of Family
        The factors.
    rest, elements : mapping
        As in `Summation`.
    offsets : mapping of str to int
        The first atom of each variable.
    numbers : mapping of str to int64 array
        Its atoms.
    states : int64 array
        The number of states of each atom.
    """

    families: tuple[Family, ...]
    rest: Mapping[str, TensorVariable]
    elements: Mapping[str, Integers]
    offsets: Mapping[str, int]
    numbers: Mapping[str, Integers]
    states: Integers


def factors_of(terms: Mapping[str, TensorVariable], variables: Sequence[FiniteVariable], max_states: int) -> Factors:
    """Take a joint log-probability apart into factors of discrete elements.

    Raises
    ------
    CannotSumError
        If a factor depends on too many of them.
    """
    offsets, count = {}, 0
    for variable in variables:
        offsets[variable.name] = count
        count += variable.size
    numbers = {v.name: np.arange(offsets[v.name], offsets[v.name] + v.size) for v in variables}
    bindings = {v.value: of_states(v.value, v.states, numbers[v.name].reshape(v.shape)) for v in variables}
    states = np.concatenate([np.full(v.size, len(v.states)) for v in variables])
    families, rest, elements = _families(terms, variables, bindings, max_states)
    return Factors(tuple(families), rest, elements, offsets, numbers, states)


def _one_each(table: TensorVariable, count: int) -> TensorVariable:
    return table if table.type.shape == (count,) else pt.alloc(table, count)


def _families(
    terms: Mapping[str, TensorVariable],
    variables: Sequence[FiniteVariable],
    bindings: Mapping[Variable, Lifted],
    max_states: int,
) -> tuple[list[Family], dict[str, TensorVariable], dict[str, Integers]]:
    lifting = Lifting(dict(bindings), {}, max_states, is_cautious=True)
    lift_nodes(list(terms.values()), lifting)
    opening = Opening(lifting)
    opened = {name: summands(term, opening) for name, term in terms.items()}
    # What cannot be opened is lifted after all: a sum inside another function needs the joint states.
    lifting = replace(lifting, failed={}, is_cautious=False)
    lift_nodes([part for parts in opened.values() for part in parts], lifting)
    families: list[Family] = []
    rest: dict[str, TensorVariable] = {}
    elements: dict[str, Integers] = {}
    for name, parts in opened.items():
        constants = []
        for part in parts:
            if not lifting.depends(part):
                constants.append(part)
                continue
            if part in lifting.failed:
                raise _explain(name, part, lifting.failed[part], variables, bindings, max_states) from lifting.failed[
                    part
                ]
            found, without = families_of((name,), lifting.done[part])
            families += found
            constants += without
            if part is terms[name]:
                elements[name] = one_atom_each(lifting.done[part])
        if constants:
            rest[name] = _total(constants)
    families, rest = _without_shapes(families, rest, variables)
    # An impossible state has no weight in the gradient of the sum, whatever the slope of its log-probability.
    tables = with_masked_slopes([f.table for f in families])
    return [replace(f, table=table) for f, table in zip(families, tables, strict=True)], rest, elements


def _without_shapes(
    families: list[Family], rest: dict[str, TensorVariable], variables: Sequence[FiniteVariable]
) -> tuple[list[Family], dict[str, TensorVariable]]:
    """Replace the values of discrete variables by zeros: only their shapes can be left."""
    graphs = [*(f.table for f in families), *rest.values()]
    left = {v.value for v in variables} & set(ancestors(graphs))
    if not left:
        return families, rest
    graphs = substitute(graphs, {value: pt.zeros(value.type.shape, dtype=value.type.dtype) for value in left})
    tables = graphs[: len(families)]
    return (
        [replace(f, table=table) for f, table in zip(families, tables, strict=True)],
        dict(zip(rest, graphs[len(families) :], strict=True)),
    )


def _total(parts: Sequence[TensorVariable]) -> TensorVariable:
    sums = [pt.sum(part) if part.type.ndim else part for part in parts]
    if len(parts) == 1:
        return parts[0]
    return pt.add(*sums)


def _explain(
    name: str,
    output: TensorVariable,
    error: MixingError,
    variables: Sequence[FiniteVariable],
    bindings: Mapping[Variable, Lifted],
    max_states: int,
) -> CannotSumError:
    """Find which variables prevent a term from being lifted."""
    above = set(ancestors([output]))
    involved = [v for v in variables if v.value in above]
    reason = f"{error} (in the term of {name})"
    alone = [
        v.name for v in involved if isinstance(lift([output], {v.value: bindings[v.value]}, max_states)[0], MixingError)
    ]
    names = alone or [max(involved, key=lambda v: v.size * np.log(len(v.states))).name]
    return CannotSumError(names, reason, is_too_large=isinstance(error, TooLargeError))


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


def unused_name(name: str, taken: Container[str]) -> str:
    """Return ``name``, with primes as long as it is taken."""
    while name in taken:
        name += "'"
    return name


def _in_shape(piece: Piece, summation: Summation) -> TensorVariable:
    """Lay out one number per element of a variable like that variable."""
    for variable in summation.variables:
        start = summation.offsets[variable.name]
        if len(piece.ends) != variable.size or len(variable.shape) == 1:
            continue
        if np.array_equal(piece.ends, np.arange(start, start + variable.size)):
            return piece.graph.reshape(variable.shape)
    return piece.graph
