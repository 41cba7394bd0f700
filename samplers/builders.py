"""What a room offers of its samplers: kernels, and builders of the blocks of sweeps, which plans ask."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from pytensor.tensor.variable import TensorVariable

from graphs.density import LogDensity
from samplers.blocks import Block
from samplers.kernel import Kernel


@dataclass(frozen=True, eq=False)
class SweepTarget:
    """What the blocks of a sweep leave unchanged.

    Parameters
    ----------
    logdensity : LogDensity
        Of the joint state; continuous variables that are stepped lie on the real line.
    terms : tuple of TensorVariable
        Its summands: where data were compressed, one number may be left of each.
    uncompressed : tuple of TensorVariable
        The same element by element, for what takes them apart.
    values : mapping of str to TensorVariable
        The variables of the joint state, by the names that errors call them.
    unused : callable
        Makes a name for a variable of the joint state one that no other has.
    """

    logdensity: LogDensity
    terms: tuple[TensorVariable, ...]
    uncompressed: tuple[TensorVariable, ...]
    values: Mapping[str, TensorVariable]
    unused: Callable[[str], str]


class BlockBuilder(ABC):
    """How a sampler moves variables in sweeps: what a plan asks, so that it names none.

    Attributes
    ----------
    name : str
        What ``ppl.sample(sampler=...)``, plans and traces call it.
    needs_gradient : bool
        Whether it differentiates the log-density: discrete variables are then refused.
    needs_tuning : bool
        Whether it moves badly until it has learnt something.
    has_metric : bool
        As of its blocks, which then come first in a sweep, before draws from laws.
    is_joint : bool
        Whether variables are moved together, after those that are moved one by one.
    """

    name: ClassVar[str]
    needs_gradient: ClassVar[bool] = False
    needs_tuning: ClassVar[bool] = True
    has_metric: ClassVar[bool] = False
    is_joint: ClassVar[bool] = True

    @property
    def label(self) -> str:
        """What tables and messages call it."""
        return self.name

    @abstractmethod
    def blocks(self, target: SweepTarget, names: Sequence[str]) -> list[Block]:
        """Return the blocks that move variables.

        Parameters
        ----------
        target : SweepTarget
            What they leave unchanged.
        names : sequence of str
            Keys of ``target.values``; one at least.
        """


class OfferedSampler(NamedTuple):
    """A sampler: one of the list ``OFFERED`` in the file ``sampler.py`` of its room."""

    kernel: Callable[..., Kernel]  # of a log-density, its first argument; called as the sampler is
    builder: BlockBuilder | None = None  # of the same name, where it moves variables in sweeps by their log-density
