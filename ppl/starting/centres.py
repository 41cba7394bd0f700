"""Central values of variables: where chains start before they are displaced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from numpy.typing import NDArray
from pymc.distributions.distribution import support_point
from pymc.initial_point import make_initial_point_expression
from pymc.logprob.transforms import Transform
from pymc.pytensorf import compile as compile_pymc
from pymc.pytensorf import find_rng_nodes, reseed_rngs
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.traversal import explicit_graph_inputs, graph_inputs
from pytensor.scalar.basic import Second
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.random.op import RNGConsumerOp
from pytensor.tensor.sharedvar import TensorSharedVariable
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError, SamplingError
from graphs.joint.drawing import with_draws
from graphs.joint.joint_logprob import LogProb
from graphs.joint.preparation import prepare
from graphs.joint.terms import given_the_others
from graphs.supports import Support
from graphs.surgery.interpreting import INTERPRETED, without_c
from graphs.surgery.random_graph import static_shape
from graphs.surgery.rebuilding import rebuild, substitute
from graphs.variables.transforms import transforms_of
from graphs.variables.truncated_draws import is_truncated
from graphs.warned import filtered
from ppl.planning.plans import Assignment, Plan

STRATEGIES = ("support_point", "prior")
"""Names of ways to find initial values, which are PyMC's."""


def central_values(plan: Plan, given: Mapping[str, Any], strategy: str, seed: int) -> dict[str, NDArray]:
    """Return a starting value for every variable of the joint state, in the space where it is sampled.

    Parameters
    ----------
    plan : Plan
        What is sampled.
    given : mapping of str to array
        Values in natural space.
    strategy : {"support_point", "prior"}
        What the others are: central points of their distributions, or draws from these.
    seed : int
        Seed of the draws.

    Raises
    ------
    SamplingError
        If a value that is given lies on the boundary of its support.
    """
    variables, current = _as_sampled(plan)
    # Those of the plan may depend on values of others.
    prepared = prepare(list(variables.values()))
    latent: dict[str, Any] = {name: prepared.get(rv, rv) for name, rv in variables.items()}
    chosen = {**_declared_values(plan, given), **given}
    strategies = {rv: chosen.get(name, strategy) for name, rv in latent.items()}
    strategies = {rv: _drawn(rv) if isinstance(s, str) and s == "prior" else s for rv, s in strategies.items()}
    for name, members in plan.natural.plates.items():
        rows = {i: chosen[each] for i, each in enumerate(members) if each in chosen}
        if rows:
            strategies[latent[name]] = _with_rows(latent[name], rows, strategy)
    transforms = {latent[n]: t for n, t in _moved_transforms(plan.mixed).items()}
    # What somebody made of other distributions has no central value: a draw is one, too.
    with filtered("ignore", "Support point not defined", UserWarning):
        expressions = [
            make_initial_point_expression(
                free_rvs=list(latent.values()),
                rvs_to_transforms=transforms,
                initval_strategies=strategies,
                default_strategy=strategy,
                return_transformed=is_transformed,
            )
            for is_transformed in ((False, True) if current else (True,))
        ]
    with without_c():
        flat = [each for part in expressions for each in part]
        filled = rebuild(flat, _filled)
        flat = [filled.get(each, each) for each in flat]
        function = compile_pymc([], flat, random_seed=seed, mode=INTERPRETED)
        evaluated = _settled(function, current, seed) if current else function()
    values = dict(zip(latent, evaluated, strict=True))
    centre = {
        str(plan.mixed.values[n].name): _finite(values[n], n, n in given, plan.natural.supports[n])
        for n in plan.mixed.values
        if n in values
    }
    return centre | {str(v.name): start for v, start in plan.sweep.tuned.items()}


