"""What notebooks show is text, whatever variables, dims and labels are called.

Answers: names as they were given, read by Python's parser of HTML.
"""

from __future__ import annotations

from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from arviz_base import from_dict

import ppl
from ppl.modelling import model as model_module

HOSTILE = ["<img src=x onerror=alert(1)>", "<script>alert(1)", "a & b < c", '"&lt;b&gt;"']
TAGS = {"table", "thead", "tbody", "tr", "th", "td", "p", "pre"}


class _Reader(HTMLParser):
    """Collects tags, and the text between them."""

    def __init__(self):
        super().__init__()
        self.tags, self.text = set(), ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.text += data


def _read(shown):
    reader = _Reader()
    reader.feed(shown._repr_html_() if hasattr(shown, "_repr_html_") else shown)
    reader.close()
    assert reader.tags <= TAGS
    return reader.text


def _model(name):
    dim = f"dim {name}"
    x = ppl.Normal(name, 0, 1, dims={dim: [name, f"2{name}"]})
    z = ppl.Bernoulli(f"z{name}", 0.3)
    total = ppl.Deterministic(f"sum {name}", x.sum())
    return ppl.Model({ppl.Normal(f"y{name}", x.sum() + z, 1): 1.0}, total)


@pytest.mark.parametrize("name", HOSTILE)
def test_plans_show_names_as_they_are(name):
    assert name in _read(ppl.plan(_model(name), sampler="nuts"))


@pytest.mark.parametrize("name", HOSTILE)
def test_models_show_names_as_they_are(name, monkeypatch):
    def fail():
        raise RuntimeError("no dot program")

    class Source(SimpleNamespace):
        _repr_image_svg_xml = staticmethod(fail)

    model = _model(name)
    monkeypatch.setattr(model_module, "model_to_graphviz", lambda *a, **k: Source(source=f'"{name}"'))
    assert name in _read(model)
    monkeypatch.undo()
    if not hasattr(model.to_graphviz(), "_repr_image_svg_xml"):
        assert name.replace('"', '\\"') in _read(model)


@pytest.mark.parametrize("name", HOSTILE)
def test_diagnoses_show_names_and_labels_as_they_are(name):
    stuck = np.random.default_rng(1).normal(size=(2, 200, 2)) + np.array([0.0, 20.0])[:, None, None]
    trace = from_dict({"posterior": {name: stuck}}, coords={"d": [name, f"2{name}"]}, dims={name: ["d"]})
    assert name in _read(ppl.diagnose(trace))
