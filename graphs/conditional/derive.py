"""Full conditionals: from a log-density to the law of one of its variables given the rest."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

import numpy as np
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import explicit_graph_inputs
from pytensor.tensor.variable import TensorVariable

from graphs.bounds.guards import strip_guards
from graphs.conditional.counts import count_law
from graphs.conditional.enumeration import finite_law
from graphs.conditional.expanding.expander import Expander
from graphs.conditional.expanding.expansion import Obstacle, ObstacleKind
from graphs.conditional.expanding.simplify import simplify
from graphs.conditional.families.affine import Affine
from graphs.conditional.law import Law
from graphs.conditional.points import part_with
from graphs.conditional.quadratic.matrices import matrix_law
from graphs.conditional.quadratic.quadratic import multivariate_normal_law, normal_law
from graphs.conditional.recognize import recognize
from graphs.conditional.scales import with_scales_outside
from graphs.conditional.verify import find_discrepancy
from graphs.density import LogDensity
from graphs.optional import optional
from graphs.supports import POSITIVE, REAL, UNIT, Support, as_support, integers
from graphs.surgery.rebuilding import substitute


def conditional(
    logdensity: LogDensity | TensorVariable,
    x: TensorVariable,
    *,
    support: Support | str | tuple[float, float] | None = None,
) -> Law | None:
    r"""Return the law of ``x`` given all the other variables of a log-density.

    The log-density is written as a sum of natural parameters times features of x,
    :math:`\log p(x, \ldots) = \sum_k \eta_k f_k(x) + c`; the features and the support name the family, and
    :math:`\eta_k` are gradients in :math:`f_k`.

    Parameters
    ----------
    logdensity : LogDensity or TensorVariable
        The log-density, up to a constant; shape ().
    x : TensorVariable
        One of its inputs, of any shape.
    support : Support, str or (lower, upper), optional
        Support of x, where ``logdensity`` does not declare it: real, or integers by its dtype.

    Returns
    -------
    Law or None
        None where no law is known; :func:`find_conditional` says why.

    References
    ----------
    Diaconis and Ylvisaker, "Conjugate priors for exponential families", Annals of Statistics 7, 1979.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> x, y = pt.scalars("x", "y")
    >>> print(conditional(2 * pt.log(x) - x * y**2 - y**2 + 2 * y - 4 * x, x, support="positive"))
    x | rest ~ Gamma(shape=3, rate=y**2 + 4)
    """
    return find_conditional(logdensity, x, support=support)[0]


def find_conditional(
    logdensity: LogDensity | TensorVariable,
    x: TensorVariable,
    support: Support | str | tuple[float, float] | None = None,
) -> tuple[Law | None, str]:
    """Return the law of ``x`` given the rest, or None with the reason in words.

    Parameters
    ----------
    logdensity, x, support
        As for :func:`conditional`.

    Returns
    -------
    tuple of (Law or None, str)
        The reason is empty where there is a law.
    """
    law = find_law(logdensity, x, support)
    return (None, law.reason) if isinstance(law, Obstacle) else (law, "")


@optional("the law of a variable", otherwise=lambda why, *_, **__: Obstacle(why))
def find_law(
    logdensity: LogDensity | TensorVariable,
    x: TensorVariable,
    support: Support | str | tuple[float, float] | None = None,
) -> Law | Obstacle:
    """Return the law of ``x`` given the rest, or why there is none.

    Parameters
    ----------
    logdensity, x, support
        As for :func:`conditional`.
    """
    total = logdensity.total if isinstance(logdensity, LogDensity) else logdensity
    declared = dict(logdensity.supports) if isinstance(logdensity, LogDensity) else {}
    if support is not None:
        declared[x] = as_support(support)
    own = declared.setdefault(x, REAL if x.type.dtype.startswith("float") else integers())
    if total.type.ndim != 0:
        return Obstacle("the log-density is no scalar: sum it first")
    if 0 in x.type.shape:
        return Obstacle("it has no elements")
    if x not in set(explicit_graph_inputs([total])):
        return Obstacle("the log-density does not depend on it", ObstacleKind.ABSENT)
    # What does not contain x is a constant of its law: in a model of many variables nearly all.
    total = part_with(x, total)
    stripped = with_scales_outside(strip_guards(total, declared, almost_surely=True), declared)
    law = _law_of_kind(stripped, x, own, declared)
    if isinstance(law, Obstacle) and own.kind == "interval":
        law = _affine_law(total, x, declared) or law
    if isinstance(law, Obstacle) and own == REAL:
        joint = multivariate_normal_law(stripped, x) if x.type.ndim else normal_law(stripped, x)
        is_known = not isinstance(joint, Obstacle) or joint.kind is ObstacleKind.LARGE
        law = joint if is_known else law
    if isinstance(law, Obstacle):
        return law
    return find_discrepancy(stripped, law, declared) or law


def _law_of_kind(
    total: TensorVariable, x: TensorVariable, own: Support, declared: Mapping[Variable, Support]
) -> Law | Obstacle:
    """Return the law of a variable by what its support is: values, matrices, or numbers of a family."""
    if own.kind == "positive_definite":
        return matrix_law(total, x, declared)
    if not own.is_finite:
        return _exponential_family_law(total, x, declared)
    law = finite_law(total, x, own)
    if isinstance(law, Obstacle):
        # Of more values than can be enumerated, a binomial one say.
        count = _exponential_family_law(total, x, declared)
        return law if isinstance(count, Obstacle) else count
    return law


def _exponential_family_law(
    total: TensorVariable, x: TensorVariable, supports: Mapping[Variable, Support]
) -> Law | Obstacle:
    own = supports[x]
    expander = Expander(x, own, supports)
    natural = expander.natural_parameters(total)
    if isinstance(natural, Obstacle):
        return natural
    simplified = dict(zip(natural, simplify(list(natural.values())), strict=True))
    if own.is_discrete:
        return count_law(x, simplified, own, expander.offsets, expander.bounds, expander.signs)
    return recognize(x, simplified, own)


def _affine_law(total: TensorVariable, x: TensorVariable, supports: Mapping[Variable, Support]) -> Affine | None:
    """Return the law of x where its distance from a bound, or its place between two, has a known one."""
    own = supports[x]
    if own in (REAL, POSITIVE, UNIT):
        return None
    is_between = isfinite(own.lower) and isfinite(own.upper)
    shift = own.lower if isfinite(own.lower) else own.upper
    scale = own.upper - own.lower if is_between else 1.0 if isfinite(own.lower) else -1.0
    z = x.type.clone()("z")
    [moved] = substitute([total], {x: np.float64(shift) + np.float64(scale) * z})
    others = {variable: support for variable, support in supports.items() if variable is not x}
    declared = {**others, z: UNIT if is_between else POSITIVE}
    law = _exponential_family_law(strip_guards(moved, declared, almost_surely=True), z, declared)
    return None if isinstance(law, Obstacle) else Affine(x, law.parameters, base=law, shift=shift, scale=scale)
