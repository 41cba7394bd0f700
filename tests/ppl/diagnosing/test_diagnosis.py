"""Made-up traces with exactly one fault each, and numbers that are ArviZ's.

Answers: traces with one known fault, and ArviZ's numbers.
"""

from __future__ import annotations

import arviz as az
import numpy as np
import pytest

import ppl
from graphs.errors import ModelError

CHAINS, DRAWS = 4, 1000


def healthy(seed=1, chains=CHAINS, draws=DRAWS):
    """What an ideal sampler returns: a scale, what it scales, a count, a constant."""
    rng = np.random.default_rng(seed)
    shape = (chains, draws)
    posterior = {
        "tau": rng.gamma(2, 1, shape),
        "theta": rng.normal(size=(*shape, 3)),
        "k": rng.poisson(2, shape),
        "fixed": np.ones((*shape, 2)),
    }
    stats = {
        "diverging": np.zeros(shape, bool),
        "tree_depth": rng.integers(2, 4, shape),
        "energy": rng.normal(size=shape),
    }
    return posterior, stats


def tree(posterior, stats=None):
    groups = {"posterior": posterior} | ({"sample_stats": stats} if stats else {})
    return az.from_dict(groups, coords={"school": ["A", "B", "C"]}, dims={"theta": ["school"]})


def kinds(posterior, stats=None, **options):
    return [f.kind for f in ppl.diagnose(tree(posterior, stats), **options).findings]


def correlated(rng, shape, coefficient):
    values = rng.normal(size=shape)
    for t in range(1, shape[1]):
        values[:, t] = coefficient * values[:, t - 1] + np.sqrt(1 - coefficient**2) * values[:, t]
    return values


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_wrong_with_independent_draws(seed):
    diagnosis = ppl.diagnose(tree(*healthy(seed)))
    assert diagnosis.is_ok
    assert str(diagnosis).startswith("No fault found in 4 chains of 1000 draws: R-hat at most 1.0")
    assert "no divergences" in str(diagnosis)
    assert set(diagnosis.r_hat) == {"tau", "theta[A]", "theta[B]", "theta[C]", "k", "fixed[0]", "fixed[1]"}
    assert np.isnan(diagnosis.r_hat["fixed[0]"])
    assert diagnosis.divergences.tolist() == [0] * 4


def test_what_a_first_look_clears_is_counted():
    """Of very many numbers those that are not looked at closely: the paragraph is never empty."""
    draws = np.random.default_rng(1).normal(size=(4, 1000, 400))
    diagnosis = ppl.diagnose(az.from_dict({"posterior": {"x": draws}}))
    assert diagnosis.is_ok
    assert f"{diagnosis.left_out} numbers cleared by a first look" in str(diagnosis)
    assert diagnosis.left_out > 200
    assert f"and {diagnosis.left_out} more" in repr(diagnosis.r_hat)


def test_divergences_where_a_scale_is_small():
    posterior, stats = healthy()
    stats["diverging"] = posterior["tau"] < np.quantile(posterior["tau"], 0.02)
    [finding] = ppl.diagnose(tree(posterior, stats)).findings
    assert (finding.kind, finding.variables) == ("divergences", ("tau",))
    assert "80 of 4000 draws diverged, where tau is small (nine in ten in its lowest 2%)" in finding.message
    assert "non-centred" in finding.remedy


def test_divergences_where_an_element_is_large():
    posterior, stats = healthy()
    stats["diverging"] = posterior["theta"][..., 1] > 2
    [finding] = ppl.diagnose(tree(posterior, stats)).findings
    assert finding.variables == ("theta[B]",)
    assert "where theta[B] is large" in finding.message
    assert "target_accept" in finding.remedy


@pytest.mark.parametrize("count", [1, 3, 4])
def test_gradients_that_are_not_finite(count):
    """Of four divergences; where they are most of them, that is the reason, and another remedy would mislead."""
    posterior, stats = healthy()
    stats["diverging"][0, :4] = True
    trace = tree(posterior, stats)
    trace.attrs |= {"num_without_gradient": count, "term_without_gradient": "y"}
    first, *others = ppl.diagnose(trace).findings
    assert (first.kind, first.variables) == ("gradient", ("y",))
    assert "ended where the gradient of y is not finite, but its value is" in first.message
    assert [f.kind for f in others] == (["divergences"] if count == 1 else [])


