"""Wrappers: PyMC's densities at our parameters, by SciPy; names, axes and transforms; messages.

Answers: SciPy's densities, and PyMC's signatures.
"""

from __future__ import annotations

import inspect

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pymc.distributions.transforms import Interval, Ordered
from pymc.logprob.transforms import LogTransform
from pytensor.compile.mode import Mode
from pytensor.graph.basic import equal_computations
from pytensor.tensor.variable import TensorVariable
from scipy import stats

from graphs.errors import ModelError
from graphs.surgery.random_graph import is_random
from ppl import distributions as D
from ppl._generate_stubs import STUB, stub_text
from ppl.declaring.declaration import declaration_of
from ppl.declaring.wrapping import HANDED_ON

PYTHON = Mode(linker="py", optimizer=None)  # compiles nothing
# PyMC's own constants, such as log(2), are in float32; a parameter in float32 errs by 1e-8 and more.
TOLERANCE = 5e-9
COV = np.array([[2.0, 0.3], [0.3, 1.5]])
NEIGHBOURS = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])

# Numbers as people write them: integers, and decimals that float32 does not hold.
AGAINST_SCIPY = [
    ("Normal", (3, 7), {}, 1.3, stats.norm(3, 7).logpdf),
    ("HalfNormal", (36,), {}, 5.1, stats.halfnorm(scale=36).logpdf),
    ("StudentT", (4, 2), {"sigma": 100}, 5.5, stats.t(4, 2, 100).logpdf),
    ("HalfStudentT", (3,), {"sigma": 36}, 10.0, lambda x: stats.t(3, scale=36).logpdf(x) + np.log(2)),
    ("Cauchy", (1, 20), {}, -4.0, stats.cauchy(1, 20).logpdf),
    ("Gamma", (5, 120), {}, 0.7, stats.gamma(5, scale=1 / 120).logpdf),
    ("InverseGamma", (7, 100), {}, 2.2, stats.invgamma(7, scale=100).logpdf),
    ("Beta", (90, 60), {}, 0.55, stats.beta(90, 60).logpdf),
    ("Exponential", (0.1,), {}, 3.3, stats.expon(scale=10).logpdf),
    ("LogNormal", (1, 0.3), {}, 2.0, stats.lognorm(0.3, scale=np.e).logpdf),
    ("Laplace", (1, 13), {}, 2.5, stats.laplace(1, 13).logpdf),
    ("Logistic", (2, 17), {}, 2.5, stats.logistic(2, 17).logpdf),
    ("Gumbel", (1, 15), {}, 2.5, stats.gumbel_r(1, 15).logpdf),
    ("Uniform", (-100, 100), {}, 2.5, stats.uniform(-100, 200).logpdf),
    ("VonMises", (0.1, 20), {}, 0.4, stats.vonmises(20, loc=0.1).logpdf),
    ("SkewNormal", (3, 1, 14), {}, 2.5, stats.skewnorm(3, 1, 14).logpdf),
    ("Weibull", (3, 90), {}, 50.0, stats.weibull_min(3, scale=90).logpdf),
    ("Dirichlet", ([3, 40, 100],), {}, np.array([0.1, 0.3, 0.6]), stats.dirichlet([3, 40, 100]).logpdf),
    ("MvNormal", ([1, 2], COV), {}, np.array([0.3, 0.4]), stats.multivariate_normal([1, 2], COV).logpdf),
    ("Binomial", (127, 0.1), {}, 20, stats.binom(127, 0.1).logpmf),
    ("Poisson", (3,), {}, 2, stats.poisson(3).logpmf),
    ("BetaBinomial", (90, 60, 120), {}, 70, stats.betabinom(120, 90, 60).logpmf),
    ("HyperGeometric", (120, 50, 100), {}, 40, stats.hypergeom(120, 50, 100).logpmf),
    ("Multinomial", (127, [0.1, 0.2, 0.7]), {}, np.array([10, 27, 90]), stats.multinomial(127, [0.1, 0.2, 0.7]).logpmf),
]


def components():
    return [pm.Normal.dist(0.0, 1.0), pm.Normal.dist(3.0, 2.0)]


