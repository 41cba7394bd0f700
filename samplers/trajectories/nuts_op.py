"""One transition of the No-U-Turn sampler as an operation of a graph."""

from __future__ import annotations

from copy import deepcopy
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Apply
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import HasInnerGraph, Op

from graphs.density import LogDensity, gradients
from graphs.layout import Layout
from samplers.blocks import BlockProgram
from samplers.chain.arguments import start_words
from samplers.chain.workspace import new_workspace
from samplers.loop.pytensor_programs import evaluated_function
from samplers.trajectories.tree import transition


class NUTSInfo(NamedTuple):
    """Diagnostics of one step; averages over steps where several were made."""

    energy: NDArray[np.float64]  # (): kinetic energy minus log-density, at the new position
    acceptance_rate: NDArray[np.float64]  # (): Metropolis acceptance probability, averaged over the trajectory
    tree_depth: NDArray[np.int64]  # (): completed doublings
    num_steps: NDArray[np.int64]  # (): leapfrog steps, each with one gradient
    index_in_trajectory: NDArray[np.int64]  # (): steps from the old position to the new; negative: backwards
    is_divergent: NDArray[np.bool_]  # (): whether an energy error was above 1000, or not finite


INFO_DTYPES = {
    "energy": "float64",
    "acceptance_rate": "float64",
    "tree_depth": "int64",
    "num_steps": "int64",
    "index_in_trajectory": "int64",
    "is_divergent": "bool",
}


class NUTS(Op, HasInnerGraph):
    """One transition of the No-U-Turn sampler.

    The inner graph is the log-density and its gradients. ``perform`` runs the plain Python of
    ``samplers.trajectories.tree``.

    Parameters
    ----------
    logdensity : LogDensity
        The target.
    max_tree_depth : int
        At most ``2**max_tree_depth - 1`` steps.
    """

    def __init__(self, logdensity: LogDensity, max_tree_depth: int):
        self.logdensity = logdensity
        self.max_tree_depth = max_tree_depth
        self.layout = Layout.of(logdensity.inputs)
        outputs = [logdensity.total, *gradients(logdensity, logdensity.inputs)]
        self.fgraph = FunctionGraph(list(logdensity.inputs), outputs, clone=True)

    @property
    def fn(self) -> Any:
        """The log-density as a Python function that writes its gradient."""
        return self._function

    @cached_property
    def _function(self) -> Any:
        slopes = tuple(gradients(self.logdensity, self.logdensity.inputs))
        program = BlockProgram("logdensity", slopes, self.logdensity.total, self.logdensity.inputs)
        return evaluated_function(program, ())

    def clone(self) -> NUTS:
        """Return an equal Op."""
        return NUTS(self.logdensity, self.max_tree_depth)

    def make_node(self, rng: Any, *inputs: Any) -> Apply:
        """Apply to a generator, positions, log-density, gradient, step size and inverse mass matrix."""
        tensors = [pt.as_tensor_variable(i) for i in inputs]
        state = [tensor.type() for tensor in tensors[:-2]]
        info = [pt.scalar(dtype=dtype) for dtype in INFO_DTYPES.values()]
        return Apply(self, [rng, *tensors], [rng.type(), *state, *info])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        """Make one transition in plain Python."""
        rng, *arrays, value, gradient, step_size, inverse_mass_matrix = inputs
        rng = deepcopy(rng)
        position = np.concatenate([np.ravel(a) for a in arrays])
        gradient = np.array(gradient)
        with np.errstate(all="ignore"):
            info = transition(
                start_words(rng),
                self._function,
                position,
                float(step_size),
                inverse_mass_matrix,
                self.max_tree_depth,
                position,
                gradient,
                float(value),
                new_workspace(position.size, self.max_tree_depth),
            )
        results = [rng, *self.layout.unpack(position).values(), info.logdensity, gradient, *info[1:]]
        for storage, variable, result in zip(outputs, node.outputs, results, strict=True):
            storage[0] = result if result is rng else np.asarray(result, variable.type.dtype)
