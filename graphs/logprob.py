"""The joint log-probability of a graph of random variables: term by term, in natural or unconstrained space."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import explicit_graph_inputs
from pytensor.tensor.variable import TensorVariable

from graphs.atoms import at_all_states
from graphs.branches import with_branches
from graphs.constants import folded
from graphs.density import LogDensity
from graphs.elimination.summation import (
    CannotSumError,
    Finite,
    Summation,
    sum_over,
    terms_after,
    unused_name,
)
from graphs.errors import DerivationError, ModelError
from graphs.examples import of_known_shape
from graphs.finite import finite_states
from graphs.guards import strip_guards
from graphs.lifting import MOST_STATES
from graphs.masked_slopes import with_masked_branches
from graphs.model_graph import ModelGraph, as_model_graph
from graphs.opening import untransposed
from graphs.optional import optional
from graphs.preparation import prepare, widen
from graphs.random_graph import is_random, static_shape, value_variable
from graphs.rebuilding import substitute
from graphs.rolling import find_rolls
from graphs.rv_supports import support_of
from graphs.simulators import is_simulator, with_noise
from graphs.supports import REAL, Support
from graphs.terms import joint_terms, potential_terms, raise_if_random
from graphs.traces import untraced
from graphs.transforms import bounding_variables, constrain, log_jacobian, transforms_of

Space = Literal["natural", "unconstrained"]
Marginalize = Literal["auto", "require"] | bool | Iterable[str]


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
    """

    terms: Mapping[str, TensorVariable]
    values: Mapping[str, TensorVariable]
    natural: Mapping[str, TensorVariable]
    supports: Mapping[str, Support]
    sums: tuple[Summation, ...]
    space: Space
    graph: ModelGraph
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

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
        """Print the graph of every term."""
        for name, term in self.terms.items():
            print(f"{name}:", file=file)
            term.dprint(file=file)

    def replace(self, replacements: Mapping[Variable, Variable]) -> LogProb:
        """Return the same log-probability with variables of its graphs replaced."""
        graphs = [*self.terms.values(), *self.natural.values()]
        new = substitute(graphs, replacements)
        terms = dict(zip(self.terms, new[: len(self.terms)], strict=True))
        natural = dict(zip(self.natural, new[len(terms) :], strict=True))
        return replace(self, terms=terms, natural=natural)

    @property
    def summed(self) -> tuple[str, ...]:
        """Names of the variables that were summed out."""
        return tuple(v.name for s in self.sums for v in s.variables)


def logprob(
    model: Any,
    *,
    space: Space = "natural",
    marginalize: Marginalize = "auto",
    max_states: int = MOST_STATES,
) -> LogProb:
    """Derive the joint log-probability of a model.

    Parameters
    ----------
    model : ppl.Model, ModelGraph, or mapping of TensorVariable to value
        With a mapping, every random variable above its keys that is not a key itself is latent.
    space : {"natural", "unconstrained"}
        Where the values of latent variables live. In unconstrained space each is transformed to the real line and the
        log-Jacobian is part of its term.
    marginalize : "auto", "require", bool, or iterable of str
        Which finite discrete latent variables are summed out: those for which it is possible (``"auto"``), all of them
        or an error (``"require"``, ``True``), none (``False``), or those named.
    max_states : int, default 2**24
        Most joint states of discrete elements that one factor may depend on.

    Returns
    -------
    LogProb

    Raises
    ------
    DerivationError
        If no log-probability is known for a variable; carries the smallest such subgraph.
    ModelError
        If names, shapes or values do not fit.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> components = pm.Normal.dist([-2.0, 3.0], 1.0)
    >>> index = pm.Categorical.dist([0.25, 0.75])
    >>> y = components[index]
    >>> round(float(logprob({y: 2.0, index: 1}).total.eval()), 6)
    -1.706621
    >>> round(float(logprob({y: 2.0}).total.eval()), 6)
    -1.706436
    """
    if space not in ("natural", "unconstrained"):
        raise ModelError(f"space is 'natural' or 'unconstrained', not {space!r}.")
    if isinstance(marginalize, str) and marginalize not in ("auto", "require"):
        raise ModelError(f"marginalize is 'auto', 'require', True, False or a list of names, not {marginalize!r}.")
    graph = as_model_graph(model)
    with untraced():
        natural = _natural_logprob(graph)
        summed = _sum_out(natural, marginalize, max_states)
        return unconstrain(summed) if space == "unconstrained" else summed


