"""Chains advanced in JAX, side by side, in compiled chunks of draws."""
