"""From a graph to source: what each variable is, where it lies, and the loops that compute it."""
