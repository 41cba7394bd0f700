"""Moves of blocks that the loop over sweeps calls: the rooms of algorithms register theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from samplers.chain.state import KIND, KIND_DRAW

_MOVES: list[Callable[..., int]] = []


def registered[F: Callable[..., Any]](move: F) -> F:
    """Register how a kind of block moves.

    Parameters
    ----------
    move : callable
        ``(chain, settings, row, block, targets, program, iteration) -> status``: the chain and the settings, the row of
        the table of blocks and its number, the numbers that rows refer to, the block's program, the number of the
        sweep. Ordinary Python that Numba also compiles, in a file of its own: what it calls are names there.
    """
    _MOVES.append(move)
    return move


def kind_of_move(move: Callable[..., int]) -> int:
    """Return the number of a move in the table of blocks."""
    return KIND_DRAW + 1 + _MOVES.index(move)


def move_of(kind: int) -> Callable[..., int]:
    """Return the move of a number."""
    return _MOVES[kind - KIND_DRAW - 1]


def call_move(chain: Any, settings: Any, row: Any, block: int, targets: Any, program: Any, iteration: int) -> int:
    """Move a block as its row says; in compiled code another function stands here."""
    return move_of(row[KIND])(chain, settings, row, block, targets, program, iteration)
