"""Distributions fitted to densities: what is maximised, and the loops that do it."""
