"""The Barker proposal as a step function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.density import LogDensity
from graphs.errors import SamplingError
from samplers.barker.proposal import log_ratio, propose
from samplers.gradient_kernel import GradientKernel, Place, as_continuous
from samplers.metropolis import decide


class BarkerKernel(GradientKernel):
    """The Barker proposal; see `barker`.

    Parameters
    ----------
    logdensity : LogDensity
        The target; all its inputs are continuous and unconstrained.
    scale : array, shape (d,), float64
        Standard deviation of each coordinate's step.
    """

    name: ClassVar[str] = "barker"

    def __init__(self, logdensity: LogDensity, scale: NDArray[np.float64]):
        super().__init__(logdensity)
        self.scale = scale

    def step(self, rng: Variable, before: Place) -> tuple[Variable, Place, Mapping[str, TensorVariable]]:
        """Return the generator, the next place, and the diagnostics."""
        next_rng, proposal = propose(rng, before, pt.constant(self.scale))
        there = self.density.at(proposal)
        decision = decide(next_rng, log_ratio(before, there))
        after = Place(*map(decision.choose, there, before))
        return decision.next_rng, after, decision.info


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
    kernel = BarkerKernel(as_continuous(logdensity, "the Barker proposal"), np.asarray(scale, np.float64))
    size = kernel.layout.size
    if kernel.scale.shape not in ((), (size,)) or not ((kernel.scale > 0) & np.isfinite(kernel.scale)).all():
        raise SamplingError(f"scale is {scale}; it must be a positive number, or {size} of them.")
    return kernel
