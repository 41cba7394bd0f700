"""How a PyMC distribution becomes a function that declares a named random variable."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions import multivariate
from pytensor.graph.basic import Variable
from pytensor.graph.utils import add_tag_trace
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.surgery.traces import untraced
from graphs.warned import filtered
from ppl.declaring.declaration import Axes, Declaration, check_axes, check_name, declaration_of, declare, read_dims
from ppl.declaring.parameters import cast_parameter, check_cutpoints
from ppl.declaring.transforms import resolve_transform

REFUSED = {
    "observed": "condition on data with ppl.Model({{{name}: data}})",
    "total_size": "declare a ppl.Potential with the scaled log-density",
    "return_next_rng": "the generator is the sampler's business",
}
OWN_PARAMETERS = ("name", "size", "shape", "dims", "transform", "default_transform", "initval")
# PyMC's ``dist`` also computes the matrices; these belong into ppl.Deterministic.
DEFAULTS: dict[str, dict[str, Any]] = {"LKJCholeskyCov": {"compute_corr": False}}

HANDED_ON: dict[str, tuple[str, ...]] = {"Normal": ("mu", "sigma"), "LogNormal": ("mu", "sigma")}
"""Parameters that PyMC hands on as they are. It also computes a precision of the scale, which nobody reads, and which
takes longer than all else where variables are declared in a loop."""

DOCUMENTATION = """Declare a random variable: {title}.

Thin wrapper of pymc.{title}; same parameters, defaults and transform.

Parameters
----------
name : str
    Name of the variable.
{parameters}
size : int or tuple of int, optional
    Shape of a batch of independent draws; the support's own axes come after it.
shape : int or tuple of int, optional
    The whole shape; instead of ``size``.
dims : str, sequence of str, or mapping of str to int or labels, optional
    Names of the axes. A mapping gives lengths, or labels, with them: ``dims={{"school": ["A", "B"]}}``.
transform : {{"default", None}}, str or pymc.logprob.transforms.Transform, optional
    Change of variables to the unconstrained space: PyMC's default one, none, or one more that is applied after the
    default one: by name ("circular", "log", "log_exp_m1", "logodds", "ordered", "simplex") or as an object. The whole
    has to reach all of the support.
default_transform : {{"default", None}} or pymc.logprob.transforms.Transform, optional
    What comes first in the place of PyMC's default one; None is nothing, so that ``transform`` is the whole.
initval : array_like or str, optional
    Starting value.

Returns
-------
TensorVariable
    The random variable.

Raises
------
ModelError
    If the name is missing, or the parameters, dims or transform are not those of such a variable.
