"""Which discrete random variables have finitely many states, and which states."""

from __future__ import annotations

import numpy as np
import pytensor.tensor.random.basic as ptr
from numpy.typing import NDArray
from pymc.distributions.discrete import BetaBinomial, DiscreteUniform
from pymc.pytensorf import constant_fold
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.random_graph import parameters_of


def finite_states(rv: TensorVariable) -> NDArray[np.int64] | None:
    """Return the states of a random variable, ``None`` where there are infinitely many or they are not known.

    Bernoulli, categorical, and, with constant bounds, binomial, beta-binomial, hypergeometric and discrete uniform.

    Parameters
    ----------
    rv : TensorVariable
        A random variable.

    Returns
    -------
    (K,) int64 array or None
    """
    assert rv.owner is not None
    op = rv.owner.op
    if str(rv.type.dtype).startswith("float"):
        return None
    if isinstance(op, ptr.BernoulliRV):
        return np.arange(2)
    known = (ptr.CategoricalRV, ptr.IntegersRV, ptr.BinomialRV, ptr.BetaBinomialRV, ptr.HyperGeometricRV)
    if not isinstance(op, (*known, BetaBinomial.rv_type, DiscreteUniform.rv_type)):
        return None
    parameters = parameters_of(rv)
    if isinstance(op, ptr.CategoricalRV):
        length = parameters[0].type.shape[-1]
        return None if length is None else np.arange(length)
    if isinstance(op, ptr.IntegersRV):
        return _between(parameters[0], parameters[1], -1)
    if isinstance(rv.owner.op, ptr.BinomialRV | ptr.BetaBinomialRV) or isinstance(op, BetaBinomial.rv_type):
        return _between(None, parameters[0], 0)
    if isinstance(op, DiscreteUniform.rv_type):
        return _between(parameters[0], parameters[1], 0)
    if isinstance(op, ptr.HyperGeometricRV):
        return _between(None, parameters[2], 0)
    return None


def _between(lower: Variable | None, upper: Variable, correction: int) -> NDArray[np.int64] | None:
    bounds = constant_fold([v for v in (lower, upper) if v is not None], raise_not_constant=False)
    if any(isinstance(b, Variable) or np.asarray(b).size == 0 for b in bounds):
        return None
    low = 0 if lower is None else int(np.min(bounds[0]))
    return np.arange(low, int(np.max(bounds[-1])) + correction + 1)
