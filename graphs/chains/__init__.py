"""Sequences of discrete variables: declared as a Markov chain, or drawn in a scan."""
