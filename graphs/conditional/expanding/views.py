"""How the elements of a variable are laid out in an array computed from it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import pytensor.tensor as pt
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.op import Op
from pytensor.tensor.basic import Alloc
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.variable import TensorVariable

Order = tuple[int | Literal["x"], ...]


@dataclass(frozen=True)
class Rearrangement:
    """One operation that moves elements without changing them: an index, a reshape, a permutation of axes."""

    op: Op
    inputs: tuple[Variable, ...] = field(compare=False)
    key: tuple = ()

    @classmethod
    def of(cls, op: Op, inputs: tuple[Variable, ...]) -> Rearrangement:
        """Make a step; equal constants among its inputs make equal steps."""
        return cls(op, inputs, tuple(i.signature() if isinstance(i, Constant) else i for i in inputs))


@dataclass(frozen=True)
class ElementView:
    """An array whose every element is one element of a base array: steps, then an order of axes.

    Parameters
    ----------
    steps : tuple of Rearrangement
        Applied to the base one after the other.
    base_ndim : int
        Number of axes after the steps.
    order : tuple of int or "x"
        For each axis the axis of the base after the steps, or "x" where the view is repeated.
    """

    steps: tuple[Rearrangement, ...]
    base_ndim: int
    order: Order

    @classmethod
    def of_base(cls, base: TensorVariable) -> ElementView:
        """Return the view that is the base itself."""
        return cls((), base.type.ndim, tuple(range(base.type.ndim)))

    @property
    def is_constant(self) -> bool:
        """Whether every element of the view is the same element of the base."""
        return all(axis == "x" for axis in self.order)

    def is_repeated_along(self, axes: tuple[int, ...]) -> bool:
        """Whether the view does not vary along ``axes``."""
        return all(self.order[axis] == "x" for axis in axes)

    def apply(self, base: TensorVariable) -> TensorVariable:
        """Lay the elements of ``base`` out."""
        for step in self.steps:
            base = step.op(base, *step.inputs)
        return base if self._is_in_order else base.dimshuffle(*self.order)

    def reorder(self, order: Order) -> ElementView:
        """Permute, add or drop axes."""
        varying = {i for i, axis in enumerate(self.order) if axis != "x"}
        if varying <= set(order):
            return replace(self, order=tuple("x" if axis == "x" else self.order[axis] for axis in order))
        return self.then(DimShuffle(input_ndim=len(self.order), new_order=order), (), len(order))

    def repeated_as(self, like: TensorVariable, base: TensorVariable) -> ElementView:
        """Repeat the elements of ``base`` along axes of length one until they fill an array: a move counts them."""
        shape = self.apply(base).type.shape
        if all(own != 1 or length == 1 for own, length in zip(shape, like.type.shape, strict=True)):
            return self
        lengths = [like.shape[axis] if n is None else n for axis, n in enumerate(like.type.shape)]
        return self.then(Alloc(), tuple(pt.as_tensor(n, dtype="int64") for n in lengths), like.type.ndim)

    def then(self, op: Op, inputs: tuple[Variable, ...], ndim: int) -> ElementView:
        """Append an operation that moves elements and gives ``ndim`` axes."""
        steps = self.steps
        if not self._is_in_order:
            steps = (*steps, Rearrangement.of(DimShuffle(input_ndim=self.base_ndim, new_order=self.order), ()))
        return ElementView((*steps, Rearrangement.of(op, inputs)), ndim, tuple(range(ndim)))

    @property
    def _is_in_order(self) -> bool:
        return self.order == tuple(range(self.base_ndim))
