"""Slice sampling of single elements: blocks of a sweep.

Elements that share no term of the log-density are independent given the others, so that they are moved at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable

from graphs.layout import Layout
from graphs.marginal.factors import at_values, factors
from graphs.marginal.lifting import MixingError
from graphs.supports import REAL, Support
from graphs.surgery.random_graph import depends_on
from graphs.surgery.rebuilding import substitute
from samplers.blocks import Block, BlockProgram, Sweep
from samplers.chain import state
from samplers.loop.moves import kind_of_move
from samplers.slicing.move import move_slice

if TYPE_CHECKING:
    from samplers.loop.jax.block import JaxBlock, JaxOptions

SLICE_STATISTICS = ("n_evaluations", "scale")
EVALUATIONS_OF_GROUP = 8.0


@dataclass(frozen=True, eq=False)
class SliceBlock(Block):
    """The elements of one variable moved by slice sampling, groups of independent ones at once.

    Parameters
    ----------
    variables : tuple of TensorVariable
        The variable moved, alone: on the real line, or integers.
    logprobs : TensorVariable
        Shape (size,): the log-probability of each element given all others, up to constants; or shape (1,): of all.
        Its other inputs are variables of the joint state that other blocks move.
    groups : tuple of int64 array
        Positions in the flattened variable; of one element each where there is one log-probability for all.
    scale : TensorVariable
        Shape (), float64: the variable of the joint state that holds the width of the first interval.
    """

    variables: tuple[TensorVariable, ...]
    logprobs: TensorVariable
    groups: tuple[NDArray[np.int64], ...]
    scale: TensorVariable

    @property
    def variable(self) -> TensorVariable:
        """The variable moved."""
        return self.variables[0]

    @property
    def tuned(self) -> Mapping[TensorVariable, NDArray[np.float64]]:
        """The variables of the joint state that tuning moves, and where they start."""
        return {self.scale: np.asarray(1.0)}

    @property
    def num_logprobs(self) -> int:
        """Number of log-probabilities."""
        return int(self.logprobs.type.shape[0] or 1)

    @property
    def is_integer(self) -> bool:
        """Whether the variable is one of integers."""
        return not self.variable.type.dtype.startswith("float")

    @property
    def statistics(self) -> tuple[str, ...]:
        """The number of evaluations, and the width of the first interval."""
        return SLICE_STATISTICS

    @property
    def program(self) -> BlockProgram:
        """The log-probabilities."""
        return BlockProgram("logprobs", (self.logprobs,), None, self.variables)

    @property
    def evaluated(self) -> tuple[TensorVariable, ...]:
        """The log-probabilities."""
        return (self.logprobs,)

    @property
    def num_evaluations(self) -> float:
        """How often the log-probabilities are evaluated in a sweep, about."""
        return EVALUATIONS_OF_GROUP * len(self.groups)

    def describe(self, row: NDArray[np.int64], targets: list[int], sweep: Sweep) -> None:
        """Write where the variable and the groups of its elements are; see `samplers.blocks.Block.describe`."""
        elements = sweep.elements(self.variable)
        row[state.KIND] = kind_of_move(move_slice)
        row[state.OFFSET] = elements[0] if elements else 0
        row[state.SCALE] = sweep.elements(self.scale)[0]
        row[state.NUM_LOGPROBS] = self.num_logprobs
        row[state.GROUPS], row[state.NUM_GROUPS] = len(targets), len(self.groups)
        row[state.IS_INTEGER] = self.is_integer
        targets += [int(i) for group in self.groups for i in (len(group), *group)]

    def jax(self, layout: Layout, options: JaxOptions) -> JaxBlock:
        """Return its functions in JAX."""
        from samplers.slicing.jax_move import jax_slice_block

        return jax_slice_block(self, layout)


def slice_block(
    terms: Sequence[TensorVariable], variable: TensorVariable, scale: TensorVariable, support: Support = REAL
) -> SliceBlock:
    """Return the block of a sweep that moves each element of a variable by slice sampling.

    Parameters
    ----------
    terms : sequence of TensorVariable
        The terms of the joint log-probability.
    variable : TensorVariable
        A variable of the joint state: real numbers, between bounds or not, or integers.
    scale : TensorVariable
        Shape (), float64: the width of the first interval, a variable of the joint state.
    support : Support
        Where it lies. The log-probability of integers is not evaluated elsewhere.

    References
    ----------
    .. [1] Neal (2003). Slice sampling. Annals of Statistics 31.
    """
    count = int(np.prod(variable.type.shape, dtype=int))
    found = factors(terms, at_values({variable: variable[None]}), 1)
    if isinstance(found, MixingError):
        total: TensorVariable = pt.add(0.0, *(t.sum() for t in terms if depends_on(t, [variable])))
        logprobs, groups = total.reshape((1,)), [np.array([i]) for i in range(count)]
    else:
        logprobs, groups = found.by_atom()[0], found.groups()
    return SliceBlock((variable,), _inside(logprobs, variable, support), tuple(groups), scale)


def _inside(logprobs: TensorVariable, variable: TensorVariable, support: Support) -> TensorVariable:
    """Let values outside of their bounds be impossible; at integers there nothing is evaluated."""
    if support.lower == -np.inf and support.upper == np.inf:
        return logprobs
    if not support.is_discrete:
        is_inside = ((variable > np.float64(support.lower)) & (variable < np.float64(support.upper))).reshape((-1,))
        return pt.switch(pt.all(is_inside) if logprobs.type.shape == (1,) else is_inside, logprobs, -np.inf)
    low = -(2**62) if support.lower == -np.inf else int(support.lower)
    high = 2**62 if support.upper == np.inf else int(support.upper)
    clipped = pt.cast(pt.clip(variable, low, high), variable.type.dtype)
    [evaluated] = substitute([logprobs], {variable: clipped})
    is_inside = pt.eq(variable, clipped).reshape((-1,))
    is_inside = pt.all(is_inside) if logprobs.type.shape == (1,) else is_inside
    return pt.switch(is_inside, evaluated, -np.inf)
