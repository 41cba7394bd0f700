"""Which values of a plan are computed from its draws: their graphs, and those that were asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.joint.jacobians import unconstrained_total
from graphs.surgery.rebuilding import substitute
from ppl.modelling.members import given_arrays
from ppl.planning.plans import Plan

# Among the values of a draw; no variable can have this name.
LOGDENSITY = ""


def room_of(plan: Plan, variables: Sequence[TensorVariable], computed: Mapping[str, TensorVariable]) -> dict[str, str]:
    """Return the computed values that fit where their own variable was recorded, and are floats as it is."""
    recorded = {str(v.name): v for v in variables}
    found = {}
    for name, graph in computed.items():
        value = plan.mixed.values.get(name)
        variable = recorded.get(str(value.name)) if value is not None else None
        if variable is None or {variable.dtype, graph.dtype} != {"float64"}:
            continue
        if variable.type.shape == graph.type.shape:
            found[name] = str(variable.name)
    return found


def outputs_of(plan: Plan) -> dict[str, TensorVariable]:
    """Return the graph of every value that is known while sampling."""
    # Without the noise of simulators, which nobody has declared.
    plates = plan.mixed.plates
    outputs: dict[str, TensorVariable] = {
        n: v for n, v in plan.mixed.natural.items() if n in plan.model.latent or n in plates
    }
    natural = plan.natural
    outputs |= {n: v for step in natural.integrals for n, v in zip(step.names, step.at, strict=True)}
    known = {n: d for n, d in plan.model.deterministics.items() if n not in plan.later}
    data = dict(plan.model.graph.observed.values())
    graphs = given_arrays(list(known.values()), plan.model.latent, outputs, plates, data)
    outputs |= {name: pt.as_tensor(graph) for name, graph in zip(known, graphs, strict=True)}
    if plan.whole is not None:
        outputs[LOGDENSITY] = _whole_logdensity(plan, outputs)
    elif not is_logdensity_given(plan):
        in_natural_space = [a.name for a in plan.assignments if a.method == "gibbs" and not a.support.is_discrete]
        outputs[LOGDENSITY] = unconstrained_total(plan.sampled, in_natural_space)
    return outputs


def elements_of(plan: Plan, outputs: Mapping[str, TensorVariable]) -> dict[str, tuple[str, int]]:
    """Return, of variables whose values are elements of an array that is known, its name and which element."""
    plates = {array: members for array, members in plan.mixed.plates.items() if array in outputs}
    return {name: (array, i) for array, members in plates.items() for i, name in enumerate(members)}


def _whole_logdensity(plan: Plan, outputs: Mapping[str, TensorVariable]) -> TensorVariable:
    """Return the log-density of a draw with what was integrated out, as if that had been sampled, too."""
    assert plan.whole is not None
    continuous = [n for n in plan.whole.values if not plan.whole.supports[n].is_discrete]
    total = unconstrained_total(plan.whole, continuous)
    known: dict[Variable, Variable] = {v: outputs[n] for n, v in plan.whole.values.items() if n in outputs}
    [found] = substitute([total], known)
    return pt.as_tensor(found)


def is_logdensity_given(plan: Plan) -> bool:
    """Whether the sampler knows the log-density of every draw, of all variables."""
    return plan.whole is None and all(block.has_metric for block in plan.sweep.blocks)


def asked_for(plan: Plan, outputs: Mapping[str, TensorVariable], var_names: Sequence[str]) -> dict[str, TensorVariable]:
    """Return some of the values; not the log-density, for which everything would have to be recorded."""
    if isinstance(var_names, str):
        raise ModelError(f"var_names is a list of names: [{var_names!r}].")
    if not var_names:
        raise ModelError("var_names is empty: there would be nothing to keep.")
    elements = elements_of(plan, outputs)
    known = [name for name in (*outputs, *elements) if name != LOGDENSITY and name not in plan.mixed.plates]
    for name in var_names:
        if name in known:
            continue
        if name in plan.model.latent or name in plan.later:
            raise ModelError(
                f"var_names asks for {name}, which depends on what is summed out: keep the variables that are drawn, "
                "and ppl.recover computes it.",
                name,
            )
        raise ModelError(f"var_names asks for {name!r}; the model has {', '.join(known)}.", name)
    wanted = {elements[name][0] if name in elements else name for name in var_names}
    return {name: graph for name, graph in outputs.items() if name in wanted}
