"""Partially centred coordinates of chains: computed from positions and back, and learnt from draws and gradients."""
