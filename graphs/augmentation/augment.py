"""Add auxiliary variables to a log-density, and prove that they leave the model as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import explicit_graph_inputs
from pytensor.tensor.variable import TensorVariable

from graphs.augmentation.auxiliary import Auxiliary
from graphs.augmentation.rules import RULES
from graphs.conditional.derive import find_conditional
from graphs.conditional.law import Law
from graphs.conditional.points import are_close, finite_values
from graphs.density import LogDensity
from graphs.joint.joint_logprob import LogProb
from graphs.joint.preparation import widen
from graphs.surgery.random_graph import depends_on, find_random_variables, is_random, parameters_of
from graphs.surgery.rebuilding import substitute

_SEED = 20240607
_NUM_POINTS = 3


@dataclass(frozen=True, eq=False)
class Augmented:
    """A log-density with auxiliary variables, whose integral over these is that of the model.

    Parameters
    ----------
    logdensity : LogDensity
        Of the variables of the model and the auxiliary ones, in natural space.
    auxiliaries : tuple of Auxiliary
        With their laws given all else.
    """

    logdensity: LogDensity
    auxiliaries: tuple[Auxiliary, ...]

    @property
    def laws(self) -> tuple[Law, ...]:
        """The laws of the auxiliary variables given the variables of the model; each with each other independent."""
        return tuple(a.law for a in self.auxiliaries if a.law is not None)


def find_augmentations(logprob: LogProb, names: Iterable[str]) -> dict[str, Auxiliary]:
    """Return auxiliary variables for those terms that have any.

    Parameters
    ----------
    logprob : LogProb
        In natural space.
    names : iterable of str
        Terms.

    Returns
    -------
    dict of str to Auxiliary
        Each with its law. At random points, term and law of the auxiliary variable together were the term of the model.
    """
    found = {}
    for name in names:
        auxiliary = _proposed(logprob, name)
        if auxiliary is not None:
            auxiliary = _proved(logprob, name, auxiliary)
        if auxiliary is not None:
            found[name] = auxiliary
    return found


def augment(logprob: LogProb, auxiliaries: Mapping[str, Auxiliary]) -> Augmented:
    """Return a log-density with auxiliary variables.

    Parameters
    ----------
    logprob : LogProb
        In natural space.
    auxiliaries : mapping of str to Auxiliary
        By term, as `find_augmentations` returns them.
    """
    terms = {n: auxiliaries[n].term if n in auxiliaries else term for n, term in logprob.terms.items()}
    total = replace(logprob, terms=terms).total
    variables = tuple(a.variable for a in auxiliaries.values())
    supports = {**logprob.logdensity.supports, **{a.variable: a.support for a in auxiliaries.values()}}
    inputs = dict.fromkeys([*logprob.logdensity.inputs, *variables])
    return Augmented(LogDensity(total, tuple(inputs), supports), tuple(auxiliaries.values()))


def _proposed(logprob: LogProb, name: str) -> Auxiliary | None:
    """Return what the rule for its distribution makes of a term."""
    graph = logprob.graph
    if name not in logprob.terms:
        return None
    if name in graph.observed:
        rv, value = graph.observed[name]
    elif name in logprob.values:
        rv, value = graph.latent[name], logprob.values[name]
    else:
        return None
    rule = RULES.get(type(rv.owner.op)) if rv.owner is not None else None
    if rule is None or not isinstance(value, TensorVariable) or not is_random(rv):
        return None
    parameters = _given_values(logprob, parameters_of(rv))
    if parameters is None:
        return None
    auxiliary = rule(name, value, parameters)
    if auxiliary is None:
        return None
    [term, *fixed] = widen([auxiliary.term, *auxiliary.fixed])
    return replace(auxiliary, term=term, fixed=tuple(fixed))


def _given_values(logprob: LogProb, parameters: Sequence[Variable]) -> list[TensorVariable] | None:
    """Return parameters as graphs of values, None where a random variable is left that was summed out."""
    graph = logprob.graph
    values: dict[Variable, Variable] = {rv: logprob.values[n] for n, rv in graph.latent.items() if n in logprob.values}
    values |= dict(graph.observed.values())
    given = substitute(list(parameters), values)
    # The base of a censored variable is a random variable itself.
    inner = [i for p in given for i in (p.owner.inputs if is_random(p) else [p])]
    if find_random_variables(inner):
        return None
    return [p if is_random(p) else pt.as_tensor(p) for p in given]


def _proved(logprob: LogProb, name: str, auxiliary: Auxiliary) -> Auxiliary | None:
    """Return an auxiliary variable with its law, if the term without it is its term less its law.

    That is the candidate's identity: p(x) = p(x, a) / p(a | x), for every a.
    """
    law = auxiliary.law
    supports = {**logprob.logdensity.supports, auxiliary.variable: auxiliary.support}
    if law is None:
        given = tuple(i for i in explicit_graph_inputs([auxiliary.term]) if isinstance(i, TensorVariable))
        density = LogDensity(auxiliary.term.sum(), given, supports)
        law, _ = find_conditional(density, auxiliary.variable)
    if law is None:
        return None
    outputs = [logprob.terms[name].sum(), auxiliary.term.sum(), law.logprob(auxiliary.variable).sum()]
    values = finite_values(outputs, supports, np.random.default_rng(_SEED), 4 * _NUM_POINTS)
    num_agreed = 0
    for term, joint, conditional in islice(values, _NUM_POINTS):
        if not are_close(np.array([term, joint - conditional]), term, joint, conditional):
            return None
        num_agreed += 1
    return replace(auxiliary, law=law) if num_agreed == _NUM_POINTS else None


def usable_for(auxiliary: Auxiliary, value: Variable) -> bool:
    """Whether a term with an auxiliary variable shows all of how it depends on a value."""
    return not any(depends_on(graph, [value]) for graph in auxiliary.fixed)
