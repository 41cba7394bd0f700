from tests.graphs.marginal.kinds.every_model import LawsOfSums
from tests.graphs.marginal.models import edges


class TestEdges(LawsOfSums):
    kind = edges
