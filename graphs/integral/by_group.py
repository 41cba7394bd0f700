"""The log-likelihood group by group: what is shared by the rows of a group alone is integrated out.

Rows that depend on the same elements of what is integrated out, or on elements that depend on each other, are one
group. Its likelihood is Bayes' rule at one point x, group by group,

    log p(y | rest) = log p(y | x, rest) + log p(x | rest) - log p(x | y, rest),

where the last law is what the integral is taken by, at whose mode nothing cancels.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from math import log, pi, prod

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from graphs.conditional import JointNormal, Law, MultivariateNormal, Normal, Obstacle, RowNormal, SparseNormal
from graphs.conditional.families.block_normal import BlockNormal, from_blocks
from graphs.errors import DerivationError
from graphs.integral.bordered import BorderedNormal
from graphs.integral.choosing import integrate, may_be_integrated
from graphs.integral.integrating import find_step
from graphs.integral.step import Step
from graphs.integral.whitened import WhitenedNormal
from graphs.joint.joint_logprob import LogProb
from graphs.marginal.elimination.entries import ComponentTotals, Entry, entries_of
from graphs.marginal.elimination.factor_tables import Integers
from graphs.marginal.factors import at_values
from graphs.marginal.lifting import ABSENT, MixingError, lift
from graphs.surgery.random_graph import depends_on
from graphs.surgery.rebuilding import substitute


@dataclass(frozen=True, eq=False)
class Groups:
    """Which rows share which elements of some variables.

    Parameters
    ----------
    names : tuple of str
        The variables.
    labels : mapping of str to integers
        For each term that depends on one of them, in its shape, of which group each element is; -1 where of none.
    sites : mapping of str to integers
        Of which group each element of the variables is.
    """

    names: tuple[str, ...]
    labels: Mapping[str, Integers]
    sites: Mapping[str, Integers]

    @property
    def count(self) -> int:
        """How many groups there are."""
        return 1 + max((int(own.max(initial=-1)) for own in self.sites.values()), default=-1)

    def num_of(self, names: Collection[str]) -> int:
        """Return in how many groups the elements of some variables are."""
        found = [np.unique(own) for name, own in self.sites.items() if name in names]
        return len(np.unique(np.concatenate(found))) if found else 0

    def num_of_terms(self, names: Collection[str]) -> int:
        """Return in how many groups the elements of some terms are."""
        found = [np.unique(own[own >= 0]) for name, own in self.labels.items() if name in names]
        return len(np.unique(np.concatenate(found))) if found else 0


def groups_of(joint: LogProb, names: Sequence[str]) -> Groups | Obstacle:
    """Return which rows share which elements of variables.

    Parameters
    ----------
    joint : LogProb
        In natural space.
    names : sequence of str
        The variables.
    """
    values = [joint.values[n] for n in names]
    shapes = [tuple(int(n) for n in v.type.shape) for v in values]
    terms = {n: t for n, t in joint.terms.items() if depends_on(t, values)}
    bindings = at_values({v: v[None] for v in values})
    ends = np.cumsum([prod(shape) for shape in shapes])
    edges: list[Integers] = []
    first: dict[str, Integers] = {}
    for (name, term), lifted in zip(terms.items(), lift(list(terms.values()), dict(bindings)), strict=True):
        if isinstance(lifted, MixingError):
            return Obstacle(f"the term {name} cannot be told apart by elements: {lifted}")
        shape = tuple(int(n) for n in term.type.shape)
        slots = [np.broadcast_to(slot.atoms, shape).ravel() for slot in lifted.slots]
        one = reduce(lambda a, b: np.where(a == ABSENT, b, a), slots)
        first[name] = one.reshape(shape)
        edges += [np.stack([one, slot])[:, slot != ABSENT] for slot in slots]
    pairs = np.concatenate(edges, axis=1) if edges else np.zeros((2, 0), np.int64)
    size = int(ends[-1])
    graph = coo_matrix((np.ones(pairs.shape[1]), (pairs[0], pairs[1])), shape=(size, size))
    _, of_atom = connected_components(graph, directed=False)
    of_atom = of_atom.astype(np.int64)
    labels = {n: np.where(one == ABSENT, -1, of_atom[one]) for n, one in first.items()}
    parts = np.split(of_atom, ends[:-1])
    sites = {n: part.reshape(shape) for n, part, shape in zip(names, parts, shapes, strict=True)}
    return Groups(tuple(names), labels, sites)


def separable(joint: LogProb, observed: Collection[str], barred: Sequence[TensorVariable]) -> list[str]:
    """Return the variables that have laws and fall apart into groups, those of the most groups first.

    One that would join groups of those before it, such as their mean, is left out.

    Parameters
    ----------
    joint : LogProb
        In natural space.
    observed : collection of str
        The terms of data.
    barred : sequence of TensorVariable
        Values with which none of the terms of a variable may have to do.
    """
    alone: dict[str, int] = {}
    for name in joint.values:
        if not may_be_integrated(joint, name) or why_barred(joint, name, barred):
            continue
        groups = groups_of(joint, [name])
        if isinstance(groups, Groups) and (count := groups.num_of_terms(observed)) > 1:
            alone[name] = count
    chosen: list[str] = []
    for name in sorted(alone, key=lambda n: -alone[n]):
        both = groups_of(joint, [*chosen, name])
        before = groups_of(joint, chosen) if chosen else None
        if isinstance(both, Obstacle) or isinstance(before, Obstacle):
            continue
        joins = before is not None and both.num_of(chosen) < before.count
        if joins or isinstance(find_step(_about(joint, [name]), (name,)), Obstacle):
            continue
        chosen.append(name)
    return chosen


def why_barred(joint: LogProb, name: str, barred: Sequence[TensorVariable]) -> str:
    """Return why a variable cannot be integrated out group by group beside others that are summed out."""
    for term in joint.terms.values():
        if depends_on(term, [joint.values[name]]) and depends_on(term, barred):
            found = next(v.name for v in barred if depends_on(term, [v]))
            return f"its rows depend on the discrete variable {found} as well"
    return ""


@dataclass(frozen=True, eq=False)
class GroupLikelihood:
    """The log-likelihood of groups.

    Parameters
    ----------
    names : tuple of str
        What is integrated out.
    terms : tuple of str
        The terms of data whose numbers these are.
    entries : mapping of str to Entry
        The numbers.
    """

    names: tuple[str, ...]
    terms: tuple[str, ...]
    entries: Mapping[str, Entry]


def log_likelihood_of_groups(joint: LogProb, names: Sequence[str], observed: Collection[str]) -> GroupLikelihood:
    """Return the log-likelihood of each group of rows, variables integrated out that have laws.

    Parameters
    ----------
    joint : LogProb
        In natural space.
    names : sequence of str
        What to integrate out.
    observed : collection of str
        The terms of data.

    Raises
    ------
    DerivationError
        If one has no law, or rows cannot be told apart.
    """
    groups = groups_of(joint, names)
    if isinstance(groups, Obstacle):
        raise DerivationError(f"{', '.join(names)} cannot be integrated out group by group: {groups.reason}.", names[0])
    about = _about(joint, names)
    own = set(names)
    totals = _by_group(about, groups)
    if not set(about.terms) <= own | set(observed):
        # What else depends on the variables tells of them, too.
        without = replace(about, terms={n: t for n, t in about.terms.items() if n not in observed})
        totals = totals - _by_group(without, groups)
    labels = dict(groups.labels)
    nowhere: dict[Variable, Variable] = {
        v: pt.constant(np.zeros(v.type.shape, v.type.dtype)) for v in (joint.values[n] for n in names)
    }
    numbers, count = [totals], groups.count
    seen = [n for n in about.terms if n in observed]
    for name in seen:
        # What depends on none of the variables is a group by itself.
        alone = np.flatnonzero(labels[name] < 0)
        if alone.size:
            [term] = substitute([about.terms[name]], nowhere)
            numbers.append(term.ravel()[alone])
            labels[name] = labels[name].copy()
            labels[name].flat[alone] = np.arange(count, count + alone.size)
            count += alone.size
    found = ComponentTotals(pt.concatenate(numbers) if len(numbers) > 1 else totals, np.arange(count))
    own_labels = {n: labels[n] for n in seen}
    return GroupLikelihood(tuple(names), tuple(seen), entries_of(own_labels, found, about.terms, groups.sites))


def _about(joint: LogProb, names: Sequence[str]) -> LogProb:
    """Return the terms that depend on variables."""
    values = [joint.values[n] for n in names]
    return replace(joint, terms={n: t for n, t in joint.terms.items() if depends_on(t, values)})


def _by_group(about: LogProb, groups: Groups) -> TensorVariable:
    """Return for each group the log of the integral over its elements of all terms; shape (count,)."""
    done = integrate(about, groups.names)
    for name, reason in done.reasons.items():
        raise DerivationError(
            f"{name} cannot be integrated out: {reason}. Leave it out of integrated: it stays as it was drawn.", name
        )
    steps = done.joint.integrals
    resolved: dict[Variable, Variable] = {}
    for step in reversed(steps):
        points = substitute([_point(step, value) for value in step.at], resolved)
        resolved |= dict(zip(step.at, points, strict=True))
    name_of = {about.values[n]: n for n in groups.names}
    total = pt.zeros((groups.count,))
    for name, term in zip(about.terms, substitute(list(about.terms.values()), resolved), strict=True):
        total = _added(total, term, groups.labels[name])
    for step in steps:
        sites = {value: groups.sites[name_of[value]] for value in step.at}
        for density, labels in _log_densities(step.law, sites):
            [density] = substitute([density], resolved)
            total = _added(total, -density, labels)
    return total


def _added(total: TensorVariable, numbers: TensorVariable, labels: Integers) -> TensorVariable:
    """Add numbers to those of the groups that they belong to."""
    is_there = labels.ravel() >= 0
    flat = pt.broadcast_to(numbers, labels.shape).ravel()
    added: TensorVariable = total[labels.ravel()[is_there]].inc(flat[np.flatnonzero(is_there)])
    return added


def _point(step: Step, value: TensorVariable) -> TensorVariable:
    return step.law.mode() if isinstance(step.law, Normal) else step.at[value]


def _log_densities(law: Law, sites: Mapping[TensorVariable, Integers]) -> list[tuple[TensorVariable, Integers]]:
    """Return the log-density of a law at the point where it is evaluated, in parts, and the group of each."""
    if isinstance(law, WhitenedNormal):
        labels = [sites[c.x] for c in law.coordinates]
        whitened = _log_densities(law.base, {law.base.variable: np.concatenate([own.ravel() for own in labels])})
        scales = [pt.broadcast_to(-pt.log(c.scale), own.shape) for c, own in zip(law.coordinates, labels, strict=True)]
        return [*whitened, *zip(scales, labels, strict=True)]
    [(value, own)] = sites.items()
    law = law.law if isinstance(law, JointNormal) else law
    diagonal = _diagonal_of_factor(law)
    if diagonal is not None:
        return [(pt.log(diagonal) - 0.5 * log(2.0 * pi), own.ravel())]
    density = law.logprob(value)
    shape = tuple(int(n) for n in density.type.shape)
    # Of a vector or a matrix there is one density.
    by_part = own.reshape((*shape, -1))
    if not (by_part == by_part[..., :1]).all():
        raise DerivationError(
            f"{value.name} cannot be integrated out group by group: its law is not one of each group."
        )
    return [(density, by_part[..., 0])]


def _diagonal_of_factor(law: Law) -> TensorVariable | None:
    """Return the diagonal of the factor of a normal law's precision matrix, in the order of its elements.

    A matrix without elements between groups has a factor without them: the logarithms of a group add up to its own.
    """
    if isinstance(law, BorderedNormal | RowNormal):
        return law.diagonal
    if isinstance(law, SparseNormal):
        return pt.zeros((law.pattern.size,))[law.pattern.order].set(law.factor.diagonal)
    if isinstance(law, MultivariateNormal):
        return pt.diagonal(law.factor)
    if isinstance(law, BlockNormal):
        diagonal = pt.diagonal(law.factor, axis1=-2, axis2=-1)
        return from_blocks(pt.broadcast_to(diagonal, (law.num_blocks, law.size)), law.variable, law.core_axes).ravel()
    return None
