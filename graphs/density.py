"""A scalar log-density and the value variables that it is a function of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytensor
import pytensor.tensor as pt
from pytensor.graph.traversal import explicit_graph_inputs
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.supports import Support
from graphs.surgery.fixing import with_fixed_arrays


@dataclass(frozen=True, eq=False)
class LogDensity:
    """A log-density, up to a constant, as a graph.

    Parameters
    ----------
    total : TensorVariable
        The log-density; shape (), float64.
    inputs : tuple of TensorVariable
        The value variables, named, of static shape; float64 or int64.
    supports : mapping of TensorVariable to Support
        Where each value may lie; those not listed are real, or integers where their dtype is.
    """

    total: TensorVariable
    inputs: tuple[TensorVariable, ...]
    supports: Mapping[TensorVariable, Support] = field(default_factory=dict)


def as_logdensity(density: Any) -> LogDensity:
    """Read a log-density from a LogDensity, from anything with one (``.logdensity``), or from ``(graph, inputs)``.

    Parameters
    ----------
    density : LogDensity, LogProb, or tuple of TensorVariable and sequence of TensorVariable
        What to read.

    Raises
    ------
    ModelError
        If it is none of these, or the graph is not scalar, or an input is missing or unnamed.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> x = pt.dscalar("x")
    >>> as_logdensity((-(x**2) / 2, [x])).inputs
    (x,)
    """
    if isinstance(density, LogDensity):
        return density
    inner = getattr(density, "logdensity", None)
    if isinstance(inner, LogDensity):
        return inner
    if not (isinstance(density, tuple) and len(density) == 2 and isinstance(density[0], TensorVariable)):
        raise ModelError(
            "A log-density is a graphs.LogDensity, the result of graphs.logprob, or a pair of a scalar graph and the "
            f"list of its inputs; this is {type(density).__name__}."
        )
    total, inputs = density
    if total.type.ndim:
        raise ModelError(f"A log-density is a scalar; this one has {total.type.ndim} axes. Sum it.")
    for value in inputs:
        if value.name is None:
            raise ModelError(f"An input of the log-density ({value.type}) has no name; name it.")
    missing = [v for v in explicit_graph_inputs([total]) if v not in inputs]
    if missing:
        names = ", ".join(v.name or str(v.type) for v in missing)
        raise ModelError(f"The log-density also depends on {names}; list it among the inputs.", missing[0].name)
    [total] = with_fixed_arrays([total])
    return LogDensity(pt.cast(total, "float64"), tuple(inputs))


def gradients(logdensity: LogDensity, variables: Sequence[TensorVariable]) -> list[TensorVariable]:
    """Return the gradients of a log-density, zero where it does not depend on a variable.

    Parameters
    ----------
    logdensity : LogDensity
        The log-density.
    variables : sequence of TensorVariable
        Continuous inputs of it.

    Returns
    -------
    list of TensorVariable
        Of the shapes of ``variables``.
    """
    return pytensor.grad(logdensity.total, list(variables), disconnected_inputs="ignore")
