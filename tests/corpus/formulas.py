"""What Bambi makes of formulas: its names, dims, splines, Gaussian processes and families, in twelve kinds of model."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from tests.corpus.catalogue import generator


@cache
def data() -> pd.DataFrame:
    """Return outcomes of every kind, of 48 rows in six groups."""
    rng, n = generator(1), 48
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "z": np.sort(rng.uniform(0, 10, n)),
            "g": np.repeat(list("abcdef"), n // 6),
            "h": np.tile(list("uvw"), n // 3),
            "s": rng.choice(["m", "f"], n),
            "weight": rng.uniform(0.5, 2, n),
            "trials": rng.integers(5, 12, n),
        }
    )
    predictor = 0.5 * frame["x"] + 0.2 * np.repeat(np.arange(6.0), n // 6) - 0.6
    frame["y"] = predictor + rng.normal(0, 0.5, n)
    frame["positive"] = np.exp(frame["y"])
    frame["share"] = 1 / (1 + np.exp(-frame["y"]))
    frame["count"] = rng.poisson(np.exp(0.5 * predictor))
    frame["inflated"] = frame["count"] * rng.integers(0, 2, n)
    frame["or_nothing"] = np.where(rng.uniform(size=n) < 0.3, 0.0, frame["positive"])
    frame["success"] = (rng.uniform(size=n) < frame["share"]).astype(int)
    frame["successes"] = rng.binomial(frame["trials"], frame["share"])
    frame["grade"] = pd.Categorical(np.digitize(frame["y"], [-0.7, 0.2, 1.0]), ordered=True)
    frame["colour"] = pd.Categorical(rng.choice(["red", "green", "blue"], n))
    frame["status"] = rng.choice(["none", "right"], n)
    frame["angle"] = rng.uniform(-3, 3, n)
    for i in (1, 2, 3):
        frame[f"c{i}"] = rng.poisson(2 + i, n)
    return frame


def model(*formulas: str, **options: Any) -> Any:
    """Return a Bambi model; further formulas are those of its other parameters."""
    import bambi

    built = bambi.Model(bambi.Formula(*formulas), data(), **options)
    built.build()
    return built


# Name: formulas, and what else the model is told.
FORMULAS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "common": (("y ~ x + s + h",), {}),
    "interactions": (("y ~ x * s + poly(z, 2) + I(x**2)",), {}),
    "no_intercept": (("y ~ 0 + g + scale(x)",), {}),
    "group_intercepts": (("y ~ x + (1|g)",), {}),
    "group_slopes": (("y ~ x + (x|g) + (1|h)",), {}),
    "centred": (("y ~ x + (x|g)",), {"noncentered": False}),
    "crossed": (("count ~ x + (1|g) + (1|g:h)",), {"family": "poisson"}),
    "splines": (("y ~ bs(z, df=6)",), {}),
    "gaussian_process": (("y ~ 0 + hsgp(z, m=8, c=1.5)",), {}),
    "gaussian_processes": (("y ~ 0 + hsgp(z, by=s, m=6, c=1.5)",), {}),
    "cumulative": (("grade ~ 0 + x",), {"family": "cumulative"}),
    "cumulative_groups": (("grade ~ 0 + x + (1|g)",), {"family": "cumulative", "link": "probit"}),
    "stopping_ratio": (("grade ~ 0 + x",), {"family": "sratio"}),
    "categorical": (("colour ~ x + (1|g)",), {"family": "categorical"}),
    "zero_inflated_poisson": (("inflated ~ x", "psi ~ x"), {"family": "zero_inflated_poisson"}),
    "zero_inflated_negative_binomial": (("inflated ~ x",), {"family": "zero_inflated_negativebinomial"}),
    "zero_inflated_binomial": (("prop(successes, trials) ~ x",), {"family": "zero_inflated_binomial"}),
    "hurdle_poisson": (("inflated ~ x", "psi ~ s"), {"family": "hurdle_poisson"}),
    "hurdle_negative_binomial": (("inflated ~ x",), {"family": "hurdle_negativebinomial"}),
    "hurdle_lognormal": (("or_nothing ~ x",), {"family": "hurdle_lognormal"}),
    "hurdle_gamma": (("or_nothing ~ x",), {"family": "hurdle_gamma"}),
    "beta": (("share ~ x + (1|g)", "kappa ~ x"), {"family": "beta"}),
    "beta_binomial": (("prop(successes, trials) ~ x",), {"family": "beta_binomial"}),
    "binomial": (("prop(successes, trials) ~ x + (1|g)",), {"family": "binomial"}),
    "bernoulli": (("success ~ x + (1|g)",), {"family": "bernoulli"}),
    "probit": (("success ~ x",), {"family": "bernoulli", "link": "probit"}),
    "distributional": (("y ~ x + (1|g)", "sigma ~ x + (1|h)"), {}),
    "gamma": (
        ("positive ~ bs(z, df=5)", "alpha ~ x"),
        {"family": "gamma", "link": {"mu": "log", "alpha": "log"}},
    ),
    "student": (("y ~ x",), {"family": "t"}),
    "wald": (("positive ~ x",), {"family": "wald", "link": "log"}),
    "negative_binomial": (("count ~ x + offset(log(trials))",), {"family": "negativebinomial"}),
    "von_mises": (("angle ~ x",), {"family": "vonmises"}),
    "laplace": (("y ~ x",), {"family": "laplace"}),
    "quantile": (("y ~ x",), {"family": "asymmetriclaplace"}),
    "survival": (("censored(positive, status) ~ x",), {"family": "exponential", "link": "log"}),
    "survival_groups": (("censored(positive, status) ~ x + (1|g)",), {"family": "weibull", "link": "log"}),
    "truncated": (("truncated(y, lb=-5, ub=6) ~ x",), {}),
    "weighted": (("weighted(y, weight) ~ x",), {}),
    "multinomial": (("counts(c1, c2, c3) ~ x + (1|g)",), {"family": "multinomial"}),
    "dirichlet_multinomial": (("counts(c1, c2, c3) ~ x",), {"family": "dirichlet_multinomial"}),
}
