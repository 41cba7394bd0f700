"""Likelihoods rewritten to the sufficient statistics of their data, exactly."""

from graphs.compression.compress import Compressed, compressed

__all__ = ["Compressed", "compressed"]
