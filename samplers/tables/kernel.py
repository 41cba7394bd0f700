"""Independent proposals from a table of the density as a step function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import log
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError, SamplingError
from graphs.step import StepGraph
from graphs.surgery.interpreting import interpret
from samplers.gradient_kernel import FlatDensity, as_continuous
from samplers.kernel import Kernel, check_start
from samplers.metropolis import AcceptanceInfo, decide
from samplers.tables.making import made_table
from samplers.tables.table import WIDE, WIDTH, Table, log_peak_of_cauchy
from samplers.tables.tiling import Matrix, Vector

MOST_AXES = 3
"""Numbers of which a table is made at most: of normal ones it has 45, 171 and 691 cells; of four 1575, which would gain
little, and where there is no table to try takes half as long as NUTS does."""
_MOST_CELLS = 20_000
_STRAIGHT = 1e-6
_NUM_TRAJECTORIES, _MOST_STEPS = 30, 13


class TabulatedState(NamedTuple):
    """State of a chain."""

    position: dict[str, NDArray[np.float64]]  # each of its own shape
    log_weight: NDArray[np.float64]  # (): logarithm of the density over that of the proposal


class TabulatedKernel(Kernel):
    """Independent Metropolis-Hastings with proposals from a table.

    Parameters
    ----------
    logdensity : LogDensity
        The target; its inputs are continuous, unconstrained, and hold three numbers at most.
    table : Table
        What proposals come from.
    """

    name: ClassVar[str] = "tabulated"
    state_type: ClassVar[Any] = TabulatedState
    info_type: ClassVar[Any] = AcceptanceInfo

    def __init__(self, logdensity: Any, table: Table):
        self.logdensity = logdensity
        self.variables = logdensity.inputs
        self.density = FlatDensity(logdensity)
        self.table = table

    @cached_property
    def _function(self) -> Any:
        return interpret(list(self.variables), self.density.here.logdensity)

    def _evaluated(self, values: Mapping[str, NDArray]) -> Sequence[NDArray]:
        value = np.asarray(self._function(*values.values()), np.float64)
        check_start(value)
        z = np.linalg.solve(self.table.axes, self.density.layout.pack(values) - self.table.origin)
        return (value - self.table.log_density(z[None])[0],)

    def graph(self) -> StepGraph:
        """Return the step as one graph."""
        rng = pt.random.rng("rng")
        current = pt.tensor("log_weight", dtype="float64", shape=())
        next_rng, z = self._proposal(rng)
        position = pt.constant(self.table.origin) + pt.constant(self.table.axes) @ z
        place = self.density.at(position)
        weight = place.logdensity - self._log_density(z)
        decision = decide(next_rng, weight - current)
        moved = [decision.choose(new, v) for new, v in zip(self.density.parts(position), self.variables, strict=True)]
        following = (*moved, decision.choose(weight, current))
        return StepGraph(rng, (*self.variables, current), decision.next_rng, following, decision.info)

    def _proposal(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the generator, and a draw of the table in its own coordinates."""
        cells, num_axes = self.table.cells, len(self.table.origin)
        next_rng, uniform = rng.uniform(0.0, 1.0, size=(num_axes + 2,))
        next_rng, normal = next_rng.normal(0.0, 1.0, size=(num_axes + 1,))
        chosen = pt.minimum((pt.constant(self.table.shares) <= uniform[0]).sum(), len(cells.values) - 1)
        slope, half = pt.constant(cells.inclines)[chosen], pt.constant(cells.halves)[chosen]
        size = pt.maximum(abs(slope), _STRAIGHT)
        away = pt.switch(slope < 0.0, -1.0, 1.0) * (half + pt.log1p(uniform[2:] * pt.expm1(-2.0 * size * half)) / size)
        inside = pt.constant(cells.middles)[chosen] + away
        return next_rng, pt.switch(uniform[1] < WIDE, WIDTH * normal[1:] / abs(normal[0]), inside)

    def _log_density(self, z: TensorVariable) -> TensorVariable:
        """Return the log-density of the table, but for a constant."""
        cells, num_axes = self.table.cells, len(self.table.origin)
        away = z - pt.constant(cells.middles)
        is_inside = pt.all(abs(away) <= pt.constant(cells.halves), axis=1)
        here = pt.argmax(is_inside)
        linear = pt.constant(self.table.heights)[here] + (pt.constant(cells.inclines)[here] * away[here]).sum()
        wide = log(WIDE) + log_peak_of_cauchy(num_axes) - 0.5 * (1 + num_axes) * pt.log1p((z**2).sum() / WIDTH**2)
        return pt.logaddexp(pt.switch(is_inside[here], linear, -np.inf), wide)


