"""Sequences of variables: declared as a Markov chain, or drawn in a scan."""
