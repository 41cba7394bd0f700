from tests.marginal import counts
from tests.marginal.every_model import LawsOfSums


class TestCounts(LawsOfSums):
    kind = counts
