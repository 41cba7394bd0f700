"""Families of approximations, under their law.

Answers: the law of families (normal distributions by SciPy, finite differences); closed forms of what a family is to
begin at.
"""

from __future__ import annotations

import numpy as np
import pytest

from samplers.approximations.families.family import FittedFamily
from samplers.approximations.families.full_rank import FullRank
from samplers.approximations.families.low_rank import LowRank
from samplers.approximations.families.mean_field import MeanField
from samplers.tuning.pathfinder import Approximation
from tests.laws.approximations import check_normal_family

FAMILIES = [MeanField(1), MeanField(5), FullRank(1), FullRank(4), LowRank(1, 1), LowRank(4, 2), LowRank(6, 1)]


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
def test_a_family_is_what_it_says(family: FittedFamily) -> None:
    check_normal_family(family)


def a_normal() -> tuple[Approximation, np.ndarray]:
    rng = np.random.default_rng(1)
    basis, _ = np.linalg.qr(rng.normal(size=(4, 2)))
    lower = np.array([[1.7, 0.0], [0.4, 0.6]])
    scale = np.array([0.1, 1.0, 3.0, 20.0])
    inside = np.eye(4) + basis @ (lower @ lower.T - np.eye(2)) @ basis.T
    return Approximation(rng.normal(size=4), scale, basis, lower), scale[:, None] * inside * scale


def test_normal_distributions_of_paths_have_their_moments() -> None:
    normal, covariance = a_normal()
    np.testing.assert_allclose(normal.covariance, covariance)
    np.testing.assert_allclose(normal.precisions, np.diag(np.linalg.inv(covariance)))
    np.testing.assert_allclose(normal.log_determinant, 0.5 * np.linalg.slogdet(covariance)[1])
    points = normal.mean + np.random.default_rng(2).normal(size=(3, 4))
    away = points - normal.mean
    squares = np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance), away)
    np.testing.assert_allclose(normal.log_density(points), -0.5 * squares - normal.log_determinant)


@pytest.mark.parametrize("family", [MeanField(4), FullRank(4), LowRank(4, 2)], ids=repr)
def test_fits_begin_near_a_normal_distribution(family: FittedFamily) -> None:
    """Independent ones have the variances that are best for them; one of full rank has its covariance."""
    normal, covariance = a_normal()
    parameters, base = family.begun(normal)
    factor = np.diag(base.factor[0]) if base.is_diagonal else base.factor
    found = factor @ family.covariance(parameters) @ factor.T
    np.testing.assert_allclose(base.centre, normal.mean)
    if family.name == "fullrank":
        np.testing.assert_allclose(found, covariance, rtol=1e-9)
    if family.name == "meanfield":
        np.testing.assert_allclose(np.diag(found), 1.0 / np.diag(np.linalg.inv(covariance)))
    assert np.linalg.eigvalsh(found)[0] > 0
