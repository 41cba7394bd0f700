from tests.graphs.marginal.kinds.every_model import LawsOfSums
from tests.graphs.marginal.models import functions


class TestFunctions(LawsOfSums):
    kind = functions