def tabulated(logdensity: Any) -> TabulatedKernel:
    """Independent Metropolis-Hastings with proposals from a table of the density, which is made here.

    The density is taken for log-linear in cells, which are refined until nearly all proposals are accepted: draws are
    nearly independent of each other.

    Parameters
    ----------
    logdensity : LogDensity, LogProb, or pair of a scalar graph and its inputs
        The target, up to a constant; continuous, unconstrained, of three numbers at most.

    Returns
    -------
    TabulatedKernel
        With ``init(position)``, ``graph()``, ``dprint()``; compiled by ``graphs.compile(kernel, backend=...)``.

    Raises
    ------
    ModelError
        If there are more numbers, or discrete ones.
    SamplingError
        If the density has no mode near zero, or takes more cells than that pays for.

    References
    ----------
    .. [1] Tierney (1994). Markov Chains for Exploring Posterior Distributions. Annals of Statistics 22.
    .. [2] Jadach (2003). Foam: A general-purpose cellular Monte Carlo event generator. Comput. Phys. Commun. 152.

    Examples
    --------
    >>> import numpy as np, pytensor.tensor as pt, graphs, samplers
    >>> x = pt.dscalar("x")
    >>> kernel = samplers.tabulated((2.0 * x - pt.exp(x), [x]))
    >>> step = graphs.compile(kernel)
    >>> state, rng, seen = kernel.init({"x": 0.0}), np.random.default_rng(1), []
    >>> for _ in range(2000):
    ...     state, info = step(rng, state)
    ...     seen.append(float(np.exp(state.position["x"])))
    >>> bool(abs(np.mean(seen) - 2.0) < 0.15)  # of a gamma distribution of shape 2
    True
    """
    logdensity = as_continuous(logdensity, "samplers.tabulated")
    density = FlatDensity(logdensity)
    check_size(density.layout.size, [str(v.name) for v in logdensity.inputs])
    _, value, gradient = density.here
    function = interpret(list(logdensity.inputs), [value, gradient])
    layout = density.layout

    def evaluate(positions: Matrix) -> tuple[Vector, Matrix]:
        found = [function(*layout.unpack(position).values()) for position in positions]
        values, gradients = zip(*found, strict=True) if found else ((), ())
        return np.array(values, np.float64).reshape(-1), np.array(gradients, np.float64).reshape(-1, layout.size)

    with np.errstate(all="ignore"):
        table = made_table(evaluate, np.zeros((1, layout.size)), _MOST_CELLS, _Explorer(evaluate))
    if table is None:
        names = ", ".join(str(v.name) for v in logdensity.inputs)
        raise SamplingError(
            f"The density of {names} has no table: it has no mode near zero, or is far from concave. Use samplers.nuts."
        )
    return TabulatedKernel(logdensity, table)


def check_size(size: int, names: Sequence[str]) -> None:
    """Raise if there are more numbers than tables are for.

    Raises
    ------
    ModelError
        Names the variables.
    """
    if size > MOST_AXES:
        raise ModelError(
            f"{', '.join(names)}: {size} numbers are more than the {MOST_AXES} of which tables are made. Use NUTS, "
            "sampler='nuts', or leave sampler out.",
            names[0],
        )


class _Explorer:
    """Hamiltonian Monte Carlo, of trajectories of random lengths.

    Parameters
    ----------
    evaluate : callable
        The log-density and its gradient.
    """

    def __init__(self, evaluate: Any):
        self._evaluate = evaluate

    def __call__(self, starts: Matrix, axes: Matrix, step_size: float) -> Matrix:
        """Return where it gets to from some starts."""
        rng, position, seen = np.random.default_rng(0), starts, []
        value, gradient = self._evaluate(position)
        for _ in range(_NUM_TRAJECTORIES):
            momentum = rng.normal(size=position.shape)
            start = (momentum**2).sum(axis=1)
            there, slope, ends = position, gradient, value
            for _ in range(int(rng.integers(1, _MOST_STEPS))):
                momentum = momentum + 0.5 * step_size * slope @ axes
                there = there + step_size * momentum @ axes.T
                ends, slope = self._evaluate(there)
                momentum = momentum + 0.5 * step_size * slope @ axes
            ratio = ends - value + 0.5 * (start - (momentum**2).sum(axis=1))
            is_accepted = np.log(rng.random(len(ratio))) < ratio
            position = np.where(is_accepted[:, None], there, position)
            value, gradient = np.where(is_accepted, ends, value), np.where(is_accepted[:, None], slope, gradient)
            seen.append(position)
        return np.concatenate(seen)
