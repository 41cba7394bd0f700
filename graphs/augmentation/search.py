"""Choose auxiliary variables for the variables of a model that have no full conditional without."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytensor.tensor.variable import TensorVariable

from graphs.augmentation.augment import Augmented, augment, find_augmentations, usable_for
from graphs.augmentation.auxiliary import Auxiliary
from graphs.conditional import (
    Law,
    find_conditional,
    find_joint_blocks,
    is_normal,
    joint_normal,
)
from graphs.joint.joint_logprob import LogProb
from graphs.optional import optional
from graphs.surgery.random_graph import depends_on


@dataclass(frozen=True, eq=False)
class Group:
    """Variables that are drawn from their laws given auxiliary variables, which are drawn before and then forgotten.

    Parameters
    ----------
    augmented : Augmented
        The log-density with the auxiliary variables.
    laws : mapping of str to Law
        By variable; some may share a joint law.
    """

    augmented: Augmented
    laws: Mapping[str, Law]

    @property
    def sequence(self) -> tuple[Law, ...]:
        """The laws in the order in which they are drawn from: first those of the auxiliary variables."""
        return (*self.augmented.laws, *dict.fromkeys(self.laws.values()))

    @property
    def temporary(self) -> tuple[TensorVariable, ...]:
        """The auxiliary variables."""
        return tuple(a.variable for a in self.augmented.auxiliaries)

    @property
    def what(self) -> str:
        """What the auxiliary variables are, in words."""
        return "; ".join(a.what for a in self.augmented.auxiliaries)


class Augmenter:
    """Finds laws given auxiliary variables.

    Parameters
    ----------
    logprob : LogProb
        In natural space.
    """

    def __init__(self, logprob: LogProb):
        self.logprob = logprob
        self._terms: dict[str, Auxiliary | None] = {}
        # What is found for a variable alone is asked again of all together.
        self._augmented: dict[tuple[str, ...], Augmented] = {}
        self._laws: dict[tuple[Augmented, str], Law | None] = {}

    @optional("auxiliary variables", otherwise=lambda *_: ())
    def find(self, name: str) -> tuple[str, ...]:
        """Return the terms for which auxiliary variables give a variable a law; none where there are no such."""
        value = self.logprob.values[name]
        for candidate in self._candidates(name):
            auxiliaries = {n: self._auxiliary(n) for n in candidate}
            chosen = {n: a for n, a in auxiliaries.items() if a is not None and usable_for(a, value)}
            if len(chosen) == len(candidate) and self._law(self._with(chosen), name) is not None:
                return tuple(chosen)
        return ()

    @optional("groups with auxiliary variables", otherwise=lambda *_: [])
    def groups(self, used: Mapping[str, Sequence[str]], others: Sequence[str] = ()) -> list[Group]:
        """Return how variables are drawn, all together where they have laws given the auxiliary variables of all.

        Parameters
        ----------
        used : mapping of str to sequence of str
            For each variable the terms that `find` returned.
        others : sequence of str
            Variables with normal laws of their own: they are drawn together with those that are normal with them.
        """
        if not used:
            return []
        together = dict.fromkeys(term for terms in used.values() for term in terms)
        group = self._group(list(used), list(together), others)
        if group is not None:
            return [group]
        by_terms: dict[frozenset[str], list[str]] = {}
        for name, terms in used.items():
            by_terms.setdefault(frozenset(terms), []).append(name)
        found = [self._group(names, list(used[names[0]])) for names in by_terms.values()]
        return [g for g in found if g is not None]

    def _group(self, names: Sequence[str], terms: Sequence[str], others: Sequence[str] = ()) -> Group | None:
        auxiliaries = {n: a for n in terms if (a := self._auxiliary(n)) is not None}
        values = {n: self.logprob.values[n] for n in names}
        if any(not usable_for(a, v) for a in auxiliaries.values() for v in values.values()):
            return None
        augmented = self._with(auxiliaries)
        laws: dict[str, Law] = {}
        for name in names:
            law = self._law(augmented, name)
            if law is None:
                return None
            laws[name] = law
        normal = {values[n]: n for n, law in laws.items() if is_normal(law)}
        if normal:
            normal |= {self.logprob.values[n]: n for n in others}
        for block in find_joint_blocks(augmented.logdensity, list(normal)):
            joint = joint_normal(augmented.logdensity, block)
            if joint is not None and any(normal[v] in names for v in block):
                laws |= {normal[v]: joint for v in block}
        return Group(augmented, laws)

    def _with(self, auxiliaries: Mapping[str, Auxiliary]) -> Augmented:
        """Return the log-density with the auxiliary variables of some terms."""
        terms = tuple(auxiliaries)
        if terms not in self._augmented:
            self._augmented[terms] = augment(self.logprob, auxiliaries)
        return self._augmented[terms]

    def _law(self, augmented: Augmented, name: str) -> Law | None:
        value = self.logprob.values[name]
        if (augmented, name) not in self._laws:
            found, _ = find_conditional(augmented.logdensity, value, support=self.logprob.supports[name])
            self._laws[augmented, name] = found
        return self._laws[augmented, name]

    def _candidates(self, name: str) -> Iterator[list[str]]:
        value = self.logprob.values[name]
        own = [name] if self._auxiliary(name) is not None else []
        others = [n for n, term in self.logprob.terms.items() if n != name and depends_on(term, [value])]
        children = [n for n in others if self._auxiliary(n) is not None]
        seen: list[list[str]] = []
        for candidate in (own, children, own + children):
            if candidate and candidate not in seen:
                seen.append(candidate)
                yield candidate

    def _auxiliary(self, name: str) -> Auxiliary | None:
        if name not in self._terms:
            self._terms[name] = find_augmentations(self.logprob, [name]).get(name)
        return self._terms[name]
