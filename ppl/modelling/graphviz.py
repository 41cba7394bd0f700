"""A model as a picture: which named variable depends directly on which."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.surgery.random_graph import static_shape
from ppl.declaring.declaration import declaration_of

STYLES = {
    "latent": 'shape=ellipse, style=""',
    "observed": 'shape=ellipse, style=filled, fillcolor="lightgrey"',
    "deterministic": 'shape=box, style=""',
    "potential": 'shape=diamond, style=""',
    "data": 'shape=box, style="rounded,filled", fillcolor="lightgrey"',
}


@dataclass(frozen=True)
class DotSource:
    """A drawing in the DOT language, for where the graphviz package is not installed.

    Parameters
    ----------
    source : str
        The drawing; the program ``dot``, or any online viewer, turns it into a picture.
    """

    source: str

    def __str__(self) -> str:
        return self.source

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.source)}</pre>"


@dataclass(frozen=True)
class Node:
    """A named variable of the drawing."""

    name: str
    kind: str
    variable: TensorVariable
    plate: str

    @property
    def label(self) -> str:
        """The name, and what it is."""
        if self.kind in ("latent", "observed"):
            return f"{self.name}\n~\n{_distribution(self.variable)}"
        return f"{self.name}\n~\n{self.kind.capitalize()}"


def model_to_graphviz(
    random_variables: Mapping[str, TensorVariable],
    observed: Collection[str] = (),
    deterministics: Mapping[str, TensorVariable] | None = None,
    potentials: Mapping[str, TensorVariable] | None = None,
    dims: Mapping[str, Sequence[str]] | None = None,
) -> Any:
    """Draw named variables and their direct dependence.

    Latent variables are ellipses, observed ones shaded, deterministics boxes, potentials diamonds, data rounded boxes.
    Variables of the same dims, or of the same shape where they have no dims, share a plate.

    Parameters
    ----------
    random_variables : mapping of str to TensorVariable
        Latent and observed ones.
    observed : collection of str
        Names of those with data.
    deterministics, potentials : mapping of str to TensorVariable, optional
        Named expressions and terms of the log-density.
    dims : mapping of str to sequence of str, optional
        Names of the axes, beside those declared with the variables.

    Returns
    -------
    graphviz.Source or DotSource
        Both have the DOT text as ``source``.

    Examples
    --------
    >>> import ppl
    >>> mu = ppl.Normal("mu", 0, 1)
    >>> y = ppl.Normal("y", mu, 1)
    >>> '"mu" -> "y"' in model_to_graphviz({"mu": mu, "y": y}, observed=["y"]).source
    True
    """
    kinds = {name: "observed" if name in observed else "latent" for name in random_variables}
    named = dict(random_variables)
    for kind, found in (("deterministic", deterministics), ("potential", potentials)):
        named.update(found or {})
        kinds.update(dict.fromkeys(found or {}, kind))
    data = {str(v.name): v for variable in named.values() for v in _ancestors_with_data(variable)}
    named = {**data, **named}
    nodes = [Node(n, kinds.get(n, "data"), v, _plate(n, v, dims or {})) for n, v in named.items()]
    source = _dot(nodes)
    try:
        from graphviz import Source
    except ImportError:
        return DotSource(source)
    return Source(source)


def _dot(nodes: Sequence[Node]) -> str:
    lines = ["digraph {"]
    for plate in dict.fromkeys(node.plate for node in nodes):
        members = [f"{_quoted(n.name)} [label={_quoted(n.label)}, {STYLES[n.kind]}]" for n in nodes if n.plate == plate]
        if plate:
            title = [f"subgraph {_quoted(f'cluster {plate}')} {{", f"    label={_quoted(plate)}; labeljust=r"]
            members = [*title, *(f"    {m}" for m in members), "}"]
        lines += [f"    {m}" for m in members]
    names = {node.variable: node.name for node in nodes}
    for node in nodes:
        parents = {names[v]: None for v in _walk_up(node.variable, stop=names) if v in names}
        lines += [f"    {_quoted(parent)} -> {_quoted(node.name)}" for parent in parents]
    return "\n".join([*lines, "}"]) + "\n"


def _walk_up(variable: Variable, stop: Collection[Variable] = ()) -> Iterator[Variable]:
    """Yield the ancestors of a variable, in the order of inputs, going no further up from those in ``stop``."""
    seen: set[Variable] = set()
    stack = _inputs(variable)
    while stack:
        found = stack.pop()
        if found in seen:
            continue
        seen.add(found)
        yield found
        if found not in stop:
            stack.extend(_inputs(found))


def _inputs(variable: Variable) -> list[Variable]:
    return [] if variable.owner is None else list(reversed(variable.owner.inputs))


def _ancestors_with_data(variable: Variable) -> list[TensorVariable]:
    return [v for v in _walk_up(variable) if getattr(v.tag, "data", False)]


def _plate(name: str, variable: TensorVariable, dims: Mapping[str, Sequence[str]]) -> str:
    shape = static_shape(variable)
    declaration = declaration_of(variable)
    names = dims.get(name) or (declaration.dims if declaration else None)
    if not names:
        return " x ".join(str(n) for n in shape)
    return " x ".join(f"{d} ({n})" for d, n in zip(names, shape, strict=False))


def _distribution(rv: TensorVariable) -> str:
    if rv.owner is None:
        return "Value"
    op = rv.owner.op
    printed = getattr(op, "_print_name", None)
    return str(printed[0] if printed else getattr(op, "name", None) or type(op).__name__)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
