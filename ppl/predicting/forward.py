"""Draw variables of a model forward, with others at given values, and with other data than those of its declaration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pymc.distributions.custom import CustomDistRV
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable
from xarray import Dataset, DataTree

from graphs.backends.base import NO_INTEGER
from graphs.errors import ModelError, SamplingError
from graphs.joint.drawing import with_draws
from graphs.surgery.interpreting import interpret
from graphs.surgery.random_graph import named_input
from graphs.surgery.rebuilding import substitute
from graphs.variables.truncated_draws import is_truncated
from ppl.modelling.model import Model
from ppl.predicting.flat_draws import FlatDraws
from ppl.predicting.missing_draws import first_present, over_draws
from ppl.predicting.new_units import NewUnits
from ppl.reading.alignment import own_dims, with_axes_in_order
from ppl.reading.arrays import first, read_complete, to_integers
from ppl.reading.labels import as_coordinate, read_labels


def new_data(model: Model, data: Mapping[str, Any]) -> dict[Variable, Variable]:
    """Return what takes the place of constants."""
    graph = ancestors([*model.latent.values(), *model.observed.values(), *model.deterministics.values()])
    constants = {v.name: v for v in graph if isinstance(v, Constant) and v.name in model.constant_data}
    found: dict[Variable, Variable] = {}
    for name, array in data.items():
        if name not in constants:
            known = ", ".join(constants) or "none"
            raise ModelError(f"data names {name!r}; the data that variables depend on (ppl.Data) are {known}.", name)
        old = constants[name]
        what = f"The new data of {name}"
        values = read_complete(with_axes_in_order(array, model.dims.get(name), what, name), what, name)
        if values.ndim != old.type.ndim or not np.isfinite(values).all():
            raise ModelError(f"The new data of {name} have to be {old.type.ndim}-dimensional finite numbers.", name)
        found[old] = pt.constant(_as_type(values, old.type.dtype, name), name=name)
    return found


def _as_type(values: NDArray, dtype: str, name: str) -> NDArray:
    """Return numbers in the type of the data whose place they take; whole numbers have to lie in its range."""
    if dtype.startswith("float"):
        return values.astype(dtype)
    whole = to_integers(values, np.zeros(values.shape, bool), f"The data of {name}", name)
    held = whole.astype(dtype)
    if (held != whole).any():
        where = first(held != whole)
        raise ModelError(
            f"The new data of {name} do not fit the type of the old ones, {dtype}: {name}{list(where)} = "
            f"{whole[where]}. Declare the model with data of the type int64.",
            name,
        )
    return held


def draw_forward(
    outputs: Mapping[str, TensorVariable],
    stand_ins: Mapping[Variable, Variable],
    arguments: FlatDraws[TensorVariable],
    seed: int | None,
    backend: str,
    units: NewUnits | None = None,
) -> dict[str, Any]:
    """Return draws of graphs (chains, draws, ...), with other variables at given ones, for other units perhaps."""
    # The type of a random walk, say, may not tell its shape.
    inputs = {rv: named_input(rv.name, arguments.item_shape(rv), rv.type.dtype) for rv in arguments.arrays}
    try:
        replaced = {**stand_ins, **inputs} if units is None else units.replacements(inputs, stand_ins)
        graphs = substitute(list(outputs.values()), replaced)
    except (ValueError, TypeError) as error:
        raise _unfit(error) from error
    rng = pt.random.rng("rng")
    drawn = with_draws([pt.as_tensor(g) for g in graphs], rng)
    used = set(ancestors(drawn))
    needed = arguments.named({rv: v for rv, v in inputs.items() if v in used})
    data = [new for old, new in stand_ins.items() if isinstance(old, Constant)]
    if data or units is not None:
        values = [row.astype(v.type.dtype) for v, row in first_present(needed).items()]
        is_single = units is not None and any(len(labels) == 1 for labels in units.labels.values())
        _check_shapes([rng, *needed.arrays], drawn, values, data, is_single=is_single)
    named, check = (
        dict(zip(outputs, drawn, strict=True)),
        partial(_check_drawn, dict(zip(outputs, graphs, strict=True))),
    )
    try:
        return over_draws(named, needed, backend, rng=rng, seed=seed, check=check)
    except SamplingError as error:
        if not isinstance(error.__cause__, NotImplementedError):
            raise
        names = [name for name, graph in zip(outputs, graphs, strict=True) if _without_draws(graph)]
        which = f"{names[0]} has a distribution that" if names else "A distribution of the model"
        raise ModelError(
            f"{which} cannot be drawn from: it was declared by its density alone. Declare it with random=, a function "
            "of its parameters and of rng= and size= that returns draws; or by dist=.",
            names[0] if names else None,
        ) from error


def _without_draws(graph: Variable) -> bool:
    """Whether a variable, or what it is computed from, is of a distribution that was given by its density alone."""
    for op in [v.owner.op for v in ancestors([graph]) if v.owner is not None]:
        if isinstance(op, CustomDistRV):
            try:
                op.rng_fn(None, None)
            except NotImplementedError:
                return True
            except Exception:  # a function that wants its arguments
                continue
    return False


def _check_drawn(graphs: Mapping[str, Variable], drawn: Mapping[str, NDArray]) -> None:
    """Refuse draws of what has no value anywhere; real numbers may be NaN for other reasons."""
    for name, array in drawn.items():
        if array.dtype == np.int64:
            is_missing = bool((array == NO_INTEGER).any())
        else:
            is_missing = is_truncated(graphs[name]) and bool(np.isnan(array).any())
        if is_missing:
            raise SamplingError(
                f"{name} cannot be drawn: in some draws a parameter was outside its domain, or there is no probability "
                "between its bounds. Narrow the priors of what it depends on, or widen its bounds."
            )


def _check_shapes(
    inputs: Sequence[Variable],
    outputs: Sequence[Variable],
    values: Sequence[NDArray],
    data: Sequence[Variable],
    *,
    is_single: bool,
) -> None:
    """Draw once in NumPy, which checks what machine code takes for granted; data of one row also with that row twice.

    One row fits beside any number of others, which would all be predicted with it, unless it is of a single unit.
    """
    given = {old: old.type.clone(shape=(None,) * old.type.ndim)() for old in data if isinstance(old, Constant)}
    arrays = [np.asarray(old.data) for old in given]
    twice = [np.repeat(a, 2, axis=0) if a.ndim and len(a) == 1 else a for a in arrays]
    try:
        function = interpret([*inputs, *given.values()], substitute(outputs, given))
        function(np.random.default_rng(0), *values, *arrays)
        if not is_single and any(a is not b for a, b in zip(arrays, twice, strict=True)):
            function(np.random.default_rng(0), *values, *twice)
    except (ValueError, TypeError, IndexError) as error:
        raise _unfit(error) from error


def _unfit(error: Exception) -> ModelError:
    reason = str(error).partition("\n")[0]
    return ModelError(
        f"The new data do not fit the shapes of the model ({reason}): give the labels of new units, coords={{...}}, "
        "where variables have dims; or declare the model again with the new data, leave the outcome unobserved, and "
        "predict from that."
    )


def predictive_group(
    model: Model, values: Mapping[str, NDArray], data: Mapping[str, Any], coords: Mapping[str, Sequence[Any]]
) -> Dataset:
    """Return named arrays with the model's dims; labels that no longer fit are those of the new data, or none."""
    labels: dict[str, Sequence[Any]] = dict(model.coords)
    for array in data.values():
        own = own_dims(array)
        if isinstance(own, Mapping):
            labels |= {d: v for d, v in own.items() if not isinstance(v, int)}
    labels |= {d: read_labels(v, d) for d, v in coords.items()}
    dims = {n: list(model.dims[n]) for n in values if n in model.dims and len(model.dims[n]) == values[n].ndim - 2}
    lengths = {d: k for n, axes in dims.items() for d, k in zip(axes, values[n].shape[2:], strict=True)}
    fitting = {d: as_coordinate(labels[d]) for d, k in lengths.items() if d in labels and len(labels[d]) == k}
    # Imported where it is used: it imports JAX, which takes half a second.
    from arviz_base import from_dict

    tree: DataTree = from_dict({"posterior_predictive": dict(values)}, coords=fitting, dims=dims)
    return tree["posterior_predictive"].to_dataset()