# For each distribution, arguments with which it can be built.
SIMPLE = {
    "AR": lambda: (([0.5, 0.1],), {"sigma": 1, "shape": 5, "init_dist": pm.Normal.dist(0, 1, shape=2)}),
    "AsymmetricLaplace": lambda: ((1, 2, 3), {}),
    "BetaBinomial": lambda: ((1, 2, 5), {}),
    "Binomial": lambda: ((5, 0.2), {}),
    "CAR": lambda: ((np.zeros(3), NEIGHBOURS, 0.5, 1), {}),
    "Categorical": lambda: (([0.2, 0.8],), {}),
    "Censored": lambda: ((pm.Normal.dist(0, 1), -1, 1), {}),
    "CustomDist": lambda: ((1, 2), {"dist": lambda mu, sigma, size: pm.Normal.dist(mu, sigma, size=size)}),
    "Dirichlet": lambda: (([1, 2],), {}),
    "DirichletMultinomial": lambda: ((5, [1, 2]), {}),
    "DiscreteUniform": lambda: ((0, 5), {}),
    "DiscreteWeibull": lambda: ((0.5, 2), {}),
    "EulerMaruyama": lambda: (
        (0.1, lambda x, a: (-a * x, 1.0), (0.5,)),
        {"shape": 5, "init_dist": pm.Normal.dist(0, 1, shape=())},
    ),
    "ExGaussian": lambda: ((1, 2), {"nu": 3}),
    "Flat": lambda: ((), {}),
    "GARCH11": lambda: ((1, 0.2, 0.3, 1), {"shape": 4}),
    "GaussianRandomWalk": lambda: ((0, 1), {"init_dist": pm.Normal.dist(0, 1), "steps": 4}),
    "HalfFlat": lambda: ((), {}),
    "HurdleGamma": lambda: ((0.5, 2, 3), {}),
    "HurdleLogNormal": lambda: ((0.5, 2, 3), {}),
    "HurdleNegativeBinomial": lambda: ((0.5, 2, 3), {}),
    "HyperGeometric": lambda: ((10, 5, 3), {}),
    "ICAR": lambda: ((NEIGHBOURS,), {}),
    "Interpolated": lambda: (([0, 1, 2], [1, 2, 1]), {}),
    "KroneckerNormal": lambda: ((np.zeros(4),), {"covs": [COV, COV]}),
    "LKJCholeskyCov": lambda: ((2, 3, pm.Exponential.dist(1.0, shape=3)), {}),
    "LKJCorr": lambda: ((3, 2), {}),
    "MatrixNormal": lambda: ((np.zeros((2, 2)),), {"rowcov": COV, "colcov": COV}),
    "Mixture": lambda: (([0.3, 0.7], components()), {}),
    "Multinomial": lambda: ((5, [0.2, 0.8]), {}),
    "MvGaussianRandomWalk": lambda: (
        (np.zeros(2),),
        {"cov": COV, "init_dist": pm.MvNormal.dist(np.zeros(2), COV), "steps": 3},
    ),
    "MvNormal": lambda: ((np.zeros(2), COV), {}),
    "MvStudentT": lambda: ((5,), {"mu": np.zeros(2), "scale": COV}),
    "MvStudentTRandomWalk": lambda: (
        (),
        {"nu": 5, "mu": np.zeros(2), "scale": COV, "init_dist": pm.MvNormal.dist(np.zeros(2), COV), "steps": 3},
    ),
    "NormalMixture": lambda: (([0.3, 0.7], [0, 1], [1, 2]), {}),
    "OrderedLogistic": lambda: ((0, [-1, 1]), {}),
    "OrderedMultinomial": lambda: ((0, [-1, 1], 5), {}),
    "OrderedProbit": lambda: ((0, [-1, 1]), {}),
    "RandomWalk": lambda: ((pm.Normal.dist(0, 1), pm.Laplace.dist(0, 1), 4), {}),
    "Rice": lambda: ((1, 2), {}),
    "Simulator": lambda: ((lambda rng, a, size: rng.normal(a, size=size), 1), {}),
    "StickBreakingWeights": lambda: ((2, 3), {}),
    "StudentT": lambda: ((4, 0), {"sigma": 1}),
    "Triangular": lambda: ((), {}),
    "Truncated": lambda: ((pm.Gamma.dist(1, 1), 1, 3), {}),
    "TruncatedNormal": lambda: ((0, 1), {"lower": -1}),
    "Wald": lambda: ((1, 2), {}),
    "Wishart": lambda: ((5, COV), {}),
    "ZeroInflatedBinomial": lambda: ((0.5, 5, 0.2), {}),
    "ZeroInflatedNegativeBinomial": lambda: ((0.5, 2, 3), {}),
    "ZeroInflatedPoisson": lambda: ((0.5, 2), {}),
    "ZeroSumNormal": lambda: ((1,), {"shape": 3}),
}
ONE_PARAMETER = {
    "Bernoulli",
    "ChiSquared",
    "DiracDelta",
    "Exponential",
    "Geometric",
    "HalfCauchy",
    "HalfNormal",
    "Poisson",
}


