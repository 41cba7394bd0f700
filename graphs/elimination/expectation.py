"""Expected log-probabilities over discrete variables: what the expectation step of EM computes.

The joint log-probability is a sum of factors, each a table of log-potentials. The gradient of the log of the sum with
respect to a table holds the expected number of times that each of its entries is the one that counts: responsibilities
of mixtures, expected transitions of chains. Those times the tables, held fixed, are the expected log-probability.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.evaluate import evaluate
from graphs.conditional.verify import draw_in_support
from graphs.elimination.engine import eliminate_all
from graphs.elimination.families import Family
from graphs.elimination.summation import Finite, factors_of
from graphs.random_graph import depends_on
from graphs.rebuilding import substitute
from graphs.supports import Support

_NUM_POINTS = 3


@dataclass(frozen=True, eq=False)
class Expectation:
    """The log of a sum over discrete variables, and the expected log-probability under their present distribution.

    Parameters
    ----------
    log_sum : TensorVariable
        Shape ().
    expected : TensorVariable
        The expected log-probability, linear in ``counts``; shape ().
    counts : tuple of TensorVariable
        Inputs of ``expected``: for each table the expected number of times that each entry counts, not negative.
    counted : tuple of TensorVariable
        The values of these, graphs of the parameters.
    """

    log_sum: TensorVariable
    expected: TensorVariable
    counts: tuple[TensorVariable, ...]
    counted: tuple[TensorVariable, ...]


def expectation(
    terms: Mapping[str, TensorVariable],
    variables: Sequence[Finite],
    parameters: Mapping[TensorVariable, Support],
    max_states: int,
) -> Expectation:
    """Return the expected log-probability over discrete variables, as a function of parameters.

    Parameters
    ----------
    terms : mapping of str to TensorVariable
        The joint log-probability.
    variables : sequence of Finite
        The discrete variables.
    parameters : mapping of TensorVariable to Support
        What else it depends on. Factors that depend on none of them are constants of the expectation.
    max_states : int
        Most joint states of what any factor depends on.

    Raises
    ------
    CannotSumError
        If a factor has more states.
    """
    factors = factors_of(terms, variables, max_states)
    tables: list[TensorVariable] = []
    stand_ins: list[TensorVariable] = []
    families: list[Family] = []
    for given in factors.families:
        if not depends_on(given.table, list(parameters)):
            families.append(given)
            continue
        if given.table not in tables:
            tables.append(given.table)
            stand_ins.append(pt.tensor(f"table_{len(tables)}", shape=given.table.type.shape, dtype="float64"))
        families.append(replace(given, table=stand_ins[tables.index(given.table)]))
    finished = eliminate_all(families, factors.states, max_states=max_states).finished
    total = _sum_of([part.table for part in finished])
    gradients = pytensor.grad(total, stand_ins, disconnected_inputs="ignore")
    given_tables: dict[Variable, Variable] = dict(zip(stand_ins, tables, strict=True))
    log_sum, *counted = substitute([total, *gradients], given_tables)
    counts = tuple(
        pt.tensor(f"counts_{i + 1}", shape=table.type.shape, dtype="float64") for i, table in enumerate(tables)
    )
    rest = [pt.sum(part) for part in factors.rest.values()]
    expected = _sum_of([*rest, *(_times(n, table, parameters) for n, table in zip(counts, tables, strict=True))])
    return Expectation(_sum_of([log_sum, *rest]), expected, counts, tuple(counted))


def _times(
    count: TensorVariable, table: TensorVariable, parameters: Mapping[TensorVariable, Support]
) -> TensorVariable:
    """Return expected counts times log-potentials, without the entries that are impossible whatever the parameters."""
    rng = np.random.default_rng(0)
    is_impossible = np.ones(table.type.shape, bool)
    for _ in range(_NUM_POINTS):
        found = evaluate([table], {v: draw_in_support(rng, v, s) for v, s in parameters.items()})
        is_impossible = is_impossible & (False if found is None else np.asarray(found[0]) == -np.inf)
    product = count * table
    return pt.switch(is_impossible, 0.0, product) if is_impossible.any() else product


def _sum_of(parts: Sequence[Variable]) -> TensorVariable:
    sums = [pt.sum(part) for part in parts]
    total: TensorVariable = pt.add(*sums) if len(sums) > 1 else sums[0]
    return total
