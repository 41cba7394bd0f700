"""Plans of few numbers: they are drawn independently of each other."""

from __future__ import annotations

from dataclasses import replace

from ppl.planning.plans import BY_GRADIENT, FEW_NUMBERS, Plan
from samplers.tabulated.block import TabulatedBlock
from samplers.tabulated.kernel import MOST_AXES

INDEPENDENT = (
    "Few numbers are left to sample: proposals come from a table of their density, independent of each other, and nearly "
    "all are accepted; NUTS moves them where the density has no table, and in JAX. sampler='nuts' asks for that."
)


def is_few(plan: Plan) -> bool:
    """Whether one block moves a few numbers by their gradient, and nothing else is left."""
    blocks, size = plan.sweep.blocks, plan.sweep.layout.size
    return len(blocks) == 1 and blocks[0].has_metric and 0 < size <= MOST_AXES


def by_table(plan: Plan) -> Plan:
    """Return the plan that draws the same numbers from a table."""
    [block] = plan.sweep.blocks
    told = (
        replace(a, method=FEW_NUMBERS, reason="few numbers are left") if a.method == BY_GRADIENT else a
        for a in plan.assignments
    )
    sweep = replace(plan.sweep, blocks=(TabulatedBlock(block.variables, block.logdensity),))
    return replace(plan, assignments=tuple(told), sweep=sweep, policy=INDEPENDENT)
