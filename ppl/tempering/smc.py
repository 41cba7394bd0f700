"""Sequential Monte Carlo from the prior to the posterior, with the evidence."""

from __future__ import annotations

from xarray import DataTree

from graphs.backends import BackendName
from graphs.joint.logprob import Marginalize
from ppl.modelling.bad_constants import explained
from ppl.modelling.model import Model
from ppl.planning.plans import Sampler
from ppl.tempering.compiled import TemperedModel


@explained
def smc(
    model: Model,
    particles: int = 2000,
    *,
    chains: int | None = None,
    cores: int | None = None,
    seed: int | None = None,
    backend: BackendName = "numba",
    sampler: Sampler = None,
    marginalize: Marginalize = "auto",
    target_ess: float = 0.5,
    max_sweeps: int = 20,
    progress: bool = True,
) -> DataTree:
    r"""Draw from the posterior by particles that come from the prior, and estimate the evidence.

    Particles are drawn from the prior, and go to the posterior through densities :math:`p(x) L(x)^t` whose
    temperatures ``t`` rise from 0 to 1 [1]_, each so far from the last that the weights have the effective size that is
    asked for. At each they are resampled (systematically) and moved by the compiled steps of `ppl.plan`, whose step
    sizes, metrics and scales are read off the particles, until they are far from where they were. As they come from
    everywhere in the prior, they find modes between which no chain moves, and how much each weighs.

    What is tempered is the likelihood of what is left when sums and integrals are taken: terms of observed variables
    and potentials, which have no draws.

    Parameters
    ----------
    model : Model
        The model; its priors are proper.
    particles : int, default 2000
        How many.
    chains : int, optional
        How they are arranged in the trace; four where their number can be divided by it. Relatives stand side by side,
        so that what ArviZ takes for autocorrelation is common descent.
    cores : int, optional
        Threads; as many as there are processors by default. The draws do not depend on it.
    seed : int, optional
        With the same seed and backend the draws are identical.
    backend : {"numba", "c"}
        What makes machine code.
    sampler : str, Move, or mapping of str to these, default "nuts"
        What moves the particles, as of `ppl.plan`; with "gibbs" full conditionals where they hold at all temperatures.
    marginalize
        As of `ppl.plan`: discrete variables are summed out; continuous ones that are named are integrated out, and
        drawn back.
    target_ess : float, default 0.5
        Effective size of the weights of each stage, as a share of the particles: the next temperature follows from it.
    max_sweeps : int, default 20
        Sweeps of each stage at most.
    progress : bool, default True
        Say what is done, where it takes more than a second.

    Returns
    -------
    DataTree
        As of `ppl.sample`: ``posterior``, ``sample_stats`` with ``lp``, data. Attributes: ``log_marginal_likelihood``,
        the estimate of the log evidence, and ``log_marginal_likelihood_error``, its standard error from the genealogy
        of the particles [2]_ (where everything is summed out the evidence is exact); of the stages ``temperatures``,
        ``acceptance``, ``sweeps`` and ``distances`` (one: as far as independent draws); ``num_founders``, of how many
        of the first particles there are descendants; ``num_divergent``, ``num_failed`` and ``num_not_a_number``.

    Raises
    ------
    ModelError
        If a prior is improper or cannot be drawn from; names the variable.
    DerivationError
        If a law that was asked for does not hold at all temperatures.
    SamplingError
        If the data are impossible for all particles, or an argument is out of range.
    BackendError
        If the backend is JAX.

    References
    ----------
    .. [1] Del Moral, Doucet and Jasra (2006). Sequential Monte Carlo samplers. JRSS B 68.
    .. [2] Lee and Whiteley (2018). Variance estimation in the particle filter. Biometrika 105.

    Examples
    --------
    >>> import ppl
    >>> mu = ppl.Normal("mu", 0, 10)
    >>> trace = ppl.smc(ppl.Model({ppl.Normal("y", mu, 1): [1.0, 2.0]}), 1000, seed=1, progress=False)
    >>> error = trace.attrs["log_marginal_likelihood_error"]
    >>> bool(error < 0.1 and abs(trace.attrs["log_marginal_likelihood"] + 4.751) < 3 * error)
    True
    """
    compiled = TemperedModel(model, sampler=sampler, marginalize=marginalize, backend=backend, progress=progress)
    return compiled.sample(
        particles,
        chains=chains,
        cores=cores,
        seed=seed,
        target_ess=target_ess,
        max_sweeps=max_sweeps,
        progress=progress,
    )
