"""From observed variables and terms to the parts of a model: what is latent, and under which names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymc.logprob.transforms import Transform
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import ancestors, toposort
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.surgery.copies import without_copies
from graphs.surgery.fixing import with_fixed_arrays
from graphs.surgery.random_graph import find_consumed, find_random_variables, is_random, name_variables
from graphs.surgery.rebuilding import rebuild, substitute
from graphs.variables.opening import open_distributions
from graphs.variables.sequence.scans import take_out_of_scans
from ppl.chunks.rows_of_model import refuse_rows
from ppl.chunks.source import inputs_in_chunks
from ppl.declaring.declaration import declaration_of
from ppl.declaring.declare import Density
from ppl.declaring.forgotten import forgotten
from ppl.declaring.probabilities import check_probabilities
from ppl.modelling.conditioning import Observation, observation_of
from ppl.modelling.dimensions import find_dimensions
from ppl.modelling.lengths import with_lengths
from ppl.modelling.ranges import check_ranges
from ppl.reading.alignment import check_labels, data_in_order


@dataclass(frozen=True, eq=False)
class Parts:
    """Everything that a model is made of, checked and named."""

    latent: Mapping[str, TensorVariable]
    observed: Mapping[str, tuple[TensorVariable, Constant | TensorVariable]]
    observed_data: Mapping[str, NDArray]
    deterministics: Mapping[str, TensorVariable] = field(default_factory=dict)
    potentials: Mapping[str, TensorVariable] = field(default_factory=dict)
    constant_data: Mapping[str, NDArray] = field(default_factory=dict)
    transforms: Mapping[str, Transform | None] = field(default_factory=dict)
    initial_values: Mapping[str, Any] = field(default_factory=dict)
    coords: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    dims: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    forgotten: tuple[str, ...] = ()


def assemble(
    observed: Mapping[TensorVariable, Any],
    terms: Iterable[TensorVariable | Density],
    coords: Mapping[str, Sequence[Any]],
    dims: Mapping[str, Sequence[str] | str],
) -> Parts:
    """Return the parts of a model; what was declared wrongly is refused.

    Parameters
    ----------
    observed : mapping of TensorVariable to data
        Variables with their data.
    terms : iterable of TensorVariable or Density
        What has no data.
    coords, dims : mapping
        Labels of axes, and names of axes by variable.
    """
    extra, density_variables = _flatten(terms)
    given = {rv: data_in_order(rv, data, dims) for rv, data in observed.items()}
    observed, extra = _with_fixed_arrays(given, extra)
    observed, extra = with_lengths(observed, extra, coords)
    observed, extra = _without_scans(observed, extra)
    observations, renamed = _observe_all(observed)
    # An observed variable may stand below another one that was resized or has missing elements.
    graphs = [v for o in observations for v in (o.variable, *([o.joined] if o.joined is not None else []))]
    replaced = iter(substitute([*graphs, *extra], renamed))
    observations = [
        replace(o, variable=next(replaced), joined=None if o.joined is None else next(replaced)) for o in observations
    ]
    extra = list(replaced)
    parts = _name_parts(observations, extra, density_variables, coords, dims)
    named = [str(o.joined.name if o.joined is not None else o.variable.name) for o in observations]
    for name, data in zip(named, given.values(), strict=True):
        check_labels(data, parts.dims.get(name, ()), parts.coords, f"The data of {name}", name)
    return parts


def _with_fixed_arrays(
    observed: Mapping[TensorVariable, Any], extra: list[TensorVariable]
) -> tuple[Mapping[TensorVariable, Any], list[TensorVariable]]:
    """Let shared arrays be the constants that they are now, and copies of variables the variables."""
    variables = [v for v in observed if isinstance(v, TensorVariable)]
    new = with_fixed_arrays(without_copies([*variables, *extra]))
    if len(variables) < len(observed) or all(a is b for a, b in zip(new, [*variables, *extra], strict=True)):
        return observed, extra
    return dict(zip(new[: len(variables)], observed.values(), strict=True)), new[len(variables) :]


def _without_scans(
    observed: Mapping[TensorVariable, Any], extra: list[TensorVariable]
) -> tuple[Mapping[TensorVariable, Any], list[TensorVariable]]:
    """Let what scans and distributions that are graphs draw be variables of the model."""
    variables = [v for v in observed if isinstance(v, TensorVariable)]
    graphs = [*variables, *extra]
    inner = open_distributions(graphs, variables)
    graphs = substitute(graphs, inner) if inner else graphs
    scans = take_out_of_scans(graphs)
    if not inner and not scans:
        return observed, extra
    new = substitute(graphs, scans) if scans else graphs
    return dict(zip(new[: len(variables)], observed.values(), strict=True)), new[len(variables) :]


def _observe_all(observed: Mapping[TensorVariable, Any]) -> tuple[list[Observation], dict[Variable, Variable]]:
    for rv in observed:
        if not isinstance(rv, TensorVariable):
            raise ModelError(
                f"The keys of the data are random variables, not {type(rv).__name__} ({rv!r}): ppl.Model({{y: data}})."
            )
        find_consumed(rv)
    names = name_variables(list(observed))
    found: dict[TensorVariable, Observation] = {}
    renamed: dict[Variable, Variable] = {}
    # Parents before their children: these have to stand below what their parents have become.
    for node in toposort(list(observed)):
        if any(i in renamed for i in node.inputs):
            rebuilt = rebuild(node.outputs, lambda node, inputs: None, {i: renamed.get(i, i) for i in node.inputs})
            renamed |= {out: rebuilt[out] for out in node.outputs}
        for rv in node.outputs:
            if rv not in observed:
                continue
            current: Any = renamed.get(rv, rv)
            if getattr(current.tag, "deterministic", False):
                current = _outcome(current)
            observation = observation_of(current, names[rv], observed[rv])
            found[rv] = observation
            new = observation.joined if observation.joined is not None else observation.variable
            if new is not rv:
                renamed[rv] = new
    return [found[rv] for rv in observed], renamed


def _outcome(deterministic: TensorVariable) -> TensorVariable:
    """Return the expression that a deterministic names: what is observed has its place among the data."""
    node = deterministic.owner
    outcome: Any = node.clone().outputs[node.outputs.index(deterministic)]
    outcome.tag = copy(deterministic.tag)
    del outcome.tag.deterministic
    return outcome


def _flatten(terms: Iterable[Any]) -> tuple[list[TensorVariable], list[TensorVariable]]:
    flat: list[TensorVariable] = []
    variables: list[TensorVariable] = []
    for term in terms:
        if isinstance(term, Density):
            flat.append(term.potential)
            variables.extend(term.variables.values())
        elif isinstance(term, TensorVariable):
            flat.append(term)
        else:
            raise ModelError(
                f"A model is made of data, potentials, deterministics and random variables, not {type(term).__name__}."
            )
    return flat, variables


def _name_parts(
    observations: Sequence[Observation],
    extra: Sequence[TensorVariable],
    density_variables: Sequence[TensorVariable],
    coords: Mapping[str, Sequence[Any]],
    dims: Mapping[str, Sequence[str] | str],
) -> Parts:
    observed = [o.variable for o in observations]
    joined = [o.joined for o in observations if o.joined is not None and not is_random(o.joined)]
    outputs = [*observed, *extra, *density_variables, *joined]
    consumed = {rv for outcome in observed for rv in find_consumed(outcome)}
    given = {*consumed, *observed}
    latent = [rv for rv in find_random_variables(outputs) if rv not in given]
    deterministics = _unique([*_of_kind("deterministic", outputs), *joined])
    potentials = _of_kind("potential", outputs)
    data, in_chunks = _of_kind("data", outputs), inputs_in_chunks(outputs)
    _refuse_unknown([v for v in extra if not is_random(v)], [*deterministics, *potentials])
    refuse_rows(latent, deterministics)
    names = name_variables([*latent, *observed, *deterministics, *potentials, *data, *in_chunks])
    check_probabilities({names[v]: v for v in (*latent, *observed)})
    check_ranges({names[v]: v for v in latent})
    by_name = {name: variable for variable, name in names.items()}
    declarations = {n: d for n, v in by_name.items() if (d := declaration_of(v)) is not None}
    all_dims, all_coords = find_dimensions(by_name, declarations, coords, dims)
    return Parts(
        latent={names[v]: v for v in latent},
        observed={names[o.variable]: (o.variable, o.value) for o in observations},
        observed_data={
            str(names[o.joined if o.joined is not None else o.variable]): o.data
            for o in observations
            if o.data is not None
        },
        deterministics={names[v]: v for v in deterministics},
        potentials={names[v]: v for v in potentials},
        constant_data={names[v]: _data_of(v) for v in data},
        transforms={n: d.transform for n, d in declarations.items() if not isinstance(d.transform, str)},
        initial_values={
            names[o.joined]: o.initial for o in observations if o.joined is not None and o.initial is not None
        }
        | {n: d.initval for n, d in declarations.items() if d.initval is not None},
        coords=all_coords,
        dims=all_dims,
        forgotten=forgotten([*latent, *observed], by_name),
    )


def _of_kind(kind: str, outputs: Sequence[TensorVariable]) -> list[TensorVariable]:
    found = [v for v in ancestors(outputs) if isinstance(v, TensorVariable) and getattr(v.tag, kind, False)]
    return _unique(reversed(found))


def _unique(variables: Iterable[TensorVariable]) -> list[TensorVariable]:
    return list(dict.fromkeys(variables))


def _refuse_unknown(terms: Sequence[TensorVariable], known: Sequence[TensorVariable]) -> None:
    for term in terms:
        if term not in known:
            raise ModelError(
                f"{term.name or term} is neither random nor declared: wrap it in ppl.Potential if it is a term of the "
                "log-density, in ppl.Deterministic if its values are to be kept.",
                term.name,
            )


def _data_of(variable: TensorVariable) -> NDArray:
    return np.asarray(variable.data)
