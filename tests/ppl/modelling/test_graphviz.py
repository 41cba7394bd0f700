"""The drawing of a model: nodes by kind, edges of direct dependence, plates.

Answers: nodes and edges written beside each model.
"""

from __future__ import annotations

import re
import sys

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

from ppl.declaring.declare import Data, Deterministic, Potential
from ppl.distributions import Dirichlet, HalfNormal, Mixture, Normal
from ppl.modelling.graphviz import DotSource, model_to_graphviz


@pytest.fixture(autouse=True)
def without_graphviz(monkeypatch):
    monkeypatch.setitem(sys.modules, "graphviz", None)


def edges(drawing):
    return set(re.findall(r'"(\w+)" -> "(\w+)"', drawing.source))


def schools():
    x = Data("x", np.arange(8.0), dims="school")
    mu = Normal("mu", 0, 5)
    tau = HalfNormal("tau", 5)
    theta = Normal("theta", mu, tau, dims={"school": 8})
    shifted = Deterministic("shifted", theta + x, dims="school")
    y = Normal("y", shifted, 1)
    penalty = Potential("penalty", -(tau**2))
    return model_to_graphviz(
        {"mu": mu, "tau": tau, "theta": theta, "y": y},
        observed=("y",),
        deterministics={"shifted": shifted},
        potentials={"penalty": penalty},
        dims={"y": ("school",)},
    )


def test_edges_are_direct_dependence():
    expected = {
        ("mu", "theta"),
        ("tau", "theta"),
        ("theta", "shifted"),
        ("x", "shifted"),
        ("shifted", "y"),
        ("tau", "penalty"),
    }
    assert edges(schools()) == expected


@pytest.mark.parametrize(
    ("name", "label", "shape"),
    [
        ("mu", "Normal", 'ellipse, style=""'),
        ("tau", "HalfNormal", 'ellipse, style=""'),
        ("y", "Normal", "ellipse, style=filled"),
        ("shifted", "Deterministic", 'box, style=""'),
        ("penalty", "Potential", "diamond"),
        ("x", "Data", 'box, style="rounded'),
    ],
)
def test_nodes_show_what_they_are(name, label, shape):
    assert f'"{name}" [label="{name}\\n~\\n{label}", shape={shape}' in schools().source


def test_plates_hold_the_variables_of_the_same_dims():
    plate = re.search(r'subgraph "cluster school \(8\)" \{(.*?)\n    \}', schools().source, flags=re.DOTALL).group(1)
    assert set(re.findall(r'"(\w+)" \[label', plate)) == {"theta", "shifted", "y", "x"}
    assert 'label="school (8)"' in plate


def test_variables_of_pytensor_and_shapes_without_names():
    rng = pt.random.shared_rng(seed=1)
    rng, k = rng.categorical(np.ones(3) / 3, size=4)
    rng, mu = rng.normal(0, 1, size=3)
    _, y = rng.normal(mu[k], 1)
    drawing = model_to_graphviz({"k": k, "mu": mu, "y": y}, observed=["y"])
    assert edges(drawing) == {("k", "y"), ("mu", "y")}
    assert 'label="4"' in drawing.source
    assert 'label="3"' in drawing.source


def test_components_of_a_mixture_are_no_nodes():
    w = Dirichlet("w", np.ones(2))
    y = Mixture("y", w, [pm.Normal.dist(0.0, 1.0), pm.Normal.dist(3.0, 2.0)])
    drawing = model_to_graphviz({"w": w, "y": y}, observed=["y"])
    assert edges(drawing) == {("w", "y")}
    assert drawing.source.count("label=") == 3  # two nodes, and the plate of w


def test_names_are_quoted():
    x = Normal('a "b" <c>', 0, 1)
    drawing = model_to_graphviz({x.name: x})
    assert '"a \\"b\\" <c>"' in drawing.source
    assert "&lt;c&gt;" in drawing._repr_html_()


def test_without_the_package_the_source_is_shown():
    drawing = schools()
    assert isinstance(drawing, DotSource)
    assert drawing._repr_html_().startswith("<pre>digraph {")
    assert str(drawing) == drawing.source


def test_with_the_package_it_is_its_source(monkeypatch):
    class Source:
        def __init__(self, source):
            self.source = source

    monkeypatch.setitem(sys.modules, "graphviz", type("graphviz", (), {"Source": Source}))
    assert isinstance(schools(), Source)
