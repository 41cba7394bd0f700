"""From what is decided of each variable to a plan: how it is moved, what is drawn together, and the sweep."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import cast

from pytensor.tensor.variable import TensorVariable

from graphs.augmentation import Augmenter
from graphs.backends.numba.lowering.fallback import called_back
from graphs.bounds.differentiability import NoGradient
from graphs.compression import compressed
from graphs.conditional import Law, Obstacle
from graphs.errors import DerivationError
from graphs.joint.joint_logprob import LogProb
from graphs.surgery.random_graph import depends_on
from ppl.modelling.model import Model
from ppl.planning.centring.asked import CentringChoice
from ppl.planning.centring.deciding import with_centring
from ppl.planning.choosing import choose
from ppl.planning.grouping import NOT_INTEGRATED, explain_groups, join_normals, with_fixed_points, with_groups
from ppl.planning.integrating import Collapsed
from ppl.planning.plans import Assignment, Choice, How, Plan, Sampler
from ppl.planning.sweeps import build_sweep
from ppl.reporting.stages import doing
from samplers.move import Move


@dataclass(frozen=True)
class Methods:
    """How each variable is moved, before variables are drawn together.

    Parameters
    ----------
    assignments : dict of str to Assignment
        By name.
    laws : dict of str to Law
        Of those that have one.
    augmenter : Augmenter
        Knows the auxiliary variables.
    augmented : dict of str to tuple of str
        Those that have a law given auxiliary variables, and of which terms.
    """

    assignments: dict[str, Assignment]
    laws: dict[str, Law]
    augmenter: Augmenter
    augmented: dict[str, tuple[str, ...]]


def find_methods(
    joint: LogProb,
    collapsed: Collapsed,
    reasons: Mapping[str, str],
    sampler: Sampler,
    named: Mapping[str, str | Move],
    no_gradient: Mapping[str, NoGradient],
    *,
    is_blamed: bool = True,
    first: Collection[str] = (),
) -> Methods:
    """Decide how each variable is moved.

    Parameters
    ----------
    joint : LogProb
        In natural space, nothing summed out.
    collapsed : Collapsed
        What is left after sums and integrals.
    reasons : mapping of str to str
        Of discrete variables, why they are summed out or are not.
    sampler : Sampler
        What was asked for.
    named : mapping of str to str or Move
        The same by name.
    no_gradient : mapping of str to NoGradient
        Of which variables there is no gradient, and why.
    is_blamed : bool
        Whether reasons name the terms without which there would be a law.
    first : collection of str
        Variables that are looked at first: where none of them has a law, nothing else is looked at.
    """
    summed, before = collapsed.joint, collapsed.whole
    assignments: dict[str, Assignment] = {}
    laws: dict[str, Law] = {}
    augmenter = Augmenter(summed)
    augmented: dict[str, tuple[str, ...]] = {}
    names = sorted(joint.values, key=lambda name: name not in first)
    for name in names:
        if first and name not in first and not any(assignments[n].method == "gibbs" for n in first):
            break
        if name not in before.values:
            assignments[name] = _assignment(joint, name, "marginalize", reasons[name])
            continue
        if name not in summed.values:
            assignments[name] = _assignment(joint, name, "integrate", collapsed.reasons[name])
            continue
        doing(f"Looking for the full conditional of {name}")
        choice = cast("Choice", named.get(name, None if isinstance(sampler, Mapping) else sampler))
        how, reason, law = choose(
            summed,
            name,
            choice,
            failed_sum=reasons.get(name),
            is_named=name in named,
            no_gradient=no_gradient.get(name),
            is_blamed=is_blamed,
        )
        if isinstance(law, Law):
            laws[name] = law
        elif choice == "gibbs" and how != "gibbs" and not summed.supports[name].is_discrete:
            augmented[name] = augmenter.find(name)
            how = "gibbs" if augmented[name] else how
            if name in named and not augmented[name]:
                raise DerivationError(f"There is no Gibbs step for {name}: {reason}.", name, summed.values[name])
        if why := collapsed.reasons.get(name):
            reason += f"{NOT_INTEGRATED}{why}"
        found = _assignment(joint, name, how, reason)
        assignments[name] = replace(found, obstacle=law) if isinstance(law, Obstacle) else found
    in_order = [name for name in joint.values if name in assignments]
    return Methods(
        {name: assignments[name] for name in in_order},
        {name: laws[name] for name in in_order if name in laws},
        augmenter,
        {name: augmented[name] for name in in_order if augmented.get(name)},
    )


def build(
    model: Model,
    collapsed: Collapsed,
    methods: Methods,
    named: Mapping[str, str | Move],
    compress: bool,
    no_gradient: Mapping[str, NoGradient],
    centring: CentringChoice,
) -> Plan:
    """Return the plan in which each variable is moved as was decided.

    Parameters
    ----------
    model : Model
        The model.
    collapsed : Collapsed
        What is left after sums and integrals.
    methods : Methods
        How each variable is moved.
    named : mapping of str to str or Move
        What was asked for by name.
    compress : bool
        Whether data are compressed to sufficient statistics.
    no_gradient : mapping of str to NoGradient
        Of which variables there is no gradient, and why.
    centring : CentringChoice
        In which coordinates NUTS moves variables.
    """
    summed = collapsed.joint
    assignments, laws, augmented = methods.assignments, methods.laws, methods.augmented
    doing("Looking for variables that are drawn together")
    mixed, groups = with_groups(summed, assignments, laws, methods.augmenter, augmented, named, no_gradient)
    laws = {n: law for n, law in laws.items() if not any(n in group.laws for group in groups)}
    join_normals(summed, assignments, laws)
    explain_groups(groups, assignments)
    doing("Compressing the likelihood")
    if summed.integrals:
        sampled, statistics = with_fixed_points(summed, mixed), collapsed.compression
    else:
        sampled, statistics = compressed(mixed) if compress else (mixed, ())
    sweep = build_sweep(summed, mixed, sampled, assignments, laws, groups)
    sweep = with_centring(sweep, summed, sampled, assignments, centring)
    laws |= {name: law for group in groups for name, law in group.laws.items()}
    later = {n: d for n, d in model.deterministics.items() if _depends_on_summed(d, model, assignments)}
    found = tuple(assignments.values())
    python = tuple(called_back(list(sampled.terms.values())))
    whole = collapsed.whole if summed.integrals else None
    return Plan(
        model,
        found,
        summed,
        mixed,
        sampled,
        laws,
        sweep,
        later,
        tuple(groups),
        (*model.reduced.compressed, *statistics),
        called_back=python,
        whole=whole,
        without_law=collapsed.course.without_law,
    )


def _assignment(joint: LogProb, name: str, how: How, reason: str) -> Assignment:
    shape = tuple(int(n) for n in joint.values[name].type.shape)
    method, move = (how.name, how) if isinstance(how, Move) else (how, None)
    return Assignment(name, method, reason, shape, joint.supports[name], joint.plates.get(name, ()), move)


def _depends_on_summed(graph: TensorVariable, model: Model, assignments: Mapping[str, Assignment]) -> bool:
    summed = [model.latent[e.name] for a in assignments.values() if a.method == "marginalize" for e in a.each()]
    return bool(summed) and depends_on(graph, summed)
