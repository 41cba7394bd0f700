"""One slice sampling step of every element of a variable as an operation of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from functools import cached_property
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Apply
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import HasInnerGraph, Op
from pytensor.tensor.variable import TensorVariable

from graphs.layout import Layout
from samplers.blocks import Sweep
from samplers.chain.arguments import start_words
from samplers.chain.state import GROUPS
from samplers.loop.block_table import block_table
from samplers.loop.pytensor_programs import evaluated_function
from samplers.slicing.block import SliceBlock
from samplers.slicing.move import NUM_ROWS, slice_sweep


class Slice(Op, HasInnerGraph):
    """One slice sampling step of each element of a variable.

    Inner graph: the log-probability of each element. ``perform`` runs the plain Python of ``samplers.slicing.move``.

    Parameters
    ----------
    block : SliceBlock
        The variable, and the groups of elements that are moved at once.
    variables : tuple of TensorVariable
        The joint state, the width of the first interval included.
    """

    def __init__(self, block: SliceBlock, variables: Sequence[TensorVariable]):
        self.block = block
        self.variables = tuple(variables)
        self.layout = Layout.of(self.variables)
        self.fgraph = FunctionGraph(list(self.variables), [block.logprobs], clone=True)

    @property
    def fn(self) -> Any:
        """The log-probabilities as a Python function."""
        return self._function

    @cached_property
    def _function(self) -> Any:
        return evaluated_function(self.block.program, self.variables)

    @cached_property
    def _groups(self) -> tuple[NDArray[np.int64], int]:
        table, targets = block_table(Sweep(self.variables, (self.block,)))
        return targets[table[0, GROUPS] :], len(self.block.groups)

    def clone(self) -> Slice:
        """Return an equal Op."""
        return Slice(self.block, self.variables)

    def make_node(self, rng: Any, *inputs: Any) -> Apply:
        """Apply to a generator and the joint state."""
        tensors = [pt.as_tensor_variable(i) for i in inputs]
        info = [pt.scalar(dtype="int64"), pt.scalar(dtype="bool")]
        return Apply(self, [rng, *tensors], [rng.type(), self.block.variable.type(), *info])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        """Move every element once, in plain Python."""
        rng, *arrays = inputs
        rng = deepcopy(rng)
        state = np.concatenate([np.ravel(a) for a in arrays]).astype("float64")
        position = state[self.layout.slice_of(str(self.block.variable.name))]
        width = state[self.layout.slice_of(str(self.block.scale.name))][0]
        before = position.copy()
        with np.errstate(all="ignore"):
            num_evaluations, interval = slice_sweep(
                start_words(rng),
                self._function,
                state,
                position,
                *self._groups,
                self.block.is_integer,
                self.block.num_logprobs,
                float(width),
                np.empty(NUM_ROWS * position.size),
            )
        is_finite = bool(np.isfinite(interval))
        moved = (position if is_finite else before).reshape(self.block.variable.type.shape)
        for storage, variable, result in zip(
            outputs[1:], node.outputs[1:], (moved, num_evaluations, is_finite), strict=True
        ):
            storage[0] = np.asarray(result, variable.type.dtype)
        outputs[0][0] = rng
