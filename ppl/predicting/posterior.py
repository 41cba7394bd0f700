"""The draws of a trace, whatever was done to it since it was made: cut, thinned, turned round."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Mapping
from typing import Any

from pytensor.tensor.variable import TensorVariable
from xarray import DataArray, Dataset, DataTree

from graphs.errors import ModelError
from graphs.surgery.random_graph import static_shape
from ppl.modelling.model import Model
from ppl.reading.labels import Labels, are_same_labels, read_labels

SAMPLE_DIMS = ("chain", "draw")
_KEPT_BY_FILES = (str, int, float)
_MOST_LISTED = 5


def posterior_of(trace: Any) -> Dataset:
    """Return the draws of a trace, chains and draws on their first two axes.

    Raises
    ------
    ModelError
        If it is no trace, it has no draws, or one of these axes is gone.
    """
    if not isinstance(trace, DataTree) or "posterior" not in trace.children:
        raise ModelError(f"A trace of ppl.sample is needed, not {type(trace).__name__}.")
    posterior = trace["posterior"].to_dataset()
    check_sample_dims(posterior.dims)
    if not all(posterior.sizes[dim] for dim in SAMPLE_DIMS):
        raise ModelError("The trace has no draws: there is nothing to compute from.")
    return posterior.transpose(*SAMPLE_DIMS, ...)


def check_sample_dims(dims: Collection[Hashable]) -> None:
    """Raise if there is no axis of chains or of draws."""
    for dim in SAMPLE_DIMS:
        if dim not in dims:
            raise ModelError(
                f"The trace has no axis {dim!r} any more: choose from it by a list or a slice, trace.isel({dim}=[0])."
            )


def check_trace(kept: Mapping[str, TensorVariable], posterior: Dataset, model: Model) -> None:
    """Raise if draws lack one of the variables, or have it in another shape or with other labels."""
    for name, value in kept.items():
        shape = static_shape(value)
        if name not in posterior or posterior[name].shape[2:] != shape:
            found = posterior[name].shape[2:] if name in posterior else "none"
            raise ModelError(
                f"The trace is not one of this model: {name} has shape {shape}, there {found}.",
                name,
            )
        for dim in model.dims.get(name, ()):
            _check_labels(name, dim, model, posterior[name])


def _check_labels(name: str, dim: str, model: Model, draws: DataArray) -> None:
    if dim not in model.coords or dim not in draws.coords:
        return
    known, found = read_labels(model.coords[dim], dim), read_labels(draws.coords[dim], dim)
    if are_same_labels(known, found) or _are_positions(known) or _are_positions(found):
        return
    # Files change some labels, such as None and dates: what is no other order may be the same then.
    is_certain = all(isinstance(label, _KEPT_BY_FILES) for label in (*known, *found))
    if is_certain or Counter(known) == Counter(found):
        raise ModelError(
            f"The trace is not one of this model: along {dim!r} {name} has the labels {_listed(known)}, there "
            f"{_listed(found)}. Declare {name} with the labels of the trace; new units are predicted by "
            "ppl.posterior_predictive(..., coords={...}).",
            name,
        )


def _are_positions(labels: Labels) -> bool:
    return labels == tuple(range(len(labels)))


def _listed(labels: Labels) -> str:
    return ", ".join(map(str, labels[:_MOST_LISTED])) + ", ..." * (len(labels) > _MOST_LISTED)


def labelled_alike(new: Dataset, posterior: Dataset, dims: Collection[str] = SAMPLE_DIMS) -> Dataset:
    """Return arrays with the labels that draws have along the same axes, to which they belong one by one.

    Of a trace that was cut, draws are not numbered from zero: beside others xarray would take them for other draws.
    """
    shared = [dim for dim in dims if dim in new.dims and dim in posterior.dims]
    plain = new.drop_vars([dim for dim in shared if dim in new.coords])
    return plain.assign_coords({dim: posterior.coords[dim] for dim in shared if dim in posterior.coords})
