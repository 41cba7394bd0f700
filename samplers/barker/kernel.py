"""The Barker proposal as a step function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray

from graphs.density import LogDensity, as_logdensity
from graphs.errors import ModelError, SamplingError
from graphs.step import StepGraph
from graphs.surgery.interpreting import interpret
from samplers.barker.proposal import FlatDensity, log_ratio, propose
from samplers.kernel import Kernel, check_start


class BarkerState(NamedTuple):
    """State of a chain."""

    position: dict[str, NDArray[np.float64]]  # each of its own shape
    logdensity: NDArray[np.float64]  # ()
    gradient: NDArray[np.float64]  # (d,): of all variables, one after the other


class BarkerInfo(NamedTuple):
    """Diagnostics of one step; averages over steps where several were made."""

    acceptance_rate: NDArray[np.float64]  # ()
    is_accepted: NDArray[np.bool_]  # ()


class BarkerKernel(Kernel):
    """The Barker proposal; see `barker`.

    Parameters
    ----------
    logdensity : LogDensity
        The target; all its inputs are continuous and unconstrained.
    scale : array, shape (d,), float64
        Standard deviation of each coordinate's step.
    """

    name: ClassVar[str] = "barker"
    state_type: ClassVar[Any] = BarkerState
    info_type: ClassVar[Any] = BarkerInfo

    def __init__(self, logdensity: LogDensity, scale: NDArray[np.float64]):
        self.logdensity = logdensity
        self.variables = logdensity.inputs
        self.scale = scale
        self._density = FlatDensity(logdensity)
        self.layout = self._density.layout

    @cached_property
    def _function(self) -> Callable[..., list[NDArray]]:
        _, *graphs = self._density.here
        return interpret(list(self.variables), graphs)

    def _evaluated(self, values: Mapping[str, NDArray]) -> Sequence[NDArray]:
        value, gradient = self._function(*values.values())
        check_start(value, gradient)
        return np.asarray(value, np.float64), np.asarray(gradient)

    def graph(self) -> StepGraph:
        """Return the step as one graph."""
        rng, size = pt.random.rng("rng"), self.layout.size
        values = self.variables
        current = pt.tensor("logdensity", dtype="float64", shape=())
        gradient = pt.tensor("gradient", dtype="float64", shape=(size,))
        position, *_ = self._density.here
        next_rng, proposal = propose(rng, position, gradient, pt.constant(self.scale))
        value, slope = self._density.at(proposal)
        ratio = log_ratio((position, current, gradient), (proposal, value, slope))
        next_rng, uniform = next_rng.uniform(0.0, 1.0)
        is_accepted = pt.log(uniform) < ratio
        following = (
            *self._density.parts(pt.switch(is_accepted, proposal, position)),
            pt.switch(is_accepted, value, current),
            pt.switch(is_accepted, slope, gradient),
        )
        info = {"acceptance_rate": pt.exp(pt.minimum(0.0, ratio)), "is_accepted": is_accepted}
        return StepGraph(rng, (*values, current, gradient), next_rng, following, info)


def barker(logdensity: Any, *, scale: Any = 1.0) -> BarkerKernel:
    r"""Return the Barker proposal on a log-density.

    Steps are normal, and of either direction in each coordinate by itself: more likely of that in which the density
    grows, however steep it is, so that the step cannot be too long as that of Langevin's proposal can [1]_. A first
    choice where scales are unknown or gradients wild; ``samplers.nuts`` needs fewer draws where they are not.

    Parameters
    ----------
    logdensity : LogDensity, LogProb, or pair of a scalar graph and its inputs
        The target, up to a constant; all inputs continuous and unconstrained.
    scale : float or array, shape (d,), default 1
        Standard deviation of the step, of all coordinates or of each. In many dimensions best such that 0.4 of the
        proposals are accepted.

    Returns
    -------
    BarkerKernel
        With ``init``, ``graph``, ``dprint`` and ``compile``.

    Raises
    ------
    ModelError
        If an input is discrete.
    SamplingError
        If the scale is not positive, or of another shape.

    References
    ----------
    .. [1] Livingstone and Zanella (2022), The Barker proposal: combining robustness and efficiency in gradient-based
       MCMC, Journal of the Royal Statistical Society B 84, 496-523.

    Examples
    --------
    >>> import numpy as np
    >>> import pytensor.tensor as pt
    >>> x = pt.tensor("x", shape=(2,))
    >>> kernel = barker((-0.5 * (x**2).sum(), [x]), scale=1.5)
    >>> step = kernel.compile()
    >>> state, info = step(np.random.default_rng(1), kernel.init({"x": [0.0, 1.0]}))
    >>> bool(0 < info.acceptance_rate <= 1)
    True
    """
    logdensity = as_logdensity(logdensity)
    for v in logdensity.inputs:
        if not v.type.dtype.startswith("float"):
            raise ModelError(f"{v.name} is discrete ({v.type.dtype}): it has no gradient; use samplers.rmh.", v.name)
    kernel = BarkerKernel(logdensity, np.asarray(scale, np.float64))
    size = kernel.layout.size
    if kernel.scale.shape not in ((), (size,)) or not ((kernel.scale > 0) & np.isfinite(kernel.scale)).all():
        raise SamplingError(f"scale is {scale}; it must be a positive number, or {size} of them.")
    return kernel
