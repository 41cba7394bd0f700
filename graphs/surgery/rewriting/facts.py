"""What PyTensor infers of matrices, without looking for it in what is none."""

from __future__ import annotations

from typing import Any

from pytensor.assumptions import AssumptionFeature
from pytensor.assumptions.core import (
    DIAGONAL,
    MATRIX_KEYS,
    PERMUTATION,
    POSITIVE_DEFINITE,
    SYMMETRIC,
    AssumptionKey,
    FactState,
)
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import walk

_SQUARE = (DIAGONAL, PERMUTATION, POSITIVE_DEFINITE, SYMMETRIC)


class Facts(AssumptionFeature):
    """What PyTensor infers of both factors of every product: that they are diagonal, say; to be attached to a graph.

    No number, no vector and nothing that is not square is diagonal, and no matrix is so because of one. PyTensor would
    look for it in all that they are computed from, again after every change: because of the matrix of a regression in
    the whole prior.
    """

    def _compute(self, var: Any, key: AssumptionKey) -> FactState:
        if key in MATRIX_KEYS:
            if self._is_left_out(var, key):
                return FactState.UNKNOWN

            def inputs(variable: Any) -> list[Variable] | None:
                is_known = variable.owner is None or (variable, key) in self.cache or self._is_left_out(variable, key)
                return None if is_known else list(variable.owner.inputs)

            for _ in walk(var.owner.inputs if var.owner is not None else (), inputs):
                pass
        return super()._compute(var, key)

    def _is_left_out(self, variable: Any, key: AssumptionKey) -> bool:
        """Whether a variable cannot have a property; that is then noted as PyTensor does."""
        if variable.owner is None or _may_have(variable, key):
            return False
        self.cache[variable, key] = FactState.UNKNOWN
        self._var_to_keys.setdefault(variable, set()).add(key)
        return True


def _may_have(variable: Any, key: AssumptionKey) -> bool:
    """Whether a variable may have a property of matrices, by its shape."""
    shape: tuple[int | None, ...] = getattr(variable.type, "shape", ())
    if len(shape) < 2:
        return False
    return key not in _SQUARE or None in shape[-2:] or bool(shape[-1] == shape[-2])