def _natural_logprob(graph: ModelGraph) -> LogProb:
    """Derive the terms with a value for every variable, discrete ones included."""
    values = {name: value_variable(rv, name) for name, rv in graph.latent.items()}
    rv_values: dict[TensorVariable, Variable] = {rv: values[name] for name, rv in graph.latent.items()}
    rv_values |= dict(graph.observed.values())
    rollable = [rv for rv, _ in graph.observed.values() if not is_simulator(rv)]
    rollable += [rv for rv in graph.latent.values() if finite_states(rv) is not None]
    rolls, left = find_rolls(rv_values, rollable)
    # Those that are taken together are values from here on.
    rolled: dict[Variable, Variable] = {rv: rv_values[rv] for rv in rv_values if rv not in left}
    potentials = substitute(list(graph.potentials.values()), rolled) if rolled else list(graph.potentials.values())
    prepared = prepare([*left.values(), *potentials])
    fit = [prepared.get(v, v) for v in [*left.values(), *potentials]]
    fit = with_branches(fit, [new for rv, new in zip(left, fit, strict=False) if rv not in graph.latent.values()])
    ready = {rv: pt.as_tensor(new) for rv, new in zip(left, fit, strict=False)}
    # What became a graph stays the variable that has its name.
    latent = {name: now if is_random(now := ready.get(rv, rv)) else rv for name, rv in graph.latent.items()}
    observed = {name: (ready.get(rv, rv), value) for name, (rv, value) in graph.observed.items()}
    name_of = {rv: name for name, (rv, _) in graph.observed.items()} | {rv: n for n, rv in graph.latent.items()}
    own = dict(untransposed(ready[rv], rv_values[rv]) for rv in left)
    supports = {name: support_of(rv) for name, rv in latent.items()}
    where = {values[name]: support for name, support in supports.items()}
    terms, members = joint_terms(own, [name_of[rv] for rv in left], rolls, name_of, where)
    terms |= potential_terms(dict(zip(graph.potentials, substitute(fit[len(left) :], own), strict=True)), where)
    # Bounds of latent variables stay: in natural space nothing else keeps a value in its support.
    graphs = folded(strip_guards(widen(at_all_states(list(terms.values()), values, latent)), {}))
    terms = dict(zip(terms, graphs, strict=True))
    terms, noise = with_noise(terms, latent, observed)
    terms = {name: of_known_shape(term) for name, term in terms.items()}
    latent |= {name: n.rv for name, n in noise.items()}
    values |= {name: n.value for name, n in noise.items()}
    supports |= {name: n.support for name, n in noise.items()}
    members |= {name: (name,) for name in graph.potentials}
    prepared_graph = replace(graph, latent=latent, observed=observed)
    return LogProb(terms, values, dict(values), supports, (), "natural", prepared_graph, members)


def states_of(logprob: LogProb, name: str) -> NDArray[np.int64] | None:
    """Return the states of a latent variable, ``None`` unless they are finitely many."""
    return finite_states(logprob.graph.latent[name])


def _sum_out(natural: LogProb, marginalize: Marginalize, max_states: int) -> LogProb:
    finite = [name for name in natural.values if states_of(natural, name) is not None]
    if isinstance(marginalize, str | bool):
        chosen = finite if marginalize else []
    else:
        chosen = list(marginalize)
        for name in chosen:
            if name not in finite:
                raise ModelError(
                    f"{name!r} cannot be summed out: the finite discrete latent variables are "
                    f"{', '.join(finite) or 'none'}.",
                    name,
                )
    summed, errors = sum_out_all(natural, chosen, max_states)
    if errors and marginalize != "auto":
        raise next(iter(errors.values()))
    return summed


def sum_out_all(
    logprob: LogProb, names: Iterable[str], max_states: int = MOST_STATES
) -> tuple[LogProb, dict[str, DerivationError]]:
    """Sum out what can be, all at once.

    Parameters
    ----------
    logprob : LogProb
        In natural space.
    names : iterable of str
        Finite discrete variables.
    max_states : int, default 2**24
        Most joint states of discrete elements that one factor may depend on.

    Returns
    -------
    LogProb
        Without those that could be summed out.
    dict of str to DerivationError
        Why the others could not.
    """
    errors: dict[str, DerivationError] = {}
    # What has no elements is nothing to sum over.
    names = [name for name in names if 0 not in logprob.values[name].type.shape]
    rvs = {n: logprob.graph.latent[n] for n in logprob.values}
    bounding = bounding_variables(rvs, logprob.values, logprob.graph.transforms, names)
    waiting = [name for name in names if name not in bounding]
    for name, bounded in bounding.items():
        reason = f"{name} cannot be summed out: the bounds of {bounded} depend on it."
        errors[name] = DerivationError(reason, name)
    while waiting:
        found = _attempted_sum(logprob, waiting, max_states)
        if isinstance(found, LogProb):
            return found, errors
        for name in found.names:
            errors[name] = DerivationError(
                f"{name} cannot be summed out: {found}. Leave it to be drawn (marginalize excludes {name!r})"
                f"{' or raise max_states' if 'joint states' in str(found) else ''}.",
                name,
            )
            errors[name].__cause__ = found
        waiting = [name for name in waiting if name not in found.names]
    return logprob, errors


