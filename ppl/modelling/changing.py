"""The parts of a model changed: variables that are set, that have data, or that are declared otherwise."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.surgery.random_graph import find_consumed, is_random, parents_first, static_shape
from graphs.surgery.rebuilding import substitute
from ppl.chunks.source import SomeRows, inputs_in_chunks, rows_from_everywhere, source_of
from ppl.chunks.template import at_rows
from ppl.declaring.declare import Data, Deterministic
from ppl.modelling.assembling import Parts, assemble
from ppl.modelling.conditioning import observation_of
from ppl.reading.alignment import check_labels, with_axes_in_order
from ppl.reading.arrays import read_complete


def with_constants(parts: Parts, values: Mapping[str, Any]) -> Parts:
    """Return the parts of a model in which variables are set to values; see `ppl.do`."""
    _check_mapping(values, "values")
    known = _settable(parts)
    for name in values:
        if name not in known:
            raise ModelError(
                f"There is no variable {name!r} that could be set; the model has {', '.join(known)}.", str(name)
            )
    constants = {name: _constant(parts, name, known[name], value) for name, value in values.items()}
    gone = {*values, *(other for name in values for other in _split_off(parts, name))}
    changed = _substituted(parts, {known[name]: constant for name, constant in constants.items()}, gone)
    data = {name: np.asarray(constant.data) for name, constant in constants.items()}
    # Axes that are named stay so: the values are constant data of that shape.
    dims = {n: d for n, d in parts.dims.items() if n not in gone or n in values}
    return replace(changed, constant_data={**parts.constant_data, **data}, dims=dims)


def with_data(parts: Parts, data: Mapping[str, Any]) -> Parts:
    """Return the parts of a model with data for variables that had none, or had others; see `ppl.observe`."""
    _check_mapping(data, "data")
    for name, given in data.items():
        parts = _with_data(parts, str(name), given)
    return parts


def with_variables(parts: Parts, variables: Mapping[str, TensorVariable]) -> Parts:
    """Return the parts of a model with other variables in the place of some; see `ppl.Model.replace`."""
    _check_mapping(variables, "variables")
    for name, new in variables.items():
        parts = _with_variable(parts, str(name), new)
    return parts


def with_rows_in_memory(parts: Parts, most: int | None = None) -> Parts:
    """Return the parts of a model whose data in chunks are read as a whole, or so many rows of them."""
    if most is not None:
        return with_rows_in_memory(_with_fewer_rows(parts, most))
    inputs = _in_chunks(parts)
    constants = {v: _read_as_a_whole(v) for v in inputs}
    observed = {name: value for name, (_, value) in parts.observed.items() if value in constants}
    of_terms = {str(v.name): constants[v].data for v in inputs if v not in observed.values()}
    found = replace(_substituted(parts, constants, ()), constant_data={**parts.constant_data, **of_terms})
    return with_data(found, {name: constants[value].data for name, value in observed.items()})


def _in_chunks(parts: Parts) -> list[TensorVariable]:
    pairs = parts.observed.values()
    return inputs_in_chunks([*(rv for rv, _ in pairs), *(value for _, value in pairs), *parts.potentials.values()])


def _with_fewer_rows(parts: Parts, most: int) -> Parts:
    """Return the parts of a model with some of the rows in the place of all, where there are more."""
    sources = {v: source for v in _in_chunks(parts) if (source := source_of(v)) is not None and source.num_rows > most}
    if not sources:
        return parts
    length = next(iter(sources.values())).num_rows
    alike = {v: source for v, source in sources.items() if source.num_rows == length}
    rows = rows_from_everywhere(list(alike.values()), most)
    if not len(rows):
        read = ", ".join(str(v.name) for v in alike)
        raise ModelError(f"Numbers of {read} are missing in all rows that were looked at: leave these rows out.", read)
    names = [*parts.latent, *parts.deterministics, *parts.potentials]
    graphs = [*parts.latent.values(), *parts.deterministics.values(), *parts.potentials.values()]
    found, new = at_rows([*graphs, *(rv for rv, _ in parts.observed.values())], list(alike), len(rows))
    for old, variable in new.items():
        variable.tag.source = SomeRows(alike[old], rows)
    by_name = dict(zip(names, found, strict=False))
    pairs = zip(parts.observed.items(), found[len(names) :], strict=True)
    labels = {dim: [own[i] for i in rows] for dim, own in parts.coords.items() if len(own) == length}
    fewer = replace(
        parts,
        latent={n: by_name[n] for n in parts.latent},
        observed={n: (rv, new.get(value, value)) for (n, (_, value)), rv in pairs},
        deterministics={n: by_name[n] for n in parts.deterministics},
        potentials={n: by_name[n] for n in parts.potentials},
        coords={**parts.coords, **labels},
    )
    return _with_fewer_rows(fewer, most)


def _read_as_a_whole(variable: Any) -> Any:
    source, name = source_of(variable), str(variable.name)
    assert source is not None
    array = source.read(0, source.num_rows).astype(variable.type.dtype)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ModelError(f"{name} has missing or infinite values in some rows: leave these rows out.", name)
    constant = variable.type.constant_type(variable.type, array, name=name)
    constant.tag.data = True
    return constant


def _check_mapping(given: Any, what: str) -> None:
    if not isinstance(given, Mapping):
        raise ModelError(f"{what} are given by name: {{'x': ...}}, not as {type(given).__name__}.")


def _settable(parts: Parts) -> dict[str, TensorVariable]:
    """Return what can be set, by name."""
    found = _named(parts)
    graphs = [*found.values(), *parts.potentials.values()]
    named = {v.name: v for v in ancestors(graphs) if isinstance(v, Constant) and isinstance(v, TensorVariable)}
    return found | {name: named[name] for name in parts.constant_data if name in named and name not in found}


def _named(parts: Parts) -> dict[str, TensorVariable]:
    return {**parts.latent, **{n: rv for n, (rv, _) in parts.observed.items()}, **parts.deterministics}


def _constant(parts: Parts, name: str, variable: TensorVariable, value: Any) -> Any:
    """Return the value of a variable as data of its name, type and shape."""
    dims = parts.dims.get(name)
    what = f"The values of {name}"
    if dims is not None:
        value = with_axes_in_order(value, dims, what, name)
        check_labels(value, dims, parts.coords, what, name)
    array = read_complete(value, what, name)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ModelError(f"{what} are not finite: {array}.", name)
    if variable.type.dtype.startswith("float"):
        array = array.astype("float64")
    elif array.dtype.kind == "f":
        if (array != np.round(array)).any():
            raise ModelError(f"{name} is discrete but would be set to {array}: give whole numbers.", name)
        array = array.astype("int64")
    shape = static_shape(variable)
    try:
        full = np.broadcast_to(array, shape)
    except ValueError:
        raise ModelError(
            f"{what} have shape {array.shape}, but {name} has shape {shape} and cannot be given another: it would "
            "no longer fit what depends on it.",
            name,
        ) from None
    constant = Data(name, np.array(full))
    # What depends on a variable was made for its type.
    if constant.type.dtype == variable.type.dtype:
        return constant
    cast: Any = variable.type.constant_type(variable.type, full.astype(variable.type.dtype), name=name)
    cast.tag.data = True
    return cast


def _split_off(parts: Parts, name: str) -> list[str]:
    """Return the names of what a variable with missing elements was split into."""
    if name not in parts.deterministics or name not in parts.observed_data:
        return []
    return [f"{name}_observed", f"{name}_missing"]


def _with_data(parts: Parts, name: str, given: Any) -> Parts:
    """Return the parts with data for one variable."""
    if _split_off(parts, name):
        raise ModelError(f"{name} has data already, some of them missing: make a new ppl.Model.", name)
    known = _named(parts)
    if name not in known:
        raise ModelError(f"There is no variable {name!r} to observe; the model has {', '.join(known)}.", name)
    variable, dims = known[name], parts.dims.get(name)
    if dims is not None:
        given = with_axes_in_order(given, dims, f"The data of {name}", name)
    observation = observation_of(variable, name, given)
    check_labels(given, dims or (), parts.coords, f"The data of {name}", name)
    new = observation.joined if observation.joined is not None else observation.variable
    consumed = find_consumed(variable) - {variable}
    gone = {name, *(n for n, v in parts.latent.items() if v in consumed)}
    changed = _substituted(parts, {variable: new} if new is not variable else {}, gone)
    observed_name = str(observation.variable.name or name)
    latent, deterministics, initial = dict(changed.latent), dict(changed.deterministics), dict(changed.initial_values)
    if observation.missing is not None:
        latent[str(observation.missing.name)] = observation.missing
    if observation.joined is not None:
        deterministics[name] = observation.joined
    if observation.initial is not None:
        initial[name] = observation.initial
    return replace(
        changed,
        latent=_in_order(latent),
        observed={**changed.observed, observed_name: (observation.variable, observation.value)},
        observed_data={**changed.observed_data, **({} if observation.data is None else {name: observation.data})},
        deterministics=deterministics,
        initial_values=initial,
        dims=parts.dims,
    )


def _with_variable(parts: Parts, name: str, new: Any) -> Parts:
    """Return the parts with another variable of the same name."""
    known = _named(parts)
    if name not in known or _split_off(parts, name):
        raise ModelError(f"There is no variable {name!r} to replace; the model has {', '.join(known)}.", name)
    if not isinstance(new, TensorVariable):
        raise ModelError(f"{name} is replaced by a variable, such as ppl.Normal({name!r}, 0, 1), not by {new!r}.", name)
    if new.name is not None and new.name != name:
        raise ModelError(f"What takes the place of {name} is called {new.name}: declare it as {name!r}.", name)
    old = known[name]
    if static_shape(new) != static_shape(old) or new.type.dtype != old.type.dtype:
        kind = f"{old.type.dtype} of shape {static_shape(old)}"
        raise ModelError(f"{name} is {kind}: what takes its place is {new.type.dtype} of {static_shape(new)}.", name)
    if old in ancestors([new]):
        raise ModelError(f"What takes the place of {name} depends on {name} itself, or on what depends on it.", name)
    if not is_random(new) and not getattr(new.tag, "deterministic", False):
        new = Deterministic(name, new)
    new.name = name
    own = assemble({}, [new], {}, {})
    changed = _substituted(parts, {old: new}, {name})
    # Of what it depends on the model may have declared a part already.
    there = set(known.values())
    added = {n: v for n, v in own.latent.items() if v not in there}
    for other in added:
        if other in changed.latent or other in changed.observed or other in changed.deterministics:
            raise ModelError(
                f"Two variables would be named {other!r}: what {name} depends on needs other names.", other
            )
    return _joined(parts, changed, own, added, name, new)


def _joined(
    parts: Parts, changed: Parts, own: Parts, added: Mapping[str, TensorVariable], name: str, new: TensorVariable
) -> Parts:
    """Return the parts of a model with those of what is new in it."""
    computed = {n: v for n, v in own.deterministics.items() if n not in changed.deterministics}
    own_names = {*added, *computed, name}
    observed = dict(changed.observed)
    latent = {**changed.latent, **added}
    if name in parts.observed:
        del latent[name]
        observation = observation_of(new, name, parts.observed_data[name])
        observed[name] = (observation.variable, observation.value)
    return replace(
        changed,
        latent=_in_order(latent),
        observed=observed,
        observed_data=parts.observed_data,
        deterministics={**computed, **changed.deterministics},
        transforms={**changed.transforms, **{n: t for n, t in own.transforms.items() if n in own_names}},
        initial_values={**changed.initial_values, **{n: v for n, v in own.initial_values.items() if n in own_names}},
        constant_data={**own.constant_data, **changed.constant_data},
        coords={**own.coords, **parts.coords},
        dims={**{n: d for n, d in own.dims.items() if n in own_names}, **parts.dims},
    )


def _substituted(parts: Parts, replaced: Mapping[Any, Variable], gone: Collection[str]) -> Parts:
    """Return the parts in whose graphs variables are replaced, without those whose names are given."""
    latent = {n: v for n, v in parts.latent.items() if n not in gone}
    observed = {n: pair for n, pair in parts.observed.items() if n not in gone}
    deterministics = {n: v for n, v in parts.deterministics.items() if n not in gone}
    graphs = [*latent.values(), *(rv for rv, _ in observed.values()), *deterministics.values()]
    new: Any = iter(substitute([*graphs, *parts.potentials.values()], dict(replaced)))
    return replace(
        parts,
        latent={n: next(new) for n in latent},
        observed={n: (next(new), value) for n, (_, value) in observed.items()},
        deterministics={n: next(new) for n in deterministics},
        potentials={n: next(new) for n in parts.potentials},
        observed_data={n: a for n, a in parts.observed_data.items() if n not in gone},
        transforms={n: t for n, t in parts.transforms.items() if n not in gone},
        initial_values={n: v for n, v in parts.initial_values.items() if n not in gone},
        dims={n: d for n, d in parts.dims.items() if n not in gone},
        forgotten=(),
    )


def _in_order(latent: Mapping[str, TensorVariable]) -> dict[str, TensorVariable]:
    """Return variables in their order, but for those that others before them depend on."""
    names = {v: n for n, v in latent.items()}
    return {names[v]: v for v in parents_first(list(latent.values()))}
