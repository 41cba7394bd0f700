"""Lengths of axes that types tell are those of the arrays; what they do not tell is left to PyTensor.

Answers: lengths of arrays of NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytest

from graphs.mended.lengths import static_lengths

x = pt.tensor("x", shape=(3, 4))
part = pt.tensor("part", shape=(None, 2))
number = pt.iscalar("number")

KNOWN: dict[str, tuple[Any, tuple[int, ...]]] = {
    "a vector": (x.shape, (3, 4)),
    "single lengths": ((x.shape[0], 2), (3, 2)),
    "a sum": ((x.shape[0] + x.shape[1],), (7,)),
    "a choice": ((pt.switch(x.shape[0] > 2, 5, x.shape[1]),), (5,)),
    "parts of parts": ((pt.stack([x.shape[1], x.shape[0]])[1:][0],), (3,)),
    "one of which the other axis is unknown": ((part.shape[1],), (2,)),
    "the place of a diagonal": ((pt.alloc(x.shape[0], 1).squeeze() + 1,), (4,)),
}


@pytest.mark.parametrize("case", list(KNOWN))
def test_lengths_are_those_of_arrays(case: str) -> None:
    shape, expected = KNOWN[case]
    graphs, lengths = static_lengths(shape)
    assert tuple(lengths) == expected
    assert [
        int(g.eval({x: np.zeros((3, 4)), part: np.zeros((5, 2))}, on_unused_input="ignore")) for g in graphs
    ] == list(expected)


@pytest.mark.parametrize("shape", [(part.shape[0], 2), (number, 2), (part.shape[0] + x.shape[0], 2)])
def test_what_types_do_not_tell_is_unknown(shape: Any) -> None:
    assert tuple(static_lengths(shape)[1]) == (None, 2)


def test_lengths_are_whole_numbers() -> None:
    with pytest.raises(TypeError, match="integers"):
        static_lengths((pt.dscalar(),))


def test_repeated_arrays_know_their_shape() -> None:
    assert pt.alloc(0.0, x.shape[0], part.shape[1]).type.shape == (3, 2)
