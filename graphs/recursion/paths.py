"""Sums over all paths of chains, and paths drawn from their distribution."""

from __future__ import annotations

from pytensor.tensor.variable import TensorVariable

from graphs.recursion.op import ForwardRecursion, Mode, Traceback


def forward_recursion(
    log_initial: TensorVariable,
    log_transition: TensorVariable,
    log_emission: TensorVariable,
    num_steps: int | None = None,
    mode: Mode = "sum",
) -> tuple[TensorVariable, TensorVariable]:
    """Sum (or maximise) over all paths of B chains, in log space.

    Parameters
    ----------
    log_initial : TensorVariable
        Shape (B, A * C): log-potentials of the joint states of the first ``width`` positions, the first one slowest.
    log_transition : TensorVariable
        Shape (T or 1, B or 1, A, C, N) with N = A: log-potentials that tie the oldest position, the ones between, and
        the new one. Minus infinity is a transition that is impossible.
    log_emission : TensorVariable
        Shape (T or 1, B or 1, N): added to the new position of each step.
    num_steps : int, optional
        T; read from the shapes by default.
    mode : {"sum", "max"}
        ``"max"`` follows the best path, without gradient.

    Returns
    -------
    log_total : TensorVariable
        Shape (B,): the log of the sum over all paths; minus infinity, with gradient zero, where no path is possible.
    log_states : TensorVariable
        Shape (T + 1, B, A * C): the joint states of the last positions at every step, relative to the largest one. It
        has no gradient.

    Examples
    --------
    >>> import numpy as np, pytensor.tensor as pt
    >>> stay = np.log(np.array([[0.9, 0.1], [0.2, 0.8]]))
    >>> total, _ = forward_recursion(pt.zeros((1, 2)), pt.constant(stay[None, None, :, None]), pt.zeros((3, 1, 2)))
    >>> float(total.eval()[0].round(6))  # both starts have weight one, whatever comes after
    0.693147
    """
    if num_steps is None:
        lengths = [log_transition.type.shape[0], log_emission.type.shape[0]]
        num_steps = max(int(n) for n in lengths if n is not None)
    total, states = ForwardRecursion(num_steps, mode)(log_initial, log_transition, log_emission)
    return total, states


def traceback(
    log_transition: TensorVariable,
    log_states: TensorVariable,
    uniform: TensorVariable,
    mode: Mode = "sum",
    width: int | None = None,
) -> TensorVariable:
    """Draw a path of each chain from its distribution, or find the best one, from the last position to the first.

    Parameters
    ----------
    log_transition : TensorVariable
        As it was given to `forward_recursion`.
    log_states : TensorVariable
        As it came out, in the same mode.
    uniform : TensorVariable
        Shape (T + 1, B): uniform random numbers; not used in mode ``"max"``.
    mode : {"sum", "max"}
        Draw, or take the most probable path; of equally probable states the first.
    width : int, optional
        Number of positions whose joint state is carried; read from the shapes by default.

    Returns
    -------
    TensorVariable
        Shape (T + width, B), int64: the state at each position.
    """
    if width is None:
        size, states = int(log_transition.type.shape[2]), int(log_states.type.shape[-1])
        width = next((w for w in range(1, 64) if size**w >= states), 1)
    path: TensorVariable = Traceback(width, mode)(log_transition, log_states, uniform)
    return path
