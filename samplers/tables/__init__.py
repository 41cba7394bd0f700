"""Independent draws from a table of a density of few dimensions, put right by Metropolis-Hastings."""