def _declared_values(plan: Plan, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the initial values that were declared, but for those that others are given in the place of."""
    declared = {name: value for name, value in plan.model.parts.initial_values.items() if name not in given}
    latent = {assignment.name: assignment for assignment in plan.declared}
    for name in declared.keys() & latent.keys():
        value = declared[name]
        if isinstance(value, str):
            if value not in STRATEGIES:
                raise ModelError(
                    f"The initial value of {name} is {value!r}; numbers are needed, or one of {', '.join(STRATEGIES)}.",
                    name,
                )
        elif not isinstance(value, Variable):
            declared[name] = checked_value(latent[name], _as_wide(value, latent[name].shape))
    return declared


def _as_wide(value: Any, shape: tuple[int, ...]) -> Any:
    """Return one number for all elements as an array of them."""
    array = np.asarray(value)
    return value if array.ndim else np.full(shape, array)


def checked_value(assignment: Assignment, value: Any) -> NDArray:
    """Return an initial value as an array.

    Parameters
    ----------
    assignment : Assignment
        Of the variable.
    value : array_like
        The value, in natural space.

    Raises
    ------
    ModelError
        If it is not made of numbers, or of too many or too few.
    SamplingError
        If it lies outside the support.
    """
    name, support = assignment.name, assignment.support
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise ModelError(f"The initial value of {name} is {value!r}; a number or an array is needed.", name)
    if array.shape != assignment.shape:
        raise ModelError(f"The initial value of {name} has shape {array.shape}; its shape is {assignment.shape}.", name)
    if support.is_discrete and np.any(array % 1):
        raise ModelError(f"The initial value of {name} is {value!r}, but {name} is discrete.", name)
    if not support.holds(array):
        raise outside(name, support)
    return array


def _filled(node: Apply, inputs: list[Variable]) -> list[Variable] | None:
    """Return what an array is filled with, without the array where that is looked at for its shape alone.

    Central values of sequences are ``full_like`` of them, and what starts flat has no draws.
    """
    is_filling = isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, Second)
    if not is_filling or inputs[0].owner is None or not isinstance(inputs[0].owner.op, RNGConsumerOp):
        return None
    return [pt.broadcast_to(inputs[1], static_shape(inputs[0]))]


def _as_sampled(plan: Plan) -> tuple[dict[str, TensorVariable], dict[str, Any]]:
    """Return the latent variables, where some are taken together or truncated given the values of all.

    These are shared arrays: a draw of our own in the place of one of PyMC's may not depend on other variables.
    """
    plates, latent = plan.natural.plates, plan.natural.graph.latent
    if not plates and not any(is_truncated(rv) for rv in plan.model.latent.values()):
        return dict(plan.model.latent), {}
    names = [name for name in latent if name in plan.model.latent or name in plates]
    shapes = {name: latent[name].type.shape if name in plates else static_shape(latent[name]) for name in names}
    current = {n: pytensor.shared(np.zeros(shapes[n], latent[n].type.dtype), name=n) for n in names}
    given = {v: current[str(v.name)] for v in explicit_graph_inputs([latent[n] for n in names])}
    variables = given_the_others(
        dict(zip(substitute([latent[n] for n in names], given), current.values(), strict=True))
    )
    return {name: pt.as_tensor(rv) for name, rv in zip(names, variables, strict=True)}, current


def _with_rows(rv: TensorVariable, rows: Mapping[int, Any], strategy: str) -> Variable:
    """Return starting values of an array of which some rows are given."""
    drawn: Any = rv.owner.clone().outputs[rv.owner.outputs.index(rv)]
    others = drawn if strategy == "prior" else pt.broadcast_to(support_point(drawn), rv.type.shape)
    given = np.zeros(rv.type.shape)
    is_given = np.zeros(rv.type.shape, bool)
    for i, value in rows.items():
        given[i], is_given[i] = value, True
    chosen: Variable = pt.where(is_given, given, others)
    return chosen


def _settled(function: Callable[..., list[NDArray]], current: Mapping[str, Any], seed: int) -> list[NDArray]:
    """Evaluate starting values that depend on earlier ones until all are what they are computed from.

    Parameters
    ----------
    function : callable
        Returns the starting values of all variables, and then the transformed ones.
    current : mapping of str to shared array
        The values that they are computed from, in this order.
    seed : int
        Of draws: the same every time.
    """
    # Type checkers know no attributes of callables.
    generators = find_rng_nodes(function.maker.fgraph.outputs)  # type: ignore[attr-defined]
    # A loop is followed by one step each time.
    for _ in range(sum(shared.get_value().shape[:1][0] if shared.type.ndim else 1 for shared in current.values()) + 2):
        reseed_rngs(generators, seed)
        evaluated = function()
        is_settled = True
        for shared, value in zip(current.values(), evaluated, strict=False):
            is_settled = is_settled and np.array_equal(shared.get_value(borrow=True), value, equal_nan=True)
            shared.set_value(np.array(value))
        if is_settled:
            break
    return evaluated[len(current) :]


def _drawn(rv: TensorVariable) -> str | Variable:
    """Return what PyMC takes for a draw of a variable; its own draws of truncated ones are infinite far out."""
    if not is_truncated(rv):
        return "prior"
    # Scans are built on inputs: of shared variables that are above theirs they take copies of their own.
    shared: dict[Variable, Variable] = {pt.random.rng("rng"): pytensor.shared(np.random.default_rng())}
    [rng] = shared
    shared |= {v.type(): v for v in graph_inputs([rv]) if isinstance(v, TensorSharedVariable)}
    drawn = with_draws(substitute([rv], {v: stand_in for stand_in, v in shared.items()}), rng)
    return substitute(drawn, shared)[0]


def _finite(value: NDArray, name: str, is_given: bool, support: Support) -> NDArray:
    """Replace what a transform could not map, such as the zero gap between tied elements of an ordered vector."""
    value = np.asarray(value)
    bad = ~np.isfinite(value)
    if bad.any() and is_given:
        raise outside(name, support)
    return np.where(bad, 0.0, value) if bad.any() else value


def _moved_transforms(mixed: LogProb) -> dict[str, Transform]:
    """Return the transforms of the variables that live on the real line."""
    moved = [n for n in mixed.values if mixed.natural[n] is not mixed.values[n]]
    transforms = transforms_of({n: mixed.graph.latent[n] for n in moved}, mixed.graph.transforms)
    return {n: transforms[n] for n in moved}


def outside(name: str, support: Support) -> SamplingError:
    """Return the error of an initial value that lies outside its support."""
    where = "outside its support" if support.is_discrete else "outside its support or on its boundary"
    return SamplingError(f"The initial value of {name} lies {where}: give one inside, {support}.")
