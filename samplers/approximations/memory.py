"""The arrays that a fit works in."""

from __future__ import annotations

from typing import Any

import numpy as np

from samplers.approximations.families.family import FittedFamily
from samplers.approximations.loop import CONSECUTIVE, INDEPENDENT, Ascent, DrawnRows
from samplers.approximations.target import Target


def new_ascent(family: FittedFamily, target: Target) -> Ascent:
    """Return the arrays of a fit."""
    sizes = [family.num_parameters] * 11 + [family.noise_size] + [family.size] * 4
    sizes += [family.work_size, target.context_size]
    arrays: list[Any] = [*map(np.zeros, sizes), np.zeros(2, np.int64)]
    return Ascent(*arrays)


def drawn_rows(target: Target) -> DrawnRows:
    """Return the batches of a target as numbers."""
    begin, table, orders = 0, [], [np.zeros(0, np.int64)]
    for batch in target.batches:
        has_order = not (batch.replace or batch.is_shuffled)
        unordered = CONSECUTIVE if batch.is_shuffled else INDEPENDENT
        table.append([batch.num_rows, batch.size, begin if has_order else unordered, 0])
        if has_order:
            orders.append(np.arange(batch.num_rows))
            begin += batch.num_rows
    return DrawnRows(np.array(table, np.int64).reshape(-1, 4), np.concatenate(orders))
