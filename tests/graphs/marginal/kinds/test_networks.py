from tests.graphs.marginal.kinds.every_model import LawsOfSums
from tests.graphs.marginal.models import networks


class TestNetworks(LawsOfSums):
    kind = networks
