"""Draw summed-out variables back, or find their most probable values, by reading the elimination backwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.marginal.elimination.batch import BatchStep
from graphs.marginal.elimination.factor_tables import Integers
from graphs.marginal.elimination.factoring import FiniteVariable
from graphs.marginal.elimination.sequence import SequenceStep
from graphs.marginal.elimination.summation import Summation
from graphs.recursion.op import Mode


def draw_summed_out(summation: Summation, rng: Any, mode: Mode = "sum") -> tuple[Variable, dict[str, TensorVariable]]:
    """Return the next generator, and an exact joint draw of the variables that were summed out.

    Parameters
    ----------
    summation : Summation
        Of the same mode.
    rng : random generator
        Not used in mode ``"max"``.
    mode : {"sum", "max"}
        Draw, or take the most probable joint values; of those that are equally probable the lowest.

    Returns
    -------
    next_rng : Variable
        The generator afterwards.
    values : dict of str to TensorVariable
        The variables by name, int64, in their shapes.
    """
    known = _Known(sum(v.size for v in summation.variables))
    for step in reversed(summation.eliminated.steps):
        if isinstance(step, BatchStep):
            logits = _given_neighbours(step, known)
            if mode == "max":
                chosen = pt.argmax(logits, axis=0)
            else:
                weights = pt.special.softmax(logits.dimshuffle(1, 0), axis=-1)
                rng, chosen = rng.categorical(weights)
            known.add(step.atoms, pt.cast(chosen, "int64"))
        else:
            rng, chosen = _along_row(step, rng, mode)
            known.add(step.atoms.ravel(), chosen)
    return rng, {v.name: _values_of(v, summation, known) for v in summation.variables}


class _Known:
    """States of atoms that are drawn already, in pieces."""

    def __init__(self, count: int):
        self.pieces: list[TensorVariable] = []
        self.piece_of = np.full(count, -1)
        self.place_in = np.full(count, -1)

    def add(self, atoms: Integers, states: TensorVariable) -> None:
        self.piece_of[atoms] = len(self.pieces)
        self.place_in[atoms] = np.arange(len(atoms))
        self.pieces.append(states)

    def get(self, atoms: Integers) -> TensorVariable:
        """Return the states of atoms; shape (m,)."""
        found = np.unique(self.piece_of[atoms])
        if len(found) == 1:
            return _taken(self.pieces[int(found[0])], self.place_in[atoms])
        starts = np.zeros(len(self.pieces), np.int64)
        lengths = [int(self.pieces[int(p)].type.shape[0]) for p in found]
        starts[found] = np.cumsum([0, *lengths[:-1]])
        joined = pt.concatenate([self.pieces[int(p)] for p in found])
        return _taken(joined, starts[self.piece_of[atoms]] + self.place_in[atoms])


def _taken(vector: TensorVariable, places: Integers) -> TensorVariable:
    if len(places) == vector.type.shape[0] and np.array_equal(places, np.arange(len(places))):
        return vector
    if np.all(np.diff(places) == 1):
        return vector[int(places[0]) : int(places[-1]) + 1]
    return vector[places]


def _given_neighbours(step: BatchStep, known: _Known) -> TensorVariable:
    """Return the logits of each atom at the states of its neighbours; shape (K, m)."""
    count, width = step.neighbours.shape
    columns = int(step.logits.type.shape[-1])
    if not width:
        return step.logits if columns == count else pt.alloc(step.logits, step.logits.type.shape[0], count)
    states = [known.get(step.neighbours[:, i]) for i in range(width)]
    place: Any = np.arange(count) if columns == count else np.zeros(count, np.int64)
    return step.logits[(slice(None), *states, place)]


def _along_row(step: SequenceStep, rng: Any, mode: Mode) -> tuple[Any, TensorVariable]:
    from graphs.recursion.paths import traceback

    num_series, length = step.atoms.shape
    shape = (length - step.width + 1, num_series)
    if mode == "max":
        uniform: Any = pt.zeros(shape)
    else:
        rng, uniform = rng.uniform(0.0, 1.0, size=shape)
    states = traceback(step.log_transition, step.log_states, uniform, mode=mode, width=step.width)
    return rng, states.T.reshape((num_series * length,))


def _values_of(variable: FiniteVariable, summation: Summation, known: _Known) -> TensorVariable:
    atoms = summation.atoms_of(variable.name)
    index = known.get(np.arange(atoms.start, atoms.stop))
    if not np.array_equal(variable.states, np.arange(len(variable.states))):
        index = pt.constant(variable.states.astype(np.int64))[index]
    return index.reshape(variable.shape)


def probabilities_of(summation: Summation) -> dict[str, TensorVariable]:
    """Return the marginal probability of each state of each element; shape (K, *shape).

    They are the gradient of the log of the sum with respect to the log-potential of each state.

    Parameters
    ----------
    summation : Summation
        With probes.
    """
    parts = [pt.sum(piece.graph) for piece in summation.pieces]
    total = pt.add(*parts) if len(parts) > 1 else parts[0]
    gradients = pytensor.grad(total, list(summation.probes.values()))
    return dict(zip(summation.probes, gradients, strict=True))
