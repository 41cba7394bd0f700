"""Posteriors without chains: modes, and the normal distributions at them."""