@pytest.mark.parametrize("count", [2, 200])
def test_divergences_anywhere_have_no_place(count):
    posterior, stats = healthy()
    places = np.random.default_rng(5).choice(CHAINS * DRAWS, count, replace=False)
    stats["diverging"].flat[places] = True
    [finding] = ppl.diagnose(tree(posterior, stats)).findings
    assert (finding.kind, finding.variables) == ("divergences", ())


def test_divergences_in_one_chain():
    posterior, stats = healthy()
    stats["diverging"][2, ::20] = True
    [finding] = ppl.diagnose(tree(posterior, stats)).findings
    assert "nearly all in chain 2" in finding.message


def test_divergences_of_any_block_count():
    posterior, stats = healthy()
    stats["diverging_theta"] = stats["diverging"].copy()
    stats["diverging_theta"][0, 0] = True
    assert kinds(posterior, stats) == ["divergences"]


def test_modes():
    posterior, stats = healthy()
    posterior["theta"][1, :, 2] += 8
    [finding] = ppl.diagnose(tree(posterior, stats)).findings
    assert finding.kind == "modes"
    assert finding.variables[0] == "theta[C]"
    means = ", ".join(f"{m:.3g}" for m in posterior["theta"][:, :, 2].mean(axis=1))
    assert f"the means of theta[C] by chain are {means}" in finding.message


def test_exchanged_labels():
    posterior, stats = healthy()
    posterior["theta"] += np.array([-6, 0, 6])
    posterior["theta"][3] = posterior["theta"][3][:, [1, 2, 0]]
    [finding] = ppl.diagnose(tree(posterior, stats)).findings
    assert finding.kind == "modes"
    assert "exchange places (theta[" in finding.remedy
    assert all(f"theta[{label}]" in finding.remedy for label in "ABC")
    assert "order them" in finding.remedy
    weights = np.exp(posterior["theta"] / 4)
    weights /= weights.sum(axis=-1, keepdims=True)
    [finding] = ppl.diagnose(tree({"weights": weights})).findings
    assert "put what else belongs to them in order, such as the means of groups" in finding.remedy


def test_chains_that_drift_have_a_large_r_hat_but_no_modes():
    posterior, stats = healthy()
    posterior["theta"][1, :, 0] += np.linspace(0, 6, DRAWS)
    [finding] = ppl.diagnose(tree(posterior, stats)).findings
    assert finding.kind == "r_hat"
    assert finding.variables[0] == "theta[A]"


def test_a_slightly_large_r_hat():
    posterior, stats = healthy()
    posterior["theta"][1, :, 0] += 0.35
    [finding] = ppl.diagnose(tree(posterior, stats)).findings
    assert finding.kind == "r_hat"
    assert "run longer" in finding.remedy


def test_stuck_chain():
    posterior, stats = healthy()
    for values in posterior.values():
        values[2] = values[2, :1]
    [finding] = ppl.diagnose(tree(posterior, stats)).findings
    assert (finding.kind, finding.variables) == ("stuck", ())
    assert "chain 2 moved in fewer than 5%" in finding.message


def test_stuck_variable():
    posterior, stats = healthy()
    posterior["tau"][3] = 1.7
    [finding] = ppl.diagnose(tree(posterior, stats)).findings
    assert (finding.kind, finding.variables) == ("stuck", ("tau",))
    assert "tau does not move in chain 3" in finding.message


def test_a_count_may_keep_its_value():
    posterior, stats = healthy()
    posterior["k"][:] = 3
    posterior["k"][1, 500] = 4
    assert "stuck" not in kinds(posterior, stats)


@pytest.mark.parametrize("how", ["grows", "has grown", "overflows"])
def test_runaway(how):
    posterior, stats = healthy()
    growth = {"grows": np.exp(np.linspace(0, 20, DRAWS)), "has grown": 1e40, "overflows": np.inf}[how]
    posterior["tau"] = posterior["tau"] * growth
    stats["tree_depth"][:] = 10
    [finding] = ppl.diagnose(tree(posterior, stats)).findings
    assert (finding.kind, finding.variables) == ("runaway", ("tau",))
    assert "proper prior" in finding.remedy


