from tests.graphs.marginal.kinds.every_model import LawsOfSums
from tests.graphs.marginal.models import series


class TestSeries(LawsOfSums):
    kind = series
