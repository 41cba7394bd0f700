"""Chains of one run on the workers of a cluster: sent out in groups, in pieces of seconds, and gathered."""
