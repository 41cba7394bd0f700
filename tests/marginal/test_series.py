from tests.marginal import series
from tests.marginal.every_model import LawsOfSums


class TestSeries(LawsOfSums):
    kind = series
