"""Posteriors without chains: modes, the normal distributions at them, and distributions that are fitted."""
