from tests.marginal import edges
from tests.marginal.every_model import LawsOfSums


class TestEdges(LawsOfSums):
    kind = edges
