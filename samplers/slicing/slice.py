"""Slice sampling as a step function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray

from graphs.backends import get_backend
from graphs.density import LogDensity, as_logdensity
from graphs.errors import ModelError, SamplingError
from graphs.marginal.factors import summands_of
from graphs.step import StepGraph
from graphs.supports import REAL, integers
from graphs.surgery.interpreting import interpret
from graphs.surgery.random_graph import named_input
from samplers.blocks import Sweep
from samplers.kernel import Kernel, check_start
from samplers.slicing.block import slice_block
from samplers.slicing.slice_op import Slice


class SliceState(NamedTuple):
    """State of a chain."""

    position: dict[str, NDArray]  # each of its own shape


class SliceInfo(NamedTuple):
    """Diagnostics of one step; averages over steps where several were made."""

    num_evaluations: NDArray[np.int64]  # (): of the log-density, all elements of a group at once
    is_finite: NDArray[np.bool_]  # (): whether the log-density was finite; a variable stays where it is not


class SliceKernel(Kernel):
    """Slice sampling of every element of every variable in turn, with fixed widths.

    Parameters
    ----------
    logdensity : LogDensity
        The target.
    width : float or mapping of str to float
        Of the first interval, for all variables or by name.
    """

    name: ClassVar[str] = "slice"
    state_type: ClassVar[Any] = SliceState
    info_type: ClassVar[Any] = SliceInfo

    def __init__(self, logdensity: LogDensity, width: float | Mapping[str, float]):
        self.logdensity = logdensity
        self.variables = variables = logdensity.inputs
        self.widths = {str(v.name): _width_of(str(v.name), width) for v in variables}
        terms = summands_of(logdensity.total)
        scales = [named_input(f"{v.name}_width__") for v in variables]
        blocks = []
        for v, scale in zip(variables, scales, strict=True):
            is_float = str(v.type.dtype).startswith("float")
            support = logdensity.supports.get(v, REAL if is_float else integers())
            if support.kind not in ("interval", "integers"):
                raise ModelError(
                    f"{v.name} is {support}: slice sampling moves one element after the other, and none of it can move "
                    "alone. Give its log-density on the real line (graphs.logprob(..., space='unconstrained')).",
                    str(v.name),
                )
            blocks.append(slice_block(terms, v, scale, support))
        self._blocks = tuple(blocks)
        self.sweep = Sweep((*variables, *scales), self._blocks)

    @cached_property
    def _function(self) -> Callable[..., list[NDArray]]:
        return interpret(self.variables, [self.logdensity.total])

    def _evaluated(self, values: Mapping[str, NDArray]) -> Sequence[NDArray]:
        check_start(*self._function(*values.values()))
        return ()

    def graph(self) -> StepGraph:
        """Return the step as one graph, in which the slice sampling of a variable is one Op."""
        rng = pt.random.rng("rng")
        state = tuple(v.type(name=v.name) for v in self.logdensity.inputs)
        widths = [pt.constant(w, dtype="float64") for w in self.widths.values()]
        current, next_rng, counts, finite = list(state), rng, [], []
        for i, block in enumerate(self._blocks):
            next_rng, current[i], count, is_finite = Slice(block, self.sweep.variables)(next_rng, *current, *widths)
            counts.append(count)
            finite.append(is_finite)
        info = {"num_evaluations": pt.stack(counts).sum(), "is_finite": pt.all(pt.stack(finite))}
        return StepGraph(rng, state, next_rng, tuple(current), info)

    def _compile_values(self, backend: str) -> Any:
        if backend == "numba":
            from samplers.slicing.numba_lowering import SliceStep

            return SliceStep(self)
        if backend == "jax":
            get_backend(backend)  # raises unless it is installed
            from samplers.slicing import jax_lowering  # noqa: F401  (it is registered)
        return super()._compile_values(backend)


def slice(logdensity: Any, *, width: float | Mapping[str, float] = 1.0) -> SliceKernel:
    """Return slice sampling of the elements of a log-density's variables, one after the other.

    An interval of random place around the element is stepped out until it leaves the slice, at most 16 widths, then
    shrunk until a point of it is inside [1]_. Elements that share no term of the log-density are moved at once. The
    width decides how many evaluations a step takes, not what is sampled: no step is ever rejected. Bounds and integers,
    bounded or not, are sampled as they are; no gradient is needed.

    Parameters
    ----------
    logdensity : LogDensity, LogProb, or pair of a scalar graph and its inputs
        The target, up to a constant.
    width : float or mapping of str to float, default 1
        Of the first interval, for all variables or by name; best about the deviation of an element given the others.

    Returns
    -------
    SliceKernel
        With ``init(position)``, ``graph()``, ``dprint()``; compiled by ``graphs.compile(kernel, backend=...)``.

    Raises
    ------
    ModelError
        If a variable lies on a simplex or is a matrix, of which no element can move alone.
    SamplingError
        If a width is missing or not positive.

    References
    ----------
    .. [1] Neal (2003). Slice sampling. Annals of Statistics 31.

    Examples
    --------
    >>> import numpy as np, pytensor.tensor as pt, graphs, samplers
    >>> x = pt.dscalar("x")
    >>> kernel = samplers.slice((-(x**2) / 2, [x]), width=2.0)
    >>> state = kernel.init({"x": 0.0})
    >>> step = graphs.compile(kernel, backend="numba")
    >>> state, info = step(np.random.default_rng(1), state)
    >>> bool(info.is_finite)
    True
    """
    return SliceKernel(as_logdensity(logdensity), width)


def _width_of(name: str, width: float | Mapping[str, float]) -> float:
    value = width.get(name) if isinstance(width, Mapping) else width
    if value is None or not 0 < value < np.inf:
        raise SamplingError(f"Slice sampling of {name} needs a positive width, not {value}.")
    return float(value)
