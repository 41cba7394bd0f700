from tests.marginal import populations
from tests.marginal.every_model import LawsOfSums


class TestPopulations(LawsOfSums):
    kind = populations
