"""Expectation-maximisation, which draws nothing."""