def test_large_units_are_not_a_runaway():
    posterior, stats = healthy()
    posterior["tau"] = 1e15 + posterior["tau"] * 1e5
    assert kinds(posterior, stats) == []


def test_low_e_bfmi():
    posterior, stats = healthy()
    stats["energy"][1] = correlated(np.random.default_rng(2), (1, DRAWS), 0.98)[0]
    [finding] = ppl.diagnose(tree(posterior, stats)).findings
    assert finding.kind == "e_bfmi"
    assert "in chain 1" in finding.message


@pytest.mark.parametrize("name", ["tree_depth", "depth", "reached_max_treedepth", "maxdepth_reached"])
def test_saturated_trees(name):
    posterior, stats = healthy()
    is_deep = np.random.default_rng(3).uniform(size=(CHAINS, DRAWS)) < 0.1
    stats["tree_depth"] = np.where(is_deep, 10, 4)
    if name != "tree_depth":
        stats[name] = stats.pop("tree_depth") if name == "depth" else is_deep
        stats.pop("tree_depth", None)
    diagnosis = ppl.diagnose(tree(posterior, stats))
    assert [f.kind for f in diagnosis.findings] == ["tree_depth"]
    assert str(diagnosis).startswith("Sound but slow")
    assert diagnosis.saturated.sum() == is_deep.sum()
    if name == "tree_depth":
        assert kinds(posterior, stats, max_tree_depth=12) == []


def test_few_effective_draws():
    posterior = {"x": np.random.default_rng(9).normal(size=(CHAINS, 80))}
    diagnosis = ppl.diagnose(az.from_dict({"posterior": posterior}))
    kinds_found = [f.kind for f in diagnosis.findings]
    assert kinds_found == ["ess"]
    assert str(diagnosis).startswith("Too few effective draws (4 chains of 80 draws)")


def test_stopped_chain():
    posterior, stats = healthy()
    posterior = {n: v.astype(float) for n, v in posterior.items()}
    for values in posterior.values():
        values[1, 300:] = np.nan
    diagnosis = ppl.diagnose(tree(posterior, stats))
    [finding] = diagnosis.findings
    assert finding.kind == "stopped"
    assert "1 after 300 draws" in finding.message
    assert diagnosis.num_chains == 3


def test_not_finite():
    posterior, stats = healthy()
    posterior["ratio"] = 1 / np.where(posterior["tau"] < 0.1, np.nan, posterior["tau"])
    [finding] = ppl.diagnose(tree(posterior, stats)).findings
    assert (finding.kind, finding.variables) == ("not finite", ("ratio",))


def test_a_single_chain_is_said_to_be_one():
    posterior, stats = healthy(chains=1)
    diagnosis = ppl.diagnose(tree(posterior, stats))
    assert diagnosis.is_ok
    assert "single chain" in str(diagnosis)


def test_several_faults_are_numbered_and_shown_in_a_table():
    posterior, stats = healthy()
    stats["diverging"][0, :3] = True
    stats["energy"] = np.cumsum(stats["energy"], axis=1)
    diagnosis = ppl.diagnose(tree(posterior, stats))
    assert [f.kind for f in diagnosis.findings] == ["divergences", "e_bfmi"]
    assert "(1) 3 of 4000 draws diverged" in str(diagnosis)
    assert "(2) E-BFMI" in str(diagnosis)
    assert diagnosis._repr_html_().count("<tr>") == 3
    assert repr(diagnosis) == "Diagnosis(divergences, e_bfmi)"
    assert ppl.diagnose(tree(*healthy()))._repr_html_().startswith("<p>No fault")


def test_wrong_input():
    with pytest.raises(ModelError, match="group 'posterior'"):
        ppl.diagnose(np.zeros(3))
    with pytest.raises(ModelError, match="There are no draws of 'sigma'"):
        ppl.diagnose(tree(*healthy()), ["sigma"])
