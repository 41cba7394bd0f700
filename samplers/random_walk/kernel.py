"""Random-walk Metropolis-Hastings: propose a step from a symmetric distribution, accept by the ratio of densities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.replace import vectorize_graph
from pytensor.tensor.variable import TensorVariable

from graphs.density import LogDensity, as_logdensity
from graphs.errors import SamplingError
from graphs.step import StepGraph
from graphs.supports import REAL
from graphs.surgery.interpreting import interpret
from graphs.surgery.random_graph import named_input
from graphs.surgery.rebuilding import substitute
from samplers.kernel import Kernel, check_start
from samplers.metropolis import AcceptanceInfo, decide
from samplers.random_walk.proposal import propose, zero_outside


class RMHState(NamedTuple):
    """State of a chain, or of several at once on a first axis."""

    position: dict[str, NDArray]  # each of its own shape, or (chains, *shape)
    logdensity: NDArray[np.float64]  # () or (chains,)


class RMHKernel(Kernel):
    """Random-walk Metropolis-Hastings on all variables of a log-density at once.

    Parameters
    ----------
    logdensity : LogDensity
        The target.
    scale : float or mapping of str to float
        Standard deviation of the proposal's step, for all variables or by name. Integers move by rounded steps.
    chains : int, optional
        Run so many independent chains in one step function, on a first axis of every variable.
    """

    name: ClassVar[str] = "rmh"
    state_type: ClassVar[Any] = RMHState
    info_type: ClassVar[Any] = AcceptanceInfo

    def __init__(self, logdensity: LogDensity, scale: float | Mapping[str, float], chains: int | None = None):
        self.logdensity = logdensity
        self.scales = {str(v.name): _scale_of(str(v.name), scale) for v in logdensity.inputs}
        self.chains = chains
        batch = () if chains is None else (chains,)
        self.variables = tuple(
            named_input(str(v.name), (*batch, *v.type.shape), v.type.dtype) for v in logdensity.inputs
        )
        self._batch = batch

    def _density_at(self, values: tuple[TensorVariable, ...]) -> TensorVariable:
        replacements = dict(zip(self.logdensity.inputs, values, strict=True))
        if self.chains is None:
            [total] = substitute([self.logdensity.total], replacements)
            return total
        total = vectorize_graph(self.logdensity.total, replacements)
        return pt.broadcast_to(total, self._batch) if total.type.shape != self._batch else total

    def _start_of(self, variable: TensorVariable, value: Any) -> NDArray:
        """Return a value for each of the chains: its own, or that of all."""
        return np.broadcast_to(np.asarray(value, variable.type.dtype), variable.type.shape).copy()

    @cached_property
    def _function(self) -> Callable[..., NDArray]:
        return interpret(self.variables, self._density_at(self.variables))

    def _evaluated(self, values: Mapping[str, NDArray]) -> Sequence[NDArray]:
        logdensity = np.asarray(self._function(*values.values()))
        check_start(logdensity)
        return (logdensity,)

    def graph(self) -> StepGraph:
        """Return the step as one graph."""
        rng = pt.random.rng("rng")
        current = pt.tensor("logdensity", dtype="float64", shape=self._batch)
        supports = [self.logdensity.supports.get(v, REAL) for v in self.logdensity.inputs]
        scales = [self.scales[str(v.name)] for v in self.variables]
        next_rng, proposal, is_inside = propose(rng, self.variables, scales, supports)
        proposed = self._density_at(proposal)
        decision = decide(next_rng, zero_outside(proposed - current, is_inside))
        moved = tuple(decision.choose(new, old) for new, old in zip(proposal, self.variables, strict=True))
        state = (*self.variables, current)
        return StepGraph(rng, state, decision.next_rng, (*moved, decision.choose(proposed, current)), decision.info)


def rmh(logdensity: Any, *, scale: float | Mapping[str, float] = 1.0, chains: int | None = None) -> RMHKernel:
    """Random-walk Metropolis-Hastings on a log-density.

    Parameters
    ----------
    logdensity : LogDensity, LogProb, or pair of a scalar graph and its inputs
        The target, up to a constant.
    scale : float or mapping of str to float, default 1
        Standard deviation of the normal step, for all variables or by name. Integers move by rounded steps.
    chains : int, optional
        Run so many independent chains in one step function; every variable then has a first axis of that length.

    Returns
    -------
    RMHKernel
        With ``init(position)``, ``graph()``, ``dprint()``; compiled by ``graphs.compile(kernel, backend=...)``.

    References
    ----------
    .. [1] Metropolis et al. (1953). Equation of State Calculations by Fast Computing Machines. J. Chem. Phys. 21.

    Examples
    --------
    >>> import numpy as np, pytensor.tensor as pt, graphs, samplers
    >>> x = pt.dscalar("x")
    >>> kernel = samplers.rmh((-(x**2) / 2, [x]), scale=2.4)
    >>> state = kernel.init({"x": 0.0})
    >>> step = graphs.compile(kernel, backend="numba")
    >>> state, info = step(np.random.default_rng(1), state)
    """
    return RMHKernel(as_logdensity(logdensity), scale, chains)


def _scale_of(name: str, scale: float | Mapping[str, float]) -> float:
    value = scale.get(name) if isinstance(scale, Mapping) else scale
    if value is None or not value > 0:
        raise SamplingError(f"The proposal of {name} needs a positive scale, not {value}.")
    return float(value)
