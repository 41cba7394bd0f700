from tests.marginal import mixtures
from tests.marginal.every_model import LawsOfSums


class TestMixtures(LawsOfSums):
    kind = mixtures
