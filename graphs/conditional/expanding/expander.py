"""Walk a log-density from one of its variables to the total, expanding every node in features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytensor
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.traversal import toposort
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.shape import Shape, Shape_i
from pytensor.tensor.variable import TensorVariable

from graphs.bounds.signs import Signs
from graphs.conditional.expanding.coefficients import as_coefficient, filled, number, plus, times
from graphs.conditional.expanding.count_rules import Offset
from graphs.conditional.expanding.expansion import CONSTANT, Expansion, Key, Monomial, Obstacle, Result
from graphs.conditional.expanding.formula import formula
from graphs.conditional.expanding.scalar_rules import expand_elemwise
from graphs.conditional.expanding.tensor_rules import expand_array_op, full
from graphs.conditional.expanding.views import ElementView
from graphs.supports import Support
from graphs.surgery.rebuilding import substitute


class Expander:
    """Natural parameters of a variable in a log-density.

    Parameters
    ----------
    x : TensorVariable
        The variable; any shape.
    support : Support
        Its support: logarithms and roots are taken apart where it makes them real.
    supports : mapping of Variable to Support
        Supports of the other variables.

    Attributes
    ----------
    offsets : dict of str to Offset
        For each atom ``log(gamma(...))`` of a count, by name, what is added to x in it.
    bounds : list of Offset
        Sums that must not be negative, since the log-density is minus infinity there.
    """

    def __init__(self, x: TensorVariable, support: Support, supports: Mapping[Variable, Support]):
        self.x = x
        self.signs = Signs({**supports, x: support}, almost_surely=True)
        self.results: dict[Variable, Result] = {
            x: Expansion({(ElementView.of_base(x), (("x", 1.0),)): filled(1.0, x.type.ndim)}),
        }
        self.features: dict[Monomial, TensorVariable] = {}
        self.is_discrete = support.is_discrete
        self.offsets: dict[str, Offset] = {}
        self.bounds: list[Offset] = []
        is_unit = (support.lower, support.upper) == (0.0, 1.0) and support.kind == "interval"
        is_positive = support.is_positive or support.kind == "simplex"
        self.positive_atoms = frozenset({"exp"} | ({"x"} if is_positive else set()) | ({"1-x"} if is_unit else set()))

    def natural_parameters(self, total: TensorVariable) -> dict[Monomial, TensorVariable] | Obstacle:
        """Return the coefficient of each feature of x in a scalar log-density, of the shape of x.

        Parameters
        ----------
        total : TensorVariable
            The log-density; shape ().

        Returns
        -------
        dict or Obstacle
            Monomials with the gradients of the log-density in them; or why there are none.
        """
        expansion = self._expand(total)
        if isinstance(expansion, Obstacle):
            return expansion
        parameters: dict[Monomial, TensorVariable] = {}
        linear = expansion.linear
        for (view, monomial), coefficient in expansion.terms.items():
            if view is None or number(coefficient) == 0:
                continue
            if view == ElementView.of_base(self.x):
                parameters[monomial] = coefficient
            else:
                closed = self.close((view, monomial), coefficient)
                linear = closed if linear is None else linear + closed
        if linear is not None:
            gradients = self._gradients(linear)
            for monomial, gradient in gradients.items():
                known = parameters.get(monomial)
                parameters[monomial] = gradient if known is None else plus(known, gradient)
        return parameters

    def linear_form(self, total: TensorVariable) -> TensorVariable | Obstacle:
        """Return a scalar log-density, constant included, as a linear graph of `features`; or why there is none.

        Parameters
        ----------
        total : TensorVariable
            The log-density; shape ().
        """
        expansion = self._expand(total)
        if isinstance(expansion, Obstacle):
            return expansion
        parts = [self.close(key, coefficient) for key, coefficient in expansion.terms.items()]
        parts += [] if expansion.linear is None else [expansion.linear]
        form: TensorVariable = pt.add(*parts) if len(parts) > 1 else parts[0]
        return form

    def _expand(self, total: TensorVariable) -> Result:
        for node in toposort([total]):
            if not isinstance(node.op, Shape | Shape_i) and any(self.depends(i) for i in node.inputs):
                self.apply_node(node)
        return self.results.get(total, Expansion())

    def apply_node(self, node: Apply) -> None:
        """Expand the outputs of a node."""
        if len(node.outputs) == 1:
            inputs = [self.results[i] if self.depends(i) else self._free(i) for i in node.inputs]
            self.results[node.outputs[0]] = self.apply_rule(node, inputs)
            return
        for output in node.outputs:
            self.results[output] = Obstacle(f"{self.show(output)} is no sum of features of it")

    def apply_rule(self, node: Apply, inputs: Sequence[Result]) -> Result:
        """Return the expansion of a node from those of its inputs."""
        rule = expand_elemwise if isinstance(node.op, Elemwise) else expand_array_op
        return rule(self, node, inputs)

    def depends(self, variable: Variable) -> bool:
        """Whether ``variable`` depends on x."""
        return variable in self.results

    def coefficient(self, variable: TensorVariable) -> TensorVariable:
        """Return a variable free of x as a float64 coefficient."""
        return as_coefficient(variable)

    def close(self, key: Key, coefficient: TensorVariable) -> TensorVariable:
        """Return coefficient times feature, the feature being a free variable."""
        view, monomial = key
        if view is None:
            return coefficient
        if monomial not in self.features:
            self.features[monomial] = self.x.type.clone(dtype="float64")()
        return times(coefficient, view.apply(self.features[monomial]))

    def show(self, variable: Variable) -> str:
        """Return a variable in words for a reason."""
        return formula(variable, max_length=80)

    def _free(self, variable: Variable) -> Result:
        if not isinstance(variable, TensorVariable):
            return Obstacle("an input that is no tensor")
        return Expansion({CONSTANT: as_coefficient(variable)})

    def _gradients(self, linear: TensorVariable) -> dict[Monomial, TensorVariable]:
        monomials = list(self.features)
        variables = [self.features[monomial] for monomial in monomials]
        gradients = pytensor.grad(linear, variables, disconnected_inputs="ignore", return_disconnected="none")
        found = {m: full(g, self.x) for m, g in zip(monomials, gradients, strict=True) if g is not None}
        # The gradients are free of the features, but for their shapes.
        unused = {feature: full(filled(0.0, feature.type.ndim), self.x) for feature in variables}
        return dict(zip(found, substitute(list(found.values()), unused), strict=True))
