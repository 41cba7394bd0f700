"""Distributions that are graphs of random variables, opened: what they draw on the way are variables of the model.

``pm.CustomDist(dist=...)`` hides a graph in one variable: a mixture with its indices, a hidden Markov chain with the
states that a scan draws. What PyMC cannot derive a log-probability for is a graph like any other once it is opened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from pymc.distributions.distribution import DiracDelta
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import toposort
from pytensor.tensor.type import discrete_dtypes
from pytensor.tensor.variable import TensorVariable

from graphs.errors import DerivationError
from graphs.joint.terms import is_derivable
from graphs.marginal.finite import finite_states, nearest_random
from graphs.surgery.random_graph import distribution_name, find_consumed, find_random_variables, is_random
from graphs.surgery.rebuilding import substitute
from graphs.variables.inner_outcome import inner_outcome, is_open, untransposed


def open_distributions(outputs: Sequence[Variable], observed: Collection[Variable]) -> dict[Variable, Variable]:
    """Return what takes the place of variables whose distributions are graphs.

    Parameters
    ----------
    outputs : sequence of Variable
        Graphs of random variables.
    observed : collection of Variable
        Those that have data: they may become functions of random variables. The others stay variables of their own.

    Returns
    -------
    dict of Variable to Variable
        Of the same names; what is new and random is named after the variable that it was hidden in.
    """
    replaced: dict[Variable, Variable] = {}
    for outcome in observed:
        made = None if is_random(outcome) else _with_states(outcome, outcome)
        if made is not None:
            replaced[outcome] = _named(made, outcome)
    for node in toposort([v for v in outputs if v.owner is not None]):
        if not is_open(node):
            continue
        rv = node.default_output()
        [outcome] = substitute([inner_outcome(node)], replaced)
        if not is_random(outcome):
            made = _with_states(outcome, rv)
            outcome = outcome if made is None else made
        if is_random(outcome) or rv in observed:
            replaced[rv] = _named(outcome, rv)
    return replaced


def _with_states(outcome: TensorVariable, rv: TensorVariable) -> TensorVariable | None:
    """Return a function of variables of finitely many states as a variable that has one value given these.

    Its term says which states go with its value, and the sum over the states counts them: it is for functions of which
    PyMC knows no probability, such as sums, products, and what is not one to one. Functions of so many states that they
    are not written down are left: nothing but a sum moves variables from one set of states that go together to another.
    """
    if outcome.type.dtype not in discrete_dtypes or rv.type.dtype != outcome.type.dtype:
        return None
    parents = nearest_random(outcome)
    if not parents or any(finite_states(parent) is None for parent in parents) or _is_measurable(outcome):
        return None
    # A name that it has is that of what is made of it.
    made: TensorVariable = DiracDelta.dist(_unnamed(outcome))
    return made if made.type.dtype == rv.type.dtype and finite_states(made) is not None else None


def _is_measurable(outcome: TensorVariable) -> bool:
    try:
        find_consumed(outcome)
    except DerivationError:
        return False
    return is_derivable(untransposed(outcome, outcome.type())[0])


def _named(outcome: TensorVariable, rv: TensorVariable) -> TensorVariable:
    known = {*find_consumed(outcome), *find_random_variables(rv.owner.inputs)}
    taken: Counter[str] = Counter()
    for hidden in find_random_variables([outcome]):
        if hidden.name is None and hidden not in known:
            kind = distribution_name(hidden)
            taken[kind] += 1
            hidden.name = f"{rv.name}_{kind}" if taken[kind] == 1 else f"{rv.name}_{kind}_{taken[kind]}"
    outcome.name = rv.name
    outcome.tag.__dict__.update(rv.tag.__dict__)
    return outcome


def _unnamed(outcome: TensorVariable) -> Variable:
    node = outcome.owner
    return node.op.make_node(*node.inputs).outputs[node.outputs.index(outcome)]
