"""Functions of random variables at the ends of their images, where there is no density whatever the parameters.

Within them the densities are SciPy's.

Answers: SciPy's densities.
"""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from scipy import stats

from graphs import logprob
from graphs.surgery.interpreting import INTERPRETED

_ENDS = {
    "exp at 0": (pt.exp, 0.0, 1.0),
    "shifted exp at its bound": (lambda x: 2 + 3 * pt.exp(x), 2.0, 5.0),
    "exp of minus at 0": (lambda x: pt.exp(-x), 0.0, 1.0),
    "reciprocal of exp at 0": (lambda x: 1 / pt.exp(x), 0.0, 1.0),
    "square of exp at 0": (lambda x: pt.exp(x) ** 2, 0.0, 1.0),
    "sigmoid at 0": (pt.sigmoid, 0.0, 0.5),
    "sigmoid at 1": (pt.sigmoid, 1.0, 0.5),
    "softplus at 0": (pt.softplus, 0.0, np.log(2.0)),
    "tanh at 1": (pt.tanh, 1.0, 0.0),
    "reciprocal at 0": (lambda x: 1 / x, 0.0, 0.5),
}


@pytest.mark.parametrize("name", _ENDS)
@pytest.mark.parametrize("is_constant", [True, False])
def test_no_density_where_only_infinity_leads(name: str, is_constant: bool) -> None:
    function, end, inside = _ENDS[name]
    mu = pm.Normal.dist(0.0, 1.0)
    mu.name = "mu"
    y = function(pm.Normal.dist(mu, 1.0, size=2))
    value = pt.constant(np.array([end, inside])) if is_constant else pt.dvector("value")
    found = logprob({y: value, mu: 0.3})
    [term] = [t for t in found.terms.values() if t.type.ndim == 1]
    f = pytensor.function([] if is_constant else [value], term, mode=INTERPRETED, on_unused_input="ignore")
    at_end, within = f() if is_constant else f([end, inside])
    assert at_end == -np.inf
    assert np.isfinite(within)


def test_elsewhere_the_density_is_scipys() -> None:
    y = pt.exp(pm.Normal.dist(0.3, 2.0, size=3))
    data = np.array([0.1, 1.0, 20.0])
    total = logprob({y: data}).total
    np.testing.assert_allclose(total.eval(), stats.lognorm(2.0, scale=np.exp(0.3)).logpdf(data).sum(), rtol=1e-14)


def test_a_square_has_an_infinite_density_at_zero() -> None:
    # Chi-squared of one degree: zero is taken to zero, which is in the image.
    y = pm.Normal.dist(0.0, 1.0, size=2) ** 2
    [term] = logprob({y: np.array([0.0, 1.0])}).terms.values()
    at_end, within = term.eval()
    assert at_end == np.inf
    np.testing.assert_allclose(within, stats.chi2(1).logpdf(1.0))
