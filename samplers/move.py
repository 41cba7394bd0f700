"""Ways to move variables in sweeps that are written as graphs: the samplers of others enter here."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, ClassVar

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import explicit_graph_inputs
from pytensor.tensor.random.type import RandomType
from pytensor.tensor.variable import TensorVariable

from graphs.density import LogDensity
from graphs.errors import ModelError, PPLError
from graphs.surgery.random_graph import named_input
from samplers.blocks import Block, DrawBlock, Memory
from samplers.builders import BlockBuilder, SweepTarget

SCALE = "scale"


@dataclass(frozen=True, eq=False)
class Moved:
    """Where a `Move` leads, as graphs.

    Parameters
    ----------
    values : sequence of TensorVariable
        The new values, in the order of the old ones and of their shapes; the old ones where a proposal is rejected.
    next_rng : Variable
        The generator after all that was drawn.
    acceptance_rate : TensorVariable, optional
        Shape (): the probability with which the proposal was accepted.
    memory : mapping of str to TensorVariable
        New values of what is learnt, which are kept while tuning.
    target_acceptance : float, optional
        In the place of that of the move, where it depends on the variables.
    """

    values: Sequence[TensorVariable]
    next_rng: Variable
    acceptance_rate: TensorVariable | None = None
    memory: Mapping[str, TensorVariable] = field(default_factory=dict)
    target_acceptance: float | None = None


class Move(BlockBuilder):
    """How variables move given all others: ``ppl.sample(model, sampler={"x": MyMove()})``.

    A class of your own needs a ``name``, which plans and traces show, and ``step``, which has to leave the density
    unchanged for whatever values its memory has. It is compiled like every other step, by all backends. Variables
    that are given the same object are moved together.

    Attributes
    ----------
    name : str
        What it is called.
    needs_gradient : bool
        Whether ``step`` differentiates the log-density: discrete variables are then refused.
    target_acceptance : float, optional
        If given, there is a number ``memory["scale"]``, one at first, which tuning moves until proposals are accepted
        with this probability: those of larger scales more rarely.

    Examples
    --------
    An independent proposal, whose density is known but for a constant:

    >>> import numpy as np, ppl, pytensor.tensor as pt, samplers
    >>> from graphs.surgery.rebuilding import substitute
    >>> class Independent(samplers.Move):
    ...     name = "independent"
    ...
    ...     def step(self, logdensity, values, rng, memory):
    ...         [x] = values
    ...         next_rng, proposal = rng.normal(0.0, 3.0, size=x.type.shape)
    ...         [there] = substitute([logdensity.total], {x: proposal})
    ...         log_ratio = there - logdensity.total + ((proposal**2 - x**2) / 18).sum()
    ...         next_rng, uniform = next_rng.uniform(0.0, 1.0)
    ...         is_accepted = pt.log(uniform) < log_ratio
    ...         rate = pt.exp(pt.minimum(0.0, log_ratio))
    ...         return samplers.Moved([pt.switch(is_accepted, proposal, x)], next_rng, rate)
    >>> mu = ppl.Normal("mu", 0.0, 2.0)
    >>> model = ppl.Model({ppl.Normal("y", mu, 1.0): np.ones(3)})
    >>> trace = ppl.sample(model, 500, 100, 2, seed=1, sampler={"mu": Independent()}, progress=False)
    >>> bool(abs(trace.posterior["mu"].mean() - 12 / 13) < 0.2)
    True
    """

    target_acceptance: ClassVar[float | None] = None

    def memory(self, values: Sequence[TensorVariable]) -> Mapping[str, Any]:
        """Return what ``step`` learns while tuning: where it starts, arrays by name. Nothing, unless overridden.

        Parameters
        ----------
        values : sequence of TensorVariable
            As in ``step``.
        """
        return {}

    @abstractmethod
    def step(
        self,
        logdensity: LogDensity,
        values: Sequence[TensorVariable],
        rng: Variable,
        memory: Mapping[str, TensorVariable],
    ) -> Moved:
        """Return new values as graphs.

        Parameters
        ----------
        logdensity : LogDensity
            Of ``values``, up to a constant, given all other variables: ``logdensity.total`` is its graph, shape ();
            ``graphs.surgery.rebuilding.substitute`` evaluates it elsewhere.
        values : sequence of TensorVariable
            The present values, of static shape: continuous ones on the real line, whatever their supports, integers as
            they are, within ``logdensity.supports``.
        rng : Variable
            The generator: ``next_rng, noise = rng.normal(0.0, 1.0, size=...)``, and so on with ``next_rng``.
        memory : mapping of str to TensorVariable
            The present values of what is learnt.
        """

    def blocks(self, target: SweepTarget, names: Sequence[str]) -> list[Block]:
        """Return one block for all variables, or one for each.

        Parameters
        ----------
        target : SweepTarget
            The log-density and its values, as a sweep sees them.
        names : sequence of str
            The variables that it moves.
        """
        groups = [list(names)] if self.is_joint else [[name] for name in names]
        return [
            move_block(self, target.logdensity, {n: target.values[n] for n in group}, target.unused) for group in groups
        ]


def move_block(
    move: Move, logdensity: LogDensity, values: Mapping[str, TensorVariable], unused: Callable[[str], str]
) -> DrawBlock:
    """Return the block of a sweep that moves variables so.

    Parameters
    ----------
    move : Move
        How.
    logdensity : LogDensity
        The target; its other inputs are held.
    values : mapping of str to TensorVariable
        The inputs to move, by the names that errors call them.
    unused : callable
        Makes a name for a variable of the joint state one that no other has.

    Raises
    ------
    ModelError
        If the step is none of these variables; names them.
    """
    own = LogDensity(logdensity.total, tuple(values.values()), logdensity.supports)
    prefix, rng = next(iter(values)), pt.random.rng("rng")
    starts = {n: np.asarray(start, np.float64) for n, start in move.memory(own.inputs).items()}
    held = {n: named_input(unused(f"{prefix}_{n}__"), start.shape) for n, start in starts.items()}
    scale = None if move.target_acceptance is None else named_input(unused(f"{prefix}_{SCALE}__"))
    scales = {} if scale is None else {SCALE: scale}
    try:
        moved = move.step(own, own.inputs, rng, held | scales)
        draws = _checked(move, moved, values, starts)
    except PPLError:
        raise
    except Exception as error:  # a step of users' own may raise anything
        raise _error(move, values, f"{type(error).__name__}: {error}") from error
    _check_inputs(move, moved, values, {*logdensity.inputs, *held.values(), *scales.values(), rng})
    # What is not learnt in this step is learnt in none.
    memory = tuple(Memory(held[n], starts[n], _as(held[n], moved.memory.get(n, held[n]))) for n in held)
    rate = None if moved.acceptance_rate is None else pt.cast(moved.acceptance_rate, "float64")
    targets = [t for t in (moved.target_acceptance, move.target_acceptance, 0.0) if t is not None]
    return DrawBlock(move.name, own.inputs, rng, moved.next_rng, draws, rate, scale, targets[0], memory)


def _checked(
    move: Move, moved: Any, values: Mapping[str, TensorVariable], starts: Mapping[str, NDArray]
) -> tuple[TensorVariable, ...]:
    """Return the new values, if they are some."""
    if not isinstance(moved, Moved):
        raise _error(move, values, f"its step returns {type(moved).__name__}, not samplers.Moved")
    if len(moved.values) != len(values):
        raise _error(move, values, f"its step returns {len(moved.values)} values for {len(values)} variables")
    if not isinstance(getattr(moved.next_rng, "type", None), RandomType):
        raise _error(move, values, "next_rng is no generator")
    if unknown := [n for n in moved.memory if n not in starts]:
        raise _error(move, values, f"it learns {unknown[0]!r}, of which its memory says no start")
    rate = moved.acceptance_rate
    if rate is None and move.target_acceptance is not None:
        raise _error(move, values, "it has a target_acceptance, but its step returns no acceptance_rate")
    if rate is not None and pt.as_tensor(rate).type.ndim:
        raise _error(move, values, f"acceptance_rate has {pt.as_tensor(rate).type.ndim} axes: take the mean")
    for (name, value), new in zip(values.items(), moved.values, strict=True):
        found = pt.as_tensor(new).type
        if found.dtype.startswith("float") != value.type.dtype.startswith("float"):
            raise _error(move, values, f"the new value of {name} is {found.dtype}, the old {value.type.dtype}")
        if not all(m in (n, None) for m, n in zip_longest(found.shape, value.type.shape, fillvalue=0)):
            raise _error(move, values, f"the new value of {name} has shape {found.shape}, not {value.type.shape}")
    return tuple(_as(value, new) for value, new in zip(values.values(), moved.values, strict=True))


def _as(value: TensorVariable, new: Any) -> TensorVariable:
    """Return a graph as one of the type of a value."""
    return pt.specify_shape(pt.cast(pt.as_tensor(new), value.type.dtype), value.type.shape)


def _check_inputs(move: Move, moved: Moved, values: Mapping[str, TensorVariable], known: set[Variable]) -> None:
    rate = [] if moved.acceptance_rate is None else [moved.acceptance_rate]
    for found in explicit_graph_inputs([*moved.values, *moved.memory.values(), *rate, moved.next_rng]):
        if found not in known and not isinstance(found, Constant):
            raise _error(move, values, f"its step depends on {found.name or found}, which the model does not have")


def _error(move: Move, values: Iterable[str], fault: str) -> ModelError:
    names = list(values)
    return ModelError(f"{', '.join(names)} cannot be moved by {move.name}: {fault}. See samplers.Move.", names[0])
