"""The tree of results is the one that ArviZ makes of the same arrays.

Answers: the tree that ArviZ makes.
"""

from __future__ import annotations

import numpy as np
import pytest
from arviz_base import from_dict
from xarray import DataTree

import ppl
from ppl.running.results import to_datatree


def model() -> ppl.Model:
    schools = ["A", "B", "C"]
    theta = ppl.Normal("theta", 0, 1, dims={"school": schools})
    cutoff = ppl.Normal("cutoff", 0, 1, size=(2, 2))
    x = ppl.Data("x", np.arange(6).reshape(3, 2))
    y = ppl.Normal("y", theta + cutoff.sum() + x.sum(axis=1), 1)
    return ppl.Model({y: np.array([1.0, 2.0, 3.0])}, dims={"y": ("school",)})


def without_origin(tree: DataTree) -> DataTree:
    """Drop when, and by which library, the tree was made."""
    for node in tree.subtree:
        node.attrs = {k: v for k, v in node.attrs.items() if not k.startswith("creat")}
    return tree


@pytest.mark.parametrize("num_draws", [5, 2])
def test_tree(num_draws: int) -> None:
    rng, chains = np.random.default_rng(1), 3
    shape = (chains, num_draws)
    posterior = {"theta": rng.normal(size=(*shape, 3)), "cutoff": rng.normal(size=(*shape, 2, 2)), "k": np.ones(shape)}
    groups = {
        "posterior": posterior,
        "sample_stats": {"lp": rng.normal(size=shape), "tree_depth": rng.integers(0, 5, shape)},
        "warmup_posterior": posterior,
        "warmup_sample_stats": {},
        "log_likelihood": {"y": rng.normal(size=(*shape, 3))},
    }
    m, extra = model(), {"k_probability": ("state",)}
    groups["posterior"] = {**posterior, "k_probability": rng.random((*shape, 2))}
    attributes = {"backend": "numba", "interrupted": False, "versions": {"a": "1"}}
    found = to_datatree(m, groups, attributes, extra, {"state": np.array([3, 5])})
    plain = {"backend": "numba", "interrupted": 0, "versions": "a 1"}
    expected = from_dict(
        {
            **{group: values for group, values in groups.items() if values},
            "observed_data": {"y": np.array([1.0, 2.0, 3.0])},
            "constant_data": {"x": np.arange(6).reshape(3, 2)},
        },
        coords={"school": ["A", "B", "C"], "state": [3, 5]},
        dims={"theta": ["school"], "y": ["school"], "k_probability": ["state"]},
        save_warmup=True,
        # It warns of more chains than draws, which are what was asked for.
        check_conventions=False,
        attrs={"/": plain, "posterior": plain, "warmup_posterior": plain},
    )
    assert list(found.children) == list(expected.children)
    assert without_origin(found).identical(without_origin(expected))
    assert [*found.posterior.data_vars] == [*expected.posterior.data_vars]
    assert np.shares_memory(found.posterior["theta"].to_numpy(), posterior["theta"])