def simple_arguments(title):
    if title in SIMPLE:
        return SIMPLE[title]()
    if title in ONE_PARAMETER:
        return (0.3,), {}
    required = [
        p
        for p in inspect.signature(getattr(D, title)).parameters.values()
        if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "name"
    ]
    return tuple(0.5 for _ in required) or (0.5, 0.5), {}


@pytest.mark.parametrize(
    ("title", "args", "kwargs", "value", "expected"), AGAINST_SCIPY, ids=[c[0] for c in AGAINST_SCIPY]
)
def test_densities_are_exact_whatever_the_dtype_of_the_parameters(title, args, kwargs, value, expected):
    rv = getattr(D, title)("x", *args, **kwargs)
    np.testing.assert_allclose(pm.logp(rv, value).eval(mode=PYTHON), expected(value), rtol=TOLERANCE)


# PyMC's Simulator still calls its Op in PyTensor's old way.
@pytest.mark.filterwarnings("ignore:RandomVariable Ops will stop hiding the rng output:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Calling a RandomVariable without an explicit rng:DeprecationWarning")
@pytest.mark.parametrize("title", D.NAMES)
def test_every_wrapper_declares_a_random_variable(title):
    args, kwargs = simple_arguments(title)
    rv = getattr(D, title)("x", *args, **kwargs)
    assert isinstance(rv, TensorVariable)
    assert rv.name == "x"
    assert declaration_of(rv).name == "x"
    assert is_random(rv)


def test_no_distribution_of_pymc_is_forgotten():
    assert set(D.NAMES) | D.EXCLUDED == {"WishartBartlett", *pm.distributions.__all__}
    assert set(D.__all__) == set(D.NAMES)


def test_float32_and_small_integer_graphs_become_float64():
    sigma = pt.constant(np.int8(36))
    assert pm.logp(D.HalfStudentT("x", 3, sigma=sigma), 10.0).eval(mode=PYTHON) == pytest.approx(
        stats.t(3, scale=36).logpdf(10) + np.log(2), rel=TOLERANCE
    )
    mu = pt.vector("mu", dtype="float32", shape=(3,))
    assert D.Normal("y", [mu[0], 1], 0.1).owner.op.dist_params(D.Normal("z", mu, 0.1).owner)[0].dtype == "float64"


@pytest.mark.parametrize("title", HANDED_ON)
@pytest.mark.parametrize("size", [None, 3])
def test_what_is_handed_on_to_pymc_is_what_its_own_function_makes_of_it(title, size):
    a, b = pt.dscalar("a"), pt.dscalar("b")
    made = getattr(D, title)("x", a, b, size=size)
    own = getattr(pm, title).dist(a, b, size=size)
    assert equal_computations([*made.owner.inputs[1:]], [*own.owner.inputs[1:]])
    assert (made.owner.op, made.type) == (own.owner.op, own.type)
    assert type(made.owner.inputs[0].type) is type(own.owner.inputs[0].type)


def test_defaults_are_cast_too():
    x = np.array([0.1, -0.1])
    rv = D.ICAR("x", NEIGHBOURS[:2, :2], shape=2)
    precision = np.array([[1.0, -1.0], [-1.0, 1.0]])
    expected = -0.5 * x @ precision @ x + stats.norm(0, 0.001 * 2).logpdf(x.sum())
    difference = pm.logp(rv, x).eval(mode=PYTHON) - pm.logp(rv, np.zeros(2)).eval(mode=PYTHON)
    np.testing.assert_allclose(difference, expected - stats.norm(0, 0.002).logpdf(0), rtol=1e-12)


def test_signature_and_docstring_come_from_pymc():
    signature = inspect.signature(D.Gamma)
    assert list(signature.parameters)[:5] == ["name", "alpha", "beta", "mu", "sigma"]
    assert signature.parameters["transform"].default == "default"
    assert D.Gamma.__name__ == "Gamma"
    assert "Thin wrapper of pymc.Gamma; same parameters, defaults and transform." in D.Gamma.__doc__
    assert "Rate parameter" in D.Gamma.__doc__


