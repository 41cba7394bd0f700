"""Likelihoods rewritten to the sufficient statistics of their data, exactly."""

from graphs.compression.compress import Compressed, compress

__all__ = ["Compressed", "compress"]
