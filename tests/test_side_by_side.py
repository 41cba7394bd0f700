"""Pages for those who come from elsewhere show the same five models, which run, and have the density of PyMC's.

Answers: PyMC's log-density.
"""

from __future__ import annotations

import re

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

import graphs
import ppl
from tests.test_docs import PAGES

FROM = sorted(page for page in PAGES if page.startswith("how-to/from_"))
RNG = np.random.default_rng(1)
NUM_ROWS = 30
DATA = {
    "X": RNG.normal(size=(NUM_ROWS, 3)),
    "y": RNG.normal(size=NUM_ROWS),
    "n": RNG.poisson(2.0, NUM_ROWS),
    "group": np.arange(NUM_ROWS) % 4,
    "J": 4,
    "N": NUM_ROWS,
    "np": np,
    "pt": pt,
    "pm": pm,
    "ppl": ppl,
}


def columns(page: str) -> dict[str, tuple[str, str]]:
    """Of each model of a page: their code, and ours."""
    sections = re.findall(r"^## (.+?)\n\n````\{list-table\}(.*?)^````$", PAGES[page], flags=re.MULTILINE | re.DOTALL)
    found = {}
    for title, table in sections:
        codes = re.findall(r"```\w+\n(.*?)^    ```", table, flags=re.MULTILINE | re.DOTALL)
        theirs, ours = (re.sub(r"^    ", "", code, flags=re.MULTILINE) for code in codes)
        found[title] = theirs, ours
    return found


OURS = {title: ours for title, (_, ours) in columns("how-to/from_pymc.md").items()}


def run(code: str) -> dict:
    names = dict(DATA)
    exec(code, names)
    return names


@pytest.mark.parametrize("page", FROM)
def test_all_pages_show_the_same_models(page):
    assert len(FROM) == 4
    assert {title: ours for title, (_, ours) in columns(page).items()} == OURS
    assert len(OURS) == 5


@pytest.mark.parametrize("title", OURS)
def test_ours_run(title):
    plan = ppl.plan(run(OURS[title])["model"], sampler="nuts", progress=False)
    assert {a.method for a in plan.assignments} <= {"nuts", "marginalize"}


@pytest.mark.parametrize("title", ["Linear regression", "A mixture", "A changepoint"])
def test_densities_are_those_of_pymc(title):
    """Where both are of the same variables: PyMC's chain needs another package, its hierarchy is of another form.

    PyMC takes logarithms of parameters that are integers in single precision: its terms are right to eight digits.
    """
    theirs = run(columns("how-to/from_pymc.md")[title][0])["model"]
    summed = [name for name in ("k",) if name in OURS[title]]
    joint = graphs.logprob(run(OURS[title])["model"], marginalize=summed or False, space="unconstrained")
    point = {name: value + 0.2 for name, value in theirs.initial_point().items() if name != "tau"}
    point |= {"tau": np.array(11)} if "tau" in joint.values else {}
    values = {str(value.name): value for value in joint.values.values()}
    assert values.keys() == point.keys()
    ours = joint.total.eval({values[name]: number for name, number in point.items()})
    assert np.isclose(ours, theirs.compile_logp()(point), rtol=1e-8)
