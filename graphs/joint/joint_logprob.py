"""The joint log-probability as graphs: what is derived, its stages, and what can be asked of it.

The steps of one sampler want different densities. A law is read off products of densities as they were declared, in
natural space; a trajectory needs variables without bounds, and states that were summed out; and what thousands of
gradients are taken of shall hold few numbers. No graph is all of these, and what a step draws must still be a draw of
the same posterior. So a log-probability is derived once, and then goes through stages. Each is a `LogProb`, made from
the one before it by an identity, and keeps what it takes to come back: how values in natural space follow from its own
(`natural`), and how to draw what was summed out (`sums`) and integrated out (`integrals`).

=========  ==============  ==========================================  ===============================================
stage      in a plan       what is done                                who reads it
=========  ==============  ==========================================  ===============================================
joint      (not kept)      a term for each variable and potential,     `ppl.recover` and `ppl.log_likelihood`, which
                           all values natural                          derive it again
summed     `Plan.whole`    discrete variables are summed out; their    `lp`, the log-density of all variables at a draw
                           terms and their children's become one
collapsed  `Plan.natural`  continuous ones are integrated out by       laws, auxiliary variables, groups: whatever is
                           their laws (`integrals`); the same as       read off the form of a density
                           summed where none are
mixed      `Plan.mixed`    what NUTS, slice sampling and random walks  the state that a sweep holds, starting points,
                           move is taken to the real line, with        names of draws
                           log-Jacobians; what is drawn from laws
                           stays
sampled    `Plan.sampled`  data become sufficient statistics           the log-density that is moved in, and its
                                                                       gradient
=========  ==============  ==========================================  ===============================================

What is integrated out is gone from ``values``; its terms are evaluated at a point that its law chooses, a graph of the
rest. ``opened`` has the terms as graphs of all values still: a gradient may take these points for constants, which is
less work (`graphs.integral.at_fixed_points`). Where anything is integrated out, data are compressed before, so that
the law does not depend on the number of rows.

In each, ``terms`` are arrays, element by element, so that what is independent can be told; ``total`` is the sum of
all, and ``logdensity`` that sum as a function of ``values``, with their supports. ``natural`` is a stage's way back to
natural space, not the stage ``Plan.natural``: there the two are the same.

Examples
--------
Why laws come before the real line. Counts with a gamma rate make a gamma law, ``2 + 1 + 4`` and ``3 + 2``:

>>> import numpy as np, pymc as pm
>>> from graphs.conditional import conditional
>>> from graphs.joint.logprob import logprob, unconstrain
>>> rate = pm.Gamma.dist(2.0, 3.0)
>>> rate.name = "rate"
>>> joint = logprob({pm.Poisson.dist(rate, size=2): [1, 4]})
>>> print(conditional(joint.logdensity, joint.values["rate"]))
rate | rest ~ Gamma(shape=7, rate=5)

On the real line the value is another variable, the logarithm. At a rate of two the density is larger by the Jacobian,
``log 2``:

>>> moved = unconstrain(joint, ["rate"])
>>> print(moved.values["rate"], moved.natural["rate"].owner.op)
rate_log__ Exp
>>> at_two = joint.total.eval({joint.values["rate"]: 2.0})
>>> bool(np.isclose(moved.total.eval({moved.values["rate"]: np.log(2.0)}) - at_two, np.log(2.0)))
True

Why sums may cost a law. Given which rows are high, their mean is normal; given the data alone it is a mixture of eight
normal distributions, which only a step with gradients moves well:

>>> is_high, mean = pm.Bernoulli.dist(0.25, size=3), pm.Normal.dist(0.0, 1.0)
>>> is_high.name, mean.name = "is_high", "mean"
>>> y = pm.Normal.dist(mean + 4.0 * is_high, 1.0)
>>> y.name = "y"
>>> data = np.array([0.3, 4.2, 3.9])
>>> joint = logprob({y: data}, marginalize=False)
>>> print(conditional(joint.logdensity, joint.values["mean"]))
mean | rest ~ Normal(mean=sum([0.075, 1.05 , 0.975] - is_high), variance=0.25)
>>> summed = logprob({y: data})
>>> sorted(joint.terms), sorted(summed.terms), summed.summed
(['is_high', 'mean', 'y'], ['mean', 'y'], ('is_high',))
>>> conditional(summed.logdensity, summed.values["mean"]) is None
True

Limits
------
The order is fixed. What is on the real line is not summed over: states are natural. A law is not looked for in
sufficient statistics: it would be the same one, and its parameters would be found in a graph that nobody wrote. Where
the bounds of what moves depend on a variable that is drawn from a law, that law has to hold given the value on the real
line, and may be lost (`ppl.planning.grouping`). Stages are equal up to rounding, and where a density is zero or
infinite up to the limit that `graphs.limits` takes; they are not equal for values outside of the supports, checks of
which `strip` leaves out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import explicit_graph_inputs
from pytensor.tensor.variable import TensorVariable

from graphs.bounds.guards import strip_guards
from graphs.density import LogDensity
from graphs.joint.model_graph import ModelGraph
from graphs.limits.masked_slopes import with_masked_branches
from graphs.marginal.elimination.factoring import FiniteVariable
from graphs.marginal.elimination.summation import Summation
from graphs.marginal.finite import finite_states
from graphs.supports import REAL, Support
from graphs.surgery.rebuilding import substitute

Space = Literal["natural", "unconstrained"]


@dataclass(frozen=True, eq=False)
class LogProb:
    """A joint log-probability as graphs.

    Parameters
    ----------
    terms : mapping of str to TensorVariable
        One term per variable or potential, element by element. After a sum over a discrete variable the terms that
        depended on it are one, named by those variables joined with ``+``.
    values : mapping of str to TensorVariable
        The free inputs, by the name of the variable they are values of.
    natural : mapping of str to TensorVariable
        The values in natural space, as graphs of ``values``; the same in natural space.
    supports : mapping of str to Support
        Where the values in natural space lie.
    sums : tuple of Summation
        How discrete variables were summed out; their graphs are of values in natural space.
    space : {"natural", "unconstrained"}
        The space of ``values``.
    graph : ModelGraph
        What it was derived from.
    members : mapping of str to tuple of str
        The variables in each term: where twenty or more were declared one by one in the same form, such as the steps of
        a loop, they share a term with an axis of its own.
    plates : mapping of str to tuple of str
        Of values that are those of several variables, one below the other, the names of these.
    integrals : tuple of Step
        How variables were integrated out by their laws, in this order (`graphs.integral`).
    opened : mapping of str to TensorVariable
        The terms as graphs of all values, those that were integrated out included; empty where none were.
    """

    terms: Mapping[str, TensorVariable]
    values: Mapping[str, TensorVariable]
    natural: Mapping[str, TensorVariable]
    supports: Mapping[str, Support]
    sums: tuple[Summation, ...]
    space: Space
    graph: ModelGraph
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    plates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    integrals: tuple[Any, ...] = ()
    opened: Mapping[str, TensorVariable] = field(default_factory=dict)

    @cached_property
    def total(self) -> TensorVariable:
        """The joint log-probability; shape (), float64. What is impossible has weight zero in its gradient."""
        sums = [pt.sum(term) for term in with_masked_branches(list(self.terms.values()))]
        total = pt.add(*sums) if len(sums) > 1 else sums[0] if sums else pt.constant(0.0)
        total = pt.cast(total, "float64")
        total.name = "logprob"
        return total

    @cached_property
    def logdensity(self) -> LogDensity:
        """The total as a function of all values, and of the symbolic data that were given."""
        total = self.total
        inputs = dict.fromkeys([*self.values.values(), *explicit_graph_inputs([total])])
        is_natural = self.space == "natural"
        supports = {
            value: self.supports[name] if is_natural or self.supports[name].is_discrete else REAL
            for name, value in self.values.items()
        }
        return LogDensity(total, tuple(inputs), supports)

    def dprint(self, file: Any = None) -> None:
        """Print the graph of every term.

        Parameters
        ----------
        file : text stream, optional
            Where to print; standard output by default.
        """
        for name, term in self.terms.items():
            print(f"{name}:", file=file)
            term.dprint(file=file)

    def replace(self, replacements: Mapping[Variable, Variable]) -> LogProb:
        """Return the same log-probability with variables of its graphs replaced.

        Parameters
        ----------
        replacements : mapping of Variable to Variable
            What stands in the place of what; of the same types.

        Returns
        -------
        LogProb
            Another one; this one is not changed.
        """
        graphs = [*self.terms.values(), *self.natural.values()]
        new = substitute(graphs, replacements)
        terms = dict(zip(self.terms, new[: len(self.terms)], strict=True))
        natural = dict(zip(self.natural, new[len(terms) :], strict=True))
        return replace(self, terms=terms, natural=natural)

    @property
    def apart(self) -> tuple[str, ...]:
        """The latent variables that have a value of their own, and did not share one before sums."""
        return tuple(name for name in self.graph.latent if name not in self.plates)

    @property
    def elements(self) -> dict[str, tuple[str, int]]:
        """Of variables whose values are elements of an array: the name of the array, and which element."""
        arrays = {array: names for array, names in self.plates.items() if array in self.values}
        return {name: (array, i) for array, names in arrays.items() for i, name in enumerate(names)}

    @property
    def summed(self) -> tuple[str, ...]:
        """Names of the variables that were summed out."""
        return tuple(v.name for s in self.sums for v in s.variables)


def states_of(logprob: LogProb, name: str) -> NDArray[np.int64] | None:
    """Return the states of a latent variable, ``None`` unless they are finitely many."""
    return finite_states(logprob.graph.latent[name])


def finite_of(logprob: LogProb, name: str) -> FiniteVariable:
    """Return a finite discrete variable with its states."""
    states = states_of(logprob, name)
    assert states is not None
    return FiniteVariable(name, logprob.values[name], states)


def strip(logprob: LogProb, names: Iterable[str]) -> LogProb:
    """Drop the checks and bounds that hold as long as the variables named stay in their supports.

    Parameters
    ----------
    logprob : LogProb
        Any.
    names : iterable of str
        Variables that never leave their support: those on the real line, and those drawn from laws.
    """
    supports: dict[Variable, Support] = {
        logprob.values[n]: logprob.supports[n] if logprob.natural[n] is logprob.values[n] else REAL for n in names
    }
    stripped = strip_guards(list(logprob.terms.values()), supports)
    return replace(logprob, terms=dict(zip(logprob.terms, stripped, strict=True)))
