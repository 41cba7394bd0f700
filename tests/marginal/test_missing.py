from tests.marginal import missing
from tests.marginal.every_model import LawsOfSums


class TestMissing(LawsOfSums):
    kind = missing
