"""Solutions of ordinary differential equations, as graphs that any model may hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from numpy.typing import ArrayLike
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.traversal import toposort
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.subtensor import Subtensor
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.surgery.rebuilding import rebuild, substitute

_MOST_SCALARS = 16
"""Up to this size every component is a variable of its own, and becomes a local variable of the compiled loop."""


def odeint(
    field: Callable[[TensorVariable, TensorVariable], Any],
    initial: Any,
    times: ArrayLike | TensorVariable,
    *,
    start: float = 0.0,
    steps: int = 10,
) -> TensorVariable:
    """Solution of an ordinary differential equation at given times.

    The solution of ``dy/dt = field(t, y)``, ``y(start) = initial`` by the classical Runge-Kutta method of fourth order,
    with ``steps`` equal steps from each time to the next one. Its gradient is that of these steps, to rounding.

    Parameters
    ----------
    field : callable
        ``field(t, y)``, with ``t`` of shape () and ``y`` of shape (d,), gives the derivative: a vector of shape (d,) or
        a sequence of d numbers. It may use any variable of the model.
    initial : tensor of shape (d,), or sequence of d numbers
        Where the solution starts.
    times : array or tensor, shape (n,)
        Increasing, the first one not before ``start``.
    start : float
        The time of ``initial``.
    steps : int
        Steps between two times. The error falls as the fourth power: doubling ``steps`` shows how large it is, about
        sixteen fifteenths of the change.

    Returns
    -------
    TensorVariable, shape (n, d)
        The solution.

    Raises
    ------
    ModelError
        If times decrease, a shape is unknown or wrong, or the field draws random numbers.

    References
    ----------
    Hairer, Norsett, Wanner, *Solving Ordinary Differential Equations I*, 2nd ed., section II.1, table 1.2.

    Examples
    --------
    >>> import numpy as np, pytensor.tensor as pt
    >>> rate = pt.dscalar("rate")
    >>> decay = odeint(lambda t, y: [-rate * y[0]], [2.0], [0.5, 1.0])
    >>> np.round(decay.eval({rate: 1.0}), 4).ravel().tolist()
    [1.2131, 0.7358]
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ModelError(f"odeint needs a positive whole number of steps between two times, not {steps!r}.")
    ends = _times(times, start)
    before = _components(initial)
    t, inner = pt.dscalar("t"), [v.type() for v in before]
    derivative = _derivative(field, t, inner)
    parameters = _parameters(derivative, [t, *inner])
    intervals = (ends - pt.concatenate([[start], ends[:-1]])) / steps
    widths = pt.repeat(intervals, steps)
    begins = pt.repeat(pt.concatenate([[start], ends[:-1]]), steps) + widths * np.tile(
        np.arange(float(steps)), ends.type.shape[0] or 0
    )

    def step(now: TensorVariable, h: TensorVariable, *others: TensorVariable) -> list[TensorVariable]:
        given = dict(zip(parameters, others[len(inner) :], strict=True))

        def slope(time: Variable, y: Sequence[Variable]) -> list[Any]:
            return substitute(derivative, given | dict(zip([t, *inner], [time, *y], strict=True)))

        y = others[: len(inner)]
        k1 = slope(now, y)
        k2 = slope(now + h / 2, [v + h / 2 * k for v, k in zip(y, k1, strict=True)])
        k3 = slope(now + h / 2, [v + h / 2 * k for v, k in zip(y, k2, strict=True)])
        k4 = slope(now + h, [v + h * k for v, k in zip(y, k3, strict=True)])
        slopes = zip(y, k1, k2, k3, k4, strict=True)
        return [v + h / 6 * (first + 2 * (second + third) + last) for v, first, second, third, last in slopes]

    found = pytensor.scan(
        step, sequences=[begins, widths], outputs_info=before, non_sequences=parameters, return_updates=False
    )
    traces = found if isinstance(found, list | tuple) else [found]
    rows = [trace[steps - 1 :: steps] for trace in traces]
    result = pt.stack(rows, axis=1) if before[0].type.ndim == 0 else rows[0]
    length, size = ends.type.shape[0], before[0].type.shape[0] if before[0].type.ndim else len(before)
    return pt.specify_shape(result, (length, size))


