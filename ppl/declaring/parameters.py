"""The dtype of the parameters of a distribution.

PyTensor gives a Python number the smallest dtype that holds it: 36 becomes int8, 0.25 becomes float32. PyMC's densities
then compute in that dtype: ``pm.HalfStudentT.dist(3, sigma=36)`` squares 36 to 16, ``pm.Poisson.dist(3)`` takes the
logarithm of 3 in float32. Both are silent. We give every real parameter float64 and every count int64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Constant, Variable
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from ppl.reading.arrays import read_complete, to_integers

# Not numbers to compute a density with: distributions, shapes, flags, lists of matrices.
STRUCTURAL = {
    *("dist", "comp_dists", "init_dist", "innovation_dist", "sd_dist"),
    *("fn", "params", "distance", "sum_stat", "random", "logp", "logcdf", "support_point", "class_name"),
    *("signature", "ndim_supp", "ndims_params", "dtype", "sde_fn", "sde_pars", "support_shape", "n_zerosum_axes"),
    *("steps", "ar_order", "constant", "max_n_steps", "compute_corr", "covs", "chols", "evds", "K"),
}
STRUCTURAL_OF = {"LKJCorr": {"n"}, "LKJCholeskyCov": {"n"}}

# Parameters that count, or that have the dtype of what they bound.
KIND_KEPT = {
    "BetaBinomial": {"n"},
    "Binomial": {"n"},
    "Censored": {"lower", "upper"},
    "CustomDist": {"dist_params"},
    "DiracDelta": {"c"},
    "DirichletMultinomial": {"n"},
    "DiscreteUniform": {"lower", "upper"},
    "HyperGeometric": {"N", "k", "n"},
    "Multinomial": {"n"},
    "OrderedMultinomial": {"n"},
    "Simulator": {"unnamed_params"},
    "Truncated": {"lower", "upper"},
    "ZeroInflatedBinomial": {"n"},
}


def cast_parameter(value: Any, distribution: str, parameter: str) -> Any:
    """Return a parameter in float64, or int64 where it counts; what is not a number is returned as it is.

    Parameters
    ----------
    value : object
        Number, array, sequence, or graph.
    distribution, parameter : str
        Names by which PyMC calls them.

    Examples
    --------
    >>> cast_parameter(36, "HalfStudentT", "sigma")
    array(36.)
    >>> cast_parameter(127, "Binomial", "n")
    array(127)
    """
    if parameter in STRUCTURAL or parameter in STRUCTURAL_OF.get(distribution, ()):
        return value
    if value is None or isinstance(value, bool | str) or callable(value):
        return value
    keep_kind = parameter in KIND_KEPT.get(distribution, ())
    if isinstance(value, list | tuple) and _holds_graph(value):
        value = pt.as_tensor_variable(value)
    if isinstance(value, Variable):
        return _cast_graph(value, keep_kind) if isinstance(value, TensorVariable) else value
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        return value
    if array.dtype.kind not in "iufbOUSMm" or not (array.ndim or array.dtype.kind in "iufb"):
        return value
    what = f"The numbers given as {parameter} of ppl.{distribution}"
    return read_complete(value, what, parameter, is_real=not (keep_kind and array.dtype.kind in "iuO"))


def check_cutpoints(value: Any, name: str) -> None:
    """Raise if the known cutpoints of an ordered outcome do not increase: its probabilities would be negative."""
    if isinstance(value, np.ndarray) and not np.all(np.diff(value, axis=-1) > 0):
        raise ModelError(f"The cutpoints of {name} have to increase; they are {np.array2string(value)}.", name)


def _holds_graph(value: object) -> bool:
    return any(_holds_graph(v) for v in value) if isinstance(value, list | tuple) else isinstance(value, Variable)


def _cast_graph(value: TensorVariable, keep_kind: bool) -> TensorVariable:
    if isinstance(value, Constant) and value.type.dtype == "uint64":
        to_integers(np.asarray(value.data), np.zeros(value.data.shape, bool), "Parameters", str(value.name or value))
    dtype = str(value.type.dtype)
    wanted = "int64" if keep_kind and dtype.startswith(("int", "uint")) else "float64"
    return value if dtype == wanted or dtype.startswith("complex") else pt.cast(value, wanted)
