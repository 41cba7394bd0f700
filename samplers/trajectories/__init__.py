"""Hamiltonian Monte Carlo: its kernels, their moves and operations, and the lowerings of these."""
