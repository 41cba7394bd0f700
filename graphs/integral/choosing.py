"""Which variables are integrated out, in which order, and why the others are not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from graphs.conditional import Law, Obstacle, ObstacleKind, find_law
from graphs.density import LogDensity
from graphs.errors import DerivationError
from graphs.integral.field import covariance_of
from graphs.integral.grouping import in_order, is_nested, normal_groups, subsets
from graphs.integral.integrating import find_step, with_step
from graphs.integral.step import Factor
from graphs.joint.joint_logprob import LogProb, states_of
from graphs.marginal.atoms import has_atoms
from graphs.surgery.random_graph import depends_on
from graphs.variables.transforms import restriction_of

_MOST_BLAMED = 20
_IMPROPER = (ObstacleKind.IMPROPER, ObstacleKind.SEEMS_IMPROPER, ObstacleKind.ABSENT)


type Attempt = tuple[tuple[str, ...], bool]
"""Variables that may be integrated out together, and whether they are all that is tied."""


class Worth(Protocol):
    """Says whether integrals pay."""

    def refusal(self, before: LogProb, names: Sequence[str], found: Law | Factor, is_whole: bool) -> str:
        """Return why no integral by a law of this kind pays, or with such a factor, or nothing where some may.

        Parameters
        ----------
        before : LogProb
            From which variables may be integrated out.
        names : sequence of str
            The variables.
        found : Law or Factor
            Their law, or what the factor of its precision matrix takes.
        is_whole : bool
            Whether the integral takes all that is tied.
        """

    def objection(self, before: LogProb, names: Sequence[str], after: LogProb, is_whole: bool) -> str:
        """Return why an integral does not pay, or nothing where it does; ``after`` is what is left."""

    def take(self, after: LogProb) -> None:
        """Measure the integrals that follow by what is left after this one, too."""


@dataclass(frozen=True, eq=False)
class Integrated:
    """A log-probability from which variables are integrated out, and why others are not.

    Parameters
    ----------
    joint : LogProb
        What is left.
    reasons : mapping of str to str
        Of each variable that was to be integrated out and is not, why.
    """

    joint: LogProb
    reasons: dict[str, str] = field(default_factory=dict)
    obstacles: dict[str, Obstacle] = field(default_factory=dict)
    """What stands in the way of a law, where that is the reason."""
    objections: dict[str, str] = field(default_factory=dict)
    """Why an integral that there is does not pay, where that is the reason."""
    taken: tuple[Attempt, ...] = ()
    """What was integrated out, in order."""


def may_be_integrated(joint: LogProb, name: str) -> bool:
    """Whether a variable is one that integrals are for: continuous, or a count without a bound."""
    value = joint.values[name]
    return 0 not in value.type.shape and states_of(joint, name) is None


def integrate(
    joint: LogProb, names: Collection[str], worth: Worth | None = None, known: Sequence[Attempt] | None = None
) -> Integrated:
    """Integrate variables out as far as there are laws, and as far as that pays.

    What is normal goes first: level by level where the levels are nested, which holds at any ratio of their scales;
    what is left together as far as it is tied, one factor of a sparse matrix. Then other families, one by one, those
    first on which no other depends, and of these the largest: what a variable follows has its law after it, as rates
    have after counts of them. An integral may give others laws, so that this is repeated as long as something is found.

    Parameters
    ----------
    joint : LogProb
        In natural space.
    names : collection of str
        The variables in question.
    worth : Worth, optional
        Says of an integral why it does not pay; all do by default.
    known : sequence of (names, bool), optional
        What such a search has taken before, ``Integrated.taken``: nothing else is tried.
    """
    asked = [n for n in joint.values if n in names]
    barred = {n: why for n in asked if (why := _bar(joint, n))}
    search = _Search(joint, [n for n in asked if n not in barred], worth)
    if known is not None:
        search.take_known(known)
    else:
        while search.take_normal() or search.take_other():
            pass
    taken = tuple(search.taken)
    return Integrated(search.joint, search.reasons() | barred, search.obstacles(), search.objections(), taken)


def _bar(joint: LogProb, name: str) -> str:
    """Return why a variable is not integrated out whatever its law: there is more to it than its density says."""
    rv = joint.graph.latent[name]
    if not joint.supports[name].is_discrete and has_atoms(rv):
        return "it has single values of positive probability among continuous ones"
    return restriction_of(rv, joint.graph.transforms.get(name))


def integrate_all(joint: LogProb, names: Sequence[str]) -> LogProb:
    """Integrate variables out that were asked for by name.

    Parameters
    ----------
    joint : LogProb
        In natural space.
    names : sequence of str
        The variables.

    Raises
    ------
    DerivationError
        If one has no law: says what prevents it.
    """
    done = integrate(joint, names)
    for name, reason in done.reasons.items():
        obstacle = done.obstacles.get(name)
        why = _with_blame(done.joint, name, obstacle) if obstacle else reason
        is_improper = obstacle is not None and obstacle.kind in _IMPROPER
        remedy = "Give it a proper prior" if is_improper else "Leave it out of marginalize, and it is sampled"
        raise DerivationError(f"{name} cannot be integrated out: {why}. {remedy}.", name, joint.values[name])
    return done.joint


def _with_blame(joint: LogProb, name: str, why: Obstacle) -> str:
    """Return why a variable has no law, with the terms that have none by themselves for that reason."""
    value, density = joint.values[name], joint.logdensity
    terms = [n for n, term in joint.terms.items() if depends_on(term, [value])]
    alone = {n: LogDensity(joint.terms[n].sum(), density.inputs, density.supports) for n in terms[:_MOST_BLAMED]}
    others = [n for n, one in alone.items() if n != name and _has_none(find_law(one, value, joint.supports[name]))]
    more = ", ..." if others and len(terms) > _MOST_BLAMED else ""
    return f"{why.reason} (in the log-probability of {', '.join(others)}{more})" if others else why.reason


def _has_none(law: Law | Obstacle) -> bool:
    return isinstance(law, Obstacle) and law.kind not in _IMPROPER


class _Search:
    """Integrals that are taken one after the other, and why the others are not.

    Parameters
    ----------
    joint : LogProb
        In natural space; that of what is left, later.
    names : sequence of str
        The variables in question.
    worth : Worth or None
        Says of an integral why it does not pay.
    """

    def __init__(self, joint: LogProb, names: Sequence[str], worth: Worth | None):
        self.joint = joint
        self.names = list(names)
        self.worth = worth
        self.taken: list[Attempt] = []
        self._objections: dict[str, str] = {}
        self._obstacles: dict[str, tuple[tuple[int, ...], Obstacle]] = {}
        self._normal: set[str] = set()

    def reasons(self) -> dict[str, str]:
        """Return why what is left is left."""
        why = {n: obstacle.reason for n, (_, obstacle) in self._obstacles.items()}
        return {n: self._objections.get(n) or why.get(n, "") for n in self.names}

    def objections(self) -> dict[str, str]:
        """Return why integrals that there are do not pay."""
        return {n: why for n in self.names if (why := self._objections.get(n))}

    def obstacles(self) -> dict[str, Obstacle]:
        """Return what stands in the way of the laws of what is left."""
        return {n: self._obstacles[n][1] for n in self.names if n in self._obstacles and not self._objections.get(n)}

    def take_normal(self) -> bool:
        """Take what is normal, together where it is tied; whether there was any."""
        fields = [n for n in self.names if covariance_of(self.joint, n) is not None]
        found = False
        for name in fields:
            found = self._take((name,), is_whole=True) or found
        place = {n: i for i, n in enumerate(in_order(self.joint, self.names))}
        # Effects before their mean: what is left of a mean knows all of them.
        groups = sorted(normal_groups(self.joint, self.names), key=lambda group: min(place[n] for n in group))
        self._normal = {name for group in groups for name in group}
        for group in groups:
            if len(group) > 1 and self._take_nested(group):
                return True
        for group in groups:
            taken = any(self._take(part, is_whole=len(part) == len(group)) for part in subsets(self.joint, group))
            found = found or taken
        return found

    def take_other(self) -> bool:
        """Take a variable of another family; whether there was one."""
        return any(self._take((name,), is_whole=name not in self._normal) for name in in_order(self.joint, self.names))

    def take_known(self, attempts: Sequence[Attempt]) -> None:
        """Take what is known to be taken, in that order."""
        for names, is_whole in attempts:
            self._take(names, is_whole)

    def _take_nested(self, group: Sequence[str]) -> bool:
        """Take a variable of a group of which only the prior knows the others; whether there was one."""
        nested = (name for name in in_order(self.joint, group) if is_nested(self.joint, name, group))
        return any(self._take((name,), is_whole=True) for name in nested)

    def _take(self, names: tuple[str, ...], is_whole: bool) -> bool:
        """Take an integral if there is one and it pays."""
        terms = self._terms_with(names)
        key = ", ".join(names)
        if key in self._obstacles and self._obstacles[key][0] == terms:
            return False
        worth, before = self.worth, self.joint
        refusal = None if worth is None else partial(worth.refusal, before, names, is_whole=is_whole)
        step = find_step(before, names, refusal)
        if isinstance(step, Obstacle):
            self._obstacles[key] = terms, step
            if step.kind is ObstacleKind.REFUSED:
                self._objections |= dict.fromkeys(names, step.reason)
            return False
        after = with_step(before, step)
        objection = "" if worth is None else worth.objection(before, names, after, is_whole)
        self._objections |= dict.fromkeys(names, objection)
        if objection:
            self._obstacles[key] = terms, Obstacle(objection)
            return False
        if worth is not None:
            worth.take(after)
        self.joint = after
        self.taken.append((names, is_whole))
        self.names = [n for n in self.names if n not in names]
        return True

    def _terms_with(self, names: Sequence[str]) -> tuple[int, ...]:
        values = [self.joint.values[n] for n in names]
        return tuple(id(t) for t in self.joint.terms.values() if depends_on(t, values))