"""


def dist_signature(title: str) -> inspect.Signature:
    """Return the signature of ``pymc.<title>.dist`` without what the wrapper handles itself."""
    own = {*OWN_PARAMETERS, "return_next_rng"}
    parameters = [
        p.replace(annotation=inspect.Parameter.empty, default=DEFAULTS.get(title, {}).get(p.name, p.default))
        for p in inspect.signature(_signature_source(title)).parameters.values()
        if p.kind is not p.VAR_KEYWORD and p.name not in own and not (p.kind is p.VAR_POSITIONAL and p.name == "args")
    ]
    known = {p.name for p in parameters}
    parameters += [p for p in _passed_on(title) if p.name not in known]
    return inspect.Signature(parameters)


def _passed_on(title: str) -> list[inspect.Parameter]:
    """Return the parameters that PyMC takes without showing them in the signature."""
    hidden: dict[str, Any] = {"steps": None} if title.endswith("RandomWalk") else {}
    if title == "CustomDist":
        hidden["class_name"] = title
    if title == "Simulator":
        hidden["summary"] = None
    return [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=d) for n, d in hidden.items()]


def wrapper_signature(title: str) -> inspect.Signature:
    """Return the signature of ``ppl.<title>``: the name, PyMC's parameters, then those of every declaration."""
    parameters = dist_signature(title).parameters.values()
    own = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default="default" if "transform" in name else None)
        for name in OWN_PARAMETERS[1:]
    ]
    first = inspect.Parameter("name", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return inspect.Signature([first, *parameters, *own], return_annotation=TensorVariable)


def _signature_source(title: str) -> Callable[..., Any]:
    """Where PyMC's class passes everything on, the method that it passes it to."""
    distribution = getattr(pm, title)
    if hasattr(distribution, "get_dists"):
        return distribution.get_dists
    hidden = getattr(multivariate, f"_{title}", None)
    return distribution.dist if hidden is None or title in DEFAULTS else hidden.dist


def _described_parameters(title: str) -> str:
    """Return the section on parameters of PyMC's docstring, without its underline.

    Shapes with a star are code there, which PyMC does not mark; references that are not carried over leave no mark.
    """
    text = inspect.getdoc(getattr(pm, title)) or ""
    match = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[^\n]*\n-+$|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    lines = match.group(1).rstrip().splitlines() if match else []
    text = "\n".join(line.rstrip() for line in lines if not line.startswith("name "))
    return re.sub(r"(?<!`)\(\*[^()]*\)(?!`)", r"``\g<0>``", re.sub(r" ?\[\d+\]_", "", text))


def _check_components(arguments: dict[str, Any], name: str) -> None:
    """Raise on a named component: it would look like a latent variable, which it is not."""
    for parameter in ("dist", "comp_dists", "init_dist", "innovation_dist", "sd_dist"):
        given = arguments.get(parameter)
        for component in given if isinstance(given, list | tuple) else (given,):
            if isinstance(component, Variable) and (declared := declaration_of(component)) is not None:
                raise ModelError(
                    f"{parameter} of {name} is the variable {declared.name}; a component is a distribution and has no "
                    "name: use the dist of PyMC's class, such as pm.Normal.dist(0, 1).",
                    name,
                )


def _plain_size(size: Any) -> Any:
    if isinstance(size, np.integer):
        return int(size)
    if isinstance(size, list | tuple | np.ndarray):
        return tuple(int(n) if isinstance(n, np.integer) else n for n in size)
    return size


def _bind(title: str, signature: inspect.Signature, name: str, args: tuple, kwargs: dict[str, Any]) -> Any:
    """Return the arguments of PyMC's ``dist``, defaults included, in the dtypes that we give them."""
    for refused, remedy in REFUSED.items():
        if refused in kwargs:
            raise ModelError(f"ppl.{title} does not take {refused}=: {remedy.format(name=name)}.", name)
    _refuse_unknown(title, signature, name, kwargs)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise ModelError(f"{name}: ppl.{title}: {error}; its parameters are {signature}.", name) from error
    bound.apply_defaults()
    if title == "Simulator" and (summary := bound.arguments.pop("summary")) is not None:
        # A plainer name of PyMC's.
        bound.arguments["sum_stat"] = summary
    _check_components(bound.arguments, name)
    try:
        for parameter, value in bound.arguments.items():
            kind = signature.parameters[parameter].kind
            if kind is inspect.Parameter.VAR_POSITIONAL:
                bound.arguments[parameter] = tuple(cast_parameter(v, title, parameter) for v in value)
            else:
                bound.arguments[parameter] = cast_parameter(value, title, parameter)
    except ModelError as error:
        raise ModelError(f"{name}: {error}", name) from error
    check_cutpoints(bound.arguments.get("cutpoints"), name)
    return bound


def _refuse_unknown(title: str, signature: inspect.Signature, name: str, kwargs: dict[str, Any]) -> None:
    """Raise on a name that is no parameter: PyMC ignores what it does not know, and takes the default instead."""
    known = [p.name for p in signature.parameters.values() if p.kind is not p.VAR_POSITIONAL]
    for unknown in kwargs.keys() - set(known):
        nearest = get_close_matches(unknown, [*known, *OWN_PARAMETERS[1:]], 1)
        guess = f" Did you mean {nearest[0]}?" if nearest else ""
        raise ModelError(
            f"{name}: ppl.{title} has no parameter {unknown!r}.{guess} Its parameters are "
            f"{', '.join([*known, *OWN_PARAMETERS[1:]])}.",
            name,
        )


def _of_dims(title: str, name: str, bound: inspect.BoundArguments, axes: Axes) -> TensorVariable:
    """Return a random variable whose shape is that of its dims; of the lengths that nobody gives, the model's."""
    if axes.shape is not None:
        return _made(title, name, bound, shape=axes.shape)
    try:
        rv = _made(title, name, bound)
    except ModelError:
        # Some need to know a length, and a symbolic one does.
        return _made(title, name, bound, shape=axes.shape_with(()))
    own = rv.type.shape
    return _made(title, name, bound, shape=axes.shape_with(own)) if len(own) < len(axes.dims) else rv


def _made(title: str, name: str, bound: inspect.BoundArguments, **sizes: Any) -> TensorVariable:
    """Return the random variable that PyMC makes of these arguments."""
    try:
        # The second are of draws by an inverse cumulative probability, in a form that we do not use. PyMC makes a dozen
        # variables for one, and the line of source is the same for all.
        with (
            filtered("error", ".*automatically rescaled.*", UserWarning),
            filtered("ignore", "RandomVariables .* were found", UserWarning),
            untraced(),
        ):
            rv = _dist(title, bound, sizes)
    except UserWarning as warning:
        if "rescaled" not in str(warning):
            raise
        raise ModelError(
            f"{name}: {str(warning).split(' They')[0]} Divide the probabilities by their sum.", name
        ) from warning
    except (TypeError, ValueError, NotImplementedError) as error:
        if "support_shape" in str(error):  # size= counts such vectors, and does not say how long they are
            raise ModelError(
                f"{name}: ppl.{title} does not know how long its vectors are: give their length by shape=, as in "
                f"shape=(..., n), or by dims=; size= is how many of them there are.",
                name,
            ) from error
        raise ModelError(f"{name}: pymc.{title} refuses its parameters: {error}", name) from error
    if not isinstance(rv, TensorVariable):
        raise ModelError(
            f"{name}: ppl.{title} with these arguments is several variables, not one; leave compute_corr out and "
            "build the matrices with ppl.Deterministic.",
            name,
        )
    return add_tag_trace(rv)


def _dist(title: str, bound: inspect.BoundArguments, sizes: dict[str, Any]) -> Any:
    """Return what PyMC's ``dist`` does."""
    distribution = getattr(pm, title)
    names = HANDED_ON.get(title)
    given = {n for n, value in bound.arguments.items() if value is not None}
    if names is None or given != set(names):
        return distribution.dist(*bound.args, **bound.kwargs, **sizes)
    parameters = [pt.as_tensor_variable(bound.arguments[name]) for name in names]
    return super(distribution, distribution).dist(parameters, **sizes)


def make_wrapper(title: str) -> Callable[..., TensorVariable]:
    """Return the function that declares a random variable of ``pymc.<title>``.

    Parameters
    ----------
    title : str
        Name of the class in PyMC.

    Returns
    -------
    callable
        Its signature and docstring are generated from PyMC's.

    Examples
    --------
    >>> normal = make_wrapper("Normal")
    >>> normal("mu", 0, 10, size=3).type.shape
    (3,)
    """
    inner = dist_signature(title)

    def wrapper(
        name: str,
        *args: Any,
        size: Any = None,
        shape: Any = None,
        dims: Any = None,
        transform: Any = "default",
        default_transform: Any = "default",
        initval: Any = None,
        **kwargs: Any,
    ) -> TensorVariable:
        check_name(name, title)
        bound = _bind(title, inner, name, args, kwargs)
        axes = read_dims(dims, name)
        if size is None and shape is None and axes is not None:
            rv = _of_dims(title, name, bound, axes)
        else:
            sizes = {k: _plain_size(v) for k, v in (("size", size), ("shape", shape)) if v is not None}
            rv = _made(title, name, bound, **sizes)
        check_axes(rv, axes, name)
        resolved = resolve_transform(rv, transform, default_transform, name)
        dims, coords = (axes.dims, axes.coords) if axes else (None, {})
        return declare(rv, Declaration(name, dims, resolved, initval, coords))

    wrapper.__name__ = wrapper.__qualname__ = title
    wrapper.__doc__ = DOCUMENTATION.format(title=title, parameters=_described_parameters(title))
    wrapper.__signature__ = wrapper_signature(title)  # type: ignore[attr-defined]
    return wrapper
