"""Chains advanced, recorded and interrupted, by threads."""
