"""The JAX backend: graphs compiled by XLA, and operations that JAX lacks or has wrong."""
