"""Random-walk Metropolis-Hastings: its kernel, and how it moves variables in sweeps."""
