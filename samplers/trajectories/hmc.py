"""Hamiltonian Monte Carlo with trajectories of a fixed number of steps, as a step function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytensor
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.density import LogDensity
from graphs.errors import SamplingError
from graphs.layout import Layout
from samplers.chain.metric import Metric
from samplers.gradient_kernel import GradientKernel, Place, as_continuous
from samplers.metropolis import decide
from samplers.trajectories.tree import MAX_ENERGY_ERROR


class HMCInfo(NamedTuple):
    """Diagnostics of one step; averages over steps where several were made."""

    acceptance_rate: NDArray[np.float64]  # (): min(1, exp(minus the energy error))
    is_accepted: NDArray[np.bool_]  # ()
    energy: NDArray[np.float64]  # (): kinetic energy minus log-density, at the new position
    is_divergent: NDArray[np.bool_]  # (): whether the energy error was above 1000, or not finite


class HMCKernel(GradientKernel):
    """Hamiltonian Monte Carlo; see `hmc`.

    Parameters
    ----------
    logdensity : LogDensity
        The target; all its inputs are continuous and unconstrained.
    step_size : float
        Of a leapfrog step, on average.
    num_steps : int
        Of a trajectory.
    metric : Metric
        The inverse mass matrix.
    jitter : float
        The step size of a trajectory is uniform within this share of its average; in [0, 1).
    """

    name: ClassVar[str] = "hmc"
    info_type: ClassVar[Any] = HMCInfo

    def __init__(self, logdensity: LogDensity, step_size: float, num_steps: int, metric: Metric, jitter: float):
        super().__init__(logdensity)
        self.step_size = step_size
        self.num_steps = num_steps
        self.metric = metric
        self.jitter = jitter

    def trajectory(
        self, position: TensorVariable, velocity: TensorVariable, gradient: TensorVariable, step_size: TensorVariable
    ) -> list[TensorVariable]:
        """Return position, velocity, gradient and log-density after all leapfrog steps.

        Velocities are those of the coordinates in which the inverse mass matrix is the identity.

        Parameters
        ----------
        position, velocity, gradient : TensorVariable, shape (d,), float64
            Where it starts.
        step_size : TensorVariable, shape ()
            Of each leapfrog step.
        """

        def leapfrog(position: Any, velocity: Any, gradient: Any, _: Any, step_size: Any) -> list[TensorVariable]:
            half = velocity + 0.5 * step_size * self._pulled(gradient)
            moved = position + step_size * self._pushed(half)
            _, value, slope = self.density.at(moved)
            return [moved, half + 0.5 * step_size * self._pulled(slope), slope, value]

        start = [position, velocity, gradient, pt.zeros((), "float64")]
        found = pytensor.scan(
            leapfrog, outputs_info=start, non_sequences=[step_size], n_steps=self.num_steps, return_updates=False
        )
        return [output[-1] for output in found]

    def _pushed(self, velocity: TensorVariable) -> TensorVariable:
        """Return ``F v``."""
        metric = self.metric
        if metric.kind == "diag":
            return pt.constant(metric.scale) * velocity
        return pt.constant(metric.factor) @ velocity

    def _pulled(self, gradient: TensorVariable) -> TensorVariable:
        """Return ``F^T g``."""
        metric = self.metric
        if metric.kind == "diag":
            return pt.constant(metric.scale) * gradient
        return pt.constant(metric.factor.T) @ gradient

    def step(self, rng: Variable, before: Place) -> tuple[Variable, Place, Mapping[str, TensorVariable]]:
        """Return the generator, the next place, and the diagnostics."""
        next_rng, velocity = rng.normal(0.0, 1.0, size=(self.layout.size,))
        next_rng, share = next_rng.uniform(1.0 - self.jitter, 1.0 + self.jitter)
        moved, ended, slope, value = self.trajectory(before.position, velocity, before.gradient, self.step_size * share)
        started, end = 0.5 * (velocity**2).sum() - before.logdensity, 0.5 * (ended**2).sum() - value
        error = 0.5 * (ended**2).sum() - value - 0.5 * (velocity**2).sum() + before.logdensity
        # Not finite is far too large.
        error = pt.switch(pt.isnan(error) | pt.isinf(error), np.inf, error)
        decision = decide(next_rng, -error)
        info = {
            **decision.info,
            "energy": decision.choose(end, started),
            "is_divergent": error > MAX_ENERGY_ERROR,
        }
        return decision.next_rng, Place(*map(decision.choose, (moved, value, slope), before)), info


def hmc(
    logdensity: Any,
    *,
    step_size: float = 0.5,
    num_steps: int = 10,
    inverse_mass_matrix: Any = None,
    jitter: float = 0.2,
) -> HMCKernel:
    r"""Return Hamiltonian Monte Carlo on a log-density.

    A velocity is drawn, the Hamiltonian system followed for ``num_steps`` leapfrog steps, and its end accepted with
    probability :math:`\min(1, \exp(-\Delta H))` [1]_ [2]_. The step size of each trajectory is drawn from
    :math:`\epsilon\,(1 \pm \mathrm{jitter})`: with one length alone a chain may return to where it began for ever.
    ``samplers.nuts`` finds the length itself.

    Parameters
    ----------
    logdensity : LogDensity, LogProb, or pair of a scalar graph and its inputs
        The target, up to a constant; all inputs continuous and unconstrained.
    step_size : float, default 0.5
        Of a leapfrog step, on average; relative to standard deviations where the inverse mass matrix holds variances.
    num_steps : int, default 10
        Of a trajectory; each takes one gradient.
    inverse_mass_matrix : array, shape (d,) or (d, d), float64, optional
        Variances or covariances of the position. Ones by default.
    jitter : float, default 0.2
        In [0, 1).

    Returns
    -------
    HMCKernel
        With ``init``, ``graph``, ``dprint`` and ``compile``.

    Raises
    ------
    ModelError
        If an input is discrete.
    SamplingError
        If a parameter is out of range.

    References
    ----------
    .. [1] Duane, Kennedy, Pendleton and Roweth (1987), Hybrid Monte Carlo, Physics Letters B 195, 216-222.
    .. [2] Neal (2011), MCMC using Hamiltonian dynamics, Handbook of Markov Chain Monte Carlo, chapter 5.

    Examples
    --------
    >>> import numpy as np
    >>> import pytensor.tensor as pt
    >>> x = pt.tensor("x", shape=(2,))
    >>> kernel = hmc((-0.5 * (x**2).sum(), [x]), step_size=0.3, num_steps=5)
    >>> step = kernel.compile()
    >>> state, info = step(np.random.default_rng(1), kernel.init({"x": [0.0, 1.0]}))
    >>> bool(info.is_divergent)
    False
    """
    logdensity = as_continuous(logdensity, "HMC")
    size = Layout.of(logdensity.inputs).size
    metric = Metric.of(np.ones(size) if inverse_mass_matrix is None else inverse_mass_matrix, size)
    if not (step_size > 0 and np.isfinite(step_size)):
        raise SamplingError(f"step_size is {step_size}; it must be positive.")
    if num_steps < 1:
        raise SamplingError(f"num_steps is {num_steps}; a trajectory has at least one step.")
    if not 0 <= jitter < 1:
        raise SamplingError(f"jitter is {jitter}; it must lie in [0, 1).")
    return HMCKernel(logdensity, float(step_size), int(num_steps), metric, float(jitter))
