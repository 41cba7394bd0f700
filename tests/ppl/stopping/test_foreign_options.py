"""Options that other libraries have are answered with their names here.

Answers: the signature of `ppl.sample`, and the documentation of the others.
"""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import ppl
from ppl.stopping.foreign_options import DONE_ELSEWHERE, NAMES_ELSEWHERE, remedy_of
from ppl.stopping.options import OPTIONS

HERE = {*inspect.signature(ppl.sample).parameters, *OPTIONS} - {"options"}


def test_names_here_exist_and_those_there_do_not():
    for here, names in NAMES_ELSEWHERE.items():
        assert here in HERE
        assert HERE.isdisjoint(names), here
    assert HERE.isdisjoint(DONE_ELSEWHERE)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("initvals", "its name here is init="),  # PyMC
        ("random_seed", "its name here is seed="),  # PyMC
        ("num_warmup", "its name here is tune="),  # NumPyro
        ("adapt_delta", "its name here is target_accept="),  # Stan
        ("idata_kwargs", "ppl.log_likelihood"),
        ("no_such_thing", "there are target_accept, "),
    ],
)
def test_what_is_said(option, said):
    assert said in remedy_of(option, OPTIONS)
    y = ppl.Normal("y", ppl.Normal("m", 0, 1), 1)
    with pytest.raises(ppl.SamplingError, match=said.replace("(", r"\(")):
        ppl.sample(ppl.Model({y: np.zeros(2)}), **{option: 1})
