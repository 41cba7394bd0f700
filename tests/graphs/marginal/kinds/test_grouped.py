from tests.graphs.marginal.kinds.every_model import LawsOfSums
from tests.graphs.marginal.models import grouped


class TestGrouped(LawsOfSums):
    kind = grouped
