from tests.graphs.marginal.kinds.every_model import LawsOfSums
from tests.graphs.marginal.models import chains


class TestChains(LawsOfSums):
    kind = chains
