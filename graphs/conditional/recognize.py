"""Which law a set of features and a support make."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

import pytensor.tensor as pt
from pytensor.graph.traversal import toposort
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.expanding.coefficients import divide, filled, number, plus, scale
from graphs.conditional.expanding.expansion import Monomial, Obstacle, ObstacleKind
from graphs.conditional.expanding.simplify import simplify
from graphs.conditional.families.beta import Beta, Dirichlet
from graphs.conditional.families.gamma import Gamma, InverseGamma, LogGamma, PowerGamma
from graphs.conditional.families.gig import GIG, TruncatedGamma
from graphs.conditional.families.normal import LogNormal, Normal, TruncatedNormal
from graphs.conditional.families.pareto import Pareto
from graphs.conditional.law import Law
from graphs.supports import Support

X: Monomial = (("x", 1.0),)
X_SQUARED: Monomial = (("x", 2.0),)
LOG: Monomial = (("log", 1.0),)
LOG_SQUARED: Monomial = (("log", 2.0),)
LOG1M: Monomial = (("log1m", 1.0),)

Parameters = Mapping[Monomial, TensorVariable]


def recognize(x: TensorVariable, natural: Parameters, support: Support) -> Law | Obstacle:
    """Return the law of ``x`` that has these natural parameters, or why none is known.

    Parameters
    ----------
    x : TensorVariable
        The variable.
    natural : mapping of Monomial to TensorVariable
        Coefficients of the features in the log-density; those that are absent are zero.
    support : Support
        Support of each element of x.

    Returns
    -------
    Law or Obstacle
    """
    natural = {feature: eta for feature, eta in natural.items() if number(eta) != 0}
    bounds = (support.lower, support.upper)
    if support.kind == "simplex":
        law = _dirichlet(x, natural)
    elif support.kind != "interval":
        law = None
    elif bounds == (-inf, inf):
        law = _on_reals(x, natural)
    elif bounds == (0.0, inf):
        law = _on_positives(x, natural)
    else:
        law = _beta(x, natural) if bounds == (0.0, 1.0) else None
        law = law or _between(x, natural, support)
    return why_not(natural, support) if law is None else law


def _on_reals(x: TensorVariable, natural: Parameters) -> Law | None:
    if X_SQUARED in natural and set(natural) <= {X, X_SQUARED}:
        return _normal(x, natural, X, X_SQUARED, Normal, ("mean", "variance"))
    powers = [feature for feature in natural if feature[0][0] == "exp" and len(feature) == 1]
    if len(powers) == 1 and set(natural) == {X, powers[0]}:
        multiple = powers[0][0][1]
        shape = divide(_get(natural, X, x), filled(multiple, x.type.ndim))
        names = {"shape": shape, "rate": scale(-1.0, natural[powers[0]])}
        return LogGamma(x, shaped(x, names), multiple=multiple)
    return None


def _on_positives(x: TensorVariable, natural: Parameters) -> Law | None:
    if LOG_SQUARED in natural and set(natural) <= {LOG, LOG_SQUARED}:
        shifted = {**natural, LOG: plus(_get(natural, LOG, x), filled(1.0, x.type.ndim))}
        return _normal(x, shifted, LOG, LOG_SQUARED, LogNormal, ("log_mean", "log_variance"))
    powers = [feature for feature in natural if feature != LOG]
    if {X_SQUARED} <= set(natural) <= {X, X_SQUARED} and X in natural:
        return _between(x, natural, Support(lower=0.0))
    if len(powers) == 2:
        return _gig(x, natural, powers)
    if len(powers) != 1 or len(powers[0]) != 1 or powers[0][0][0] != "x":
        return None
    exponent = powers[0][0][1]
    one = filled(1.0, x.type.ndim)
    shape = divide(plus(_get(natural, LOG, x), one), filled(exponent, x.type.ndim))
    rate = scale(-1.0, natural[powers[0]])
    if exponent == 1:
        return Gamma(x, shaped(x, {"shape": shape, "rate": rate}))
    if exponent == -1:
        return InverseGamma(x, shaped(x, {"shape": shape, "scale": rate}))
    return PowerGamma(x, shaped(x, {"shape": shape, "rate": rate}), power=exponent)


def _gig(x: TensorVariable, natural: Parameters, powers: list[Monomial]) -> Law | None:
    """Recognise ``a log x + b x^e + c x^-e``."""
    if any(len(p) != 1 or p[0][0] != "x" for p in powers) or powers[0][0][1] != -powers[1][0][1]:
        return None
    negative, positive = sorted(powers, key=lambda p: p[0][1])
    exponent = positive[0][1]
    one = filled(1.0, x.type.ndim)
    power = divide(plus(_get(natural, LOG, x), one), filled(exponent, x.type.ndim))
    names = {"power": power, "rate": scale(-1.0, natural[positive]), "scale": scale(-1.0, natural[negative])}
    return GIG(x, shaped(x, names), exponent=exponent)


def _between(x: TensorVariable, natural: Parameters, support: Support) -> Law | None:
    """Recognise normal and gamma laws between bounds."""
    lower, upper = support.lower, support.upper
    if X_SQUARED in natural and set(natural) <= {X, X_SQUARED}:
        law = _normal(x, natural, X, X_SQUARED, TruncatedNormal, ("mean", "variance"))
        return TruncatedNormal(x, law.parameters, lower=lower, upper=upper)
    powers = [feature for feature in natural if feature != LOG]
    if lower > 0 and upper == inf and set(natural) == {LOG}:
        return Pareto(x, shaped(x, {"shape": scale(-1.0, plus(natural[LOG], filled(1.0, x.type.ndim)))}), lower=lower)
    if lower < 0 or len(powers) != 1 or len(powers[0]) != 1 or powers[0][0][0] != "x":
        return None
    exponent = powers[0][0][1]
    shape = divide(plus(_get(natural, LOG, x), filled(1.0, x.type.ndim)), filled(exponent, x.type.ndim))
    names = {"shape": shape, "rate": scale(-1.0, natural[powers[0]])}
    return TruncatedGamma(x, shaped(x, names), exponent=exponent, lower=lower, upper=upper)


def _beta(x: TensorVariable, natural: Parameters) -> Law | None:
    if not set(natural) <= {LOG, LOG1M}:
        return None
    one = filled(1.0, x.type.ndim)
    alpha, beta = (plus(_get(natural, feature, x), one) for feature in (LOG, LOG1M))
    return Beta(x, shaped(x, {"alpha": alpha, "beta": beta}))


def _dirichlet(x: TensorVariable, natural: Parameters) -> Law | None:
    if not set(natural) <= {LOG}:
        return None
    concentration = plus(_get(natural, LOG, x), filled(1.0, x.type.ndim))
    return Dirichlet(x, shaped(x, {"concentration": concentration}))


def _normal(
    x: TensorVariable,
    natural: Parameters,
    first: Monomial,
    second: Monomial,
    family: type[Law],
    names: tuple[str, str],
) -> Law:
    """Complete the square of ``a t + b t^2``: mean ``-a / 2b``, variance ``-1 / 2b``."""
    slope, precision = _get(natural, first, x), scale(-2.0, natural[second])
    variance = divide(filled(1.0, x.type.ndim), precision)
    mean = _smallest([divide(slope, precision), divide(scale(0.5, slope), scale(0.5, precision))])
    return family(x, shaped(x, dict(zip(names, (mean, variance), strict=True))))


def _smallest(graphs: list[TensorVariable]) -> TensorVariable:
    """Return the graph of fewest nodes."""
    return min(simplify(graphs), key=lambda graph: sum(1 for _ in toposort([graph])))


def _get(natural: Parameters, feature: Monomial, x: TensorVariable) -> TensorVariable:
    return natural.get(feature, filled(0.0, x.type.ndim))


def shaped(x: TensorVariable, parameters: Mapping[str, TensorVariable]) -> dict[str, TensorVariable]:
    """Simplify parameters and give them the shape of x."""
    shape = [n if n is not None else x.shape[axis] for axis, n in enumerate(x.type.shape)]
    graphs = dict(zip(parameters, simplify(list(parameters.values())), strict=True))
    return {
        name: graph if graph.type.shape == x.type.shape else pt.alloc(graph, *shape) for name, graph in graphs.items()
    }


def describe(monomial: Monomial) -> str:
    """Write a feature."""
    names = {"x": "x", "log": "log(x)", "1-x": "(1-x)", "log1m": "log(1-x)", "exp": "exp(x)"}
    shown = [(names.get(atom, atom), exponent) for atom, exponent in monomial]
    return "*".join(name if p == 1 else f"{name}^{p:g}" for name, p in shown)


def why_not(natural: Parameters, support: Support) -> Obstacle:
    """Say which features and support make no law."""
    if not natural:
        reason = f"the log-density does not depend on it, and is improper on the support {support}"
        return Obstacle(reason, ObstacleKind.ABSENT)
    features = set(natural)
    named = ", ".join(sorted(describe(feature) for feature in features))
    hint = ""
    if X in features and len(features) == 1:
        hint = ": improper"
    return Obstacle(f"no family is known that has the features {{{named}}} on the support {support}{hint}")
