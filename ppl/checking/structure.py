"""What the graph of a model alone shows: what nothing reads, what nothing informs, what cannot be told apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any

import numpy as np
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.traversal import ancestors, toposort
from pytensor.scalar.basic import Add, Mul, Pow, Sub, TrueDiv
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.variable import TensorVariable

from graphs.errors import PPLError
from graphs.joint.logprob import logprob
from graphs.surgery.fixing import value_of_data
from graphs.surgery.interpreting import interpret
from graphs.surgery.random_graph import is_random
from graphs.variables.transforms import bounding_variables
from ppl.checking.concern import Concern
from ppl.modelling.model import Model


def outputs_of_model(model: Model) -> list[TensorVariable]:
    """Return what the density of a model and its results are computed from."""
    return [
        *model.latent.values(),
        *model.observed.values(),
        *model.deterministics.values(),
        *model.potentials.values(),
    ]


def orphans(model: Model) -> Iterator[Concern]:
    """Yield latent variables that no data, and no potential, depend on."""
    informed = [*model.observed.values(), *model.potentials.values()]
    if not model.observed:
        return
    above = set(ancestors(informed))
    for name, rv in model.latent.items():
        if rv not in above and not is_missing_data(model, name):
            yield Concern(
                "orphan",
                "warning",
                (name,),
                f"No data depend on {name}: its posterior is its prior.",
                "Let the likelihood use it, or leave it out.",
            )


def is_missing_data(model: Model, name: str) -> bool:
    """Whether a variable is what is missing of data: the last of a chain may be."""
    return any(name == f"{whole}_{part}" for whole in model.deterministics for part in ("missing", "unobserved"))


def unused(model: Model) -> Iterator[Concern]:
    """Yield labels of axes that no variable has, and data that nothing reads."""
    axes = {dim for dims in model.dims.values() for dim in dims}
    for dim in model.coords:
        if dim not in axes:
            known = ", ".join(sorted(axes)) or "none"
            yield Concern(
                "unused-coords",
                "note",
                (dim,),
                f"No variable has an axis {dim!r}; there are {known}.",
                "Name it in dims=, or leave the labels out.",
            )
    read = {v.name for v in ancestors(outputs_of_model(model)) if isinstance(v, Constant)}
    for name in model.constant_data:
        if name not in read:
            yield Concern(
                "unused-data",
                "warning",
                (name,),
                f"Nothing depends on the data {name}.",
                "Use them, or leave them out.",
            )


def ridges(model: Model) -> Iterator[Concern]:
    """Yield pairs of latent variables that everything else sees only by their sum, difference, product or ratio."""
    clients = _clients(outputs_of_model(model))
    # An indicator times an effect is told from another effect by being zero.
    by_variable = {rv: name for name, rv in model.latent.items() if rv.type.dtype.startswith("float")}
    readers: dict[Apply, list[TensorVariable]] = {}
    for rv in by_variable:
        if (node := _only_reader(rv, clients)) is not None:
            readers.setdefault(node, []).append(rv)
    for node, variables in readers.items():
        for rv, other in combinations(variables, 2):
            if rv.type.shape != other.type.shape or not _are_side_by_side(rv, other, node):
                continue  # an intercept beside group effects, which are held at zero; rows beside columns
            if _are_known_otherwise(model, rv, other):
                continue  # the last steps of two series, which those before them tell
            op: Any = node.op
            word = {Add: "sum", Sub: "difference", Mul: "product", TrueDiv: "ratio"}[type(op.scalar_op)]
            names = by_variable[rv], by_variable[other]
            yield Concern(
                "ridge",
                "warning",
                names,
                f"Everything else sees only the {word} of {names[0]} and {names[1]}: data cannot tell them apart.",
                f"Declare one variable in their place, or set one of them, ppl.do(model, {{{names[1]!r}: ...}}).",
            )


def _are_known_otherwise(model: Model, *pair: Variable) -> bool:
    """Whether data tell of latent variables that two variables depend on by a way around both."""
    informed = [*model.observed.values(), *model.potentials.values()]
    above = set(ancestors(pair)).difference(pair) & set(model.latent.values())
    return bool(above) and not above.isdisjoint(ancestors(informed, blockers=pair))


def _clients(outputs: Iterable[Variable]) -> dict[Variable, list[Apply]]:
    outputs = list(outputs)
    found: dict[Variable, list[Apply]] = {}
    for node in toposort(outputs):
        for variable in dict.fromkeys(node.inputs):
            found.setdefault(variable, []).append(node)
    return found


def _only_reader(variable: Variable, clients: dict[Variable, list[Apply]]) -> Apply | None:
    """Return the sum or product that alone reads a variable, by way of axes that are added."""
    readers = clients.get(variable, [])
    while len(readers) == 1 and isinstance(readers[0].op, DimShuffle):
        variable = readers[0].outputs[0]
        readers = clients.get(variable, [])
    if len(readers) != 1:
        return None
    [node] = readers
    is_kind = isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, Add | Sub | Mul | TrueDiv)
    return node if is_kind and node.inputs.count(variable) == 1 else None


def _are_side_by_side(first: Variable, second: Variable, node: Apply) -> bool:
    """Whether two variables have the same axes where a node reads them."""
    axes = [
        tuple(n == 1 for n in i.type.shape)
        for i in node.inputs
        if i in (first, second) or (i.owner is not None and {first, second} & set(ancestors([i])))
    ]
    return len(set(axes)) == 1


def moving_bounds(model: Model) -> Iterator[Concern]:
    """Yield variables whose bounds depend on others."""
    try:
        joint = logprob(model, marginalize=False)
    except PPLError:
        return
    rvs = {n: joint.graph.latent[n] for n in joint.values if n in joint.graph.latent}
    values = {n: joint.values[n] for n in rvs}
    for name, other in bounding_variables(rvs, values, joint.graph.transforms, list(rvs)).items():
        if name != other:
            yield Concern(
                "moving-bound",
                "note",
                (other, name),
                f"The support of {other} depends on {name}: the density of {name} may jump.",
                f"Slice sampling moves such variables well: sampler={{{name!r}: 'slice'}}.",
            )


def silent_axes(model: Model) -> Iterator[Concern]:
    """Yield sums and products of a column with a row: vectors of one length that made a matrix."""
    outputs = outputs_of_model(model)
    for node in toposort(outputs):
        if not isinstance(node.op, Elemwise) or is_random(node.outputs[0]):
            continue
        shape: Any = getattr(node.outputs[0].type, "shape", ())
        if len(shape) != 2 or shape[0] is None or shape[0] != shape[1] or shape[0] < 2:
            continue
        columns = [i for i in node.inputs if i.type.shape == (shape[0], 1) and not _is_made_longer(i)]
        rows = [i for i in node.inputs if i.type.shape == (1, shape[0]) and _is_made_longer(i)]
        if columns and rows:
            below = _named_below(node, model)
            yield Concern(
                "silent-axis",
                "warning",
                below,
                f"A column of shape ({shape[0]}, 1) and a vector of shape ({shape[0]},) make a matrix of {shape}.",
                "Give both the same number of axes: column[:, 0].",
            )


def _is_made_longer(variable: Variable) -> bool:
    node = variable.owner
    return node is not None and isinstance(node.op, DimShuffle) and node.inputs[0].type.ndim == 1


def _named_below(node: Apply, model: Model) -> tuple[str, ...]:
    """Return the first variable that is computed from a node."""
    out = node.outputs[0]
    for name, variable in model.named_variables.items():
        if variable is not out and out in set(ancestors([variable])):
            return (name,)
    return ()


def overflows(model: Model) -> Iterator[Concern]:
    """Yield arithmetic of whole numbers, in data, whose result does not fit its type."""
    for node in toposort(outputs_of_model(model)):
        if not isinstance(node.op, Elemwise) or not isinstance(node.op.scalar_op, Add | Sub | Mul | Pow):
            continue
        out: Any = node.outputs[0]
        if not str(out.type.dtype).startswith(("int", "uint")):
            continue
        inputs = [value_of_data(i) for i in node.inputs]
        if any(value is None for value in inputs):
            continue
        found = np.asarray(interpret([], out)(), np.float64)
        exact = {Add: np.add, Sub: np.subtract, Mul: np.multiply, Pow: np.power}[type(node.op.scalar_op)]
        expected = np.asarray(inputs[0], np.float64)
        for value in inputs[1:]:
            expected = exact(expected, np.asarray(value, np.float64))
        if not np.allclose(found, expected, rtol=1e-9):
            yield Concern(
                "overflow",
                "error",
                _named_below(node, model),
                f"Whole numbers of the type {out.type.dtype} overflow: {expected.ravel()[0]:.6g} became "
                f"{found.ravel()[0]:.6g}.",
                "Convert the data to float64 or int64.",
            )
