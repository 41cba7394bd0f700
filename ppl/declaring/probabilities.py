"""Check the constant probabilities of discrete variables before anything is compiled."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytensor.tensor.random.basic as ptr
from numpy.typing import NDArray
from pytensor.graph.basic import Constant, Variable
from pytensor.tensor.basic import Alloc
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.subtensor import AdvancedSubtensor, Subtensor
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.supports import SUM_TOLERANCE
from graphs.surgery.random_graph import parameters_of


def check_probabilities(variables: Mapping[str, TensorVariable]) -> None:
    """Raise if the constant probabilities of a Bernoulli or categorical variable are none.

    Tables of probabilities that are looked up by another variable (``P[z]``) are checked too.

    Parameters
    ----------
    variables : mapping of str to TensorVariable
        Random variables by name.

    Raises
    ------
    ModelError
        With the row and what it sums to.
    """
    checked: set[Variable] = set()
    for name, rv in variables.items():
        op = rv.owner.op if rv.owner is not None else None
        if not isinstance(op, ptr.BernoulliRV | ptr.CategoricalRV):
            continue
        table = _table_of(parameters_of(rv)[0])
        if table is None or table in checked:
            continue
        checked.add(table)
        check_range(name, np.asarray(table.data), name)
        if isinstance(op, ptr.CategoricalRV):
            check_sums(name, np.asarray(table.data), name)


def _table_of(variable: Variable) -> Constant | None:
    """Return the constant whose elements, or whose rows, a parameter consists of."""
    while variable.owner is not None:
        if not isinstance(variable.owner.op, Subtensor | AdvancedSubtensor | DimShuffle | Alloc):
            return None
        variable = variable.owner.inputs[0]
    return variable if isinstance(variable, Constant) else None


def check_range(what: str, table: NDArray, name: str) -> None:
    """Raise if probabilities are not between zero and one."""
    bad = ~((table >= 0) & (table <= 1))
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ModelError(
            f"The probabilities of {what} lie between 0 and 1, but that at {where} is {table[where]}.", name
        )


def check_sums(what: str, table: NDArray, name: str) -> None:
    """Raise if the rows of a table of probabilities do not sum to one."""
    sums = table.sum(axis=-1)
    bad = np.abs(sums - 1) > SUM_TOLERANCE
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        row = f" in row {where}" if where else ""
        total = f"{float(sums[where]):.6g}"
        raise ModelError(
            f"The probabilities of {what}{row} sum to {total}, not to one: divide them by their sum.", name
        )