@optional(
    "a sum over discrete variables",
    otherwise=lambda why, logprob, names, _: CannotSumError(names, why),
    may_refuse=True,
)
def _attempted_sum(logprob: LogProb, names: Sequence[str], max_states: int) -> LogProb | CannotSumError:
    try:
        return sum_out(logprob, names, max_states)
    except CannotSumError as error:
        return error


def sum_out(logprob: LogProb, names: Iterable[str], max_states: int = MOST_STATES) -> LogProb:
    """Sum finite discrete variables out of a log-probability in natural space.

    Raises
    ------
    CannotSumError
        If that is not possible; it names the variables to leave.
    """
    names = list(names)
    stripped = strip(logprob, names)
    summation = sum_over(stripped.terms, [finite_of(logprob, name) for name in names], max_states=max_states)
    values = {n: v for n, v in logprob.values.items() if n not in names}
    terms = terms_after(summation, list(stripped.terms), _priors(logprob, names))
    return replace(
        stripped,
        terms=dict(zip(terms, folded(list(terms.values())), strict=True)),
        values=values,
        natural={n: logprob.natural[n] for n in values},
        supports={n: logprob.supports[n] for n in values},
        sums=(*logprob.sums, summation),
    )


def _priors(logprob: LogProb, names: Sequence[str]) -> list[str]:
    return [term for term, members in logprob.members.items() if set(members) <= set(names)]


def finite_of(logprob: LogProb, name: str) -> Finite:
    """Return a finite discrete variable with its states."""
    states = states_of(logprob, name)
    assert states is not None
    return Finite(name, logprob.values[name], states)


def unconstrain(natural: LogProb, names: Iterable[str] | None = None) -> LogProb:
    """Take the values of a log-probability to the real line, adding the log-Jacobians to its terms.

    Parameters
    ----------
    natural : LogProb
        In natural space.
    names : iterable of str, optional
        The variables to transform; all that have a transform by default.
    """
    rvs = {name: natural.graph.latent[name] for name in natural.values}
    transforms = transforms_of(rvs, natural.graph.transforms)
    wanted = {n for n in natural.values if not natural.supports[n].is_discrete} if names is None else set(names)
    transforms = {name: t for name, t in transforms.items() if name in wanted}
    if not transforms:
        return replace(natural, space="unconstrained")
    stand_ins: dict[Variable, Variable] = {
        rv: natural.values[name] for name, rv in natural.graph.latent.items() if name in natural.values
    }
    stand_ins |= dict(natural.graph.observed.values())
    values = dict(natural.values)
    backward: dict[Variable, Variable] = {}
    merged = {name for s in natural.sums for piece in s.pieces for name in piece.names}
    jacobians: dict[str, tuple[TensorVariable, TensorVariable | None]] = {}
    for name, transform in transforms.items():
        rv = rvs[name]
        inputs = substitute(rv.owner.inputs, stand_ins)
        inputs = substitute(inputs, backward)
        shape = static_shape(transform.forward(rv, *rv.owner.inputs))
        label = unused_name(f"{name}_{getattr(transform, 'name', 'transformed')}__", natural.values)
        value = value_variable(rv, label, shape)
        values[name] = value
        backward[natural.values[name]] = constrain(transform, value, inputs)
        raise_if_random(backward[natural.values[name]], name)
        # A term that was summed together with others may have lost the axes of the variable.
        own = None if name in merged else natural.terms.get(name)
        jacobians[name] = log_jacobian(transform, value, inputs, own)
    terms = dict(natural.terms)
    for name, (jacobian, term) in jacobians.items():
        if term is None:
            terms[unused_name(f"{name}_jacobian", terms)] = jacobian
        else:
            terms[name] = term + jacobian
    moved = replace(replace(natural, terms=terms).replace(backward), values=values, space="unconstrained")
    return strip(moved, transforms)


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
