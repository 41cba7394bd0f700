"""Choose how one variable is moved: what was asked for, its full conditional, or another step."""

from __future__ import annotations

from dataclasses import replace

from pytensor.tensor.variable import TensorVariable

from graphs.bounds.differentiability import NoGradient
from graphs.conditional import Law, Obstacle, ObstacleKind, find_law
from graphs.density import LogDensity
from graphs.errors import DerivationError
from graphs.integral import law_of
from graphs.joint.joint_logprob import LogProb
from graphs.marginal.atoms import has_atoms
from graphs.supports import Support
from graphs.surgery.random_graph import depends_on
from graphs.variables.transforms import restriction_of
from ppl.declaring.flat import has_flat_prior
from ppl.planning.discrete import choose_discrete
from ppl.planning.plans import BY_GRADIENT, WITHOUT_GRADIENT, Assignment, Choice, How, Method, builder_of

_MOST_BLAMED = 8


def choose(
    summed: LogProb,
    name: str,
    choice: Choice,
    *,
    is_named: bool,
    failed_sum: str | None,
    no_gradient: NoGradient | None = None,
    is_blamed: bool = True,
) -> tuple[How, str, Law | Obstacle | None]:
    """Return how a variable that is not summed out is moved, why, and its law or for want of which law.

    The third is its law where it is drawn from one; what stands in the way of one where it would be drawn from it; and
    None where that was not asked.

    Parameters
    ----------
    summed : LogProb
        The log-density of what is left.
    name : str
        The variable.
    choice : str, Move or None
        What was asked for.
    is_named : bool
        Whether it was asked for by name.
    failed_sum : str or None
        Why the variable could not be summed out.
    no_gradient : NoGradient, optional
        Why there is no gradient with respect to the variable.
    is_blamed : bool
        Whether the reason names the terms without which there would be a law: finding them takes as long as finding
        laws, and `with_blame` does it later.

    Raises
    ------
    ModelError, DerivationError
        If the variable cannot be moved, or not as asked.
    """
    support = summed.supports[name]
    rv = summed.graph.latent[name]
    _refuse_atoms(name, rv, support)
    if 0 in summed.values[name].type.shape:
        return ("gibbs" if support.is_discrete else BY_GRADIENT), "it has no elements, and nowhere to go", None
    if support.is_discrete:
        return choose_discrete(summed, name, choice if is_named else None, failed_sum)
    if all(term == name for term in _terms_of(summed, summed.values[name])):
        _refuse_flat(summed, name)
    builder = builder_of(choice)
    if choice is not None and builder is not None and (no_gradient is None or not builder.needs_gradient):
        return choice, "as asked for", None
    if choice == "gibbs":
        law = _law_of(summed, name)
        if isinstance(law, Law):
            return "gibbs", f"{law.family} full conditional", law
        reason = _blamed(summed, name, law) if is_blamed else law.reason
        return *_without_law(reason, is_named, no_gradient), law
    if no_gradient is None:
        return BY_GRADIENT, "continuous", None
    if builder is not None:
        raise DerivationError(
            f"{builder.label} needs the gradient with respect to {name}, and {no_gradient}. Leave sampler out, so that "
            f"{name} is moved by slice sampling, or give the operation a pullback.",
            name,
            summed.values[name],
        )
    return WITHOUT_GRADIENT, str(no_gradient), None


def _refuse_atoms(name: str, rv: TensorVariable, support: Support) -> None:
    """Raise if a variable has single values of positive probability among continuous ones."""
    if not support.is_discrete and has_atoms(rv):
        raise DerivationError(
            f"{name} has single values of positive probability among continuous ones: no sampler here can move between "
            "the two. Observe it, or declare the part that it comes from as a variable of its own.",
            name,
            rv,
        )


def with_blame(summed: LogProb, assignment: Assignment, no_gradient: NoGradient | None) -> Assignment:
    """Return what `choose` says of a variable without a law, with the terms to blame if they were not looked for."""
    if assignment.obstacle is None or assignment.method == "gibbs":
        return assignment
    _, why = _without_law(_blamed(summed, assignment.name, assignment.obstacle), False, no_gradient)
    return replace(assignment, reason=why)


def _without_law(reason: str, is_named: bool, no_gradient: NoGradient | None) -> tuple[Method, str]:
    """Return how a variable is moved that has no law, and why."""
    if no_gradient is not None:
        return WITHOUT_GRADIENT, f"no full conditional ({reason}), and {no_gradient}"
    return BY_GRADIENT, reason if is_named else f"no full conditional: {reason}"


def _law_of(summed: LogProb, name: str) -> Law | Obstacle:
    """Return the full conditional of a continuous variable, or why there is none.

    Raises
    ------
    DerivationError
        If the full conditional is improper for certain.
    """
    restriction = restriction_of(summed.graph.latent[name], summed.graph.transforms.get(name))
    if restriction:
        return Obstacle(restriction)
    value = summed.values[name]
    law = law_of(summed, name)
    if isinstance(law, Law):
        return law
    if law.kind is ObstacleKind.ABSENT:
        _refuse_flat(summed, name)
    if law.kind is ObstacleKind.IMPROPER:
        raise DerivationError(f"{name} has no distribution given the rest, {law.reason}.", name, value)
    return law


def _blamed(summed: LogProb, name: str, why: Obstacle) -> str:
    """Return why a variable has no law, with the terms that have none for that reason."""
    if restriction_of(summed.graph.latent[name], summed.graph.transforms.get(name)):
        return why.reason
    value, support = summed.values[name], summed.supports[name]
    # To look at a thousand terms takes longer than to sample; the first few say which kind it is.
    terms = _terms_of(summed, value)
    blamed = [n for n in terms[:_MOST_BLAMED] if find_law(_alone(summed, n), value, support) == why]
    more = ", ..." if blamed and len(terms) > _MOST_BLAMED else ""
    return f"{why.reason} (in the log-probability of {', '.join(blamed)}{more})" if blamed else why.reason


def _refuse_flat(summed: LogProb, name: str) -> None:
    """Raise if the prior of a variable on which nothing else depends is flat."""
    if has_flat_prior(summed.graph.latent[name]):
        raise DerivationError(
            f"{name} has no distribution: its prior is flat, and no data nor other variable depends on it. Give it a "
            f"proper prior on its support, {summed.supports[name]}, or leave it out.",
            name,
            summed.values[name],
        )


def _terms_of(summed: LogProb, value: TensorVariable) -> list[str]:
    return [n for n, term in summed.terms.items() if depends_on(term, [value])]


def _alone(summed: LogProb, name: str) -> LogDensity:
    """Return the log-density of one term."""
    density = summed.logdensity
    return LogDensity(summed.terms[name].sum(), density.inputs, density.supports)
