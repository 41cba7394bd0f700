"""What is wrong in a declaration is said in its own words.

Answers: messages written beside each mistake.
"""

from __future__ import annotations

import ast
import inspect

import numpy as np
import pymc as pm
import pytest

from graphs.errors import ModelError
from ppl import distributions as D
from ppl._generate_stubs import STUB
from tests.ppl.declaring.test_distributions import simple_arguments


class TestMessages:
    @pytest.mark.parametrize("name", [0, None, "", " "])
    def test_forgotten_name(self, name):
        with pytest.raises(ModelError, match=r'first argument of ppl.Normal is the variable.s name.*ppl.Normal\("x"'):
            D.Normal(name, 1)

    def test_observed(self):
        with pytest.raises(ModelError, match=r"does not take observed=.*ppl.Model\(\{y: data\}\)"):
            D.Normal("y", 0, 1, observed=np.zeros(3))

    def test_wrong_parameters_name_the_variable(self):
        with pytest.raises(ModelError, match=r"y: ppl.Normal: too many positional arguments"):
            D.Normal("y", 0, 1, 2, 3)
        with pytest.raises(ModelError, match=r"y: pymc.Gamma refuses its parameters"):
            D.Gamma("y", alpha=1, sigma=2)

    def test_named_component(self):
        inner = D.Normal("inner", 0, 1)
        with pytest.raises(ModelError, match=r"dist of y is the variable inner.*pm.Normal.dist"):
            D.Truncated("y", inner, lower=0)

    def test_several_outputs(self):
        with pytest.raises(ModelError, match="leave compute_corr out"):
            D.LKJCholeskyCov("c", 2, 3, pm.Exponential.dist(1.0, shape=3), compute_corr=True)


@pytest.mark.parametrize("title", D.NAMES)
def test_a_misspelt_parameter_is_refused(title):
    args, kwargs = simple_arguments(title)
    for unknown in ("sgma_", "siz", "class_nam"):
        with pytest.raises(ModelError, match=f"x: ppl.{title} has no parameter '{unknown}'"):
            getattr(D, title)("x", *args, **kwargs, **{unknown: 3})


def test_the_nearest_parameter_is_named():
    with pytest.raises(ModelError, match=r"no parameter 'sgma'\. Did you mean sigma\?"):
        D.Normal("m", 0, sgma=100)
    with pytest.raises(ModelError, match=r"Did you mean steps\?"):
        D.GaussianRandomWalk("w", init_dist=pm.Normal.dist(0, 1), stpes=3)
    with pytest.raises(ModelError, match=r"Did you mean logp\?"):
        D.CustomDist("c", 0.0, lgp=lambda value, mu: -((value - mu) ** 2))


def test_no_signature_swallows_arguments():
    signatures = [inspect.signature(getattr(D, title)) for title in D.NAMES]
    assert not any(p.kind is p.VAR_KEYWORD for s in signatures for p in s.parameters.values())
    functions = [node for node in ast.parse(STUB.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)]
    assert [f.name for f in functions] == list(D.NAMES)
    assert not any(f.args.kwarg for f in functions)


@pytest.mark.parametrize("title", ["OrderedLogistic", "OrderedProbit"])
def test_cutpoints_increase(title):
    for wrong in ([1.0, 0.0], [0.0, 0.0, 1.0], [0.0, np.nan]):
        with pytest.raises(ModelError, match="cutpoints of y have to increase"):
            getattr(D, title)("y", 0.0, wrong)
    getattr(D, title)("y", 0.0, [0.0, 1.0])
