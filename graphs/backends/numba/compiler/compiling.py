"""Compile a graph to a program."""

from __future__ import annotations

from collections.abc import Sequence

from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.backends.numba.compiler.codegen import generate
from graphs.backends.numba.compiler.prepare import rewritten
from graphs.backends.numba.compiler.shapes import static_shapes
from graphs.backends.numba.compiler.turning import turn

# Lowerings are registered by importing the modules that define them.
from graphs.backends.numba.lowering import (  # noqa: F401
    cumulative,
    elemwise,
    fallback,
    indexing,
    linalg,
    random,
    scan,
    shaping,
    sorting,
)
from graphs.backends.numba.machine_code.c_functions import compile_function
from graphs.backends.numba.program import Program
from graphs.layout import Layout
from graphs.recursion import numba_linking, numba_lowering  # noqa: F401  (lowerings)


def compile_program(
    inputs: Sequence[TensorVariable],
    outputs: Sequence[TensorVariable],
    *,
    value: TensorVariable | None = None,
    context: Sequence[TensorVariable] = (),
    rng: Variable | None = None,
    next_rng: Variable | None = None,
    name: str = "program",
) -> Program:
    """Compile a graph to one C function over flat vectors.

    Parameters
    ----------
    inputs : sequence of TensorVariable
        Named, of static shape; laid out one after the other in ``x``.
    outputs : sequence of TensorVariable
        Laid out one after the other in ``out``.
    value : TensorVariable, optional
        Shape (): what the function returns, for example a log-density.
    context : sequence of TensorVariable
        Further inputs, laid out in ``context``.
    rng : Variable, optional
        The generator that the graph draws from.
    next_rng : Variable, optional
        The generator after the last draw: draws that only it depends on are made too.
    name : str
        Begins the name of the compiled function; a Python identifier.

    Returns
    -------
    Program
        The compiled graph.

    Raises
    ------
    BackendError
        If an operation has no Numba implementation, a shape depends on values, or an input is missing.

    Notes
    -----
    A failing check (``Assert``, parameter checks, a Cholesky factorisation of a matrix that is not positive definite)
    does not raise: the value is then minus infinity, and every output NaN.

    Examples
    --------
    >>> import numpy as np, pytensor.tensor as pt
    >>> x = pt.tensor("x", shape=(3,))
    >>> logdensity = -0.5 * (x**2).sum()
    >>> program = compile_program([x], [pt.grad(logdensity, x)], value=logdensity)
    >>> program(np.array([1.0, 2.0, 3.0]))
    (-7.0, array([-1., -2., -3.]))
    """
    generators = [] if rng is None else [rng]
    results = [*outputs, *([] if value is None else [value]), *([] if next_rng is None else [next_rng])]
    layouts = Layout.of(inputs), Layout.of(context)
    fgraph = rewritten([*inputs, *context, *generators], results)
    turn(fgraph)
    shapes = static_shapes(fgraph)
    code = generate(
        fgraph,
        shapes,
        num_inputs=len(inputs),
        num_context=len(context),
        num_outputs=len(outputs),
        has_value=value is not None,
    )
    function = compile_function(code.source, name, code.names, code.known, code.parts)
    return Program(
        function=function,
        source=code.source,
        fgraph=fgraph,
        inputs=layouts[0],
        context=layouts[1],
        output_shapes=tuple(shapes[v] for v in fgraph.outputs[: len(outputs)]),
        output_dtypes=tuple(v.type.dtype for v in outputs),
        fdata=code.fdata,
        idata=code.idata,
        work_size=code.work_size,
        callbacks=code.callbacks,
    )
