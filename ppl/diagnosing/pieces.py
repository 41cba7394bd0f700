"""Draws that are not in memory, some of their numbers at a time."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

READ_BYTES = 2**27
"""So much is read at a time, or one number of every draw if that is more. A store has all numbers of a draw beside each
other: each piece reads all of them, and pieces that are too small the same again and again."""


def most_columns(num_values: int) -> int:
    """Return how many numbers, each with so many draws, are read at a time."""
    return max(READ_BYTES // (8 * max(num_values, 1)), 1)


def cut(array: Any, most: int) -> Iterator[Any]:
    """Give an array (chains, draws, ...) of xarray in pieces of so many numbers at most, none of which is read."""
    lengths = array.shape[2:]
    axis = next((i for i, length in enumerate(lengths) if length > 1), None)
    if prod(lengths) <= most or axis is None:
        yield array
        return
    width = max(most // prod(lengths[axis + 1 :]), 1)
    for start in range(0, lengths[axis], width):
        yield from cut(array.isel({array.dims[2 + axis]: slice(start, start + width)}), most)
