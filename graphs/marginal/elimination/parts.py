"""Which elements of variables stand together in the summands of a log-probability."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pytensor.tensor.variable import TensorVariable

from graphs.marginal.elimination.factor_tables import Family, families_of
from graphs.marginal.elimination.summands import Opening, summands
from graphs.marginal.lifting import Lifted, MixingError, Slot, lift_nodes
from graphs.marginal.lifting.state import Lifting
from graphs.surgery.rebuilding import substitute


def lifted_parts(terms: Sequence[TensorVariable], lifting: Lifting) -> list[Lifted | MixingError]:
    """Return what depends on a variable that is lifted, sums over its elements taken apart.

    Parameters
    ----------
    terms : sequence of TensorVariable
        The log-probability.
    lifting : Lifting
        With the variable lifted, and nothing else.
    """
    cautious = Lifting(dict(lifting.done), {}, lifting.max_states, is_cautious=True)
    lift_nodes(list(terms), cautious)
    opening = Opening(cautious)
    parts = [part for term in terms for part in summands(term, opening)]
    whole = Lifting(cautious.done, {}, lifting.max_states)
    lift_nodes(parts, whole)
    dependent = [part for part in parts if whole.depends(part)]
    return [whole.failed[part] if part in whole.failed else whole.done[part] for part in dependent]


def element_factors(terms: Sequence[TensorVariable], variables: Sequence[TensorVariable]) -> list[Family] | None:
    """Return a log-probability as factors on single elements of variables, at their values.

    Parameters
    ----------
    terms : sequence of TensorVariable
        The log-probability.
    variables : sequence of TensorVariable
        Of static shapes, of any type. The atoms of the factors are their elements, one variable after the other.

    Returns
    -------
    list of Family or None
        Each with tables of one state; None where an operation on several elements cannot be taken apart, or where no
        shape is known.
    """
    # Lifting replaces the variables: their values must not contain them yet.
    values = {variable: variable.type() for variable in variables}
    bindings, count = {}, 0
    for variable, value in values.items():
        shape = tuple(int(n) for n in variable.type.shape)
        size = int(np.prod(shape, dtype=int))
        bindings[variable] = Lifted(value[None], (Slot(1, np.arange(count, count + size).reshape(shape)),), shape)
        count += size
    found: list[Family] = []
    for item in lifted_parts(terms, Lifting(dict(bindings), {}, 1)):
        if isinstance(item, MixingError):
            return None
        found += families_of(("",), item)[0]
    tables = substitute([f.table for f in found], {value: variable for variable, value in values.items()})
    if any(None in table.type.shape for table in tables):
        # Python code may give any shape.
        return None
    return [Family(f.names, table, f.atoms, f.columns) for f, table in zip(found, tables, strict=True)]
