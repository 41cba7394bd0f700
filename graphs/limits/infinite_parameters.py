"""Densities where a parameter is infinite, or zero over zero, for a state of a discrete variable or in data.

The rate ``p / z`` is infinite where z is zero: no value above zero has a density there. As PyMC writes it that is
``log(rate) - rate * x``, infinity minus infinity. Where a formula is no number at such a parameter, the log-density is
its limit: that of another distribution, or minus infinity, since what collapses to a point, or spreads over a line, has
no density at a given value.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
import pymc as pm
import pytensor.scalar.basic as ps
import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pymc.distributions.continuous import TruncatedNormalRV
from pymc.logprob.abstract import (
    MeasurableOp,
    _logccdf,
    _logccdf_helper,
    _logcdf,
    _logcdf_helper,
    _logprob,
    _logprob_helper,
)
from pytensor.graph.basic import Apply, Constant, Variable, equal_computations
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.graph.rewriting.basic import GraphRewriter
from pytensor.graph.traversal import ancestors
from pytensor.tensor.type_other import NoneConst
from pytensor.tensor.variable import TensorVariable

from graphs.bounds.signs import Signs
from graphs.log_scale.arithmetic import is_elementwise
from graphs.log_scale.arrangements import arranged_places
from graphs.supports import Support
from graphs.surgery.evaluating import evaluate
from graphs.surgery.random_graph import components_of, is_random
from graphs.surgery.rebuilding import substitute


class AtLimits(MeasurableOp, Op):
    """``component -> component``, with the limit of its density where that is no number."""

    __props__ = ("name", "ndim_supp")

    def __init__(self, name: str, ndim_supp: int):
        self.name = name
        self.ndim_supp = ndim_supp

    def make_node(self, component: Variable) -> Apply:
        """Return a stand-in: it is only asked for its log-probability."""
        return Apply(self, [component], [component.type()])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list) -> None:
        """Raise: nothing draws from the intermediate form of a log-probability."""
        raise NotImplementedError("A stand-in for its log-probability.")


@_logprob.register(AtLimits)
def _logprob_of_component(
    op: AtLimits, values: Sequence[TensorVariable], component: TensorVariable, **kwargs: Any
) -> TensorVariable:
    [value] = values
    node = component.owner
    density: TensorVariable = _logprob_helper(component, value, **kwargs)
    return with_limits(node.op, value, node.op.dist_params(node), density)


@_logcdf.register(AtLimits)
def _logcdf_of_component(op: AtLimits, value: Any, component: TensorVariable, **kwargs: Any) -> TensorVariable:
    return _logcdf_helper(component, value, **kwargs)


@_logccdf.register(AtLimits)
def _logccdf_of_component(op: AtLimits, value: Any, component: TensorVariable, **kwargs: Any) -> TensorVariable:
    return _logccdf_helper(component, value, **kwargs)


def with_limits(
    op: Any, value: TensorVariable, parameters: Sequence[TensorVariable], density: TensorVariable
) -> TensorVariable:
    """Return a log-density, its limit where it is no number and a parameter is zero, infinite or no number.

    Parameters
    ----------
    op : Op
        Of a random variable.
    value : TensorVariable
        Where the density is taken.
    parameters : sequence of TensorVariable
        Of the distribution.
    density : TensorVariable
        The log-density.
    """
    is_at_end = reduce(pt.or_, map(_is_at_end, parameters, op.ndims_params))
    # Of a chain the density may have an axis of steps, which its parameters lack.
    num_more = density.type.ndim - (value.type.ndim - op.ndim_supp)
    if num_more > 0:
        is_at_end = pt.shape_padright(is_at_end, num_more)
    limit = _LIMITS.get(type(op), lambda *_: -np.inf)(value, *parameters)
    return pt.switch(is_at_end & pt.isnan(density), limit, density)


def _is_at_end(parameter: TensorVariable, ndim: int) -> TensorVariable:
    """Return where a parameter, a vector maybe, has an element that is zero, infinite or no number."""
    found = pt.eq(parameter, 0) | pt.isinf(parameter) | pt.isnan(parameter)
    return pt.any(found, axis=tuple(range(-ndim, 0))) if ndim else found


def _student(value: TensorVariable, nu: TensorVariable, mu: TensorVariable, scale: TensorVariable) -> Any:
    """Return the normal distribution, that of infinitely many degrees of freedom."""
    return pt.switch(pt.isinf(nu) & ~pt.isinf(mu) & ~pt.isinf(scale), pm.Normal.logp(value, mu, scale), -np.inf)


def _truncated_normal(value: TensorVariable, mu: Any, scale: Any, lower: Any, upper: Any) -> Any:
    """Return the uniform distribution, that of an infinite scale."""
    is_inside = pt.ge(value, lower) & pt.le(value, upper) & pt.isinf(scale)
    return pt.switch(is_inside, -pt.log(upper - lower), -np.inf)


def _negative_binomial(value: TensorVariable, n: TensorVariable, p: TensorVariable) -> Any:
    """Return the Poisson distribution with the same mean, as PyMC writes it: p is ``sigmoid(log(n) - log(mean))``."""
    is_infinite = pt.isinf(n)
    logit = _addends(p.owner.inputs[0]) if is_elementwise(p, psm.Sigmoid) else []
    log_mean = [x if sign < 0 else -x for x, sign in logit if not (sign > 0 and _is_logarithm_of(x, n))]
    if len(log_mean) + 1 != len(logit):
        # Of the mean nothing is known where p is one.
        return pt.switch(is_infinite & pt.eq(p, 1), np.nan, -np.inf)
    mean = pt.exp(pt.add(*log_mean) if len(log_mean) > 1 else log_mean[0])
    return pt.switch(is_infinite & ~pt.isinf(mean), pm.Poisson.logp(value, mean), -np.inf)


def _addends(x: TensorVariable, sign: int = 1) -> list[tuple[TensorVariable, int]]:
    """Return what a sum is made of, with signs."""
    if is_elementwise(x, ps.Add, ps.Neg):
        inner = sign if is_elementwise(x, ps.Add) else -sign
        return [part for i in x.owner.inputs for part in _addends(i, inner)]
    if is_elementwise(x, ps.Sub):
        return [*_addends(x.owner.inputs[0], sign), *_addends(x.owner.inputs[1], -sign)]
    return [(x, sign)]


def _is_logarithm_of(x: TensorVariable, n: TensorVariable) -> bool:
    return is_elementwise(x, ps.Log) and equal_computations([x.owner.inputs[0]], [n])


_LIMITS: dict[type, Callable[..., Any]] = {
    type(pm.StudentT.rv_op): _student,
    type(pm.NegativeBinomial.rv_op): _negative_binomial,
    TruncatedNormalRV: _truncated_normal,
}
"""Distributions that tend to another one as a parameter grows."""


class TakeLimits(GraphRewriter):
    """Give limits to the densities of variables with parameters at the end of their range, in PyMC's intermediate form.

    Parameters
    ----------
    supports : mapping of Variable to Support
        Where the values of latent variables lie.
    held : mapping of Variable to Variable
        What inputs stand for.
    """

    def __init__(self, supports: Mapping[Variable, Support], held: Mapping[Variable, Variable]):
        self.held = dict(held)
        self._ends = Ends(supports)

    def apply(self, fgraph: FunctionGraph) -> None:
        """Rewrite a graph of measurable variables."""
        nodes = [
            node
            for node in fgraph.toposort()
            if any(map(is_random, node.outputs)) and not components_of(node) and node.op.ndims_params
        ]
        parameters = iter(substitute([v for node in nodes for v in node.op.dist_params(node)], self.held))
        for node in nodes:
            if not self._ends.may_be_reached(node, [next(parameters) for _ in node.op.dist_params(node)]):
                continue
            component = node.default_output()
            limited = AtLimits(node.op.name or "", node.op.ndim_supp)(component)
            limited.name = component.name
            for client, place in list(fgraph.clients[component]):
                fgraph.change_node_input(client, place, limited, import_missing=True)


class Ends:
    """Which parameters are zero, infinite or no number for some state or number in data, and not only in a limit.

    Parameters
    ----------
    supports : mapping of Variable to Support
        Where the values of latent variables lie.
    """

    def __init__(self, supports: Mapping[Variable, Support]):
        self._signs = Signs(supports)
        self._found: dict[Hashable, bool] = {}

    def may_be_reached(self, node: Apply, parameters: Sequence[Variable]) -> bool:
        """Whether the density of a variable may be no number at some end.

        Parameters
        ----------
        node : Apply
            Of a random variable.
        parameters : sequence of Variable
            Of its distribution.
        """
        is_of_vectors = bool(node.op.ndim_supp or any(node.op.ndims_params))
        return any(
            (self._may_be_infinite(parameter) and self._is_no_number(node, place, np.inf))
            or (self._may_be_zero(parameter) and self._is_no_number(node, place, 0.0))
            for place, parameter in enumerate(parameters)
            # Zeros are usual in known means, matrices and probabilities.
            if not (is_of_vectors and self._signs.known(parameter) is not None)
        )

    def _is_no_number(self, node: Apply, place: int, number: float) -> bool:
        """Whether a density is no number where a parameter is at an end; evaluated once for variables of one form."""
        key = (node.op, tuple(v.type for v in node.inputs), place, number)
        if key not in self._found:
            self._found[key] = _is_no_number(node, place, number)
        return self._found[key]

    def _may_be_infinite(self, parameter: Variable) -> bool:
        if self._signs.of(parameter).is_finite and not self._signs.of(parameter).may_be_nan:
            return False
        known = self._signs.known(parameter)
        if known is not None:
            return bool(np.any(np.isinf(known)))
        return any(self._may_be_zero(v) for above in ancestors([parameter]) for v in _without_bound_at_zero(above))

    def _may_be_zero(self, x: Variable) -> bool:
        known = self._signs.known(x)
        if known is not None:
            return bool(np.any(known == 0))
        if self._signs.of(x).excludes_zero:
            return False
        parts = arranged_places(x)
        if parts:
            return any(self._may_be_zero(x.owner.inputs[place]) for place in parts)
        if is_elementwise(x, ps.Mul, ps.Neg, ps.Sqr, ps.Sqrt, ps.Abs):
            return any(self._may_be_zero(i) for i in x.owner.inputs)
        if is_elementwise(x, ps.TrueDiv):
            return self._may_be_zero(x.owner.inputs[0]) or self._may_be_infinite(x.owner.inputs[1])
        if is_elementwise(x, ps.Reciprocal):
            return self._may_be_infinite(x.owner.inputs[0])
        if is_elementwise(x, ps.Pow):
            # PyTensor writes reciprocals so.
            base, power = x.owner.inputs
            is_inverse, is_power = self._signs.of(power).upper <= 0, self._signs.of(power).lower >= 0
            return (not is_inverse and self._may_be_zero(base)) or (not is_power and self._may_be_infinite(base))
        return any(_is_discrete_value(above) for above in ancestors([x]))


def _is_no_number(node: Apply, place: int, number: float) -> bool:
    """Whether a density, that of vectors without a look, is no number where a parameter is at an end."""
    if node.op.ndim_supp or any(node.op.ndims_params):
        return True
    parameters = node.op.dist_params(node)
    is_discrete = not str(node.default_output().type.dtype).startswith("float")
    # In the range of most, and in the order of bounds.
    numbers = [number if k == place else 0.25 * 2**k for k in range(len(parameters))]
    stand_ins = {v: pt.constant(x, dtype=v.type.dtype) for v, x in zip(parameters, numbers, strict=True)}
    inputs = [NoneConst if v is node.op.size_param(node) else stand_ins.get(v, v) for v in node.inputs]
    value = pt.constant(np.array([0, 1, 2]) if is_discrete else np.array([0.3, 1.7]))
    found = evaluate([_logprob(node.op, [value], *inputs)], {})
    return found is None or bool(np.any(np.isnan(found[0])))


def _without_bound_at_zero(variable: Variable) -> list[Variable]:
    """Return that whose function a variable is, where it is infinite or no number if that is zero."""
    if is_elementwise(variable, ps.TrueDiv):
        return variable.owner.inputs[1:]
    if is_elementwise(variable, ps.Reciprocal, ps.Log, ps.Log2, ps.Log10, ps.Pow):
        return variable.owner.inputs[:1]
    return []


def _is_discrete_value(variable: Variable) -> bool:
    is_input = variable.owner is None and not isinstance(variable, Constant)
    return is_input and str(getattr(variable.type, "dtype", "float"))[:3] in ("int", "uin", "boo")
