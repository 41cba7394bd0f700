"""A joint log-probability as factors of the elements of discrete variables, or which of these stand in the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable

from graphs.limits.masked_slopes import with_masked_slopes
from graphs.marginal.elimination.factor_tables import Family, Integers, families_of, one_atom_each
from graphs.marginal.elimination.summands import Opening, summands
from graphs.marginal.lifting import Lifted, MixingError, TooLargeError, lift, lift_nodes, of_states
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
class JointFactors:
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


def factors_of(
    terms: Mapping[str, TensorVariable], variables: Sequence[FiniteVariable], max_states: int
) -> JointFactors:
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
    return JointFactors(tuple(families), rest, elements, offsets, numbers, states)


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
