from tests.marginal import functions
from tests.marginal.every_model import LawsOfSums


class TestFunctions(LawsOfSums):
    kind = functions
