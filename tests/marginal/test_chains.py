from tests.marginal import chains
from tests.marginal.every_model import LawsOfSums


class TestChains(LawsOfSums):
    kind = chains
