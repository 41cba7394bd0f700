"""Normal laws: log-densities that are quadratic in vectors, and the law of matrices."""
