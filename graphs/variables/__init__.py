"""Random variables of our own, and PyMC's put right: densities, draws, transforms, distributions that are graphs."""
