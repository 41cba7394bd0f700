"""Parameters that are known before anything is sampled, and that their distribution does not admit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from pymc.distributions.multivariate import MatrixNormalRV, ZeroSumNormalRV, _LKJCholeskyCovRV
from pymc.logprob.utils import CheckParameterValue
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.traversal import ancestors, toposort
from pytensor.scalar import ScalarType
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.math import All
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.surgery.known import known_value

_UNCHECKED: dict[type, dict[int, str]] = {
    _LKJCholeskyCovRV: {2: "eta > 0"},
    ZeroSumNormalRV: {2: "sigma > 0"},
    MatrixNormalRV: {3: "rowcov is positive definite", 4: "colcov is positive definite"},
}
"""Inputs of distributions that PyMC does not check in their log-densities; of covariances Cholesky factors."""
_CONDITIONS = {
    "Invalid values passed to LKJCorr logp: value is not a valid correlationm matrix or eta <= 0.": "eta > 0"
}
"""Checks of PyMC's that say what is wrong, and not what is right."""


def check_known_parameters(
    names: Sequence[str], variables: Sequence[TensorVariable], terms: Sequence[TensorVariable]
) -> None:
    """Raise where a log-density is of parameters outside their domain, whatever the variables are.

    Such a density is no number, or minus infinity; or, where what it is made of leaves the check out, a wrong number.

    Parameters
    ----------
    names : sequence of str
        Of the variables.
    variables : sequence of TensorVariable
        The variables.
    terms : sequence of TensorVariable
        Their log-densities, with PyMC's checks in them.

    Raises
    ------
    ModelError
        If a parameter that depends on no variable is outside.
    """
    for name, variable in zip(names, variables, strict=True):
        for place, msg in _UNCHECKED.get(type(getattr(variable.owner, "op", None)), {}).items():
            value = known_value(variable.owner.inputs[place])
            if value is not None and not np.all((np.diagonal(value, 0, -2, -1) if "definite" in msg else value) > 0):
                raise ModelError(f"The parameters of {name} have to satisfy {msg}; that is not so.", name)
    violations = _violations(list(toposort(list(terms))))
    for name, term in zip(names, terms, strict=True) if violations else []:
        said = next((violations[each] for each in ancestors([term]) if each in violations), None)
        if said is not None:
            raise ModelError(f"The parameters of {name} have to satisfy {said}", name)


def _violations(nodes: Sequence[Apply]) -> dict[Variable, str]:
    """Return what is checked of parameters that are known, and does not hold, with the number that stands there."""
    known: set[Variable] = set()
    found: dict[Variable, str] = {}
    for node in nodes:
        if all(each in known or isinstance(each, Constant) for each in node.inputs):
            known.update(node.outputs)
        if isinstance(node.op, CheckParameterValue):
            parts = [part for given in node.inputs[1:] for part in _parts(given)]
            if said := next(filter(None, (_violation(part) for part in parts if part in known)), None):
                found[node.outputs[0]] = f"{_CONDITIONS.get(node.op.msg, node.op.msg)}; {said}."
    return found


def _parts(condition: Variable) -> Iterator[Variable]:
    """Return the conditions of which one says that all hold, element by element."""
    node = condition.owner
    if node is None:
        return
    is_list = type(node.op).__name__ in ("MakeVector", "ScalarFromTensor", "TensorFromScalar")
    if isinstance(node.op, All) or is_list or isinstance(condition.type, ScalarType):
        for given in node.inputs:
            yield from _parts(given)
    else:
        yield condition


def _violation(condition: Variable) -> str | None:
    """Say where a condition on known parameters does not hold, and what stands there."""
    value = known_value(condition)
    if value is None or np.all(value):
        return None
    where = np.argwhere(~np.asarray(value, bool))[0]
    at = f" at {where.tolist()}" if value.size > 1 else ""
    given = condition.owner.inputs[0] if condition.owner is not None else condition
    while given.owner is not None and isinstance(given.owner.op, DimShuffle):
        given = given.owner.inputs[0]
    if not isinstance(given, Constant) or np.size(given.data) != value.size:
        return f"that is not so{at}"
    return f"there is {np.ravel(given.data)[np.ravel_multi_index(tuple(where), value.shape)]}{at}"
