"""A log-density as factors of elements of its variables: which of them stand together, and the numbers of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import pytensor.tensor as pt
from pytensor.scalar.basic import Add, Cast
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.math import Sum
from pytensor.tensor.variable import TensorVariable

from graphs.marginal.elimination.factor_tables import Family, Integers, columns_of, families_of, on_atoms
from graphs.marginal.elimination.network import Network
from graphs.marginal.elimination.summands import Opening, summands
from graphs.marginal.lifting import Lifted, MixingError, Slot, lift_nodes
from graphs.marginal.lifting.state import Lifting


@dataclass(frozen=True, eq=False)
class Factors:
    """Factors whose product is a density, up to what depends on none of the variables.

    Parameters
    ----------
    families : tuple of Family
        The factors; their atoms are the elements of the variables, one variable after the other.
    count : int
        Number of elements.
    """

    families: tuple[Family, ...]
    count: int

    def groups(self) -> list[Integers]:
        """Return groups of elements of which no two share a factor: they are independent given the others."""
        network = Network(self.families, np.full(self.count, 2), np.ones(self.count, bool))
        colours = np.full(self.count, -1)
        for atom in range(self.count):
            taken = set(colours[network.neighbours(atom)].tolist())
            colours[atom] = next(c for c in range(self.count + 1) if c not in taken)
        return [np.flatnonzero(colours == c) for c in range(int(colours.max(initial=-1)) + 1)]

    @property
    def is_independent(self) -> bool:
        """Whether no two elements share a factor."""
        return all(part.width == 1 for part in self.families)

    def by_atom(self) -> TensorVariable:
        """Return for each element the sum of its factors, shape (K, count).

        A factor of several elements counts for each of them; it has to be of one state.
        """
        tables = [table for part in self.families for table in _by_atom(part, self.count)]
        return pt.add(*tables) if len(tables) > 1 else tables[0]


def _by_atom(part: Family, count: int) -> list[TensorVariable]:
    if part.width == 1:
        return [on_atoms(part, count)]
    assert set(part.sizes) == {1}
    table = columns_of(part.table, part.columns).reshape((-1,))
    return [pt.zeros((1, count))[0, atoms].inc(table) for atoms in part.atoms.T]


def factors(
    terms: Sequence[TensorVariable],
    variables: Mapping[TensorVariable, Lifted],
    max_states: int,
    *,
    is_thorough: bool = False,
) -> Factors | MixingError:
    """Take a log-density apart.

    Parameters
    ----------
    terms : sequence of TensorVariable
        The log-density.
    variables : mapping of TensorVariable to Lifted
        Variables at their states, or at one (`at_values`).
    max_states : int
        Most joint states of the elements that one factor may depend on.
    is_thorough : bool
        Whether every sum is taken apart, and not only those of elements that would be joined: the factors are as small
        as they can be, and constants are left out.

    Returns
    -------
    Factors or MixingError
        Why not, where an operation on several elements cannot be taken apart, or a shape is not known.
    """
    families: list[Family] = []
    for item in _lifted_parts(terms, Lifting(dict(variables), {}, max_states, is_cautious=True), is_thorough):
        if isinstance(item, MixingError):
            return item
        families += families_of(("",), item)[0]
    if any(None in f.table.type.shape for f in families):
        # Python code may give any shape.
        return MixingError("the shape of a part of it is not known")
    return Factors(tuple(families), sum(prod(lifted.shape) for lifted in variables.values()))


def _lifted_parts(terms: Sequence[TensorVariable], lifting: Lifting, is_thorough: bool) -> list[Lifted | MixingError]:
    """Return what depends on a variable that is lifted, sums over its elements taken apart."""
    lift_nodes(list(terms), lifting)
    opening = Opening(lifting, is_thorough)
    parts = [part for term in terms for part in summands(term, opening)]
    whole = Lifting(lifting.done, {}, lifting.max_states)
    lift_nodes(parts, whole)
    dependent = [part for part in parts if whole.depends(part)]
    return [whole.failed[part] if part in whole.failed else whole.done[part] for part in dependent]


def at_values(values: Mapping[TensorVariable, TensorVariable]) -> dict[TensorVariable, Lifted]:
    """Return variables of any type at given values: states of their elements, one variable after the other.

    Parameters
    ----------
    values : mapping of TensorVariable to TensorVariable
        For each variable, of static shape, its values on a first axis; (K, *shape).
    """
    found, count = {}, 0
    for variable, states in values.items():
        shape = tuple(int(n) for n in variable.type.shape)
        atoms = np.arange(count, count + prod(shape)).reshape(shape)
        found[variable] = Lifted(states, (Slot(int(states.type.shape[0]), atoms),), shape)
        count += prod(shape)
    return found


def summands_of(total: TensorVariable) -> list[TensorVariable]:
    """Undo the additions and total sums at the top of a log-density, so that its terms keep their axes.

    Parameters
    ----------
    total : TensorVariable
        The log-density; shape ().
    """
    node = total.owner
    if node is None:
        return [total]
    is_addition = isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, Add | Cast)
    if is_addition and all(i.type.ndim == 0 for i in node.inputs):
        return [s for i in node.inputs for s in summands_of(i)]
    if isinstance(node.op, Sum) and node.op.axis in (None, tuple(range(node.inputs[0].type.ndim))):
        return [node.inputs[0]]
    return [total]
