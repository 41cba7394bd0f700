"""A model: a graph of random variables, some of them with data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

from numpy.typing import NDArray
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.joint.logprob import ModelGraph
from graphs.surgery.pickling import reduced
from graphs.surgery.printing import dprint
from ppl.chunks.reduction import Reduced, names_in_chunks, reduced_model
from ppl.declaring.declare import Density
from ppl.modelling.assembling import Parts, assemble
from ppl.modelling.changing import with_variables
from ppl.modelling.dimensions import check_clashes
from ppl.modelling.graphviz import DotSource, model_to_graphviz
from ppl.reporting.latex import model_to_latex


class Model:
    """A graph of random variables, conditioned on data. Immutable.

    Shared arrays (`pytensor.shared`) count as the constants that they are when the model is made.

    Parameters
    ----------
    observed : mapping of TensorVariable to array, or Density, Potential, random variable
        Data for random variables. NaN or masked elements are missing: they become a latent variable ``<name>_missing``.
        A variable with fewer axes than its data is repeated along the additional ones.
    *terms : TensorVariable or Density
        What else belongs to the model and is not found above the observed variables: potentials, deterministics,
        densities, random variables without observed descendants.
    coords : mapping of str to sequence, optional
        Labels of each dimension.
    dims : mapping of str to sequence of str, optional
        Names of the dimensions of each variable; those given where the variable was declared need not be repeated.

    Attributes
    ----------
    latent, observed, deterministics, potentials : mapping of str to TensorVariable
        The variables by name, parents first.
    observed_data, constant_data : mapping of str to array
        The data, but for those in chunks.
    in_chunks : tuple of str
        Observed variables and potentials that read data in chunks: arrays of dask, columns of Parquet files.
    graph, declared_graph : ModelGraph
        What samplers see, with statistics of data in chunks, for which all rows are read; with inputs in their place.
    coords, dims : mapping
        As given here and where variables were declared.

    Raises
    ------
    ModelError
        If names, shapes, types or supports do not fit; the message names the variable and the remedy.

    Examples
    --------
    >>> import numpy as np, ppl
    >>> mu = ppl.Normal("mu", 0, 10)
    >>> y = ppl.Normal("y", mu, 1)
    >>> ppl.Model({y: np.array([1.0, 2.0])})
    Model(latent: mu; observed: y)
    """

    latent: Mapping[str, TensorVariable]
    observed: Mapping[str, TensorVariable]
    deterministics: Mapping[str, TensorVariable]
    potentials: Mapping[str, TensorVariable]
    observed_data: Mapping[str, NDArray]
    constant_data: Mapping[str, NDArray]
    coords: Mapping[str, Sequence[Any]]
    dims: Mapping[str, tuple[str, ...]]
    declared_graph: ModelGraph
    parts: Parts
    _reduced: Reduced | None

    def __init__(
        self,
        observed: Mapping[TensorVariable, Any] | TensorVariable | Density,
        *terms: TensorVariable | Density,
        coords: Mapping[str, Sequence[Any]] | None = None,
        dims: Mapping[str, Sequence[str] | str] | None = None,
    ):
        if not isinstance(observed, Mapping):
            observed, terms = {}, (observed, *terms)
        for what, given in (("coords", coords), ("dims", dims)):
            if not isinstance(given, Mapping | None):
                raise ModelError(f"{what} of a model is a mapping, such as {{'g': ['a', 'b']}}, not {given!r}.")
        self._set(assemble(observed, terms, coords or {}, dims or {}))

    @classmethod
    def from_parts(cls, parts: Parts) -> Model:
        """Return the model of parts that have been found and checked; `ppl.from_pymc` makes models so.

        Parameters
        ----------
        parts : Parts
            Variables, data, transforms, dims and coords, as the attribute ``parts`` of a model has them.

        Returns
        -------
        Model
            With these parts.
        """
        model = cls.__new__(cls)
        model._set(parts)
        return model

    def _set(self, parts: Parts) -> None:
        drawn = {**parts.latent, **{n: rv for n, (rv, _) in parts.observed.items()}, **parts.deterministics}
        check_clashes(
            [{n: v.type.ndim for n, v in drawn.items()}, {n: a.ndim for n, a in parts.constant_data.items()}],
            parts.dims,
        )
        freeze = MappingProxyType
        graph = ModelGraph(parts.latent, parts.observed, parts.potentials, parts.transforms)
        fields = {
            "parts": parts,
            "latent": freeze(dict(parts.latent)),
            "observed": freeze({name: rv for name, (rv, _) in parts.observed.items()}),
            "deterministics": freeze(dict(parts.deterministics)),
            "potentials": freeze(dict(parts.potentials)),
            "observed_data": freeze(dict(parts.observed_data)),
            "constant_data": freeze(dict(parts.constant_data)),
            "coords": freeze(dict(parts.coords)),
            "dims": freeze(dict(parts.dims)),
            "declared_graph": graph,
            "_reduced": None if names_in_chunks(graph) else Reduced(graph),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    @property
    def in_chunks(self) -> tuple[str, ...]:
        """Observed variables and potentials that read data in chunks."""
        return tuple(names_in_chunks(self.declared_graph))

    @property
    def graph(self) -> ModelGraph:
        """What samplers see: no rows of data in chunks, but their statistics."""
        return self.reduced.graph

    @property
    def reduced(self) -> Reduced:
        """The model without rows of data in chunks, which are read when this is first asked for."""
        if self._reduced is None:
            object.__setattr__(self, "_reduced", reduced_model(self.declared_graph))
        return cast(Reduced, self._reduced)

    def replace(self, variables: Mapping[str, TensorVariable]) -> Model:
        """Return the model with other variables in the place of some: other priors, another likelihood.

        Parameters
        ----------
        variables : mapping of str to TensorVariable
            By the name of the variable that each takes the place of: random variables, which have data where that had,
            or expressions, which become deterministics. Of its shape and type. They may depend on variables of this
            model, ``model["mu"]``, and on new ones.

        Returns
        -------
        Model
            This one is not changed.

        Raises
        ------
        ModelError
            If there is no such variable, or what takes its place is of another shape or type, has another name, or
            depends on it.

        Examples
        --------
        >>> import ppl
        >>> sigma = ppl.HalfNormal("sigma", 1)
        >>> model = ppl.Model({ppl.Normal("y", 0, sigma): [0.3, -1.2]})
        >>> heavier = model.replace({"sigma": ppl.HalfCauchy("sigma", 1)})
        >>> heavier, heavier["sigma"].owner.op.name
        (Model(latent: sigma; observed: y), 'halfcauchy')
        """
        return Model.from_parts(with_variables(self.parts, variables))

    def __reduce__(self) -> tuple[Any, ...]:
        return reduced(_restored, self.parts, self._reduced if self.in_chunks else None)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"A model is immutable; make a new one with another {name!r} instead.")

    def __repr__(self) -> str:
        parts = [("latent", self.latent), ("observed", self.observed), ("deterministic", self.parts.deterministics)]
        parts.append(("potential", self.parts.potentials))
        return f"Model({'; '.join(f'{kind}: {", ".join(found)}' for kind, found in parts if found)})"

    def __getitem__(self, name: str) -> TensorVariable:
        """Return a variable by its name."""
        everything = self.named_variables
        if name not in everything:
            raise ModelError(f"There is no variable {name!r}; the model has {', '.join(everything)}.", name)
        return everything[name]

    @property
    def named_variables(self) -> dict[str, TensorVariable]:
        """All variables by name: latent ones, observed ones, deterministics, potentials, in this order."""
        return {**self.latent, **self.observed, **self.parts.deterministics, **self.parts.potentials}

    def dprint(self, file: Any = None) -> None:
        """Print the graph of every observed variable and potential, with the latent variables above them.

        Parameters
        ----------
        file : text stream, optional
            Where to print; standard output by default.

        Examples
        --------
        >>> import ppl
        >>> ppl.Model({ppl.Poisson("n", ppl.Gamma("rate", 2, 1)): [3, 1, 4]}).dprint()
        poisson_rv{"()->()"}.1 [id A] 'n'
        ...
        """
        outputs = [*self.observed.values(), *self.parts.potentials.values()]
        seen = set(ancestors(outputs))
        outputs += [v for v in self.latent.values() if v not in seen]
        outputs += [v for v in self.parts.deterministics.values() if v not in seen]
        dprint(outputs, file=file)

    def to_graphviz(self) -> Any:
        """Draw the model.

        Returns
        -------
        graphviz.Source
            Where that package is installed, else an object whose ``source`` is the same text, in the language DOT.

        Examples
        --------
        >>> import ppl
        >>> model = ppl.Model({ppl.Poisson("n", ppl.Gamma("rate", 2, 1)): [3, 1, 4]})
        >>> '"rate" -> "n"' in model.to_graphviz().source
        True
        """
        return model_to_graphviz(
            {**self.latent, **self.observed},
            observed=tuple(self.observed),
            deterministics=self.parts.deterministics,
            potentials=self.parts.potentials,
            dims=self.dims,
        )

    def to_latex(self) -> str:
        r"""Return the model as formulas, for a paper.

        Returns
        -------
        str
            Lines of LaTeX (``aligned``, of amsmath): distributions with their parameters, deterministics, potentials,
            and what letters of arrays stand for. Parameters are those of the random variables: where a rate was
            given, its inverse, a scale.

        Examples
        --------
        >>> import ppl
        >>> model = ppl.Model({ppl.Poisson("n", ppl.Exponential("lam", 2.0)): [3, 1, 4]})
        >>> print(model.to_latex())
        \begin{aligned}
        \lambda &\sim \operatorname{Exponential}\left(\text{scale}=0.5\right) \\
        n &\sim \operatorname{Poisson}\left(\lambda\right)
        \end{aligned}
        """
        return model_to_latex({**self.latent, **self.observed}, self.parts.deterministics, self.parts.potentials)

    def _repr_html_(self) -> str:
        drawing = self.to_graphviz()
        svg = getattr(drawing, "_repr_image_svg_xml", None)
        try:
            return str(svg()) if svg is not None else str(drawing._repr_html_())
        except Exception:  # graphviz raises its own kinds where the `dot` program is missing
            return DotSource(drawing.source)._repr_html_()


def _restored(parts: Parts, found: Reduced | None) -> Model:
    model = Model.from_parts(parts)
    if found is not None:
        object.__setattr__(model, "_reduced", found)
    return model


def require_model(model: object) -> None:
    """Raise ModelError unless it is a model."""
    if not isinstance(model, Model):
        raise ModelError(f"A ppl.Model is needed, not {type(model).__name__}; see ppl.Model and ppl.from_pymc.")
