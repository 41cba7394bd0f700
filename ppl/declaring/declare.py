"""What a model holds besides random variables: named expressions, log-density terms, data, bare log-densities."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.supports import Support
from graphs.surgery.pickling import reduced
from graphs.surgery.printing import dprint
from ppl.chunks.arrays import as_source
from ppl.chunks.source import Source, input_for
from ppl.declaring.declaration import Declaration, Dims, check_axes, check_name, declare, read_dims
from ppl.declaring.flat import flat_variable
from ppl.declaring.forgotten import remember
from ppl.reading.alignment import check_labels, own_dims, with_axes_in_order
from ppl.reading.arrays import read_complete

__all__ = ["Data", "Declaration", "Density", "Deterministic", "Potential"]


def Deterministic(name: str, expr: Any, dims: Dims | None = None) -> TensorVariable:
    """Name an expression, so that its draws are kept in the trace.

    Parameters
    ----------
    name : str
        Name of the expression.
    expr : TensorVariable
        Any graph of random variables and data.
    dims : str, sequence of str, or mapping of str to int or labels, optional
        Names of its axes.

    Returns
    -------
    TensorVariable
        A named copy of ``expr``. A model finds it where something that it is given depends on it; where nothing does,
        it is given to the model, ``ppl.Model({y: data}, z)``: else the plan names it.

    Raises
    ------
    ModelError
        If the name is missing or the dims do not fit.

    Examples
    --------
    >>> import ppl
    >>> x = ppl.Normal("x", 0, 1)
    >>> ppl.Deterministic("twice", 2 * x).name
    'twice'
    """
    check_name(name, "Deterministic")
    variable = _declared_copy(name, expr, dims)
    variable.tag.deterministic = True
    remember(variable)
    return variable


def Potential(name: str, expr: Any, dims: Dims | None = None) -> TensorVariable:
    """Name a term that is added to the joint log-density.

    Parameters
    ----------
    name : str
        Name of the term.
    expr : TensorVariable
        A graph; its elements are summed.
    dims : str, sequence of str, or mapping of str to int or labels, optional
        Names of its axes.

    Returns
    -------
    TensorVariable
        A named copy of ``expr``; give it to the model: ``ppl.Model({y: data}, potential)``.

    Raises
    ------
    ModelError
        If the name is missing or the dims do not fit.

    Examples
    --------
    >>> import ppl
    >>> x = ppl.Normal("x", 0, 1)
    >>> penalty = ppl.Potential("penalty", -(x**4))
    """
    check_name(name, "Potential")
    variable = _declared_copy(name, expr, dims)
    variable.tag.potential = True
    return variable


def Data(name: str, array: Any, dims: Dims | None = None) -> TensorVariable:
    """Name an array on which the model depends, so that it is kept with the trace as constant data.

    Parameters
    ----------
    name : str
        Name of the array.
    array : array_like
        Numbers; floating ones become float64, integers int64. A copy is kept, but of data in chunks: arrays of dask,
        zarr and h5py, memory maps, and columns of Parquet files (``ppl.parquet``) stay where they are, and likelihoods
        of them are reduced to sufficient statistics in one pass.
    dims : str, sequence of str, or mapping of str to int or labels, optional
        Names of its axes; those of an xarray ``DataArray`` by default.

    Returns
    -------
    TensorVariable
        A named constant of static shape; of data in chunks an input.

    Raises
    ------
    ModelError
        If the name is missing, the array does not hold numbers, elements are masked, the dims do not fit, or sizes of
        chunks are unknown.

    Examples
    --------
    >>> import ppl
    >>> x = ppl.Data("x", [1, 2, 3], dims="time")
    >>> x.type.shape, x.type.dtype
    ((3,), 'int64')
    """
    check_name(name, "Data")
    source = as_source(array, name)
    if source is not None:
        return _data_in_chunks(name, source, tuple(getattr(array, "dims", ())) or None if dims is None else dims)
    axes = read_dims(own_dims(array) if dims is None else dims, name)
    what = f"The elements of {name}"
    if axes is not None:
        array = with_axes_in_order(array, axes.dims, what, name)
        check_labels(array, axes.dims, axes.coords, what, name)
    values = read_complete(array, what, name)
    variable = pt.constant(values, name=name)
    check_axes(variable, axes, name)
    variable.tag.data = True
    return declare(variable, Declaration(name, axes.dims if axes else None, coords=axes.coords if axes else {}))


def _data_in_chunks(name: str, source: Source, dims: Dims | None) -> TensorVariable:
    axes = read_dims(dims, name)
    variable = input_for(name, source)
    check_axes(variable, axes, name)
    return declare(variable, Declaration(name, axes.dims if axes else None, coords=axes.coords if axes else {}))


def _declared_copy(name: str, expr: Any, dims: Dims | None) -> TensorVariable:
    axes = read_dims(dims, name)
    try:
        tensor = pt.as_tensor_variable(expr)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise ModelError(f"{name} is an expression of variables or numbers, not {expr!r}: {error}", name) from error
    variable: TensorVariable = pt.tensor_copy(tensor)
    check_axes(variable, axes, name)
    return declare(variable, Declaration(name, axes.dims if axes else None, coords=axes.coords if axes else {}))


class Density:
    """A log-density that is written down instead of declared by distributions.

    Parameters
    ----------
    logdensity : callable
        Function of the variables, by name, that returns the log-density up to a constant as a scalar graph.
    support : mapping of str to str, (lower, upper) or Support
        For each argument of ``logdensity`` where it may lie: "real", "positive", "unit", "simplex", bounds (one of them
        may be infinite), or ``graphs.supports.integers(lower, upper)``.
    shapes : mapping of str to int or tuple of int, optional
        Shapes of those variables that are not scalar.
    dims : mapping of str to dims, optional
        Names of their axes; a mapping there gives lengths, and so the shape.
    name : str, optional
        Name of the term in the joint log-density.

    Attributes
    ----------
    variables : mapping of str to TensorVariable
        The latent variables, in the order of the arguments; also ``density["x"]``.
    potential : TensorVariable
        Shape (), float64: the log-density as a graph of them, less that of the distributions that stand for their
        supports.

    Raises
    ------
    ModelError
        If an argument has no support, or the log-density is not scalar.

    Examples
    --------
    >>> import ppl, pytensor.tensor as pt
    >>> density = ppl.Density(
    ...     lambda x, y: 2 * pt.log(x) - x * y**2 - y**2 + 2 * y - 4 * x,
    ...     support={"x": "positive", "y": "real"},
    ... )
    >>> list(density.variables)
    ['x', 'y']
    """

    variables: Mapping[str, TensorVariable]
    potential: TensorVariable

    def __init__(
        self,
        logdensity: Callable[..., Any],
        support: Mapping[str, Support | str | tuple[float, float]],
        *,
        shapes: Mapping[str, int | tuple[int, ...]] | None = None,
        dims: Mapping[str, Dims] | None = None,
        name: str = "density",
    ):
        check_name(name, "Density")
        shapes, dims = dict(shapes or {}), dict(dims or {})
        arguments = _arguments_of(logdensity, support, {"shapes": shapes, "dims": dims}, name)
        variables, corrections = {}, []
        for argument in arguments:
            rv, correction = flat_variable(argument, support[argument], shapes.get(argument), dims.get(argument))
            variables[argument] = rv
            corrections.append(correction)
        total = pt.as_tensor_variable(logdensity(**variables))
        if total.type.ndim:
            raise ModelError(
                f"The log-density {name} is an array with {total.type.ndim} axes; it has to be one number: sum it.",
                name,
            )
        self._set(variables, Potential(name, pt.cast(total, "float64") + pt.add(*corrections, np.float64(0.0))))

    def _set(self, variables: Mapping[str, TensorVariable], potential: TensorVariable) -> None:
        self.variables = MappingProxyType(dict(variables))
        self.potential = potential

    @classmethod
    def _of(cls, variables: Mapping[str, TensorVariable], potential: TensorVariable) -> Density:
        density = cls.__new__(cls)
        density._set(variables, potential)
        return density

    def __reduce__(self) -> tuple[Any, ...]:
        return reduced(Density._of, dict(self.variables), self.potential)

    def __getitem__(self, name: str) -> TensorVariable:
        if name not in self.variables:
            raise ModelError(f"There is no variable {name!r}; the density has {', '.join(self.variables)}.", name)
        return self.variables[name]

    def __repr__(self) -> str:
        return f"Density({self.potential.name!r}, variables: {', '.join(self.variables)})"

    def dprint(self, file: Any = None) -> Any:
        """Print the graph of the log-density; ``file="str"`` returns it instead.

        Parameters
        ----------
        file : text stream or "str", optional
            Where to print; standard output by default.
        """
        return dprint(self.potential, file=file)


def _arguments_of(
    logdensity: Callable[..., Any],
    support: Mapping[str, Any],
    others: Mapping[str, Mapping[str, Any]],
    name: str,
) -> list[str]:
    """Return the names of the variables, all of which have a support."""
    parameters = inspect.signature(logdensity).parameters.values()
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD, p.POSITIONAL_ONLY) for p in parameters):
        raise ModelError(
            f"The log-density {name} has to be a function of named arguments, one for each variable.", name
        )
    missing = [p.name for p in parameters if p.name not in support and p.default is p.empty]
    if missing:
        raise ModelError(
            f"The log-density {name} depends on {', '.join(missing)}, whose support is not given: "
            f'support={{"{missing[0]}": "real"}}, "positive", "unit", "simplex" or (lower, upper).',
            missing[0],
        )
    arguments = [p.name for p in parameters if p.name in support]
    for what, given in {"support": support, **others}.items():
        for unknown in given.keys() - set(arguments):
            raise ModelError(f"{what} names {unknown}, which is not an argument of the log-density {name}.", unknown)
    if not arguments:
        raise ModelError(f"The log-density {name} has no arguments; it has to be a function of the variables.", name)
    return arguments
