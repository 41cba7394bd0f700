"""The No-U-Turn sampler as a step function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable

from graphs.backends import get_backend
from graphs.density import LogDensity
from graphs.errors import SamplingError
from graphs.layout import Layout
from graphs.step import StepGraph
from samplers.chain.metric import Metric
from samplers.chain.workspace import MAX_TREE_DEPTH
from samplers.gradient_kernel import GradientState, as_continuous
from samplers.kernel import Kernel, check_start
from samplers.trajectories.nuts_op import NUTS, NUTSInfo


class NUTSKernel(Kernel):
    """The No-U-Turn sampler with a fixed step size and inverse mass matrix.

    Parameters
    ----------
    logdensity : LogDensity
        The target; all its inputs are continuous and unconstrained.
    step_size : float
        Of a leapfrog step.
    inverse_mass_matrix : array, shape (d,), float64
        Diagonal; best the variance of each element of the position.
    max_tree_depth : int
        At most ``2**max_tree_depth - 1`` steps.
    """

    name: ClassVar[str] = "nuts"
    state_type: ClassVar[Any] = GradientState
    info_type: ClassVar[Any] = NUTSInfo

    def __init__(
        self,
        logdensity: LogDensity,
        step_size: float,
        inverse_mass_matrix: NDArray[np.float64],
        max_tree_depth: int,
    ):
        self.logdensity = logdensity
        self.variables = logdensity.inputs
        self.step_size = step_size
        self.inverse_mass_matrix = inverse_mass_matrix
        self.max_tree_depth = max_tree_depth
        self.layout = Layout.of(logdensity.inputs)
        self._op = NUTS(logdensity, max_tree_depth)

    def _evaluated(self, values: Mapping[str, NDArray]) -> Sequence[NDArray]:
        vector = self.layout.pack(values)
        gradient = np.empty(vector.size)
        value = np.asarray(self._op.fn(vector, vector, gradient))
        check_start(value, gradient)
        return value, gradient

    def graph(self) -> StepGraph:
        """Return the step as one graph, in which NUTS is one Op."""
        rng = pt.random.rng("rng")
        state = (
            *(v.type(name=v.name) for v in self.logdensity.inputs),
            pt.tensor("logdensity", dtype="float64", shape=()),
            pt.tensor("gradient", dtype="float64", shape=(self.layout.size,)),
        )
        next_rng, *outputs = self._op(
            rng, *state, pt.constant(self.step_size, dtype="float64"), pt.constant(self.inverse_mass_matrix)
        )
        info: list[TensorVariable] = outputs[len(state) :]
        return StepGraph(
            rng, state, next_rng, tuple(outputs[: len(state)]), dict(zip(NUTSInfo._fields, info, strict=True))
        )

    def _compile_values(self, backend: str) -> Any:
        if backend == "numba":
            from samplers.trajectories.numba_lowering import NUTSStep

            return NUTSStep(self)
        if backend == "jax":
            get_backend(backend)  # raises unless it is installed
            from samplers.trajectories import jax_lowering  # noqa: F401  (it is registered)
        return super()._compile_values(backend)


def nuts(
    logdensity: Any,
    *,
    step_size: float = 0.5,
    inverse_mass_matrix: Any = None,
    max_tree_depth: int = 10,
) -> NUTSKernel:
    """Return the No-U-Turn sampler of a log-density.

    Multinomial sampling of a trajectory that doubles until it turns back on itself, with biased choice between its
    halves [1]_ [2]_. Step size and inverse mass matrix are fixed; ``ppl.sample`` learns them.

    Parameters
    ----------
    logdensity : LogDensity, LogProb, or pair of a scalar graph and its inputs
        The target, up to a constant; all inputs continuous and unconstrained.
    step_size : float
        Of a leapfrog step.
    inverse_mass_matrix : array, shape (d,), float64, optional
        Diagonal; best the variance of each element of the position. Ones by default.
    max_tree_depth : int
        At most ``2**max_tree_depth - 1`` steps; 1 to 20.

    Returns
    -------
    NUTSKernel
        With ``init``, ``graph``, ``dprint`` and ``compile``.

    Raises
    ------
    ModelError
        If an input is discrete.
    SamplingError
        If a parameter is out of range.

    References
    ----------
    .. [1] Hoffman and Gelman (2014), The No-U-Turn sampler, JMLR 15, 1593-1623.
    .. [2] Betancourt (2017), A conceptual introduction to Hamiltonian Monte Carlo, arXiv:1701.02434.

    Examples
    --------
    >>> import numpy as np
    >>> import pytensor.tensor as pt
    >>> x = pt.tensor("x", shape=(2,))
    >>> kernel = nuts((-0.5 * (x**2).sum(), [x]), step_size=0.8)
    >>> step = kernel.compile()
    >>> state, info = step(np.random.default_rng(1), kernel.init({"x": [0.0, 1.0]}))
    >>> bool(info.is_divergent)
    False
    """
    logdensity = as_continuous(logdensity, "NUTS")
    size = Layout.of(logdensity.inputs).size
    diagonal = np.ones(size) if inverse_mass_matrix is None else np.array(inverse_mass_matrix, np.float64)
    if diagonal.shape != (size,):
        raise SamplingError(
            f"The inverse mass matrix has shape {diagonal.shape}; it must be {size} positive numbers, the variance of "
            "each element. Dense ones are learnt by ppl.sample."
        )
    diagonal = Metric.of(diagonal, size).inverse_mass_matrix
    if not (step_size > 0 and np.isfinite(step_size)):
        raise SamplingError(f"step_size is {step_size}; it must be positive.")
    if not 1 <= max_tree_depth <= MAX_TREE_DEPTH:
        raise SamplingError(f"max_tree_depth is {max_tree_depth}; it must lie between 1 and {MAX_TREE_DEPTH}.")
    return NUTSKernel(logdensity, float(step_size), diagonal, int(max_tree_depth))
