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
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.points import draw_in_support
from graphs.expectation.interpolation import Interpolation, interpolate
from graphs.marginal.elimination.engine import eliminate_all
from graphs.marginal.elimination.factor_tables import Family
from graphs.marginal.elimination.factoring import FiniteVariable, factors_of
from graphs.supports import Support
from graphs.surgery.evaluating import evaluate
from graphs.surgery.random_graph import depends_on
from graphs.surgery.rebuilding import substitute

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
    interpolations : tuple of Interpolation or None
        For each table how it was found from a few nodes; its counts are then those of the nodes, of any sign.
    rounding : TensorVariable
        How large the rounding errors of interpolated log-potentials are; shape ().
    """

    log_sum: TensorVariable
    expected: TensorVariable
    counts: tuple[TensorVariable, ...]
    counted: tuple[TensorVariable, ...]
    interpolations: tuple[Interpolation | None, ...]
    rounding: TensorVariable

    def gathered(self, tables: Sequence[NDArray]) -> list[NDArray]:
        """Return counts of the entries of all tables as values of ``counts``."""
        return [
            table if found is None else table @ found.weights.T
            for table, found in zip(tables, self.interpolations, strict=True)
        ]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of the tables."""
        return [
            c.type.shape if found is None else (*c.type.shape[:-1], found.weights.shape[1])
            for c, found in zip(self.counts, self.interpolations, strict=True)
        ]


def expectation(
    terms: Mapping[str, TensorVariable],
    variables: Sequence[FiniteVariable],
    parameters: Mapping[TensorVariable, Support],
    max_states: int,
    *,
    is_interpolated: bool = True,
) -> Expectation:
    """Return the expected log-probability over discrete variables, as a function of parameters.

    Parameters
    ----------
    terms : mapping of str to TensorVariable
        The joint log-probability.
    variables : sequence of FiniteVariable
        The discrete variables.
    parameters : mapping of TensorVariable to Support
        What else it depends on. Factors that depend on none of them are constants of the expectation.
    max_states : int
        Most joint states of what any factor depends on.
    is_interpolated : bool
        Whether tables of many rows may be found from a few nodes.

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
    found = [interpolate(table, parameters) if is_interpolated else None for table in tables]
    whole = [table if part is None else part.table for table, part in zip(tables, found, strict=True)]
    given_tables: dict[Variable, Variable] = dict(zip(stand_ins, whole, strict=True))
    log_sum, *counted = substitute([total, *gradients], given_tables)
    counted = [n if part is None else part.gathered(n) for n, part in zip(counted, found, strict=True)]
    tables = [table if part is None else part.at_nodes for table, part in zip(tables, found, strict=True)]
    counts = tuple(
        pt.tensor(f"counts_{i + 1}", shape=table.type.shape, dtype="float64") for i, table in enumerate(tables)
    )
    rest = [pt.sum(part) for part in factors.rest.values()]
    expected = _sum_of([*rest, *(_times(n, table, parameters) for n, table in zip(counts, tables, strict=True))])
    errors = [part.rounding() for part in found if part is not None]
    rounding = pt.add(*errors) if len(errors) > 1 else errors[0] if errors else pt.as_tensor(np.float64(0.0))
    return Expectation(_sum_of([log_sum, *rest]), expected, counts, tuple(counted), tuple(found), rounding)


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
