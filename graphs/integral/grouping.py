"""Which variables are normal together, and which of them may go alone where all together are too dear."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np
import pytensor.tensor as pt
from scipy.sparse.csgraph import connected_components

from graphs.bounds.guards import strip_guards
from graphs.conditional import find_joint_blocks
from graphs.conditional.quadratic.degree import HIGHEST, degree_of
from graphs.conditional.quadratic.sparsity import SMALLEST, ties_of
from graphs.density import LogDensity
from graphs.integral.blocks import in_coordinates
from graphs.joint.joint_logprob import LogProb
from graphs.optional import optional
from graphs.supports import REAL
from graphs.surgery.random_graph import depends_on


def num_elements(joint: LogProb, name: str) -> int:
    """Return how many elements a variable has."""
    return prod(int(n) for n in joint.values[name].type.shape)


@optional("groups of normal variables", otherwise=lambda *_: [])
def normal_groups(joint: LogProb, names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return variables in groups in which a log-density is quadratic together, those alone included.

    Parameters
    ----------
    joint : LogProb
        In natural space.
    names : sequence of str
        The variables in question.
    """
    real = [n for n in names if joint.supports[n] == REAL and joint.values[n].type.dtype == "float64"]
    if not real:
        return []
    real = [n for n in real if degree_of(joint.total, [joint.values[n]]) == HIGHEST]
    density, coordinates = in_coordinates(joint, real)
    name_of = {joint.values[n]: n for n in real}
    names_of = {c.u: name_of[c.x] for c in coordinates}
    quadratic = [u for u in names_of if degree_of(density.total, [u]) == HIGHEST]
    own = LogDensity(density.total, density.inputs, density.supports)
    groups = [tuple(names_of[u] for u in group) for group in find_joint_blocks(own, quadratic)]
    together = {n for group in groups for n in group}
    return groups + [(names_of[u],) for u in quadratic if names_of[u] not in together]


def subsets(joint: LogProb, group: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield a group, then what is left of it without its arrays one by one, the larger first, then each alone.

    Parameters
    ----------
    joint : LogProb
        In natural space.
    group : sequence of str
        Variables that are normal together.
    """
    yield tuple(group)
    by_size = sorted(group, key=lambda n: -num_elements(joint, n))
    if len(group) > 2:
        for name in by_size[:2]:
            yield tuple(n for n in group if n != name)
    if len(group) > 1:
        yield from ((name,) for name in by_size)


def in_order(joint: LogProb, names: Sequence[str]) -> list[str]:
    """Return variables, those first on whose value no term of another depends, and of these the largest.

    Parameters
    ----------
    joint : LogProb
        In natural space.
    names : sequence of str
        The variables.
    """
    parents = {
        n: [m for m in names if m != n and n in joint.terms and depends_on(joint.terms[n], [joint.values[m]])]
        for n in names
    }
    depths: dict[str, int] = {}

    def depth(name: str, below: tuple[str, ...] = ()) -> int:
        if name not in depths:
            above = [depth(m, (*below, name)) for m in parents[name] if m not in below]
            depths[name] = 1 + max(above, default=0)
        return depths[name]

    return sorted(names, key=lambda n: (-depth(n), -num_elements(joint, n)))


def is_nested(joint: LogProb, name: str, group: Sequence[str]) -> bool:
    """Whether the terms in which a variable stands hold none of the others of a group, its own term aside.

    What is left of the variable is then the density of an estimate of it around the mean of its prior: nothing else in
    the group is tied by it.

    Parameters
    ----------
    joint : LogProb
        In natural space.
    name : str
        The variable.
    group : sequence of str
        Variables that are normal together.
    """
    others = [joint.values[n] for n in group if n != name]
    with_it = [t for n, t in joint.terms.items() if n != name and depends_on(t, [joint.values[name]])]
    own = joint.terms.get(name)
    return own is not None and depends_on(own, others) and not any(depends_on(t, others) for t in with_it)


@optional("ties of a prior", otherwise=lambda *_: False)
def is_tied_by_prior(joint: LogProb, name: str) -> bool:
    """Whether the prior of a variable ties many of its elements to each other, as a random walk does.

    Parameters
    ----------
    joint : LogProb
        In natural space.
    name : str
        The variable.
    """
    x = joint.values[name]
    if joint.supports[name] != REAL or name not in joint.terms or num_elements(joint, name) < SMALLEST:
        return False
    ties = ties_of(strip_guards(pt.sum(joint.terms[name]), joint.logdensity.supports, almost_surely=True), [x])
    if ties is None:
        return True
    _, label = connected_components(ties, directed=False)
    return bool(np.bincount(label).max() >= SMALLEST)
