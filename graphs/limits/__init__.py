"""Densities in forms that hold where the plain ones are no numbers: limits, constants, slopes of what has no weight."""
