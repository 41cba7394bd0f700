"""Take models over from PyMC."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.data import MinibatchOp
from pymc.distributions.truncated import TruncatedRV
from pymc.logprob.transforms import Transform
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorConstant, TensorVariable

from graphs.errors import ModelError
from graphs.garbage import rarely_collected
from graphs.surgery.copies import without_copies
from graphs.surgery.fixing import value_of_data, with_fixed_arrays
from graphs.surgery.random_graph import (
    find_consumed,
    find_random_variables,
    name_variables,
    parents_first,
    static_shape,
)
from graphs.surgery.rebuilding import copied, substitute
from graphs.variables.opening import open_distributions
from graphs.variables.transforms import default_transform, is_logit_normal
from ppl.declaring.transforms import check_transform, reaches_beyond
from ppl.modelling.assembling import Parts
from ppl.modelling.model import Model


@rarely_collected()
def from_pymc(pm_model: pm.Model) -> Model:
    """Return the model that a PyMC model describes.

    Variables, data, coords, dims, deterministics, potentials, transforms and initial values are taken over; data (as
    `pm.Data`, as shared arrays, cast or sliced) and lengths of dims are fixed as they are now.

    Parameters
    ----------
    pm_model : pymc.Model
        A PyMC model.

    Returns
    -------
    Model

    Raises
    ------
    ModelError
        If it is not a PyMC model, uses minibatches, or observes what is not data.

    Examples
    --------
    >>> import pymc as pm, ppl
    >>> with pm.Model() as pm_model:
    ...     mu = pm.Normal("mu")
    ...     y = pm.Normal("y", mu, 1, observed=[1.0, 2.0])
    >>> ppl.from_pymc(pm_model)
    Model(latent: mu; observed: y)
    """
    if not isinstance(pm_model, pm.Model):
        raise ModelError(f"A pymc.Model is needed, not {type(pm_model).__name__}.")
    data = {v.name: np.asarray(v.get_value()) for v in pm_model.data_vars if isinstance(v, SharedVariable)}
    data |= {v.name: np.asarray(v.data) for v in pm_model.data_vars if isinstance(v, Constant)}
    kinds = (pm_model.free_RVs, pm_model.observed_RVs, pm_model.deterministics, pm_model.potentials)
    variables = [v for kind in kinds for v in kind]
    _refuse_minibatches(variables)
    # PyMC's own freeze_dims_and_data takes time that is quadratic in the number of variables, and PyTensor's
    # clone_replace in that of generators.
    fixed = dict(zip(variables, with_fixed_arrays(copied(without_copies(variables))), strict=True))
    fixed, hidden = _opened(fixed, pm_model.observed_RVs)
    free, _, deterministics, potentials = ({str(v.name): fixed[v] for v in kind} for kind in kinds)
    observed = {str(rv.name): (fixed[rv], _data_of(rv, pm_model.rvs_to_values[rv])) for rv in pm_model.observed_RVs}
    return Model.from_parts(
        Parts(
            latent={str(rv.name): rv for rv in parents_first([*free.values(), *hidden])},
            observed=observed,
            observed_data={name: np.asarray(value.data) for name, (_, value) in observed.items()},
            deterministics=deterministics,
            potentials=potentials,
            constant_data={n: a for n, a in data.items() if n not in observed},
            transforms={
                str(rv.name): _transform(fixed[rv], pm_model.rvs_to_transforms[rv]) for rv in pm_model.free_RVs
            },
            initial_values=_initial_values(pm_model),
            coords={dim: tuple(values) for dim, values in pm_model.coords.items() if values is not None},
            dims=_dims(pm_model, deterministics),
        )
    )


def _opened(fixed: dict[Any, Any], observed: Sequence[TensorVariable]) -> tuple[dict[Any, Any], list[TensorVariable]]:
    """Open distributions that are graphs; return what became of each variable, and the variables that were hidden."""
    graphs = list(fixed.values())
    data = [fixed[rv] for rv in observed]
    inner = open_distributions(graphs, data)
    if not inner:
        return fixed, []
    new = dict(zip(fixed, substitute(graphs, inner), strict=True))
    known = {*new.values(), *(rv for outcome in observed for rv in find_consumed(new[outcome]))}
    hidden = [rv for rv in find_random_variables(new.values()) if rv not in known]
    name_variables([*new.values(), *hidden])
    return new, hidden


def _refuse_minibatches(variables: Iterable[Variable]) -> None:
    variables = list(variables)
    if not any(v.owner is not None and isinstance(v.owner.op, MinibatchOp) for v in ancestors(variables)):
        return
    for variable in variables:
        if any(v.owner is not None and isinstance(v.owner.op, MinibatchOp) for v in ancestors([variable])):
            raise ModelError(
                f"{variable.name} depends on a minibatch (pm.Minibatch), of which every evaluation takes other rows: "
                "the density that is sampled is one of all data. Give the whole arrays.",
                variable.name,
            )


def _data_of(rv: TensorVariable, value: TensorVariable) -> TensorConstant:
    """Return observed data as a constant; PyMC casts, slices and flattens the data that it is given."""
    array = value_of_data(value)
    if array is None:
        raise ModelError(
            f"The data of {rv.name} are no data ({value}): give an array, or a function of arrays.", rv.name
        )
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise ModelError(
            f"The data of {rv.name} have missing values. PyMC takes them for variables only where they are given to "
            "observed= as an array: not as pm.Data, not as a shared array, not as an expression.",
            rv.name,
        )
    return pt.constant(array, name=rv.name)


def _initial_values(pm_model: pm.Model) -> dict[str, Any]:
    """Return the initial values that were given: arrays, or PyMC's names of ways to find them."""
    given = {str(rv.name): value for rv, value in pm_model.rvs_to_initial_values.items() if value is not None}
    for name, value in given.items():
        if isinstance(value, Variable):
            given[name] = value_of_data(value)
            if given[name] is None:
                raise ModelError(
                    f"The initial value of {name} depends on other variables ({value}): give numbers.", name
                )
    return given


def _dims(pm_model: pm.Model, computed: Mapping[str, TensorVariable]) -> dict[str, tuple[str, ...]]:
    """Return names of axes, without those of expressions that have other lengths: PyMC does not check these."""
    known = {dim: value_of_data(length) for dim, length in pm_model.dim_lengths.items()}
    lengths = {dim: int(length) for dim, length in known.items() if length is not None}
    found = {}
    for name, dims in pm_model.named_vars_to_dims.items():
        if any(d is None for d in dims):
            continue
        shape = static_shape(computed[name]) if name in computed else ()
        if all(lengths.get(dim, n) == n for dim, n in zip(dims, shape, strict=False)):
            found[str(name)] = tuple(str(d) for d in dims)
    return found


def _transform(rv: Any, transform: Transform | None) -> Transform | None:
    """Return PyMC's transform, but not one that leaves the support.

    It forgets that of logit-normal variables, and that what is cut off has a support of its own.
    """
    if transform is None and is_logit_normal(rv):
        return default_transform(rv)
    if transform is not None and isinstance(rv.owner.op, TruncatedRV) and reaches_beyond(rv, transform):
        return default_transform(rv)
    check_transform(rv, transform, str(rv.name))
    return transform
