"""The memory of a NUTS transition, and the moves of vectors in it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.machine_code.inlined import inlined
from graphs.backends.numba.machine_code.kept import njit

MAX_TREE_DEPTH = 20

type Vector = NDArray[np.float64]

# Rows of the workspace. Those of an end of the trajectory come in pairs: backwards, forwards.
END_POSITION = 0
END_MOMENTUM = 2
END_GRADIENT = 4
PROPOSED_POSITION = 6
PROPOSED_GRADIENT = 7
TOTAL = 8
SUBTREE_TOTAL = 9
# Position, momentum and gradient where a step starts, and where one that was made of shorter ones ends.
STEP_START = 10
STEP_END = 13
# From here on three rows for each depth: first momentum, last momentum, sum.
WAITING = 16


class Workspace(NamedTuple):
    """Memory of a transition.

    Attributes
    ----------
    position, momentum, gradient : array, shape (d,), float64
        The point that moves.
    rows : array, shape (16 + 3 * max_tree_depth, d), float64
        Ends of the trajectory, the proposal, both ends of a step, and sub-trees that wait for their neighbour.
    """

    position: Vector
    momentum: Vector
    gradient: Vector
    rows: NDArray[np.float64]


@inlined
def num_workspace_rows(max_tree_depth: int) -> int:
    """Return the number of rows that a transition needs."""
    return WAITING + 3 * max_tree_depth


def new_workspace(size: int, max_tree_depth: int) -> Workspace:
    """Return the workspace of a position of ``size`` elements."""
    rows = np.zeros((num_workspace_rows(max_tree_depth), size))
    return Workspace(np.zeros(size), np.zeros(size), np.zeros(size), rows)


@njit(cache=True, inline="always")
def start_trajectory(position: Vector, gradient: Vector, workspace: Workspace) -> None:
    """Let both ends be the initial point."""
    rows = workspace.rows
    for i in range(position.size):
        momentum = workspace.momentum[i]
        rows[TOTAL, i] = momentum
        for side in range(2):
            rows[END_POSITION + side, i] = position[i]
            rows[END_MOMENTUM + side, i] = momentum
            rows[END_GRADIENT + side, i] = gradient[i]


@njit(cache=True, inline="always")
def load_point(position: Vector, gradient: Vector, workspace: Workspace) -> None:
    """Go to a point."""
    for i in range(position.size):
        workspace.position[i] = position[i]
        workspace.gradient[i] = gradient[i]


@njit(cache=True, inline="always")
def load_end(side: int, workspace: Workspace) -> None:
    """Go to an end of the trajectory."""
    rows = workspace.rows
    for i in range(workspace.position.size):
        workspace.position[i] = rows[END_POSITION + side, i]
        workspace.momentum[i] = rows[END_MOMENTUM + side, i]
        workspace.gradient[i] = rows[END_GRADIENT + side, i]


@njit(cache=True, inline="always")
def store_end(side: int, workspace: Workspace) -> None:
    """Let the current point be an end of the trajectory, and add the momenta of the new sub-tree."""
    rows = workspace.rows
    for i in range(workspace.position.size):
        rows[END_POSITION + side, i] = workspace.position[i]
        rows[END_MOMENTUM + side, i] = workspace.momentum[i]
        rows[END_GRADIENT + side, i] = workspace.gradient[i]
        rows[TOTAL, i] += rows[SUBTREE_TOTAL, i]


@njit(cache=True, inline="always")
def keep_point(row: int, workspace: Workspace) -> None:
    """Keep the current point in three rows."""
    rows = workspace.rows
    for i in range(workspace.position.size):
        rows[row, i] = workspace.position[i]
        rows[row + 1, i] = workspace.momentum[i]
        rows[row + 2, i] = workspace.gradient[i]


@njit(cache=True, inline="always")
def return_to(row: int, workspace: Workspace) -> None:
    """Go back to a point that was kept."""
    rows = workspace.rows
    for i in range(workspace.position.size):
        workspace.position[i] = rows[row, i]
        workspace.momentum[i] = rows[row + 1, i]
        workspace.gradient[i] = rows[row + 2, i]


@njit(cache=True, inline="always")
def keep_current(workspace: Workspace) -> None:
    """Let the current point be the one chosen from the sub-tree."""
    rows = workspace.rows
    for i in range(workspace.position.size):
        rows[PROPOSED_POSITION, i] = workspace.position[i]
        rows[PROPOSED_GRADIENT, i] = workspace.gradient[i]


@njit(cache=True, inline="always")
def adopt(workspace: Workspace, position: Vector, gradient: Vector) -> None:
    """Move to the point chosen from the sub-tree."""
    rows = workspace.rows
    for i in range(position.size):
        position[i] = rows[PROPOSED_POSITION, i]
        gradient[i] = rows[PROPOSED_GRADIENT, i]


@njit(cache=True, inline="always")
def begin_waiting(row: int, workspace: Workspace) -> None:
    """Keep a sub-tree of one leaf."""
    rows = workspace.rows
    for i in range(workspace.momentum.size):
        momentum = workspace.momentum[i]
        rows[SUBTREE_TOTAL, i] = momentum
        rows[row, i] = momentum
        rows[row + 1, i] = momentum
        rows[row + 2, i] = momentum


@njit(cache=True, inline="always")
def keep_waiting(row: int, first: int, workspace: Workspace) -> None:
    """Keep a sub-tree, given the row of its first momentum."""
    rows = workspace.rows
    for i in range(workspace.momentum.size):
        rows[row, i] = rows[first, i]
        rows[row + 1, i] = workspace.momentum[i]
        rows[row + 2, i] = rows[SUBTREE_TOTAL, i]


@njit(cache=True, inline="always")
def start_subtree(workspace: Workspace) -> None:
    """Begin a sum of momenta with the current one."""
    for i in range(workspace.momentum.size):
        workspace.rows[SUBTREE_TOTAL, i] = workspace.momentum[i]


@njit(cache=True, inline="always")
def join_momenta(row: int, workspace: Workspace) -> None:
    """Add the momenta of the waiting sub-tree."""
    rows = workspace.rows
    for i in range(workspace.momentum.size):
        rows[SUBTREE_TOTAL, i] += rows[row + 2, i]
