"""Data in chunks, larger than memory: what is read of them, and likelihoods reduced to statistics in one pass."""
