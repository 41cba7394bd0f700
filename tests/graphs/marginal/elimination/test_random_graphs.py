"""Random graphs of discrete variables, with shifts, groups, switches, sums and potentials, under the law of sums.

Answers: the enumeration of every configuration.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ppl
from tests.laws.sums import assert_is_marginal

MOST_CONFIGURATIONS = 700


@st.composite
def graphs_of_variables(draw: Any) -> dict[str, Any]:
    """Describe up to four variables, each with parents among the earlier ones, and what is observed of them."""
    number = draw(st.integers(2, 4))
    variables: list[dict[str, Any]] = []
    configurations = 1
    for i in range(number):
        states = draw(st.integers(2, 3))
        length = draw(st.sampled_from([None, 1, 2, 3]))
        if configurations * states ** (length or 1) > MOST_CONFIGURATIONS:
            states, length = 2, None
        configurations *= states ** (length or 1)
        parents = draw(st.lists(st.integers(0, i - 1), unique=True, max_size=2)) if i else []
        view = draw(st.sampled_from(["same", "reversed", "first", "group"]))
        variables.append({"states": states, "length": length, "parents": parents, "view": view})
    return {
        "variables": variables,
        "observed": draw(st.lists(st.integers(0, number - 1), min_size=1, max_size=3)),
        "form": draw(st.sampled_from(["index", "switch", "sum", "product", "shifted"])),
        "potential": draw(st.sampled_from([None, "pairs", "total", "equal"])),
        "seed": draw(st.integers(0, 10_000)),
    }


def seen(value: Any, length: int | None, wanted: int | None, view: str) -> Any:
    """Return a parent in the shape of its child: element by element, reversed, the first one, or by groups."""
    if length is None:
        return value
    if wanted is None or view == "first":
        return value[0]
    if wanted == length:
        return value[::-1] if view == "reversed" else value
    return value[np.arange(wanted) % length]


def build(description: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    rng = np.random.default_rng(description["seed"])
    made: list[Any] = []
    for i, d in enumerate(description["variables"]):
        parents = [description["variables"][p] for p in d["parents"]]
        table = rng.dirichlet(np.ones(d["states"]), size=[p["states"] for p in parents])
        index = tuple(
            seen(made[p], q["length"], d["length"], d["view"]) for p, q in zip(d["parents"], parents, strict=True)
        )
        probabilities = pt.constant(table)[index] if index else pt.constant(table)
        made.append(ppl.Categorical(f"k{i}", probabilities, size=None if d["length"] is None else (d["length"],)))
    scale = ppl.HalfNormal("scale", 1)
    level = ppl.Normal("level", 0, 1, size=3)
    data = {}
    for j, i in enumerate(description["observed"]):
        k, length = made[i], description["variables"][i]["length"]
        mean = {
            "index": lambda k=k: level[k],
            "switch": lambda k=k: pt.switch(pt.gt(k, 0), level[1], -0.4),
            "sum": lambda k=k: 0.7 * k.sum() + level[0],
            "product": lambda k=k: k * level[2] + 0.1,
            "shifted": lambda k=k, n=length: level[k[1:]] - level[k[:-1]] if (n or 0) > 1 else level[k],
        }[description["form"]]()
        y = ppl.Normal(f"y{j}", mean, scale)
        data[y] = rng.normal(size=tuple(y.shape.eval()))
    terms = []
    if description["potential"] == "pairs":
        terms.append(ppl.Potential("tie", 0.6 * made[0] * made[1]))
    elif description["potential"] == "total":
        terms.append(ppl.Potential("tie", -0.2 * sum(k.sum() for k in made) ** 2))
    elif description["potential"] == "equal":
        terms.append(ppl.Potential("tie", level[0] * pt.eq(made[-1].sum(), made[0].sum())))
    return ppl.Model(data, *terms, *made), {"scale": 0.8, "level": np.array([0.3, -0.9, 1.4])}


def has_fitting_shapes(description: dict[str, Any]) -> bool:
    lengths = [d["length"] for d in description["variables"][:2]]
    return description["potential"] != "pairs" or None in lengths or 1 in lengths or lengths[0] == lengths[1]


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(graphs_of_variables().filter(has_fitting_shapes))
def test_random_graphs_are_summed_rightly(description):
    assert_is_marginal(*build(description))
