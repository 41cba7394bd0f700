r"""A plan at a temperature: the prior of what is left times the likelihood to a power, as one density.

What is left when sums and integrals are taken has a prior :math:`p(x)` and a density with the data
:math:`p(x) L(x)`, both marginal. The density at the temperature ``t`` is

.. math:: p(x)\, L(x)^t = p_{\mathrm{rest}}(x)\; \bigl(p_{\mathrm{mixed}}(x)\bigr)^{1 - t} \bigl(f(x)\bigr)^t,

where ``f`` are the terms that hold data or potentials, with all that was summed or integrated together with them, and
``p_mixed`` what these terms are without data: one, nearly always, since variables that nothing observed depends on sum
up to one. At zero it is the prior, at one the posterior, and its logarithm is linear in ``t``, so that one evaluation
gives the weights for all temperatures. Sums and integrals are derived once, with no temperature in them. (The power of
each observation inside of a sum would be another path between the same ends, along which weights are not linear.)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.conditional import Law
from graphs.errors import DerivationError
from graphs.integral import integrate_all, law_of
from graphs.joint.joint_logprob import LogProb, states_of
from graphs.joint.logprob import logprob
from graphs.marginal.summing_out import sum_out_all
from graphs.surgery.random_graph import depends_on, unused_name
from graphs.surgery.rebuilding import substitute
from graphs.surgery.traces import untraced
from graphs.variables.simulators import NoiseRV
from graphs.variables.transforms import transforms_of
from ppl.planning.plans import WITHOUT_GRADIENT, WITHOUT_LAW, Assignment, Plan
from ppl.planning.sweeps import build_sweep
from samplers.blocks import Sweep
from samplers.conditionals.discrete import block_by_groups
from samplers.particles.joint_walk import JointWalk


@dataclass(frozen=True, eq=False)
class TemperedPlan:
    """A plan whose sweep leaves the density at a temperature as it is.

    Parameters
    ----------
    plan : Plan
        Of the posterior.
    sweep : Sweep
        Of the density at the temperature, which is a variable of its joint state that nothing moves.
    temperature : TensorVariable
        That variable, of shape ().
    loglikelihood : TensorVariable
        Shape (): what is multiplied by the temperature.
    """

    plan: Plan
    sweep: Sweep
    temperature: TensorVariable
    loglikelihood: TensorVariable

    @property
    def variables(self) -> tuple[TensorVariable, ...]:
        """What a particle is: the variables of the joint state that are moved."""
        moved = {str(v.name) for v in self.plan.mixed.values.values()}
        return tuple(v for v in self.sweep.variables if str(v.name) in moved)


def tempered(plan: Plan) -> TemperedPlan:
    """Return a plan with a temperature.

    Parameters
    ----------
    plan : Plan
        Of the posterior.

    Raises
    ------
    DerivationError
        If the prior of what is left cannot be derived, or a law does not hold at temperatures below one.
    """
    with untraced():
        return _tempered(plan)


def _tempered(plan: Plan) -> TemperedPlan:
    heated = _heated(plan.natural, plan.whole)
    temperature = pt.tensor(unused_name("temperature", plan.mixed.values), shape=(), dtype="float64")
    # Under the names of the values, in whatever space they are.
    apart = {name: graph.sum() for name, graph in _without_data(plan, heated).items()}
    natural = dict(zip(apart, substitute(list(apart.values()), _in_natural_space(plan)), strict=True))
    jacobians = _own_jacobians(plan.mixed, heated)
    mixed = _at(plan.mixed, heated, {**natural, **jacobians}, temperature)
    sampled = _at(plan.sampled, heated, {**natural, **jacobians}, temperature)
    laws = _laws_at(plan, _at(plan.natural, heated, apart, temperature))
    assignments = _with_walk(plan)
    for name in plan.laws.keys() - laws.keys():
        if block_by_groups(mixed, name) is None:
            assignments[name] = replace(assignments[name], method=WITHOUT_LAW)
    sweep = build_sweep(plan.natural, mixed, sampled, assignments, laws, ())
    sweep = Sweep((*sweep.variables, temperature), sweep.blocks)
    _check_moved(plan, sweep)
    hot = replace(plan.sampled, terms={n: plan.sampled.terms[n] for n in plan.sampled.terms if n in heated})
    beside = [*natural.values(), *jacobians.values()]
    loglikelihood = hot.total - (pt.add(*beside) if len(beside) > 1 else beside[0] if beside else 0.0)
    return TemperedPlan(plan, sweep, temperature, pt.cast(loglikelihood, "float64"))


def _with_walk(plan: Plan) -> dict[str, Assignment]:
    """Return how variables are moved: those without a gradient together with the seeds of simulators, if there are."""
    latent = plan.natural.graph.latent
    seeds = [n for n in plan.natural.values if isinstance(latent[n].owner.op, NoiseRV)]
    walk = JointWalk([str(plan.mixed.values[n].name) for n in seeds])
    is_walked = {
        a.name: bool(seeds) and a.method == WITHOUT_GRADIENT and not a.support.is_discrete for a in plan.assignments
    }
    assignments = {
        a.name: replace(a, method=walk.name, move=walk) if is_walked[a.name] or a.name in seeds else a
        for a in plan.assignments
    }
    # Spreads are those of what comes first.
    return dict(sorted(assignments.items(), key=lambda item: item[0] in seeds))


def _heated(natural: LogProb, whole: LogProb | None) -> set[str]:
    """Return the terms that hold data or potentials, whatever was summed or integrated together with them."""
    data = {*natural.graph.observed, *natural.graph.potentials}
    # A term of variables that were taken together has members; one that was summed is named by those joined.
    found = {
        term
        for term in natural.terms
        if any(part in data or data.intersection(natural.members.get(part, ())) for part in term.split("+"))
    }
    changed = {n for n, graph in natural.terms.items() if whole is not None and whole.terms.get(n) is not graph}
    return found | changed


def _at(
    joint: LogProb, heated: Collection[str], apart: Mapping[str, TensorVariable], temperature: TensorVariable
) -> LogProb:
    """Return a log-probability at a temperature; ``apart`` is what heated terms hold of prior and Jacobians."""
    terms = {n: temperature * graph if n in heated else graph for n, graph in joint.terms.items()}
    for name, graph in apart.items():
        terms[unused_name(f"{name}_apart", terms)] = (1.0 - temperature) * graph
    return replace(joint, terms=terms, integrals=(), opened={})


def _in_natural_space(plan: Plan) -> dict[Variable, Variable]:
    """Return what stands for values in natural space in the space that is sampled."""
    return {value: plan.mixed.natural[name] for name, value in plan.natural.values.items()}


def _without_data(plan: Plan, heated: Collection[str]) -> dict[str, TensorVariable]:
    """Return what heated terms are without data, as graphs of the plan's values in natural space.

    Raises
    ------
    DerivationError
        If that cannot be derived.
    """
    left = set(plan.natural.values)
    cold = {name for name in plan.natural.terms if name not in heated}
    joint = logprob(plan.model, marginalize=False, apart=_apart(plan))
    data = {*joint.graph.observed, *joint.graph.potentials}
    terms = {n: t for n, t in joint.terms.items() if not data.intersection({n, *joint.members.get(n, ())})}
    prior = _pruned(replace(joint, terms=terms), left)
    gone = [name for name in prior.values if name not in left]
    if gone:
        prior = _marginal(prior, gone)
    if missing := cold - set(prior.terms):
        raise DerivationError(
            f"The prior of {', '.join(sorted(missing))} does not stand apart from the data once variables are summed "
            "or integrated out: leave them in, marginalize=False.",
            min(missing),
        )
    named: dict[Variable, Variable] = {
        prior.values[name]: value for name, value in plan.natural.values.items() if name in prior.values
    }
    found = {name: graph for name, graph in prior.terms.items() if name not in cold}
    return dict(zip(found, substitute(list(found.values()), named), strict=True))


def _apart(plan: Plan) -> list[str]:
    """Return the variables that have a value of their own in a plan."""
    together = {member for members in plan.natural.plates.values() for member in members}
    return [name for name in plan.model.latent if name not in together]


def _pruned(prior: LogProb, left: Collection[str]) -> LogProb:
    """Return a prior without variables that are gone and that no other depends on: their densities are one in total."""
    while True:
        barren = [
            name
            for name, value in prior.values.items()
            if name not in left
            and name in prior.terms
            and not any(n != name and depends_on(term, [value]) for n, term in prior.terms.items())
        ]
        if not barren:
            return prior
        prior = replace(
            prior,
            terms={n: t for n, t in prior.terms.items() if n not in barren},
            values={n: v for n, v in prior.values.items() if n not in barren},
            natural={n: v for n, v in prior.natural.items() if n not in barren},
            supports={n: s for n, s in prior.supports.items() if n not in barren},
        )


def _marginal(prior: LogProb, gone: Collection[str]) -> LogProb:
    """Return a prior with variables summed and integrated out."""
    finite = [name for name in gone if states_of(prior, name) is not None]
    summed, errors = sum_out_all(prior, finite)
    if errors:
        raise next(iter(errors.values()))
    return integrate_all(summed, [name for name in gone if name not in finite])


def _own_jacobians(mixed: LogProb, heated: Collection[str]) -> dict[str, TensorVariable]:
    """Return the log-Jacobians that are part of heated terms: they belong to the prior."""
    merged = {name for s in mixed.sums for piece in s.pieces for name in piece.names}
    wanted = {n: mixed.graph.latent[n] for n in mixed.values if n in heated and n not in merged}
    wanted = {n: rv for n, rv in wanted.items() if mixed.natural[n] is not mixed.values[n]}
    stand_ins: dict[Variable, Variable] = {
        rv: mixed.natural[name] for name, rv in mixed.graph.latent.items() if name in mixed.natural
    }
    stand_ins |= dict(mixed.graph.observed.values())
    found = {}
    for name, transform in transforms_of(wanted, mixed.graph.transforms).items():
        inputs = substitute(wanted[name].owner.inputs, stand_ins)
        found[f"{name}_jacobian"] = pt.sum(transform.log_jac_det(mixed.values[name], *inputs))
    return found


def _laws_at(plan: Plan, natural: LogProb) -> dict[str, Law]:
    """Return the laws by which a plan draws, at a temperature."""
    found = {}
    augmented = {name for group in plan.groups for name in group.laws}
    for name in plan.laws:
        law = law_of(natural, name)
        if not isinstance(law, Law) and plan.natural.supports[name].is_discrete:
            continue  # drawn in groups, as discrete variables without a law are
        if not isinstance(law, Law):
            given = "its law given auxiliary variables is that of temperature one; by itself, " * (name in augmented)
            raise DerivationError(
                f"{name} has no full conditional at temperatures below one ({given}{law.reason}): leave it to another "
                f"sampler, sampler={{{name!r}: 'rmh'}}, or 'nuts' where it has a gradient.",
                name,
            )
        found[name] = law
    return found


def _check_moved(plan: Plan, sweep: Sweep) -> None:
    """Raise if a variable has no block: particles would keep what the prior gave them, and look like a posterior."""
    moved = {element for block in sweep.blocks for v in block.variables for element in sweep.elements(v)}
    for name, value in plan.mixed.values.items():
        own = [v for v in sweep.variables if str(v.name) == str(value.name)]
        if any(element not in moved for v in own for element in sweep.elements(v)):
            raise DerivationError(
                f"Nothing moves {name} at temperatures below one: give it a sampler, sampler={{{name!r}: 'rmh'}}.", name
            )
