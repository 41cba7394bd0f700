"""What dprint shows of variables, mappings and objects of ours.

Answers: texts written beside each object.
"""

from __future__ import annotations

import io

import pytensor.tensor as pt
import pytest
from pytensor.graph.fg import FunctionGraph

from graphs.surgery.printing import dprint


class Own:
    def dprint(self, file=None):
        if file == "str":
            return "own graph"
        print("own graph", file=file)
        return None


def graph():
    x = pt.vector("x")
    shared = pt.exp(x)
    shared.name = "shared"
    return shared.sum(), shared + 1


def test_variable_to_standard_output(capsys):
    total, _ = graph()
    assert dprint(total) is None
    assert capsys.readouterr().out.splitlines()[:2] == ["Sum{axes=None} [id A]", " └─ Exp [id B] 'shared'"]


def test_text_and_file():
    total, _ = graph()
    text = dprint(total, file="str")
    file = io.StringIO()
    dprint(total, file=file)
    assert file.getvalue() == text + "\n"


@pytest.mark.parametrize("make", [list, tuple, lambda pair: dict(zip(("total", "more"), pair, strict=True))])
def test_a_shared_subgraph_is_printed_once(make):
    text = dprint(make(graph()), file="str")
    assert text.count("Exp [id B] 'shared'") == 2
    assert text.count("x [id C]") == 1


def test_mapping_shows_the_names():
    text = dprint(dict(zip(("total", "more"), graph(), strict=True)), file="str")
    assert text.startswith("total =\nSum")
    assert "\nmore =\nAdd" in text


def test_own_method_comes_first(capsys):
    assert dprint(Own(), file="str") == "own graph"
    dprint(Own())
    assert capsys.readouterr().out == "own graph\n"
    assert dprint({"a": Own()}, file="str") == "a =\nown graph"


def test_function_graph():
    total, _ = graph()
    assert "Sum" in dprint(FunctionGraph(outputs=[total], clone=True), file="str")


@pytest.mark.parametrize("obj", [3, "text", None, [1, 2]])
def test_what_has_no_graph(obj):
    with pytest.raises(TypeError, match=f"no graph to print in an object of type {type(obj).__name__}"):
        dprint(obj)
