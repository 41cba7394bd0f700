"""Whether it pays to integrate a variable out: counted, by what a draw takes before and after.

What integrals gain beside time cannot be counted, since how slowly a posterior mixes is not known before it is sampled;
but it is known of what kind it is. The constants below were measured in whole calls of ``sample`` with and without all
integrals that there are, of 60 ordinary models (``benchmarks/dearer.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import toposort

from graphs.centring.families import is_exponential, is_located
from graphs.centring.sequences import is_sequence
from graphs.conditional import (
    Beta,
    CountLaw,
    Dirichlet,
    Gamma,
    InverseGamma,
    InverseWishart,
    Law,
    MultivariateNormal,
    Normal,
    RowNormal,
    SparseNormal,
    Wishart,
)
from graphs.integral import BorderedNormal, Factor, FieldNormal, WhitenedNormal, is_tied_by_prior
from graphs.joint.joint_logprob import LogProb
from graphs.surgery.random_graph import depends_on
from ppl.planning.comparing.costs import (
    PER_DIMENSION,
    PER_TRAJECTORY,
    cost_of_keeping_numbers,
    fewest_gradients,
)
from ppl.planning.work import work_of, work_of_factor, work_of_small_factors
from samplers.conditionals.discrete import independent_groups

MOST_TIMES_DEARER, MOST_TIMES_DEARER_TIED = 2.75, 25.0
"""So many times longer a draw may take than with everything sampled, its trajectories being those of a normal
distribution: where the prior of what goes depends on what stays, as that of effects on their scale, and where it ties
its elements to each other besides, as that of a random walk does. Effects and their scale make a funnel, walks have
trajectories of hundreds of gradients: up to these limits 24 models with the first had 2.4 times the effective draws a
second on average (0.5 to 17, 20 of them 0.9 or more), three with the second 26 (17 to 32); beyond them 12 had 0.4
(three of them more than before), and one 0.9."""
MOST_TIMES_DEARER_FIXED, MOST_TIMES_DEARER_BESIDES = 1.0, 1.25
"""And where it depends on nothing that stays, as coefficients of a regression: there is no funnel, and NUTS mixes worse
in fewer dimensions (19 models had 0.9 times the effective draws a second on average, 0.3 to 3.8); in comparison with
what was integrated out before, if that has to be drawn back anyway."""
MOST_TIMES_DEARER_IN_PART = 1.0
"""And where only a part goes of what is normal together: with one of two crossed effects left there are as many
effective draws as before."""
PER_GRADIENT, PER_OPERATION, PER_ELEMENT, PER_WORK, PER_SPARSE_NODE = 35.0, 3.5, 5.0, 1.2, 2500.0
PER_SMALL_FACTOR = 8.0
"""Nanoseconds of a log-density and its gradient: for each operation of the former, element of the state, nanosecond of
what it is counted to take, operation on sparse factors, and once more so many times what small dense ones are counted
to take. Within a factor of 1.5 of what was measured of 25 of 32 log-densities, of 2.2 of the others."""
MOST_TIMES_MORE_GROUPS = 2
"""So many times more groups may the elements of a discrete variable be drawn in that are independent given the rest:
each group is one more evaluation in a sweep, and one more to compile. Two elements may always be tied."""
PER_DRAWING_BACK, PER_ELEMENT_DRAWN = 1000.0, 20.0
"""Nanoseconds of the drawing back of a draw, and of each element of that."""
_SWEEPS_PER_DRAW = 2.0
CLOSED = (
    BorderedNormal,
    Beta,
    Dirichlet,
    Gamma,
    InverseGamma,
    InverseWishart,
    Normal,
    MultivariateNormal,
    RowNormal,
    SparseNormal,
    FieldNormal,
    WhitenedNormal,
    Wishart,
    CountLaw,
)
"""Laws whose normalisers are of functions that are exact to the last digits, and fast."""


class CountedWorth:
    """Says whether integrals pay.

    Parameters
    ----------
    whole : LogProb
        The log-probability before any.
    """

    def __init__(self, whole: LogProb):
        self._size = _num_continuous(whole)
        self._before = self._now = self._cost(_gradient(whole), self._size)
        self._limits: dict[tuple[str, ...], float] = {}
        self._counted: tuple[LogProb, float] | None = None
        self._groups: dict[tuple[LogProb, str], int] = {}

    def refusal(self, before: LogProb, names: Sequence[str], found: Law | Factor, is_whole: bool) -> str:
        """Return why no integral by a law of this kind pays, or with such a factor, or nothing where some may."""
        if why := _uncentring(before, names):
            return why
        if not isinstance(found, Factor):
            slow = f"the normaliser of its law, {found.family}, takes longer than it saves"
            return "" if isinstance(found, CLOSED) else slow
        left = _num_continuous(before) - found.num_elements
        cost = self._cost(PER_GRADIENT + PER_WORK * work_of_factor(found), left)
        return self._why(cost, before, names, is_whole, "at least ")

    def objection(self, before: LogProb, names: Sequence[str], after: LogProb, is_whole: bool) -> str:
        """Return why an integral does not pay, or nothing where it does."""
        return self._why(self._cost_after(after), before, names, is_whole) or self._tying(before, after)

    def take(self, after: LogProb) -> None:
        """Measure the integrals that follow by what is left after this one, too."""
        self._now = self._cost_after(after)

    def times_of(self, after: LogProb) -> float:
        """Return how many times longer a draw takes, with its share of the warm-up."""
        return self._cost_after(after) / self._before

    def _cost_after(self, after: LogProb) -> float:
        """Return about how many nanoseconds a draw takes of what is left."""
        if self._counted is None or self._counted[0] is not after:
            self._counted = after, self._cost(_gradient(after), _num_continuous(after))
        return self._counted[1]

    def _cost(self, gradient: float, size: int) -> float:
        """Return about how many nanoseconds a draw takes, with its share of the warm-up."""
        sweep = fewest_gradients(size) * gradient + PER_TRAJECTORY + PER_DIMENSION * size
        gone = self._size - size
        back = PER_DRAWING_BACK + PER_ELEMENT_DRAWN * gone if gone else 0.0
        return _SWEEPS_PER_DRAW * sweep + cost_of_keeping_numbers(self._size) + back

    def _tying(self, before: LogProb, after: LogProb) -> str:
        """Return whose elements could not be drawn together any more, or nothing."""
        for name in after.values:
            if after.supports[name].is_discrete and prod(after.values[name].type.shape) > MOST_TIMES_MORE_GROUPS:
                was, now = self._num_groups(before, name), self._num_groups(after, name)
                if now > MOST_TIMES_MORE_GROUPS * was:
                    return f"with it {name} is drawn in {was} step{'s' if was > 1 else ''}, without it in {now}"
        return ""

    def _num_groups(self, joint: LogProb, name: str) -> int:
        """Return in how many steps the elements of a discrete variable are drawn."""
        key = joint, name
        if key not in self._groups:
            found = independent_groups(joint, name)
            count = prod(joint.values[name].type.shape) if found is None else len(found.groups)
            self._groups[key] = count
        return self._groups[key]

    def _why(self, cost: float, before: LogProb, names: Sequence[str], is_whole: bool, how: str = "") -> str:
        if cost <= self._most(before, tuple(names), is_whole):
            return ""
        return f"without it a draw would take {how}{cost / self._before:.3g} times as long"

    def _most(self, before: LogProb, names: tuple[str, ...], is_whole: bool) -> float:
        """Return the most that a draw may take without these."""
        if not is_whole:
            return MOST_TIMES_DEARER_IN_PART * self._now
        if names not in self._limits:
            self._limits[names] = _most_times(before, names)
        if self._limits[names]:
            return self._limits[names] * self._before
        is_first = self._now == self._before
        return (MOST_TIMES_DEARER_FIXED if is_first else MOST_TIMES_DEARER_BESIDES) * self._now


def _uncentring(before: LogProb, names: Sequence[str]) -> str:
    """Return which variable that stays would have no location of its own any more, or nothing.

    Between centred and non-centred coordinates it has no funnel, whatever its scale; without the mean of effects, these
    depend on each other instead, and the funnel is back: of a hierarchy of learners a draw took 41 gradients, not 7.
    """
    gone = [before.values[n] for n in names]
    for name, value in before.values.items():
        rv = before.graph.latent[name]
        if name in names or name not in before.terms or not (is_located(rv) or is_exponential(rv) or is_sequence(rv)):
            continue
        others = [
            v for n, v in before.values.items() if n != name and n not in names and not before.supports[n].is_discrete
        ]
        term = before.terms[name]
        if depends_on(term, gone) and depends_on(term, [value]) and depends_on(term, others):
            return f"{name}, which stays, is moved between centred and non-centred coordinates with it"
    return ""


def _most_times(before: LogProb, names: Sequence[str]) -> float:
    """Return how many times longer a draw may take without these; 0 where their prior depends on nothing that stays."""
    stays = [v for n, v in before.values.items() if n not in names and not before.supports[n].is_discrete]
    own = [n for n in names if n in before.terms]
    if not any(depends_on(before.terms[n], stays) for n in own):
        return 0.0
    return MOST_TIMES_DEARER_TIED if any(is_tied_by_prior(before, n) for n in own) else MOST_TIMES_DEARER


def _gradient(joint: LogProb) -> float:
    """Return about how many nanoseconds a log-density and its gradient take."""
    num_nodes, num_sparse = _num_nodes(joint.total)
    per_graph = PER_OPERATION * num_nodes + PER_WORK * work_of([joint.total]) + PER_SPARSE_NODE * num_sparse
    besides = PER_SMALL_FACTOR * work_of_small_factors(joint.total)
    return PER_GRADIENT + PER_ELEMENT * _num_continuous(joint) + per_graph + besides


def _num_nodes(graph: Variable) -> tuple[int, int]:
    """Return the number of operations that do not depend on constants alone, and of those on sparse factors."""
    fixed: set[Variable] = set()
    number = num_sparse = 0
    for node in toposort([graph]):
        if all(isinstance(i, Constant) or i in fixed for i in node.inputs):
            fixed.update(node.outputs)
            continue
        number += 1
        num_sparse += getattr(node.op, "num_products", None) is not None
    return number, num_sparse


def _num_continuous(joint: LogProb) -> int:
    return sum(prod(int(n) for n in v.type.shape) for n, v in joint.values.items() if not joint.supports[n].is_discrete)
