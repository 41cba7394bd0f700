"""Log-densities of some rows of the data, unbiased, in time for these alone."""

from graphs.minibatch.batches import Batch, Minibatched, minibatched
from graphs.minibatch.combining import COMBINING
from graphs.minibatch.indexing import INDEXING
from graphs.minibatch.moving import MOVING
from graphs.minibatch.taking import RULES

__all__ = ["Batch", "Minibatched", "minibatched"]

for _rules in (COMBINING, MOVING, INDEXING):
    RULES.update(_rules)
