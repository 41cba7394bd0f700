"""Models as LaTeX.

Answers: formulas written by hand from the declarations; matplotlib's parser of mathematical text, which knows the
language but not this code.
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from matplotlib.mathtext import MathTextParser

import ppl
from ppl.reporting.latex import symbol


def rows_of(model: ppl.Model) -> list[str]:
    return model.to_latex().removeprefix("\\begin{aligned}\n").removesuffix("\n\\end{aligned}").split(" \\\\\n")


def everything() -> ppl.Model:
    x, group = ppl.Data("x", np.linspace(0.0, 1.0, 5)), np.array([0, 1, 0, 1, 1])
    mu, tau = ppl.Normal("mu", 0, 10), ppl.HalfNormal("tau_a", 5)
    alpha, rate = ppl.Normal("alpha", mu, tau, size=2), ppl.Gamma("rate", 2, 4)
    z = ppl.Categorical("z", [0.2, 0.3, 0.5], size=5)
    mean = alpha[group] + pt.exp(-rate) * x**2 - pt.as_tensor(np.array([1.0, 2.0, 3.0]))[z]
    share = ppl.Deterministic("share", pt.sigmoid(mu) - (tau - 1) * 2.0 / pt.sqrt(rate))
    weights = ppl.MvNormal("w", np.zeros(3), np.eye(3))
    design = np.arange(15.0).reshape(5, 3)
    return ppl.Model(
        {
            ppl.Normal("y", mean, (tau + 1) / rate): np.ones(5),
            ppl.Poisson("n", pt.exp(pt.dot(design, weights) + pt.maximum(alpha, 0.5).sum())): np.ones(5, int),
        },
        share,
        ppl.Potential("pull", -0.5 * (share - 2) ** 2),
        ppl.NormalMixture("mix", [0.3, 0.7], [mu, 2.0], [1.0, 2.0]),
        ppl.Truncated("above", pm.Normal.dist(mu, 1), lower=0),
        ppl.ZeroInflatedPoisson("zero_inflated", 0.4, rate),
        ppl.MarkovChain("state", np.array([[0.9, 0.1], [0.2, 0.8]]), steps=4),
        ppl.Normal("100% of_{it} $ & #", pt.switch(mu > 0, 1.0, -1e-12), 1.0),
    )


def test_formulas_are_those_that_were_declared():
    rows = rows_of(everything())
    for expected in (
        r"\mu &\sim \operatorname{Normal}\left(0, 10\right)",
        r"\tau_{a} &\sim \operatorname{HalfNormal}\left(5\right)",
        r"\alpha &\sim \operatorname{Normal}\left(\mu, \tau_{a}\right)",
        r"\text{rate} &\sim \operatorname{Gamma}\left(2, \text{scale}=0.25\right)",
        r"\text{share} &= \operatorname{logit}^{-1}\left(\mu\right) "
        r"- \frac{2 \, \left(\tau_{a} - 1\right)}{\sqrt{\text{rate}}}",
        r"\log p &\mathrel{+}= -0.5 \, {\left(\text{share} - 2\right)}^{2}",
        r"w &\sim \operatorname{MultivariateNormal}\left(0, I\right)",
    ):
        assert expected in rows
    [y] = [row for row in rows if row.startswith("y ")]
    assert r"e^{-\text{rate}} \, {x}^{2} - {\left(1, 2, 3\right)}_{z}" in y


def test_every_line_is_latex():
    parser = MathTextParser("path")
    for row in rows_of(everything()):
        formula = row.replace("&", "", 1).replace(r"\mathrel{+}=", "+=").replace(r"\mathrel", "")
        parser.parse(f"${formula}$")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sigma_alpha", r"\sigma_{\alpha}"),
        ("x1", "x_{1}"),
        ("lam", r"\lambda"),
        ("beta_school_2", r"\beta_{\text{school}, 2}"),
        ("_", "?"),
    ],
)
def test_names(name, expected):
    assert symbol(name) == expected
