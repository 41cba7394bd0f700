"""Series: every sum is that over the enumeration of all states.

Answers: the enumeration of all states.
"""

from tests.graphs.marginal.kinds.every_model import LawsOfSums
from tests.graphs.marginal.models import series


class TestSeries(LawsOfSums):
    kind = series
