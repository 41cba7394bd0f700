"""The log-probability of each variable given its parents, and what to say where there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytensor.tensor as pt
from pymc.distributions.censored import CensoredRV
from pymc.distributions.truncated import TruncatedRV
from pymc.logprob.basic import _find_unallowed_rvs_in_graph, conditional_logp
from pytensor.graph.basic import Variable
from pytensor.graph.rewriting.basic import SequentialGraphRewriter
from pytensor.graph.traversal import toposort
from pytensor.tensor.variable import TensorVariable

from graphs import tails as tails
from graphs.errors import DerivationError
from graphs.joint.domains import check_known_parameters
from graphs.joint.joined import with_known_rows
from graphs.joint.without_sparse import repaired
from graphs.limits import measurable_transforms as measurable_transforms
from graphs.limits.constants import held
from graphs.limits.infinite_parameters import TakeLimits
from graphs.limits.stable_logits import stabilized
from graphs.marginal.atoms import SeparateMeasures
from graphs.rolling.rolling import Roll
from graphs.supports import Support
from graphs.surgery.random_graph import depends_on, find_consumed, find_random_variables, is_random
from graphs.surgery.rebuilding import substitute
from graphs.tails.ordered import with_all_categories, with_outcomes
from graphs.variables import precision_normal as precision_normal
from graphs.warned import filtered


def joint_terms(
    rv_values: Mapping[TensorVariable, Variable],
    names: Sequence[str],
    rolls: Sequence[Roll],
    name_of: Mapping[TensorVariable, str],
    supports: Mapping[Variable, Support],
) -> tuple[dict[str, TensorVariable], dict[str, tuple[str, ...]]]:
    """Return the log-probability of each variable, those of the same form in one term.

    Parameters
    ----------
    rv_values : mapping of TensorVariable to Variable
        Random variables, or measurable functions of them, and their values.
    names : sequence of str
        Their names.
    rolls : sequence of Roll
        Further variables, with their log-probabilities.
    name_of : mapping of TensorVariable to str
        The names of these.
    supports : mapping of Variable to Support
        Where the values of latent variables lie.

    Returns
    -------
    terms : dict of str to TensorVariable
        By the name of the variable, or a joint name.
    members : dict of str to tuple of str
        The names of the variables in each term.

    Raises
    ------
    DerivationError
        As `conditional_logprobs`.
    """
    terms = dict(zip(names, conditional_logprobs(rv_values, names, supports), strict=True))
    members: dict[str, tuple[str, ...]] = {name: (name,) for name in names}
    for roll in rolls:
        own = tuple(name_of[rv] for rv in roll.variables)
        terms[joint_name(own)] = roll.logprob
        members[joint_name(own)] = own
    return dict(zip(terms, stabilized(list(terms.values()), supports), strict=True)), members


def potential_terms(
    potentials: Mapping[str, Variable], supports: Mapping[Variable, Support]
) -> dict[str, TensorVariable]:
    """Return the terms of potentials, by name, in a form that holds for all arguments.

    Raises
    ------
    DerivationError
        If one still draws something.
    """
    terms = stabilized(repaired([pt.as_tensor(potential) for potential in potentials.values()]), supports)
    for name, term in zip(potentials, terms, strict=True):
        raise_if_random(term, name)
    return dict(zip(potentials, terms, strict=True))


def joint_name(names: Sequence[str]) -> str:
    """Return the name of a term of several variables."""
    return "+".join(names) if len(names) <= 4 else f"{names[0]}+...+{names[-1]}"


def conditional_logprobs(
    rv_values: Mapping[TensorVariable, Variable],
    names: Sequence[str],
    supports: Mapping[Variable, Support],
) -> list[TensorVariable]:
    """Return the log-probability of each variable given the values of the others.

    Parameters
    ----------
    rv_values : mapping of TensorVariable to Variable
        Random variables, or measurable functions of them, and their values.
    names : sequence of str
        Their names.
    supports : mapping of Variable to Support
        Where the values of latent variables lie.

    Raises
    ------
    DerivationError
        If there is none; carries the smallest graph for which none is known.
    ModelError
        If known parameters are outside their domain.
    """
    if not rv_values:
        return []
    rvs, parameters = held(with_outcomes(given_the_others(rv_values)))
    try:
        # Future warnings are of densities of PyMC's that use what PyTensor has moved since.
        with filtered("ignore", category=UserWarning), filtered("ignore", category=FutureWarning):
            values = dict(zip(rvs, rv_values.values(), strict=True))
            rewrites = SequentialGraphRewriter(TakeLimits(supports, parameters), SeparateMeasures(names))
            terms = conditional_logp(values, warn_rvs=False, extra_rewrites=rewrites)
    except (NotImplementedError, RuntimeError, ValueError, TypeError) as error:
        raise _explain(rv_values, names, error) from error
    derived = substitute([terms[value] for value in rv_values.values()], parameters)
    check_known_parameters(names, list(rv_values), derived)
    ordered = repaired(with_all_categories(derived))
    for name, term in zip(names, ordered, strict=True):
        raise_if_random(term, name)
    return ordered


def given_the_others(rv_values: Mapping[TensorVariable, Variable]) -> list[TensorVariable]:
    """Return variables whose parents are values where these are given.

    PyMC copies all that is above a variable to replace what has a value: in a chain that of all steps, for every step.
    """
    nodes = dict.fromkeys(rv.owner for rv in rv_values if rv.owner is not None)
    inputs = iter(substitute([i for node in nodes for i in node.inputs], rv_values))
    given = {}
    for node in nodes:
        new = [next(inputs) for _ in node.inputs]
        given[node] = node if new == node.inputs else node.clone_with_new_inputs(new)
    rvs = [rv if rv.owner is None else given[rv.owner].outputs[rv.owner.outputs.index(rv)] for rv in rv_values]
    return [with_known_rows(rv, value) for rv, value in zip(rvs, rv_values.values(), strict=True)]


def raise_if_random(term: Variable, name: str) -> None:
    """Raise if a graph still draws something.

    Raises
    ------
    DerivationError
        With what is left.
    """
    left = _find_unallowed_rvs_in_graph([term])
    if left:
        found = ", ".join(sorted(str(v) for v in left))
        raise DerivationError(
            f"The log-probability of {name} still contains random variables without a value: {found}. "
            "Give each a name of its own and let it be part of the model.",
            name,
            term,
        )


def _explain(rv_values: Mapping[TensorVariable, Variable], names: Sequence[str], error: Exception) -> DerivationError:
    """Find the variable, and the smallest graph above it, for which no log-probability can be derived."""
    for (rv, _), name in zip(rv_values.items(), names, strict=True):
        for variable in _measurable_path(rv, set(rv_values) - {rv}):
            if not is_derivable(variable):
                operation = variable.owner.op if variable.owner is not None else variable
                missing = _cumulative_of(variable) or f"that of {operation}"
                # Functions of the user's may raise anything, on the shapes that PyMC gives them say.
                said = "" if isinstance(error, NotImplementedError) else f" ({' '.join(str(error).split())})"
                return DerivationError(
                    f"No log-probability can be derived for {name}: {missing} is not known{said}. Use a "
                    "distribution with a density, or write the density yourself with ppl.Potential or pm.CustomDist.",
                    name,
                    variable,
                )
    return DerivationError(f"No joint log-probability can be derived for {', '.join(names)}: {error}", names[-1])


def _cumulative_of(variable: TensorVariable) -> str | None:
    """Say which cumulative probability a censored or truncated variable would need."""
    op = variable.owner.op if variable.owner is not None else None
    if isinstance(op, TruncatedRV):
        return f"the cumulative probability of {op.base_rv_op}, which truncation needs,"
    if isinstance(op, CensoredRV):
        base = variable.owner.inputs[0].owner
        return f"the cumulative probability of {variable if base is None else base.op}, which censoring needs,"
    return None


def _measurable_path(rv: TensorVariable, valued: set[TensorVariable]) -> list[TensorVariable]:
    """Return what lies between the random variables that ``rv`` is made of and ``rv`` itself, innermost first."""
    if is_random(rv):
        return [rv]
    sources = find_consumed(rv) - valued
    return [
        out
        for node in toposort([rv])
        for out in node.outputs
        if isinstance(out, TensorVariable) and (out in sources or depends_on(out, sources)) and out not in valued
    ]


def is_derivable(variable: TensorVariable) -> bool:
    """Whether PyMC knows the log-probability of a variable given those that it is not made of."""
    stand_ins = {rv: rv.type() for rv in find_random_variables([variable]) if rv not in find_consumed(variable)}
    try:
        with filtered("ignore", category=UserWarning):
            conditional_logp({variable: variable.type(), **stand_ins}, warn_rvs=False)
    except (NotImplementedError, RuntimeError, ValueError, TypeError):
        return False
    return True
