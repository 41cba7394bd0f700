"""Take models over from PyMC."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pymc as pm
from pymc.logprob.transforms import Transform
from pymc.model.transform.optimization import freeze_dims_and_data
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant
from pytensor.graph.traversal import ancestors

from graphs.errors import ModelError
from graphs.transforms import default_transform, is_logit_normal
from ppl.model import Model, Parts


def from_pymc(pm_model: pm.Model) -> Model:
    """Return the model that a PyMC model describes.

    Variables, data, coords, dims, deterministics, potentials, transforms and initial values are taken over; data and
    lengths of dims are fixed as they are now.

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
        If it is not a PyMC model, or uses minibatches.

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
    initial = {rv.name: value for rv, value in pm_model.rvs_to_initial_values.items() if value is not None}
    with warnings.catch_warnings():
        # Of Gaussian processes, whose objects refer to the variables of the old model: nothing here uses them.
        warnings.filterwarnings("ignore", message="Detected variables likely created by GP objects")
        frozen = freeze_dims_and_data(pm_model)
    observed = {}
    for rv in frozen.observed_RVs:
        value = frozen.rvs_to_values[rv]
        if not isinstance(value, Constant):
            raise ModelError(
                f"The data of {rv.name} are not constant ({value}): minibatches and symbolic data cannot be taken.",
                rv.name,
            )
        observed[str(rv.name)] = (rv, value)
    latent = {str(rv.name): rv for rv in _parents_first(frozen.free_RVs)}
    return Model._of(
        Parts(
            latent=latent,
            observed=observed,
            observed_data={name: np.asarray(value.data) for name, (_, value) in observed.items()},
            deterministics={str(d.name): d for d in frozen.deterministics},
            potentials={str(p.name): p for p in frozen.potentials},
            constant_data={n: a for n, a in data.items() if n not in observed},
            transforms={str(rv.name): _transform(rv, frozen.rvs_to_transforms[rv]) for rv in frozen.free_RVs},
            initial_values=initial,
            coords={dim: tuple(values) for dim, values in frozen.coords.items() if values is not None},
            dims={
                str(name): tuple(str(d) for d in dims)
                for name, dims in frozen.named_vars_to_dims.items()
                if all(d is not None for d in dims)
            },
        )
    )


def _transform(rv: Any, transform: Transform | None) -> Transform | None:
    """Return PyMC's transform; it forgets that of logit-normal variables, which would leave the unit interval."""
    return default_transform(rv) if transform is None and is_logit_normal(rv) else transform


def _parents_first(variables: list[Any]) -> list[Any]:
    wanted = set(variables)
    return sorted(variables, key=lambda v: sum(a in wanted for a in ancestors([v])))
