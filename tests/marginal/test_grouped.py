from tests.marginal import grouped
from tests.marginal.every_model import LawsOfSums


class TestGrouped(LawsOfSums):
    kind = grouped
