"""Named expressions, terms, data and bare log-densities: values by NumPy and SciPy, messages.

Answers: NumPy and SciPy; messages are written out.
"""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import xarray as xr
from pymc.distributions.transforms import Interval
from pytensor.compile.mode import Mode
from pytensor.graph.replace import clone_replace
from pytensor.graph.traversal import ancestors
from scipy import stats

from graphs.errors import ModelError
from graphs.supports import integers
from ppl.declaring.declaration import declaration_of
from ppl.declaring.declare import Data, Density, Deterministic, Potential
from ppl.distributions import HalfNormal, Normal

PYTHON = Mode(linker="py", optimizer=None)  # compiles nothing


def evaluate(graph, givens):
    constants = {k: pt.constant(np.asarray(v, dtype=k.type.dtype)) for k, v in givens.items()}
    return clone_replace([graph], constants)[0].eval(mode=PYTHON)


def joint_logdensity(density, values):
    """Sum of the potential and of what PyMC says of the variables that stand for the supports."""
    givens = {density[name]: value for name, value in values.items()}
    own = sum(
        pm.logp(rv, pt.constant(np.asarray(values[n], dtype=rv.dtype))).sum() for n, rv in density.variables.items()
    )
    return evaluate(density.potential, givens) + own.eval(mode=PYTHON)


class TestDeterministic:
    def test_is_a_named_copy_found_in_the_graph(self):
        x = Normal("x", 0, 1, size=3)
        z = Deterministic("z", 2 * x, dims={"row": list("abc")})
        y = Normal("y", z, 1)
        assert z in set(ancestors([y]))
        assert (z.name, z.tag.deterministic) == ("z", True)
        assert declaration_of(z).dims == ("row",)
        assert declaration_of(z).coords == {"row": ("a", "b", "c")}
        np.testing.assert_array_equal(evaluate(z, {x: [1.0, 2.0, 3.0]}), [2.0, 4.0, 6.0])

    def test_of_a_random_variable_leaves_its_name_alone(self):
        x = Normal("x", 0, 1)
        assert Deterministic("z", x).name == "z"
        assert x.name == "x"

    def test_messages(self):
        x = Normal("x", 0, 1, size=3)
        with pytest.raises(ModelError, match=r"first argument of ppl.Deterministic .* found .*TensorVariable"):
            Deterministic(x, "z")
        with pytest.raises(ModelError, match="z has 1 axes"):
            Deterministic("z", x, dims=())


def test_potential_is_named_and_marked():
    x = HalfNormal("x", 1, size=2)
    term = Potential("penalty", -x)
    assert (term.name, term.tag.potential) == ("penalty", True)
    np.testing.assert_array_equal(evaluate(term, {x: [1.0, 2.0]}), [-1.0, -2.0])


class TestData:
    @pytest.mark.parametrize(
        ("array", "dtype"),
        [([1, 2], "int64"), (np.float32([0.5, 1]), "float64"), ([True, False], "bool"), (np.uint8([1, 2]), "int64")],
    )
    def test_dtype_and_static_shape(self, array, dtype):
        x = Data("x", array, dims="row")
        assert (x.name, x.type.shape, x.type.dtype, x.tag.data) == ("x", (2,), dtype, True)
        assert declaration_of(x).dims == ("row",)

    def test_is_a_copy(self):
        array = np.zeros(2)
        x = Data("x", array)
        array[0] = 1
        np.testing.assert_array_equal(x.data, [0.0, 0.0])

    def test_is_found_in_the_graph(self):
        x = Data("x", [1.0, 2.0])
        assert x in set(ancestors([Normal("y", x, 1)]))

    def test_xarray_brings_its_dims(self):
        x = Data("x", xr.DataArray([[1.0, 2.0]], dims=("row", "column"), coords={"column": ["a", "b"]}))
        assert declaration_of(x).dims == ("row", "column")
        assert declaration_of(x).coords == {"column": ("a", "b")}

    def test_messages(self):
        with pytest.raises(ModelError, match="elements of x are missing in part"):
            Data("x", np.ma.masked_array([1.0, 2.0], [True, False]))
        with pytest.raises(ModelError, match=r"elements of x have the type <U1"):
            Data("x", ["a"])
        with pytest.raises(ModelError, match="axis 'row' of x has length 2, but dims says 3"):
            Data("x", [1, 2], dims={"row": 3})
        assert np.isnan(Data("x", [np.nan]).data).all()


