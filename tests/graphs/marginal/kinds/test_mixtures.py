from tests.graphs.marginal.kinds.every_model import LawsOfSums
from tests.graphs.marginal.models import mixtures


class TestMixtures(LawsOfSums):
    kind = mixtures
