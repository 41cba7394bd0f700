"""Laws: full conditionals, derived from a log-density and verified against it."""

from graphs.conditional.derive import conditional, find_conditional, find_law
from graphs.conditional.expanding.expansion import Obstacle, ObstacleKind
from graphs.conditional.expanding.formula import formula
from graphs.conditional.families.beta import Beta, Dirichlet
from graphs.conditional.families.counts import CountLaw
from graphs.conditional.families.finite import Finite
from graphs.conditional.families.gamma import Gamma, InverseGamma, LogGamma, PowerGamma
from graphs.conditional.families.gig import GIG, TruncatedGamma
from graphs.conditional.families.multivariate_normal import MultivariateNormal
from graphs.conditional.families.normal import LogNormal, Normal, TruncatedNormal
from graphs.conditional.families.row_normal import RowNormal
from graphs.conditional.families.sparse_normal import SparseNormal
from graphs.conditional.families.wishart import InverseWishart, Wishart
from graphs.conditional.law import Law
from graphs.conditional.quadratic.joint import (
    JointNormal,
    find_joint_blocks,
    find_joint_normal,
    is_normal,
    joint_normal,
)
from graphs.conditional.verify import find_discrepancy

__all__ = [
    "GIG",
    "Beta",
    "CountLaw",
    "Dirichlet",
    "Finite",
    "Gamma",
    "InverseGamma",
    "InverseWishart",
    "JointNormal",
    "Law",
    "LogGamma",
    "LogNormal",
    "MultivariateNormal",
    "Normal",
    "Obstacle",
    "ObstacleKind",
    "PowerGamma",
    "RowNormal",
    "SparseNormal",
    "TruncatedGamma",
    "TruncatedNormal",
    "Wishart",
    "conditional",
    "find_conditional",
    "find_discrepancy",
    "find_joint_blocks",
    "find_joint_normal",
    "find_law",
    "formula",
    "is_normal",
    "joint_normal",
]
