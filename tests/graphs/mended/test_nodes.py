"""Types and operations on elements are those that PyTensor makes by itself, and so is what it refuses.

Answers: PyTensor's own.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.type import TensorType

from graphs.mended import nodes

KINDS = ("bool", "int8", "int64", "uint16", "float16", "float32", "float64", "complex64")
SHAPES: dict[str, Any] = {
    "numbers": (2, 3),
    "a list": [4],
    "none": (),
    "unknown": (None, 1),
    "truth values": (True, False),
    "NumPy's numbers": (np.int64(3),),
    "one number": 3,
}
OPS = {"add": pt.add, "true_div": pt.true_div, "exp": pt.exp, "gt": pt.gt, "pow": pt.pow, "abs": pt.abs, "and": pt.and_}


def described(made: TensorType) -> tuple[Any, ...]:
    kinds = [type(n) for n in (*made.shape, *made.broadcastable)]
    return made.dtype, made.shape, made.broadcastable, made.ndim, made.numpy_dtype, made.name, kinds


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [*KINDS, "floatX", np.float64, np.dtype("int32")])
def test_types_are_those_of_pytensor(shape: str, dtype: Any) -> None:
    made, theirs = (TensorType.__new__(TensorType) for _ in range(2))
    nodes.make_type(made, dtype, SHAPES[shape], "a name")
    nodes._make_type(theirs, dtype, SHAPES[shape], "a name")
    assert described(made) == described(theirs)


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [("float", None), ("nonsense", (2,)), ("float64", ("a",)), ("float64", (1,) * 65), ("str", (1,))],
)
def test_types_are_refused_as_by_pytensor(dtype: str, shape: Any) -> None:
    messages = []
    for make in (nodes.make_type, nodes._make_type):
        with pytest.raises((TypeError, ValueError)) as caught:
            make(TensorType.__new__(TensorType), dtype, shape)
        messages.append((caught.type, str(caught.value)))
    assert messages[0] == messages[1]


def info(found: tuple[Any, ...]) -> tuple[Any, ...]:
    kinds, shapes, inputs = found
    return kinds, [list(s) for s in shapes], [(i.type, str(i.owner and i.owner.op)) for i in inputs]


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("policy", ["custom", "numpy+floatX"])
def test_operations_on_elements_give_what_pytensor_says(name: str, policy: str) -> None:
    op, shapes = OPS[name], [(2, 3), (), (None, 1), (3,)]
    variables = [pt.tensor(dtype=dtype, shape=shape) for dtype, shape in product(KINDS, shapes)]
    pairs = [(a,) for a in variables] if op.scalar_op.nin == 1 else list(product(variables, variables))
    # Another policy before: kinds of numbers depend on it.
    with pytensor.config.change_flags(cast_policy=policy):
        for inputs in pairs:
            try:
                theirs = info(nodes._output_info(op, *inputs))
            except (TypeError, NotImplementedError) as error:
                with pytest.raises(type(error)):
                    nodes.output_info(op, *inputs)
                continue
            assert info(nodes.output_info(op, *inputs)) == theirs


def test_shapes_that_do_not_fit_are_refused_as_by_pytensor() -> None:
    with pytest.raises(ValueError, match="Incompatible Elemwise input shapes"):
        pt.zeros((2, 3)) + pt.tensor(shape=(4,), dtype="float64")


def test_operations_of_several_results_have_the_shape_of_each() -> None:
    [whole, part] = Elemwise(pytensor.scalar.basic.Composite([a := pytensor.scalar.float64("a")], [a + 1, a * 2]))(
        pt.tensor(shape=(2, 1), dtype="float64")
    )
    assert whole.type.shape == part.type.shape == (2, 1)
