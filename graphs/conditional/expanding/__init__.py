"""The algebra that finds natural parameters: log-densities as sums of coefficients times features."""
