"""Draws of truncated variables, at bounds anywhere: inversion of whichever tail is the smaller one, on the log scale.

PyMC draws ``icdf(u)`` with ``u`` between the cumulative probabilities of both bounds, which are equal far out, or draws
until all elements lie between their bounds. Here the probabilities below and above a draw are both known on the log
scale, as the sum of what is outside a bound and of a share of what is inside: exponential in distribution, minus the
logarithm of the share is drawn. The draw is where the smaller of both tails has that value, found between brackets to
the last digit. Between bounds so close that their cumulative probabilities agree in all digits but a few, draws have
as many digits as are left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pymc.distributions.continuous import TruncatedNormalRV
from pymc.distributions.distribution import SymbolicRandomVariable, support_point
from pymc.distributions.truncated import TruncatedRV, TruncationCheck
from pymc.logprob.abstract import _logccdf_helper, _logcdf_helper, _logprob_helper
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.traversal import ancestors, graph_inputs
from pytensor.raise_op import CheckAndRaise
from pytensor.scan import scan, until
from pytensor.tensor.random.type import RandomGeneratorType
from pytensor.tensor.variable import TensorVariable

from graphs.backends.base import NO_INTEGER
from graphs.joint.preparation import widen
from graphs.surgery.interpreting import INTERPRETED
from graphs.surgery.random_graph import components_of
from graphs.surgery.rebuilding import rebuild
from graphs.tails.derived import truncation
from graphs.tails.small_probabilities import log_difference
from graphs.warned import filtered

type T = TensorVariable

LARGEST, SMALLEST = np.float64(1e300), np.finfo(np.float64).tiny
PRECISION = 4.0 * np.finfo(np.float64).eps
NUM_STEPS = 300
"""Brackets are halved in every third step: a hundred times is enough between any two numbers."""
WIDE = 4.0
"""The ratio of the ends of a bracket beyond which it is halved on the log scale."""


def truncated_draw(node: Apply, inputs: list[Variable]) -> list[Variable] | None:
    """Return the generator left and the draw of a truncated variable; None without cumulative probabilities.

    Parameters
    ----------
    node : Apply
        Of ``TruncatedRV``.
    inputs : list of Variable
        In the place of its own.

    Returns
    -------
    list of Variable or None
        In the order of the outputs of the node. Where there is nothing between the bounds the draw is NaN, a whole
        number `NO_INTEGER`.
    """
    base, below, _, upper = truncation(node.op, tuple(inputs))
    rng = next(v for v in inputs if isinstance(v.type, RandomGeneratorType))
    is_discrete = not base.type.dtype.startswith("float")
    if upper is not None and is_discrete:
        upper = pt.floor(upper)
    try:
        next_rng, drawn, is_possible = _inverted(base, below, upper, rng, is_discrete=is_discrete)
    except NotImplementedError:
        return None
    [out] = [v for v in node.outputs if isinstance(v, TensorVariable)]
    drawn = pt.switch(is_possible, drawn, 0.0 if is_discrete else np.nan)
    drawn = pt.cast(drawn, out.type.dtype)
    if is_discrete:
        drawn = pt.switch(is_possible, drawn, NO_INTEGER)
    drawn = out.type.filter_variable(drawn, allow_convert=True)
    return [drawn if isinstance(v, TensorVariable) else next_rng for v in node.outputs]


def is_truncated(variable: Variable) -> bool:
    """Whether a variable is truncated, or drawn by way of one that is, as components of mixtures are."""
    node = variable.owner
    if node is None:
        return False
    if isinstance(node.op, TruncatedRV | TruncatedNormalRV):
        return True
    hidden = ancestors(node.op.inner_outputs) if isinstance(node.op, SymbolicRandomVariable) else ()
    return any(is_truncated(v) for v in [*components_of(node), *hidden])


def without_checks(node: Apply, inputs: list[Variable]) -> list[Variable] | None:
    """Let what PyMC draws until it is between its bounds be NaN where it is not after many tries."""
    if not isinstance(node.op, TruncationCheck):
        return None
    value, *conditions = inputs
    failure = np.nan if value.type.dtype.startswith("float") else NO_INTEGER
    return [pt.switch(pt.all(conditions), value, np.asarray(failure, value.type.dtype))]


def _inverted(base: T, below: T | None, upper: T | None, rng: Variable, *, is_discrete: bool) -> tuple[Variable, T, T]:
    """Return the generator left, the draw, and where there is one."""
    shape = base.type.shape if None not in base.type.shape else base.shape
    start = pt.full(shape, -np.inf if below is None else below, dtype="float64")
    end = pt.full(shape, np.inf if upper is None else upper, dtype="float64")
    next_rng, depth = pt.random.exponential(1.0, size=shape, rng=rng, return_next_rng=True)
    nothing, everything = pt.full(shape, -np.inf, dtype="float64"), pt.zeros(shape, dtype="float64")
    below_start, above_start = (nothing, everything) if below is None else _log_tails(base, start)
    below_end, above_end = (everything, nothing) if upper is None else _log_tails(base, end)
    is_left = pt.lt(below_end, above_start)
    log_mass = pt.switch(is_left, log_difference(below_end, below_start), log_difference(above_start, above_end))
    log_below = pt.logaddexp(below_start, log_mass - depth)
    log_above = pt.logaddexp(above_end, log_mass + pt.log1mexp(-depth))
    is_lower = pt.lt(log_below, log_above)
    log_tail = pt.switch(is_lower, log_below, log_above)
    is_possible = pt.gt(log_mass, -np.inf)
    log_tail = pt.switch(is_possible, log_tail, -1.0)

    # The body of a loop is given what it reads: else PyTensor would put all that is above it into the body.
    varying = [v for v in base.owner.inputs if isinstance(v, TensorVariable) and not _is_constant(v)]

    def excess(value: T, is_lower: T, log_tail: T, *parameters: T) -> T:
        known = dict(zip(varying, parameters, strict=True))
        inner = base.owner.op.make_node(*(known.get(v, v) for v in base.owner.inputs)).default_output()
        lower, beyond = _log_tails(inner, value)
        return pt.switch(is_lower, lower - log_tail, log_tail - beyond)

    low, high = pt.clip(start, -LARGEST, LARGEST), pt.clip(end, -LARGEST, LARGEST)
    anchor = _anchor(base, low, high)
    reach = pt.exp(pt.minimum(*_log_tails(base, anchor)) - _log_probability(base, anchor, _logprob_helper))
    shortest = pt.maximum(pt.abs(anchor) * PRECISION, 1.0 if is_discrete else SMALLEST)
    reach = pt.switch(pt.gt(reach, 0.0) & pt.lt(reach, np.inf), pt.maximum(reach, shortest), 1.0 + pt.abs(anchor))
    tolerance = 0.0 if is_discrete else PRECISION * pt.maximum(pt.abs(log_tail), 1.0)
    arguments = [is_lower, log_tail, *varying]
    drawn = _least(excess, arguments, low, high, anchor, reach, pt.full(shape, tolerance), is_discrete=is_discrete)
    return next_rng, drawn, is_possible


def _anchor(base: T, low: T, high: T) -> T:
    """Return a point between bounds, whose magnitude is that of the variable or of the bounds."""
    try:
        centre = support_point(base)
    except NotImplementedError:
        centre = pt.zeros_like(low)
    [centre] = widen([pt.cast(centre, "float64")])
    return pt.clip(pt.broadcast_to(centre, low.shape), low, high)


def _is_constant(variable: Variable) -> bool:
    return all(isinstance(v, Constant) for v in graph_inputs([variable]))


def _log_tails(base: T, value: T) -> tuple[T, T]:
    """Return the logarithms of the probabilities up to a value and beyond it."""
    return _log_probability(base, value, _logcdf_helper), _log_probability(base, value, _logccdf_helper)


def _log_probability(base: T, value: T, side: Callable[[T, T], T]) -> T:
    """Return the logarithm of one tail, NaN where PyMC would raise an error because of the parameters."""

    def unchecked(node: Apply, inputs: list[Variable]) -> list[Variable] | None:
        if not isinstance(node.op, CheckAndRaise):
            return None
        value, *conditions = inputs
        return [pt.switch(pt.all([pt.all(c) for c in conditions]), value, np.nan)]

    log_probability = side(base, value)
    inside: dict[Variable, Variable] = {v: v for v in [value, *base.owner.inputs]}
    [wide] = widen([rebuild([log_probability], unchecked, inside).get(log_probability, log_probability)])
    return wide


def _least(
    excess: Callable[..., T],
    arguments: Sequence[T],
    low: T,
    high: T,
    anchor: T,
    reach: T,
    tolerance: T,
    *,
    is_discrete: bool,
) -> T:
    """Return the least point above ``low``, and not above ``high``, where a function that grows is not negative.

    From the anchor on steps grow ever faster until there is a bracket. One whose ends differ in their magnitude is
    halved on the log scale, one of one magnitude by the secant (Illinois' rule: Dowell and Jarratt, "A modified regula
    falsi method", BIT 11, 1971) and in each third step in the middle. The end is a bracket without a number inside, or
    a value within the tolerance.
    """

    def step(
        number: T, low: T, high: T, at_low: T, at_high: T, side: T, reach: T, anchor: T, tolerance: T, *arguments: T
    ) -> Any:
        is_first = pt.eq(side, 0) & pt.lt(low, anchor) & pt.lt(anchor, high)
        is_rising, is_falling = pt.eq(side, -1) | pt.eq(side, 0) & pt.le(anchor, low), pt.eq(side, 1) | pt.eq(side, 0)
        beyond = pt.switch(is_rising, low + reach, high - reach)
        is_moving = (is_rising | is_falling) & pt.lt(low, beyond) & pt.lt(beyond, high)
        secant = low - at_low * ((high - low) / (at_high - at_low))
        is_near = _is_narrow(low, high) & pt.neq(number % 3, 2) & pt.lt(low, secant) & pt.lt(secant, high)
        point = pt.switch(is_near, secant, _middle(low, high))
        point = pt.switch(is_first, anchor, pt.switch(is_moving, beyond, point))
        if is_discrete:
            point = pt.maximum(pt.floor(point), low + 1.0)
        is_open = pt.lt(low, point) & pt.lt(point, high)
        value = excess(point, *arguments)
        is_found = is_open & pt.le(pt.abs(value), tolerance)
        is_low = is_open & (pt.lt(value, 0.0) | is_found)
        is_high = is_open & (~pt.lt(value, 0.0) | is_found)
        # An end that stays twice counts half.
        new_low = pt.switch(is_low, value, pt.switch(is_high & pt.ge(side, 2), 0.5 * at_low, at_low))
        new_high = pt.switch(is_high, value, pt.switch(is_low & pt.le(side, -2), 0.5 * at_high, at_high))
        # One while the end on the other side is yet to be found, two afterwards.
        was_known = ~(is_first | is_rising & is_low & is_moving | ~is_rising & is_falling & is_high & is_moving)
        side = pt.cast(pt.switch(is_high, 1, -1) * pt.switch(was_known, 2, 1), "int8")
        low, high = pt.switch(is_low, point, low), pt.switch(is_high, point, high)
        is_last = ~pt.any(is_open & ~is_found)
        return (low, high, new_low, new_high, side, reach * 2.0 ** pt.minimum(number, 60)), until(is_last)

    infinite = pt.full_like(low, np.inf, dtype="float64")
    # To compile the body to C, with the tails of some distribution in it, takes as long as a million draws.
    with filtered("ignore", "The `mode` argument of `scan`", FutureWarning):
        found = scan(
            step,
            sequences=[pt.arange(NUM_STEPS, dtype="float64")],
            outputs_info=[low, high, -infinite, infinite, pt.zeros_like(low, dtype="int8"), reach],
            non_sequences=[anchor, tolerance, *arguments],
            strict=True,
            return_updates=False,
            mode=INTERPRETED,
        )
    result: T = found[1][-1]
    return result


def _is_narrow(low: T, high: T) -> T:
    """Whether both ends of a bracket have the same sign and magnitude."""
    smaller, larger = pt.minimum(pt.abs(low), pt.abs(high)), pt.maximum(pt.abs(low), pt.abs(high))
    return pt.gt(pt.sign(low) * pt.sign(high), 0.0) & pt.le(larger, WIDE * smaller)


def _middle(low: T, high: T) -> T:
    """Return the middle of a bracket: of numbers of one sign the geometric mean, of others zero."""
    smaller, larger = pt.minimum(pt.abs(low), pt.abs(high)), pt.maximum(pt.abs(low), pt.abs(high))
    geometric = pt.sqrt(pt.maximum(smaller, SMALLEST)) * pt.sqrt(larger)
    geometric = pt.switch(pt.gt(high, 0.0), geometric, -geometric)
    is_wide = pt.gt(larger, WIDE * pt.maximum(smaller, SMALLEST))
    middle = pt.switch(is_wide, geometric, low + 0.5 * (high - low))
    return pt.switch(pt.lt(low, 0.0) & pt.gt(high, 0.0), 0.0, middle)