def test_stub_file_is_current():
    assert STUB.read_text(encoding="utf-8") == stub_text(), "run: python -m ppl._generate_stubs"


class TestAxes:
    def test_size_and_shape(self):
        assert D.Normal("x", 0, 1, size=np.int64(3)).type.shape == (3,)
        assert D.Normal("x", 0, 1, size=(2, 3)).type.shape == (2, 3)
        assert D.Dirichlet("x", np.ones(3), size=2).type.shape == (2, 3)
        assert D.Dirichlet("x", np.ones(3), shape=(2, 3)).type.shape == (2, 3)

    def test_length_from_size_parameters_or_dims(self):
        for rv in (
            D.Normal("x", 0, 1, dims="school", size=8),
            D.Normal("x", np.zeros(8), 1, dims=["school"]),
            D.Normal("x", 0, 1, dims={"school": 8}),
            D.Normal("x", 0, 1, dims={"school": list("ABCDEFGH")}),
        ):
            assert rv.type.shape == (8,)
            assert declaration_of(rv).dims == ("school",)
        assert declaration_of(rv).coords == {"school": tuple("ABCDEFGH")}
        assert D.Dirichlet("w", np.ones(3), dims={"row": 2, "part": 3}).type.shape == (2, 3)

    def test_unknown_length(self):
        with pytest.raises(ModelError, match=r"mu has dims .*'school'.*size=.*dims=\{'school': 8\}"):
            D.Normal("mu", 0, 1, dims=("year", "school"), size=3)

    def test_length_that_does_not_fit(self):
        with pytest.raises(ModelError, match="axis 'school' of mu has length 7, but dims says 8"):
            D.Normal("mu", 0, 1, dims={"school": 8}, size=7)
        with pytest.raises(ModelError, match="name every axis"):
            D.Normal("mu", 0, 1, dims="school", size=(8, 2))
        with pytest.raises(ModelError, match="two axes"):
            D.Normal("mu", 0, 1, dims=("a", "a"), size=(2, 2))
        with pytest.raises(ModelError, match="dims of mu are strings"):
            D.Normal("mu", 0, 1, dims=(1,), size=2)


class TestTransforms:
    def test_default_and_none(self):
        assert declaration_of(D.HalfNormal("s", 1)).transform == "default"
        assert declaration_of(D.HalfNormal("s", 1, transform=None)).transform is None

    def test_by_name_and_as_an_object(self):
        assert isinstance(declaration_of(D.Normal("m", 0, 1, size=2, transform="ordered")).transform, Ordered)
        own = Interval(0, 3)
        assert declaration_of(D.Uniform("m", 0, 3, transform=own)).transform is own

    def test_the_default_one_comes_first_as_in_pymc(self):
        ours = declaration_of(D.HalfNormal("s", 1, size=3, transform="ordered")).transform
        value = np.array([0.2, 0.5, 3.0])
        unconstrained = ours.forward(pt.constant(value)).eval(mode=PYTHON)
        np.testing.assert_allclose(unconstrained, [np.log(0.2), *np.log(np.diff(np.log(value)))])

    def test_the_default_one_asked_for_by_name_is_not_applied_twice(self):
        assert isinstance(declaration_of(D.HalfNormal("s", 1, transform="log")).transform, LogTransform)

    @pytest.mark.parametrize("transform", ["ordered", "simplex"])
    def test_of_vectors_refuses_a_scalar(self, transform):
        with pytest.raises(ModelError, match=f"'{transform}' works along the last axis, but mu has 0 axes"):
            D.Normal("mu", 0, 1, transform=transform)

    def test_unknown(self):
        with pytest.raises(ModelError, match=r"Unknown transform 'logit' of mu; choose from .*logodds.*ordered"):
            D.Normal("mu", 0, 1, transform="logit")
        with pytest.raises(ModelError, match="has to be a name"):
            D.Normal("mu", 0, 1, transform=3)

    def test_discrete(self):
        with pytest.raises(ModelError, match="k is discrete"):
            D.Poisson("k", 3, transform="log")


def test_vectors_of_unknown_length_are_refused_with_the_way_to_say_it():
    with pytest.raises(ModelError, match=r"effects: ppl\.ZeroSumNormal does not know how long .* shape=\(\.\.\., n\)"):
        D.ZeroSumNormal("effects", 1, size=4)
    assert D.ZeroSumNormal("effects", 1, shape=4).type.shape == (4,)