def _times(times: ArrayLike | TensorVariable, start: float) -> TensorVariable:
    """Return the times as a vector of known length."""
    ends = pt.as_tensor(times)
    if ends.type.ndim != 1 or ends.type.shape[0] is None:
        raise ModelError(f"odeint needs a vector of times of known length, not {ends.type}.")
    if isinstance(ends, Constant) and (np.diff(np.asarray(ends.data, float), prepend=start) < 0).any():
        raise ModelError(f"The times of odeint must increase from start={start:g}.")
    return pt.cast(ends, "float64")


def _components(initial: Any) -> list[TensorVariable]:
    """Return the initial value as numbers, or as one vector if it is long."""
    if isinstance(initial, list | tuple):
        numbers = [pt.cast(pt.as_tensor(v), "float64") for v in initial]
        if not numbers or any(v.type.ndim for v in numbers):
            raise ModelError("The initial value of odeint must be a vector, or a sequence of numbers.")
        return numbers if len(numbers) <= _MOST_SCALARS else [pt.stack(numbers)]
    vector = pt.cast(pt.as_tensor(initial), "float64")
    if vector.type.ndim != 1 or not vector.type.shape[0]:
        raise ModelError(f"The initial value of odeint must be a vector of known length, not {vector.type}.")
    size = vector.type.shape[0]
    return [vector[i] for i in range(size)] if size <= _MOST_SCALARS else [vector]


def _derivative(field: Callable[..., Any], t: TensorVariable, inner: list[Any]) -> list[TensorVariable]:
    """Return the derivative of each component."""
    is_vector = inner[0].type.ndim == 1
    size = inner[0].type.shape[0] if is_vector else len(inner)
    state = inner[0] if is_vector else pt.stack(inner)
    given = field(t, state)
    parts = list(given) if isinstance(given, list | tuple) else None
    shape = (len(parts),) if parts is not None else pt.as_tensor(given).type.shape
    if shape not in ((size,), (None,)):
        raise ModelError(f"The field of odeint gives a derivative of shape {shape}; the solution has shape ({size},).")
    if is_vector:
        return [pt.cast(pt.as_tensor(given) if parts is None else pt.stack(parts), "float64")]
    found = [pt.cast(pt.as_tensor(v), "float64") for v in parts or (pt.as_tensor(given)[i] for i in range(size))]
    if any(v.type.ndim for v in found):
        raise ModelError("The field of odeint must give one number for each component of the solution.")
    return _of_components(found, state, inner)


def _of_components(derivative: Sequence[Variable], state: Variable, inner: Sequence[Any]) -> list[Any]:
    """Let a field that reads elements of the state read the components: the gradient then makes no vectors either."""

    def rewrite(node: Apply, inputs: list[Variable]) -> list[Variable] | None:
        if isinstance(node.op, Subtensor) and inputs[0] is state and not isinstance(node.op.idx_list[0], slice):
            index = inputs[1]
            if isinstance(index, Constant):
                return [inner[int(index.data)]]
        return None

    memo = rebuild(derivative, rewrite, {state: state})
    return [memo.get(v, v) for v in derivative]


def _parameters(derivative: Sequence[Variable], own: Sequence[Variable]) -> list[Variable]:
    """Return the variables of the model that the field uses."""
    inside = set(own)
    found: dict[Variable, None] = {}
    for node in toposort([v for v in derivative if v.owner is not None]):
        if not any(v in inside for v in node.inputs):
            continue
        if isinstance(node.op, RandomVariable):
            raise ModelError("The field of odeint draws random numbers: declare what it draws outside of it.")
        inside.update(node.outputs)
        found |= dict.fromkeys(v for v in node.inputs if v not in inside and not isinstance(v, Constant))
    found |= dict.fromkeys(v for v in derivative if v not in inside and not isinstance(v, Constant))
    return list(found)
