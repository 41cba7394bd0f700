"""Coordinates in which trajectories run: what was asked for, and where there are any."""
