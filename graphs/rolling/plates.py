"""Variables that were declared one by one in the same form, as one array.

A loop that declares a thousand scalars declares what `graphs.rolling.rolling` takes together term by term. For a
sampler the variables themselves are taken together, continuous latent ones and observed ones: those are one input, with
one term, one transform and one place in a sweep, so that what follows costs as much as for an array that was declared
as such. What is drawn has the names that were declared.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pymc.logprob.transforms import Transform
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.variable import TensorVariable

from graphs.joint.model_graph import ModelGraph
from graphs.joint.preparation import as_parameter
from graphs.joint.supports_of import support_of
from graphs.joint.terms import joint_name
from graphs.marginal.finite import finite_states
from graphs.optional import optional
from graphs.rolling.gathering import Places, with_elements
from graphs.rolling.recurrences import with_recurrences
from graphs.rolling.rolling import FEWEST, Signatures, Stacker, conditional_parameters
from graphs.supports import OTHER
from graphs.surgery.batching import aligned_parameter
from graphs.surgery.random_graph import named_input
from graphs.variables.simulators import is_simulator
from graphs.variables.transforms import transforms_of


@dataclass(frozen=True, eq=False)
class Plate:
    """Variables of the same form as one.

    Parameters
    ----------
    members : tuple of str
        The names of the variables, in order.
    value : TensorVariable
        Shape (m, ...): their values; a constant where they are observed.
    variable : TensorVariable
        A random variable with all of them; its parameters are graphs of values.
    """

    members: tuple[str, ...]
    value: TensorVariable
    variable: TensorVariable


@optional("latent variables of the same form", otherwise=lambda why, graph, values, apart: (graph, values, {}))
def with_plates(
    graph: ModelGraph, values: Mapping[str, TensorVariable], apart: Collection[str]
) -> tuple[ModelGraph, dict[str, TensorVariable], dict[str, tuple[str, ...]]]:
    """Take variables of the same form together: continuous latent ones, and observed ones.

    Parameters
    ----------
    graph : ModelGraph
        The model.
    values : mapping of str to TensorVariable
        The values of its latent variables.
    apart : collection of str
        Variables that stay alone.

    Returns
    -------
    graph : ModelGraph
        The model with arrays in the place of these variables.
    values : dict of str to TensorVariable
        The values of its latent variables.
    members : dict of str to tuple of str
        Of each array, the names of its elements along the first axis.
    """
    graph, steps = with_recurrences(graph, values)
    plates = _find_plates(graph, values, apart, steps)
    if not plates and not steps:
        return graph, dict(values), {}
    by_name = {joint_name(plate.members): plate for plate in plates}
    first = {plate.members[0]: name for name, plate in by_name.items()}
    taken = {member for plate in plates for member in plate.members}
    elements: dict[Variable, tuple[TensorVariable, int]] = {
        variable: (plate.value, i)
        for plate in plates
        for i, member in enumerate(plate.members)
        if member in graph.latent
        for variable in (graph.latent[member], values[member])
    }
    others = [rv for name, rv in graph.latent.items() if name not in taken]
    others += [rv for name, (rv, _) in graph.observed.items() if name not in taken]
    old = [*others, *graph.potentials.values(), *(plate.variable for plate in plates)]
    new = dict(zip(old, map(pt.as_tensor, _put_together(old, elements, steps)), strict=True))
    new |= {_variable(graph, member): new[by_name[name].variable] for member, name in first.items()}
    left = [name for name in (*graph.latent, *graph.observed) if name not in taken or name in first]
    together = replace(
        graph,
        latent={first.get(n, n): new[graph.latent[n]] for n in left if n in graph.latent},
        observed={
            first.get(n, n): (new[rv], by_name[first[n]].value if n in first else value)
            for n, (rv, value) in graph.observed.items()
            if n in left
        },
        potentials={n: new[potential] for n, potential in graph.potentials.items()},
        transforms={first.get(n, n): t for n, t in graph.transforms.items() if n not in taken or n in first},
    )
    found = {name: plate.members for name, plate in by_name.items()}
    kept = {n: by_name[n].value if n in by_name else values[n] for n in together.latent}
    return together, kept, found


def _put_together(graphs: Sequence[Variable], elements: Places, steps: Places) -> list[Variable]:
    """Put elements of arrays in the place of variables, and then steps of recurrences, which may read these."""
    arrays = list(dict.fromkeys(array for array, _ in steps.values()))
    new = with_elements([*graphs, *arrays], elements)
    moved = dict(zip(arrays, map(pt.as_tensor, new[len(graphs) :]), strict=True))
    return with_elements(new[: len(graphs)], {v: (moved[array], i) for v, (array, i) in steps.items()})


def _variable(graph: ModelGraph, name: str) -> TensorVariable:
    return graph.latent[name] if name in graph.latent else graph.observed[name][0]


def _find_plates(
    graph: ModelGraph, values: Mapping[str, TensorVariable], apart: Collection[str], steps: Places
) -> list[Plate]:
    rv_values: dict[TensorVariable, Variable] = {rv: values[name] for name, rv in graph.latent.items()}
    rv_values |= dict(graph.observed.values())
    names = {rv: name for name, rv in graph.latent.items() if name not in apart and _is_plain(rv)}
    names |= {rv: n for n, (rv, value) in graph.observed.items() if isinstance(value, Constant) and _is_plain(rv)}
    if len(names) < FEWEST:
        return []
    parameters = conditional_parameters(list(names), rv_values)
    signatures = Signatures()
    groups: dict[Hashable, list[TensorVariable]] = {}
    for rv, name in names.items():
        form = signatures.of(rv, parameters[rv], rv_values[rv])
        if form is not None:
            groups.setdefault((form, graph.transforms.get(name, "default")), []).append(rv)
    groups = {key: rvs for key, rvs in groups.items() if len(rvs) >= FEWEST}
    while True:
        plates = _plates_of(list(groups.values()), names, rv_values, parameters, steps)
        unfit = [key for key, plate in zip(groups, plates, strict=True) if not _is_fit(plate, graph.transforms)]
        if not unfit:
            return plates
        # Parameters of the others may read its values.
        groups = {key: rvs for key, rvs in groups.items() if key not in unfit}


def _is_plain(rv: TensorVariable) -> bool:
    return rv.owner is not None and isinstance(rv.owner.op, RandomVariable) and not is_simulator(rv)


def _is_float(rv: TensorVariable) -> bool:
    return str(rv.type.dtype).startswith("float")


def _is_fit(plate: Plate, chosen: Mapping[str, Transform | None]) -> bool:
    """Whether all members have the same support, and a transform that depends on no other variable."""
    if isinstance(plate.value, Constant):
        return True
    if not _is_float(plate.variable):
        return finite_states(plate.variable) is not None
    if support_of(plate.variable) is OTHER:
        return False
    first = plate.members[0]
    transform = transforms_of({first: plate.variable}, chosen).get(first)
    if transform is None:
        return True
    backward = transform.backward(plate.value, *plate.variable.owner.inputs)
    if not isinstance(backward, TensorVariable):
        return False
    return all(v.owner is not None or isinstance(v, Constant) or v is plate.value for v in ancestors([backward]))


def _plates_of(
    groups: Sequence[Sequence[TensorVariable]],
    names: Mapping[TensorVariable, str],
    rv_values: Mapping[TensorVariable, Variable],
    parameters: Mapping[TensorVariable, Sequence[Variable]],
    steps: Places,
) -> list[Plate]:
    members = [tuple(names[rv] for rv in rvs) for rvs in groups]
    arrays = [_array([rv_values[rv] for rv in rvs], joint_name(own)) for own, rvs in zip(members, groups, strict=True)]
    places = dict(steps)
    places |= {rv_values[rv]: (array, i) for rvs, array in zip(groups, arrays, strict=True) for i, rv in enumerate(rvs)}
    return [
        Plate(own, array, _together(rvs, parameters, places, array.type.shape))
        for own, rvs, array in zip(members, groups, arrays, strict=True)
    ]


def _array(values: Sequence[Variable], name: str) -> TensorVariable:
    """Return an array of values: of data, a constant."""
    if isinstance(values[0], Constant):
        data: TensorVariable = pt.constant(np.stack([np.asarray(value.data) for value in values]), name=name)
        return data
    return named_input(name, (len(values), *values[0].type.shape), values[0].type.dtype)


def _together(
    rvs: Sequence[TensorVariable],
    parameters: Mapping[TensorVariable, Sequence[Variable]],
    places: Places,
    shape: Sequence[int | None],
) -> TensorVariable:
    """Return a random variable whose elements along the first axis are variables of the same form."""
    first = rvs[0]
    op: Any = first.owner.op
    stacker = Stacker(len(rvs), places)
    columns = zip(*(parameters[rv] for rv in rvs), strict=True)
    stacked = [stacker.batched(tuple(column)) for column in columns]
    batch_ndim = first.type.ndim - op.ndim_supp
    integer = "float64" if _is_float(first) else "int64"
    aligned = [
        as_parameter(aligned_parameter(now, old, batch_ndim + core), integer)
        for now, old, core in zip(stacked, parameters[first], op.ndims_params, strict=True)
    ]
    size = pt.constant(np.array(shape[: batch_ndim + 1], dtype="int64"))
    made: TensorVariable = op.make_node(first.owner.inputs[0], size, *aligned).outputs[1]
    return made
