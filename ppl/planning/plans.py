"""What a plan says: which variable is summed out, which is drawn how, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from html import escape
from typing import Any, Final

from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable

from graphs.augmentation import Group
from graphs.compression import Compressed
from graphs.conditional import Law, Obstacle
from graphs.errors import ModelError
from graphs.integral import Step
from graphs.joint.joint_logprob import LogProb
from graphs.marginal.elimination.costs import Cost, costs_of
from graphs.supports import Support
from graphs.surgery.pickling import PartsFirst, reduced
from ppl.checking.check import print_concerns
from ppl.modelling.model import Model
from ppl.reporting.text_tables import html_table, text_table
from samplers.blocks import Sweep
from samplers.builders import BlockBuilder
from samplers.loop.run import CompiledSweep
from samplers.move import Move
from samplers.registry import BUILDERS, SamplerName

Method = str
"""``marginalize``, ``integrate``, ``gibbs``, or the name of a sampler: of ``samplers.BUILDERS``, or of a `Move`."""
Sampler = SamplerName | Move | Mapping[str, SamplerName | Move] | None
"""What is asked for: of all continuous variables, or by name."""
Choice = str | Move | None
"""What is asked for of one variable."""
How = Method | Move
"""What is decided of one variable: a move where it is none that has a name."""
BY_GRADIENT: Final = "nuts"
WITHOUT_GRADIENT, WITHOUT_LAW, FEW_NUMBERS = "slice", "rmh", "tabulated"
"""What moves, where nobody says, continuous variables, those without a gradient, discrete ones, and few numbers."""


def builder_of(choice: Choice) -> BlockBuilder | None:
    """Return what moves a variable, if that is by its log-density: not by its law."""
    return choice if isinstance(choice, Move) else BUILDERS.get(str(choice))


EXACT = (
    "Exact: nothing is left to sample, so that draws come from the posterior itself, independent of each other. "
    "log_evidence, an attribute of the trace, is the log-probability of the data; ppl.recover adds probabilities."
)
INDEPENDENT = (
    "Few numbers are left: proposals come from a table of their density, independent of each other, and nearly all are "
    "accepted. NUTS moves them where the density has no table, and in JAX; sampler='nuts' asks for that."
)


@dataclass(frozen=True)
class Assignment:
    """What happens to one variable.

    Parameters
    ----------
    name : str
        The variable.
    method : str
        How it is dealt with.
    reason : str
        Why.
    shape : tuple of int
        Its shape.
    support : Support
        Where its values lie.
    members : tuple of str
        Where variables that were declared one by one in the same form are moved as one array, their names.
    move : Move, optional
        What moves it, where that is not the sampler of that name.
    obstacle : Obstacle, optional
        What stood in the way of a law, where it is moved as it is for want of one.
    """

    name: str
    method: Method
    reason: str
    shape: tuple[int, ...]
    support: Support
    members: tuple[str, ...] = ()
    move: Move | None = None
    obstacle: Obstacle | None = None

    @property
    def is_stepped(self) -> bool:
        """Whether it is moved by steps that evaluate the log-density, and continuous ones on the real line."""
        return self.builder is not None

    @property
    def builder(self) -> BlockBuilder | None:
        """What moves it, where it is stepped."""
        return self.move or BUILDERS.get(self.method)

    @property
    def label(self) -> str:
        """What tables call its method."""
        return _LABELS[self.method] if self.builder is None else self.builder.label

    def each(self) -> list[Assignment]:
        """Return what happens to each variable as it was declared."""
        if not self.members:
            return [self]
        return [replace(self, name=name, shape=self.shape[1:], members=()) for name in self.members]


@dataclass(frozen=True, eq=False)
class Plan(PartsFirst):
    """How a model is sampled.

    Parameters
    ----------
    model : Model
        The model.
    assignments : tuple of Assignment
        One per latent variable, or per array of those that were declared one by one in the same form.
    natural : LogProb
        The joint log-probability in natural space after the sums.
    mixed : LogProb
        The same with the variables of NUTS and RMH on the real line.
    sampled : LogProb
        The same with data compressed to sufficient statistics: what NUTS and RMH see.
    laws : mapping of str to Law
        The full conditionals of the variables drawn by Gibbs.
    sweep : Sweep
        What runs.
    later : mapping of str to TensorVariable
        Deterministics of summed-out variables: known after ``ppl.recover``.
    groups : tuple of Group
        Variables that are drawn given auxiliary variables.
    compression : tuple of Compressed
        Which terms were rewritten to sufficient statistics.
    policy : str
        How the sampler was chosen, where that was left open and there was a choice.
    called_back : tuple of str
        Operations of the log-density that have no machine code.
    compiled : CompiledSweep, optional
        The sweep, where a pilot run has compiled it.
    centre : mapping of str to array, optional
        Central values of everything, where a pilot run has found them.
    whole : LogProb, optional
        Where variables are integrated out, the log-probability before that.
    without_law : tuple of str
        The variables that could not be integrated out, as they have no law.
    """

    model: Model
    assignments: tuple[Assignment, ...]
    natural: LogProb
    mixed: LogProb
    sampled: LogProb
    laws: Mapping[str, Law]
    sweep: Sweep
    later: Mapping[str, TensorVariable]
    groups: tuple[Group, ...] = ()
    compression: tuple[Compressed, ...] = ()
    policy: str = ""
    called_back: tuple[str, ...] = ()
    compiled: CompiledSweep | None = None
    centre: Mapping[str, NDArray] | None = None
    whole: LogProb | None = None
    without_law: tuple[str, ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        # Machine code belongs to a process.
        kept = {field.name: getattr(self, field.name) for field in fields(self)} | {"compiled": None}
        return reduced(Plan, *kept.values())

    @property
    def costs(self) -> list[Cost]:
        """What the sums over discrete variables cost per evaluation of the log-density: name, order, operations, ..."""
        return [cost for s in self.natural.sums for cost in costs_of(s)]

    @property
    def is_exact(self) -> bool:
        """Whether nothing is left to move: all latent variables are summed out, or have no elements."""
        return bool(self.model.latent) and self.sweep.layout.size == 0

    def _tables(self) -> list[list[tuple[str, ...]]]:
        rows: list[tuple[str, ...]] = [("variable", "shape", "support", "method", "why")]
        rows += [(a.name, str(a.shape), str(a.support), a.label, _why(a)) for a in self.assignments]
        tables = [rows]
        if self.costs:
            tables.append([_COST_HEAD, *(_cost_row(cost) for cost in self.costs)])
        if self.natural.integrals:
            tables.append([_INTEGRAL_HEAD, *(_integral_row(i, s) for i, s in enumerate(self.natural.integrals, 1))])
        if self.compression:
            kept: list[tuple[str, ...]] = [_COMPRESSION_HEAD]
            kept += [(c.name, f"{c.rows:,}", f"{c.numbers:,}", c.how) for c in self.compression]
            tables.append(kept)
        return tables

    def _notes(self) -> list[str]:
        operations = ", ".join(self.called_back)
        slow = [f"{operations}: evaluated in Python, called from compiled code, which is slower"] if operations else []
        lawless = ", ".join(self.without_law) if self.natural.integrals else ""
        left = [f"not integrated out, for want of a law: {lawless} (marginalize=[...] says why)"] if lawless else []
        lost = ", ".join(self.model.parts.forgotten)
        unkept = [f"not kept: {lost} (nothing depends on it: give it to ppl.Model)"] if lost else []
        return [*slow, *left, *([self.policy] if self.policy else []), *unkept]

    def __str__(self) -> str:
        blocks = ["\n".join(text_table(table)) for table in self._tables()]
        late = [] if self.is_exact else list(self.later)
        later = [f"{name}: computed by ppl.recover, it depends on a summed-out variable" for name in late]
        blocks += self._notes()
        return "\n\n".join(blocks) + "".join(f"\n{line}" for line in later)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return "".join(
            [*map(html_table, self._tables()), *(f"<p>{escape(note, quote=False)}</p>" for note in self._notes())]
        )

    @property
    def declared(self) -> list[Assignment]:
        """What happens to each latent variable as it was declared."""
        return [each for assignment in self.assignments for each in assignment.each()]

    def method_of(self, name: str) -> Method:
        """Return the method of a variable.

        Parameters
        ----------
        name : str
            The variable.

        Returns
        -------
        str
            ``marginalize``, ``integrate``, ``gibbs``, or the name of a sampler.

        Raises
        ------
        ModelError
            If the plan has no such variable.

        Examples
        --------
        >>> import ppl
        >>> z = ppl.Bernoulli("z", 0.3)
        >>> ppl.plan(ppl.Model({ppl.Normal("y", 2.0 * z, 1): 1.2})).method_of("z")
        'marginalize'
        """
        methods = {a.name: a.method for a in (*self.declared, *self.assignments)}
        if name not in methods:
            raise ModelError(f"The plan has no variable {name!r}; it has {', '.join(methods) or 'none'}.", name)
        return methods[name]

    def dprint(self, file: Any = None) -> None:
        """Print the plan, the laws, the log-density that NUTS, RMH and slice sampling see, and what `ppl.check` finds.

        Parameters
        ----------
        file : text stream, optional
            Where to print; standard output by default.
        """
        print(self, file=file)
        for step in self.natural.integrals:
            print(file=file)
            step.law.dprint(file=file)
        auxiliary = [law for group in self.groups for law in group.augmented.laws]
        for law in dict.fromkeys([*auxiliary, *self.laws.values()]):
            print(file=file)
            law.dprint(file=file)
        if any(a.is_stepped for a in self.assignments):
            print("".join(f"\n{b.described_coordinates}\n" for b in self.sweep.blocks if b.has_coordinates), file=file)
            print("log-density of " + ", ".join(str(v.name) for v in self.sweep.variables) + ":", file=file)
            self.sampled.dprint(file=file)
        print_concerns(self.model, file)


_LABELS = {"marginalize": "summed out", "integrate": "integrated out", "gibbs": "Gibbs"}
_COST_HEAD = ("summed out", "order", "states", "elements", "width", "operations", "bytes", "instead")
_INTEGRAL_HEAD = ("integrated out", "order", "law", "elements", "factor", "operations")
_COMPRESSION_HEAD = ("compressed", "rows", "numbers kept", "how")


def _why(assignment: Assignment) -> str:
    together = f"{len(assignment.members)} variables of the same form, together" if assignment.members else ""
    return "; ".join(part for part in (assignment.reason, together) if part)


def _cost_row(cost: Cost) -> tuple[str, ...]:
    numbers = (cost.states, cost.elements, cost.width, cost.operations, cost.num_bytes)
    instead = "Gibbs" if cost.width == 1 else "Gibbs in groups"
    return (cost.name, cost.order, *(f"{n:,}" for n in numbers), instead)


def _integral_row(order: int, step: Step) -> tuple[str, ...]:
    numbers = (step.num_elements, step.num_factor, step.num_operations)
    return (", ".join(step.names), str(order), step.law.family, *(f"{n:,}" for n in numbers))
