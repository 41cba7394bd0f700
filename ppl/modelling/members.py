"""Variables that are taken together as an array, under the names that were declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.rolling.gathering import with_elements

type Plates = Mapping[str, tuple[str, ...]]
"""Of arrays, the names of the variables that lie along their first axis."""


def by_member(values: Mapping[str, NDArray], plates: Plates, suffixes: Sequence[str] = ("",)) -> dict[str, NDArray]:
    """Return values (chains, draws, ...) by the names that were declared.

    Parameters
    ----------
    values : mapping of str to array
        By name, or by name and suffix, those of arrays with an axis for the variables after that of the draws.
    plates : mapping of str to tuple of str
        The arrays.
    suffixes : sequence of str
        What may come after the name of an array, and comes after that of each variable.
    """
    arrays = {array + suffix: (members, suffix) for array, members in plates.items() for suffix in suffixes}
    found: dict[str, NDArray] = {}
    for name, value in values.items():
        if name in arrays:
            members, suffix = arrays[name]
            found |= {member + suffix: value[:, :, i] for i, member in enumerate(members)}
        else:
            found[name] = value
    return found


def given_arrays(
    graphs: Sequence[Variable],
    variables: Mapping[str, TensorVariable],
    arrays: Mapping[str, TensorVariable],
    plates: Plates,
    others: Mapping[Variable, Variable],
) -> list[Variable]:
    """Put values in the place of variables in graphs.

    Parameters
    ----------
    graphs : sequence of Variable
        Such as deterministics.
    variables : mapping of str to TensorVariable
        The latent variables as they were declared.
    arrays : mapping of str to TensorVariable
        Values by the name of the variable, or of the array that it is an element of.
    plates : mapping of str to tuple of str
        The arrays.
    others : mapping of Variable to Variable
        What else is replaced.
    """
    places: dict[Variable, tuple[TensorVariable, int]] = {
        variables[member]: (arrays[array], i)
        for array, members in plates.items()
        if array in arrays
        for i, member in enumerate(members)
    }
    own: dict[Variable, Variable] = {variables[n]: value for n, value in arrays.items() if n in variables}
    return with_elements(graphs, places, {**own, **others})