class TestDensity:
    def test_of_the_bivariate_example(self):
        density = Density(
            lambda x, y: 2 * pt.log(x) - x * y**2 - y**2 + 2 * y - 4 * x,
            support={"x": "positive", "y": "real"},
        )
        x, y = 0.7, -0.4
        expected = 2 * np.log(x) - x * y**2 - y**2 + 2 * y - 4 * x
        assert joint_logdensity(density, {"x": x, "y": y}) == pytest.approx(expected, rel=1e-14)
        assert list(density.variables) == ["x", "y"]
        assert density.potential.type.ndim == 0
        assert density.potential.tag.potential

    @pytest.mark.parametrize(
        ("support", "shape", "value"),
        [
            ("real", (2, 2), np.arange(4.0).reshape(2, 2)),
            ("positive", 3, [0.1, 2.0, 3.0]),
            ("unit", 2, [0.1, 0.9]),
            ((-2, 5), 3, [-1.0, 0.0, 4.0]),
            ((1, np.inf), 2, [1.5, 20.0]),
            ((-np.inf, 3), (), -7.0),
            ("simplex", (2, 3), [[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]]),
            (integers(-1, 3), 2, [0, 3]),
        ],
    )
    def test_supports_add_nothing_to_the_density(self, support, shape, value):
        density = Density(lambda x: -(x**2).sum(), support={"x": support}, shapes={"x": shape})
        assert joint_logdensity(density, {"x": value}) == pytest.approx(-(np.asarray(value) ** 2).sum(), rel=1e-13)

    @pytest.mark.parametrize(("support", "outside"), [((1, np.inf), 0.5), ((-2, 5), 6.0), ("positive", -1.0)])
    def test_is_zero_outside(self, support, outside):
        density = Density(lambda x: -(x**2), support={"x": support})
        assert joint_logdensity(density, {"x": outside}) == -np.inf

    def test_half_line_is_sampled_inside(self):
        density = Density(lambda x: -x, support={"x": (1, np.inf)})
        transform = declaration_of(density["x"]).transform
        assert isinstance(transform, Interval)
        inputs = density["x"].owner.inputs
        assert transform.backward(pt.constant(np.float64(0.0)), *inputs).eval(mode=PYTHON) == pytest.approx(2.0)

    def test_shape_from_dims_and_arguments_with_a_default(self):
        density = Density(
            lambda x, scale=2.0: stats_normal(x, scale), support={"x": "real"}, dims={"x": {"row": ["a", "b"]}}
        )
        assert density["x"].type.shape == (2,)
        assert declaration_of(density["x"]).coords == {"row": ("a", "b")}
        expected = stats.norm(0, 2.0).logpdf([0.5, 3.0]).sum()
        assert joint_logdensity(density, {"x": [0.5, 3.0]}) == pytest.approx(expected, rel=1e-14)

    def test_prints_its_graph(self):
        density = Density(lambda x: -(x**2), support={"x": "real"}, name="well")
        assert "'well'" in density.dprint(file="str")
        assert repr(density) == "Density('well', variables: x)"

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"support": {"x": "real"}}, r"depends on y, whose support is not given: support=\{\"y\": \"real\"\}"),
            ({"support": {"x": "real", "y": "real", "z": "real"}}, "support names z, which is not an argument"),
            ({"support": {"x": "real", "y": "real"}, "shapes": {"z": 3}}, "shapes names z"),
            ({"support": {"x": "real", "y": "real"}, "shapes": {"y": 3}}, "is an array with 1 axes; .* sum it"),
            ({"support": {"x": "real", "y": "reel"}}, "y: Unknown support 'reel'; choose from real, positive"),
            ({"support": {"x": "real", "y": (3, 1)}}, r"y cannot have the support \(3, 1\)"),
            ({"support": {"x": "real", "y": "integers"}}, "y has infinitely many values"),
            ({"support": {"x": "real", "y": "simplex"}}, "y is a vector that sums to one: give its length"),
            ({"support": {"x": "real", "y": "real"}, "dims": {"y": "row"}}, "shape of y is not known"),
        ],
    )
    def test_messages(self, arguments, message):
        with pytest.raises(ModelError, match=message):
            Density(lambda x, y: x * y, **arguments)

    def test_other_functions(self):
        with pytest.raises(ModelError, match="function of named arguments"):
            Density(lambda *x: x[0], support={"x": "real"})
        with pytest.raises(ModelError, match="has no arguments"):
            Density(lambda: pt.constant(1.0), support={})
        with pytest.raises(ModelError, match="no variable 'z'; the density has x"):
            Density(lambda x: x, support={"x": "real"})["z"]


def stats_normal(x, scale):
    return (-0.5 * (x / scale) ** 2 - np.log(scale) - 0.5 * np.log(2 * np.pi)).sum()
