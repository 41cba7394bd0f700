"""Copies of random variables, which PyMC makes where it derives a log-probability (`pm.logp`)."""

from __future__ import annotations

from collections.abc import Sequence

from pytensor.graph.basic import Variable
from pytensor.tensor.random.type import RandomGeneratorType
from pytensor.tensor.variable import TensorVariable

from graphs.surgery.random_graph import find_random_variables, is_random
from graphs.surgery.rebuilding import substitute


def without_copies(graphs: Sequence[TensorVariable]) -> list[TensorVariable]:
    """Let copies of random variables be the variables themselves.

    A copy has the name of a variable, and is drawn by the same generator in the same way, which no two variables are
    that are declared. Its parameters may have been rewritten.

    Parameters
    ----------
    graphs : sequence of TensorVariable
        Of one model; those of them that are random variables are no copies.

    Examples
    --------
    >>> import pymc as pm
    >>> a = pm.Gamma.dist(2.0, 1.0)
    >>> copy = a.owner.clone().outputs[1]
    >>> a.name = copy.name = "a"
    >>> [_, term] = without_copies([a, copy + 1.0])
    >>> term.owner.inputs[0] is a
    True
    """
    named: dict[str, list[TensorVariable]] = {}
    for rv in dict.fromkeys([*graphs, *find_random_variables(graphs)]):
        if rv.name is not None and is_random(rv):
            named.setdefault(rv.name, []).append(rv)
    copies: dict[Variable, Variable] = {
        rv: same[0] for same in named.values() for rv in same[1:] if _is_copy(rv, same[0])
    }
    return substitute(graphs, copies) if copies else list(graphs)


def _is_copy(rv: TensorVariable, other: TensorVariable) -> bool:
    generators, others = ([i for i in v.owner.inputs if isinstance(i.type, RandomGeneratorType)] for v in (rv, other))
    return rv.owner.op == other.owner.op and generators != [] and generators == others
