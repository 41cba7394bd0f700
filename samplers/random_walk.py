"""Random-walk Metropolis-Hastings: propose a step from a symmetric distribution, accept by the ratio of densities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.graph.replace import vectorize_graph
from pytensor.scalar.basic import Add, Cast
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.math import Sum
from pytensor.tensor.variable import TensorVariable

from graphs.density import LogDensity, as_logdensity
from graphs.errors import SamplingError
from graphs.layout import Layout
from graphs.marginal.factors import at_values, factors
from graphs.marginal.lifting import MixingError
from graphs.step import StepGraph
from graphs.supports import REAL, Support
from graphs.surgery.interpreting import interpret
from graphs.surgery.random_graph import depends_on, named_input
from graphs.surgery.rebuilding import substitute
from samplers.blocks import DrawBlock
from samplers.kernel import Kernel, check_start
from samplers.tuning.adaptation import SCALAR_ACCEPTANCE, VECTOR_ACCEPTANCE


class RMHState(NamedTuple):
    """State of a chain, or of several at once on a first axis."""

    position: dict[str, NDArray]  # each of its own shape, or (chains, *shape)
    logdensity: NDArray[np.float64]  # () or (chains,)


class RMHInfo(NamedTuple):
    """Diagnostics of one step."""

    acceptance_rate: NDArray[np.float64]  # () or (chains,): min(1, density ratio)
    is_accepted: NDArray[np.bool_]  # () or (chains,)


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
    info_type: ClassVar[Any] = RMHInfo

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
        next_rng, proposal, is_inside = _propose(rng, self.variables, scales, supports)
        proposed = self._density_at(proposal)
        log_ratio = _zero_outside(proposed - current, is_inside)
        next_rng, uniform = next_rng.uniform(0.0, 1.0, size=self._batch or None)
        is_accepted = pt.log(uniform) < log_ratio
        moved = tuple(
            pt.switch(_align(is_accepted, new), new, old) for new, old in zip(proposal, self.variables, strict=True)
        )
        info = {
            "acceptance_rate": pt.exp(pt.minimum(0.0, pt.switch(pt.isnan(log_ratio), -np.inf, log_ratio))),
            "is_accepted": is_accepted,
        }
        state = (*self.variables, current)
        return StepGraph(rng, state, next_rng, (*moved, pt.switch(is_accepted, proposed, current)), info)


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


def rmh_block(logdensity: LogDensity, variable: TensorVariable, scale: TensorVariable) -> DrawBlock:
    """Return the block of a sweep that moves one variable by random-walk Metropolis-Hastings.

    Where the log-density falls apart into one summand per element, each element is accepted or not on its own.

    Parameters
    ----------
    logdensity : LogDensity
        The target; its other inputs are held.
    variable : TensorVariable
        The input to move.
    scale : TensorVariable
        Shape (), float64: standard deviation of the step, a variable of the joint state.
    """
    rng = pt.random.rng("rng")
    support = logdensity.supports.get(variable, REAL)
    next_rng, [proposal], is_inside = _propose(rng, (variable,), [scale], [support])
    log_ratio = elementwise_log_ratio(logdensity.total, variable, proposal)
    is_elementwise = log_ratio is not None
    if log_ratio is None:
        [moved] = substitute([logdensity.total], {variable: proposal})
        log_ratio = moved - logdensity.total
    log_ratio = _zero_outside(log_ratio, is_inside)
    log_ratio = pt.switch(pt.isnan(log_ratio), -np.inf, log_ratio)
    next_rng, uniform = next_rng.uniform(0.0, 1.0, size=tuple(log_ratio.type.shape) or None)
    draw = pt.switch(_align(pt.log(uniform) < log_ratio, proposal), proposal, variable)
    acceptance_rate = pt.mean(pt.exp(pt.minimum(0.0, log_ratio)))
    is_decided_alone = is_elementwise or Layout.of([variable]).size == 1
    target = SCALAR_ACCEPTANCE if is_decided_alone else VECTOR_ACCEPTANCE
    return DrawBlock("rmh", (variable,), rng, next_rng, (draw,), acceptance_rate, scale, target)


def elementwise_log_ratio(
    total: TensorVariable, variable: TensorVariable, proposal: TensorVariable
) -> TensorVariable | None:
    """Return the log-ratio of moving each element alone, None where the log-density does not fall apart.

    Parameters
    ----------
    total : TensorVariable
        The log-density; shape ().
    variable, proposal : TensorVariable
        Where it is and where it may go.
    """
    if variable.type.ndim == 0:
        return None
    terms = [t for t in summands_of(total) if depends_on(t, [variable])]
    found = factors(terms, at_values({variable: pt.stack([proposal, variable])}), 2)
    if isinstance(found, MixingError):
        return None
    both = found.by_atom()
    return (both[0] - both[1]).reshape(variable.type.shape)


def summands_of(total: TensorVariable) -> list[TensorVariable]:
    """Undo the additions and total sums at the top of a log-density, so that its terms keep their axes.

    Parameters
    ----------
    total : TensorVariable
        The log-density; shape ().
    """
    node = total.owner
    if node is None:
        return [total]
    is_addition = isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, Add | Cast)
    if is_addition and all(i.type.ndim == 0 for i in node.inputs):
        return [s for i in node.inputs for s in summands_of(i)]
    if isinstance(node.op, Sum) and node.op.axis in (None, tuple(range(node.inputs[0].type.ndim))):
        return [node.inputs[0]]
    return [total]


def _propose(
    rng: Any, values: Sequence[TensorVariable], scales: Sequence[Any], supports: Sequence[Support]
) -> tuple[Variable, tuple[TensorVariable, ...], list[TensorVariable]]:
    """Return proposals, and for bounded variables whether they are within bounds.

    Integers that would leave their bounds stay: they may index something, so that the density is never evaluated there.
    """
    proposals, insides = [], []
    for value, scale, support in zip(values, scales, supports, strict=True):
        rng, noise = rng.normal(0.0, 1.0, size=tuple(value.type.shape) or None)
        step = noise * scale
        if not value.type.dtype.startswith("int"):
            moved = value + step
            proposals.append(moved)
            if support.kind == "interval" and (support.lower > -np.inf or support.upper < np.inf):
                # A log-density that was given with its supports need not know them.
                insides.append(pt.and_(moved > np.float64(support.lower), moved < np.float64(support.upper)))
            continue
        proposal = value + pt.cast(pt.round(step), value.type.dtype)
        if support.is_discrete and (support.lower > -np.inf or support.upper < np.inf):
            is_inside = pt.and_(proposal >= support.lower, proposal <= support.upper)
            insides.append(is_inside)
            proposal = pt.switch(is_inside, proposal, value)
        proposals.append(proposal)
    return rng, tuple(proposals), insides


def _zero_outside(log_ratio: TensorVariable, insides: Sequence[TensorVariable]) -> TensorVariable:
    """Count what would have left its bounds as rejected."""
    for is_inside in insides:
        extra = is_inside.type.ndim - log_ratio.type.ndim
        condition = pt.all(is_inside, axis=tuple(range(-extra, 0))) if extra else is_inside
        log_ratio = pt.switch(condition, log_ratio, -np.inf)
    return log_ratio


def _align(condition: TensorVariable, value: TensorVariable) -> TensorVariable:
    missing = value.type.ndim - condition.type.ndim
    return condition.dimshuffle([*range(condition.type.ndim), *["x"] * missing]) if missing else condition


def _scale_of(name: str, scale: float | Mapping[str, float]) -> float:
    value = scale.get(name) if isinstance(scale, Mapping) else scale
    if value is None or not value > 0:
        raise SamplingError(f"The proposal of {name} needs a positive scale, not {value}.")
    return float(value)
