"""Discrete variables summed out: of the declared model, by hand, by pymc-extras and by NumPyro's enumeration."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from time import perf_counter
from typing import Any

import numpy as np

import graphs
import ppl
from benchmarks import hand_hmm
from benchmarks import marginal_recovery as recovery
from benchmarks.evaluation import (
    Repeated,
    as_program,
    by_jax,
    by_program,
    by_pytensor,
    declared_density,
    per_evaluation,
    pymc_density,
)
from benchmarks.marginal_models import (
    ASSOCIATIVE,
    IN_JAX,
    SCAN,
    Case,
    declared_loop,
    hmm_case,
    loop_in_pymc,
    mixture_case,
    poisson_case,
)
from benchmarks.measure import Row, is_installed, rows_of, skipped
from benchmarks.processes import compile_rows, seconds_of

TITLE = "Marginalization: log-density and gradient per evaluation, one core; rewriting, compiling and recovery"
CASES: tuple[Callable[[], Case], ...] = (
    *(lambda n=n: mixture_case(n, 4) for n in (1_000, 10_000, 100_000, 1_000_000)),
    lambda: hmm_case(416, 2),
    *(lambda t=t, k=k: hmm_case(t, k) for k in (2, 4, 16) for t in (100, 1_000, 10_000, 100_000)),
    lambda: poisson_case(10_000),
)
REACHES = {"HMM T=416, K=2": 40.0}
"""Microseconds."""
COMPILED = {"mixture": lambda: mixture_case(10_000, 4), "hmm": lambda: hmm_case(1_000, 4)}
LOOPS = ((5, True), (6, True), (7, True), (100, False), (1000, False))
"""Numbers of variables in a chain written one by one, and whether pymc-extras is measured too."""
OURS, BY_HAND = "rvgraph: declared", "PyTensor's Numba, marginalised by hand"
NUMBA = "hand-written Numba, probabilities"
EXTRAS, NUMPYRO = "PyTensor's Numba on pymc-extras marginalize", "NumPyro, enumeration"
IMPORTS = {
    "jax": "benchmarks.marginal_jax",
    "funsor": "numpyro.contrib.funsor",
    "pymc_extras": "pymc_extras.marginal",
}
MOST_BYTES = 2e9
SECONDS = 0.2
"""What one timing of a contender takes, about."""


def declared(case: Case) -> Repeated:
    total, inputs = declared_density(case.declare())
    return by_program(as_program(total, inputs), case.point(inputs))


def marginalised_by_hand(case: Case) -> Repeated:
    total, inputs = pymc_density(case.by_hand())
    return by_pytensor(total, inputs, case.point(inputs))


def marginalised_automatically(case: Case) -> Repeated:
    from pymc_extras.marginal import marginalize

    total, inputs = pymc_density(marginalize(case.automatic(), [case.latent]))
    return by_pytensor(total, inputs, case.point(inputs))


def enumerated(case: Case) -> Repeated:
    from benchmarks.marginal_jax import by_enumeration

    return by_jax(by_enumeration(case), _in_order(case))


def in_jax(form: str) -> Callable[[Case], Repeated]:
    def build(case: Case) -> Repeated:
        from benchmarks.marginal_jax import by_hand

        return by_jax(by_hand(case)[form], _in_order(case))

    return build


def _in_order(case: Case) -> Any:
    return np.concatenate([value.ravel() for value in case.at.values()])


def builders(case: Case) -> dict[str, tuple[Callable[[Case], Repeated], str | None]]:
    """Return what builds each contender, and why it cannot be built."""
    jax = None if is_installed("jax") else "jax is not installed"
    extras = None if is_installed("pymc_extras") else "pymc_extras is not installed"
    funsor = next((f"{p} is not installed" for p in ("numpyro", "funsor") if not is_installed(p)), None)
    is_large = case.kind == "hmm" and 8.0 * case.data["y"].size * case.num_states**3 > MOST_BYTES
    large = "its T K^3 numbers take gigabytes" if is_large else None
    found = {
        OURS: (declared, None),
        BY_HAND: (marginalised_by_hand, None),
        EXTRAS: (marginalised_automatically, extras),
        NUMPYRO: (enumerated, funsor or large),
    }
    if case.kind != "hmm":
        return {**found, IN_JAX: (in_jax(IN_JAX), jax)}
    found[NUMBA] = (hand_hmm.by_hand, None)
    return {**found, SCAN: (in_jax(SCAN), jax), ASSOCIATIVE: (in_jax(ASSOCIATIVE), jax or large)}


def density_rows(case: Case, repeats: int) -> Iterator[Row]:
    contenders, left_out = {}, []
    for who, (build, reason) in builders(case).items():
        if reason is None:
            contenders[who] = per_evaluation(build(case), SECONDS)
        else:
            left_out.append(skipped(case.name, who, reason))
    yield from rows_of(case.name, contenders, repeats, "us", 1e6, REACHES.get(case.name))
    yield from left_out


def first_call() -> None:
    declared(hmm_case(1_000, 4))(1)


def compile_seconds(kind: str, who: str) -> float:
    """Return the seconds that a contender takes until its first value, imports left out."""
    case = COMPILED[kind]()
    for package, module in IMPORTS.items():
        if is_installed(package):
            import_module(module)
    start = perf_counter()
    builders(case)[who][0](case)(1)
    return perf_counter() - start


def peer_compile_rows(kind: str) -> Iterator[Row]:
    case = COMPILED[kind]()
    what = f"compile {case.name}"
    for who, (_, reason) in builders(case).items():
        if reason is None:
            yield Row(what, who, seconds_of("marginalization", f"compile_seconds({kind!r}, {who!r})"), "s")


def rewrite_seconds(who: str, num_steps: int) -> float:
    """Return the seconds from a chain written one by one to its log-density as a graph; its declaration is left out."""
    warnings.simplefilter("ignore")
    if who == OURS:
        observed = declared_loop(num_steps)
        start = perf_counter()
        _ = graphs.logprob(ppl.Model(observed), marginalize="require").logdensity
        return perf_counter() - start
    from pymc_extras.marginal import marginalize

    model = loop_in_pymc(num_steps)
    start = perf_counter()
    marginalize(model, [f"s{t}" for t in range(num_steps)]).logp()
    return perf_counter() - start


def rewrite_rows() -> Iterator[Row]:
    for num_steps, with_peer in LOOPS:
        what = f"rewrite, {num_steps} Bernoullis one by one"
        for who in (OURS, "pymc-extras marginalize") if with_peer else (OURS,):
            if who == OURS or is_installed("pymc_extras"):
                yield Row(what, who, seconds_of("marginalization", f"rewrite_seconds({who!r}, {num_steps})"), "s")
            else:
                yield skipped(what, who, "pymc_extras is not installed")


def rows(repeats: int, compile_repeats: int) -> Iterator[Row]:
    warnings.filterwarnings("ignore", category=FutureWarning)
    # It says what it samples, in the midst of the table.
    logging.getLogger("pymc").setLevel(logging.ERROR)
    yield from rewrite_rows()
    for case in CASES:
        yield from density_rows(case(), repeats)
    yield from recovery.rows()
    for kind in COMPILED:
        yield from peer_compile_rows(kind)
    yield from compile_rows("marginalization", compile_repeats)
