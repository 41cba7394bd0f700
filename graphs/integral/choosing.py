"""Which variables are integrated out, in which order, and why the others are not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from math import prod

from graphs.conditional import Obstacle, find_joint_blocks, is_normal
from graphs.errors import DerivationError
from graphs.integral.integrating import find_step, with_step
from graphs.integral.step import Step
from graphs.joint.joint_logprob import LogProb, states_of
from graphs.surgery.random_graph import depends_on

Worth = Callable[[LogProb, LogProb, Step], str]
"""Of the log-probability before and after an integral: why it does not pay, or nothing where it does."""


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


def may_be_integrated(joint: LogProb, name: str) -> bool:
    """Whether a variable is one that integrals are for: continuous, or a count without a bound."""
    value = joint.values[name]
    return 0 not in value.type.shape and states_of(joint, name) is None


def integrate(joint: LogProb, names: Collection[str], worth: Worth | None = None) -> Integrated:
    """Integrate variables out as far as there are laws, and as far as that pays.

    What is normal element by element goes first, the largest arrays before the smaller ones: that costs nothing and
    leaves others with laws that they did not have before. Then what is normal in blocks, alone or together; then all
    other families. An integral gives others laws, so that this is repeated as long as something is found.

    Parameters
    ----------
    joint : LogProb
        In natural space.
    names : collection of str
        The variables in question.
    worth : callable, optional
        Says of an integral why it does not pay; all do by default.
    """
    search = _Search(joint, [n for n in joint.values if n in names])
    reasons: dict[str, str] = {}
    found = True
    while found:
        found = False
        for step in search.candidates():
            if isinstance(step, Obstacle):
                continue
            objection = "" if worth is None else worth(search.joint, with_step(search.joint, step), step)
            reasons |= dict.fromkeys(step.names, objection)
            if not objection:
                search.take(step)
                found = True
                break
    left = {n: search.single(n) for n in search.names}
    refused = {n: step.reason for n, step in left.items() if isinstance(step, Obstacle)}
    return Integrated(search.joint, {n: refused.get(n) or reasons.get(n, "") for n in left})


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
        raise DerivationError(
            f"{name} cannot be integrated out: {reason}. Leave it out of marginalize, and it is sampled.",
            name,
            joint.values[name],
        )
    return done.joint


class _Search:
    """Integrals that can be taken next; what is known of a variable is kept as long as its terms are the same.

    Parameters
    ----------
    joint : LogProb
        In natural space; that of what is left, later.
    names : sequence of str
        The variables in question.
    """

    def __init__(self, joint: LogProb, names: Sequence[str]):
        self.joint = joint
        self.names = list(names)
        self._known: dict[str, tuple[tuple[int, ...], Step | Obstacle]] = {}

    def take(self, step: Step) -> None:
        """Take an integral."""
        self.joint = with_step(self.joint, step)
        self.names = [n for n in self.names if n not in step.names]

    def single(self, name: str) -> Step | Obstacle:
        """Return the integral over one variable, or why there is none."""
        value = self.joint.values[name]
        terms = tuple(id(t) for t in self.joint.terms.values() if depends_on(t, [value]))
        known = self._known.get(name)
        if known is None or known[0] != terms:
            self._known[name] = known = terms, find_step(self.joint, (name,))
        return known[1]

    def candidates(self) -> Iterator[Step | Obstacle]:
        """Yield integrals: arrays of independent elements, then what is normal together, then the rest, by size."""
        size = {n: prod(int(k) for k in self.joint.values[n].type.shape) for n in self.names}
        by_size = sorted(self.names, key=lambda n: -size[n])
        steps = {n: self.single(n) for n in by_size}
        found = {n: step for n, step in steps.items() if isinstance(step, Step)}
        apart = [n for n, step in found.items() if step.is_elementwise and size[n] > 1]
        yield from (found[n] for n in apart)
        normal = {self.joint.values[n]: n for n in self.joint.values if n in found and is_normal(found[n].law)}
        for group in find_joint_blocks(self.joint.logdensity, list(normal)):
            yield find_step(self.joint, tuple(normal[v] for v in group))
        left = [n for n in found if n not in apart]
        yield from (found[n] for n in left if is_normal(found[n].law))
        yield from (found[n] for n in left if not is_normal(found[n].law))
