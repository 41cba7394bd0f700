from tests.marginal import networks
from tests.marginal.every_model import LawsOfSums


class TestNetworks(LawsOfSums):
    kind = networks
