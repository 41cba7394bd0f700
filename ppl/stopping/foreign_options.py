"""What options of `ppl.sample` are called elsewhere, so that who comes from there is told what they are called here."""

from __future__ import annotations

from collections.abc import Sequence

# PyMC, Stan's interfaces, NumPyro, BlackJAX, JAGS and nutpie, as of their documentation.
NAMES_ELSEWHERE = {
    "init": ("initvals", "initval", "inits", "init_params", "initial_points", "start", "starting_values"),
    "seed": ("random_seed", "rng", "rng_key", "key"),
    "progress": ("progressbar", "progress_bar", "show_progress", "refresh", "quiet"),
    "draws": ("num_samples", "iter_sampling", "iter", "n_iter", "num_draws", "samples", "n_samples"),
    "tune": ("num_warmup", "warmup", "iter_warmup", "n_tune", "burn", "burnin", "n_burnin", "n_adapt"),
    "chains": ("num_chains", "n_chains"),
    "cores": ("parallel_chains", "n_jobs", "threads"),
    "target_accept": ("adapt_delta", "delta", "target_accept_prob", "target_acceptance"),
    "max_tree_depth": ("max_treedepth", "maxdepth"),
    "thin": ("thinning", "n_thin"),
    "sampler": ("step", "nuts_sampler", "kernel", "algorithm", "method"),
    "keep_tuning": ("discard_tuned_samples", "save_warmup", "store_warmup"),
    "var_names": ("pars", "parameters", "vars", "monitor"),
    "metric": ("dense_mass", "mass_matrix", "metric_file"),
}
DONE_ELSEWHERE = {
    "idata_kwargs": "ppl.log_likelihood(model, trace) adds what az.loo reads",
    "return_inferencedata": "the result is always what ArviZ reads",
    "compute_convergence_checks": "ppl.diagnose(trace) says what is wrong with a run",
    "data": "data are given once, ppl.Model({variable: array}); of ppl.Data, set in the model",
    "observed": "data are given once, ppl.Model({variable: array})",
}
_NAMES = {there: here for here, names in NAMES_ELSEWHERE.items() for there in names}


def remedy_of(option: str, options: Sequence[str]) -> str:
    """Return what to write in the place of an option that does not exist."""
    if option in _NAMES:
        return f"its name here is {_NAMES[option]}="
    return DONE_ELSEWHERE.get(option, f"there are {', '.join(options)}")
