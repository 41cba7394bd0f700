"""Sums over discrete variables of finitely many states, and what their states switch on and off."""
