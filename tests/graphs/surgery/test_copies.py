"""Potentials that hold copies of variables, as PyMC makes them, are those of the variables.

Answers: SciPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytest
import scipy.stats as st

import graphs
import ppl
from graphs.errors import ModelError

DATA = np.array([-1.0, 0.2, 1.0])
A = 1.5


def censored(a: Any) -> Any:
    with pytest.warns(UserWarning, match="These variables are a clone"):
        return pm.logp(pm.Censored.dist(pm.Normal.dist(a, 1), lower=-1, upper=1), DATA)


def test_of_models_declared_here_and_in_pymc() -> None:
    """The second is in nothing else, the first also has a child."""
    expected = st.norm.logcdf(-1, A) + st.norm.logpdf(0.2, A) + st.norm.logsf(1, A) + st.gamma.logpdf(A, 2)
    a = ppl.Gamma("a", 2.0, 1.0)
    own = ppl.Model({ppl.Normal("y", a, 1.0): 0.3}, ppl.Potential("term", censored(a)))
    with pm.Model() as theirs:
        pm.Potential("term", censored(pm.Gamma("a", 2.0, 1.0)))
    for model, more in ((own, st.norm.logpdf(0.3, A)), (ppl.from_pymc(theirs), 0.0)):
        assert list(model.latent) == ["a"]
        joint = graphs.logprob(model, marginalize=False)
        found = joint.total.eval({joint.values["a"]: np.asarray(A)})
        assert found == pytest.approx(expected + more, rel=1e-12)


def test_two_variables_that_are_declared_are_two() -> None:
    first, second = (ppl.Normal("a", 0.0, 1.0) for _ in range(2))
    with pytest.raises(ModelError, match="Two variables are named 'a'"):
        ppl.Model({ppl.Normal("y", first + second, 1.0): 0.3})
